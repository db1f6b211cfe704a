"""Random MDPs, and ascent over MDPs, that look for derivatives beyond their bounds."""

from itertools import product
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad
from scipy.optimize import minimize

from tabular import TabularMDP, exact
from theory.norms import cubic_norm, lengths, unit
from theory.softmax import DerivativeBounds, derivative_bounds

GAMMAS = (0.0, 0.5, 0.8, 0.9, 0.99)
HORIZONS = (None, 1, 2, 3, 6)


class Case(NamedTuple):
    """One MDP with points θ (N, S, A), and J or J_T with its terminal table."""

    mdp: TabularMDP
    thetas: Any
    horizon: int | None
    terminal: Any

    def bounds(self) -> DerivativeBounds:
        """For all S states, rewards, V_b and values as they are."""
        return derivative_bounds(
            self.mdp.num_states,
            self.mdp.gamma,
            np.ptp(self.mdp.R),
            horizon=self.horizon,
            terminal_span=0.0 if self.terminal is None else np.ptp(self.terminal),
            value_span=np.ptp(deterministic_values(self.mdp)),
        )


def deterministic_values(mdp: TabularMDP) -> Any:
    """V of every deterministic policy at every state, (A^S, S)."""
    S, each = mdp.num_states, np.arange(mdp.num_states)
    return np.array(
        [
            np.linalg.solve(np.eye(S) - mdp.gamma * mdp.P[each, a], mdp.R[each, a])
            for a in map(list, product(range(mdp.num_actions), repeat=S))
        ]
    )


def random_case(rng: np.random.Generator, points: int) -> Case:
    """Up to four states and three actions; rewards of a switch or of a table; nearly sure moves."""
    shape = S, A = int(rng.integers(1, 5)), int(rng.integers(2, 4))
    rows = rng.gamma(rng.choice([0.05, 0.3, 1.0]), size=(*shape, S)) + 1e-12
    R = rng.integers(0, 2, shape).astype(float) if rng.random() < 0.5 else rng.random(shape)
    start = rng.gamma(0.3, size=S) + 1e-12
    horizon = HORIZONS[rng.integers(len(HORIZONS))]
    terminal = None if horizon is None else rng.choice([0.0, 1.0, 5.0]) * rng.random(S)
    return Case(
        TabularMDP(
            rows / rows.sum(axis=-1, keepdims=True),
            R,
            float(rng.choice(GAMMAS)),
            start / start.sum(),
        ),
        rng.choice([0.5, 2.0]) * rng.normal(size=(points, S, A)),
        horizon,
        terminal,
    )


def largest(case: Case) -> tuple[float, ...]:
    """The largest norms met of D^k J, k = 1, ..., 4, and of the part of D²J at two times."""

    def at(thetas: Any) -> exact.Evaluation:
        return exact.evaluate(case.mdp, thetas, horizon=case.horizon, terminal_value=case.terminal)

    here = at(case.thetas)
    N, D = len(case.thetas), case.mdp.R.size
    values, vectors = np.linalg.eigh(here.hessian.reshape(N, D, D))
    third, fourth, h = np.zeros(N), np.zeros(N), 1e-3
    for column in (0, -1):
        u = vectors[:, :, column].reshape(case.thetas.shape)
        third = np.maximum(third, cubic_norm(lambda u: here.third(u, u), u[None]))
        for _ in range(3):
            slope = at(case.thetas + h * u).third(u, u) - at(case.thetas - h * u).third(u, u)
            fourth = np.maximum(fourth, lengths(slope) / (2 * h))
            u = unit(slope)
    cross = here.hessian_parts.cross.reshape(N, D, D)
    pairs = np.linalg.norm(cross + cross.swapaxes(1, 2), 2, (1, 2))
    found = (lengths(here.gradient), np.abs(values).max(axis=1), third, fourth, pairs)
    return tuple(float(x.max()) for x in found)


def search(rng: np.random.Generator, count: int, points: int) -> tuple[Any, Any]:
    """What is met, less rounding, and the bounds of random cases, each (count, 5)."""
    met, bounds = [], []
    for _ in range(count):
        case = random_case(rng, points)
        W = 1 / (1 - case.mdp.gamma)
        rounding = 1e-13 * W ** np.array([2.0, 3, 4, 5, 3])
        rounding[3] += 1e-4  # the central difference
        met.append(np.maximum(np.array(largest(case)) - rounding, 0.0))
        bounds.append(case.bounds())
    return np.array(met), np.array(bounds)


def ascend(
    size: tuple[int, int], gamma: float, horizon: int | None, order: int, rng: Any, steps: int
) -> float:
    """The largest |D^k J[u, ..., u]| over its bound that L-BFGS finds from one start.

    Over θ, u, P, R in [0, 1], the start, and for a finite horizon V_b in [0, 1], by autograd.
    """
    S, A = size
    parts = [(S, A), (S, A), (S, A, S), (S, A), (S,), (S,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in parts])

    def softmax(x: Any) -> Any:
        weights = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
        return weights / anp.sum(weights, axis=-1, keepdims=True)

    def derivative(x: Any) -> Any:
        theta, u, P, R, rho, V = (
            x[a:b].reshape(shape) for a, b, shape in zip([0, *ends], ends, parts, strict=False)
        )
        P, rho, u = softmax(3 * P), softmax(3 * rho), u / anp.sqrt(anp.sum(u**2))
        R, V = anp.sin(R) / 2 + 0.5, anp.sin(V) / 2 + 0.5

        def J(t: Any) -> Any:
            pi = softmax(theta + t * u)
            P_pi, r_pi = anp.sum(pi[:, :, None] * P, axis=1), anp.sum(pi * R, axis=1)
            if horizon is None:
                return anp.dot(rho, anp.linalg.solve(anp.eye(S) - gamma * P_pi, r_pi))
            value = V
            for _ in range(horizon):
                value = r_pi + gamma * anp.dot(P_pi, value)
            return anp.dot(rho, value)

        for _ in range(order):
            J = grad(J)
        return J(0.0)

    span = 1.0 if horizon else 0.0
    bound = derivative_bounds(S, gamma, 1.0, horizon=horizon, terminal_span=span)[order - 1]
    sign = float(rng.choice([-1.0, 1.0]))
    slope = grad(derivative)
    found = minimize(
        lambda x: sign * derivative(x) / bound,
        rng.normal(size=ends[-1]),
        jac=lambda x: sign * slope(x) / bound,
        method="L-BFGS-B",
        options={"maxiter": steps},
    )
    return abs(float(found.fun))
