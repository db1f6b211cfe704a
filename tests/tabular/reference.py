"""Independent references for the exact engine, slow and written from the definitions.

`Reference` differentiates J(θ; R, γ) with autograd: through a linear solve over the infinite
horizon, through an explicit loop over T steps of the state distribution over a finite one.
`PreciseReference` evaluates the same J in 50 digits and takes differences that are exact to more
digits than a float has. `enumerated` sums over every trajectory. None of them shares code with
the engine; they read P, R, γ and ρ from the MDP and nothing else.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad, jacobian
from mpmath import mp

from tabular import TabularMDP

#: (S, A) on both sides of the change from inverses to LU factors at S = 48.
SIZES = [(1, 1), (1, 3), (2, 2), (3, 1), (5, 3), (8, 4), (60, 2)]
#: Small enough for 50 digits.
TINY_SIZES = [(1, 2), (2, 2), (3, 2)]
HORIZONS = [None, 1, 2, 7]
REPRESENTATIONS: dict[str, Callable[[TabularMDP], TabularMDP]] = {
    "dense": lambda mdp: mdp,
    "sparse": lambda mdp: mdp.sparse(),
}


class Case(NamedTuple):
    """An MDP with logits, the horizon's keyword arguments and two directions."""

    mdp: TabularMDP
    theta: Any
    options: dict[str, Any]
    u: Any
    v: Any


def random_mdp(rng: np.random.Generator, size: tuple[int, int], gamma: Any = 0.9) -> TabularMDP:
    """Full transition rows, normal rewards, a random initial distribution."""
    num_states, num_actions = size
    rows = rng.gamma(0.5, size=(num_states, num_actions, num_states)) + 1e-3
    initial = rng.random(num_states) + 0.1
    return TabularMDP(
        rows / rows.sum(axis=-1, keepdims=True),
        rng.normal(size=size),
        gamma,
        initial / initial.sum(),
    )


def make_case(size: tuple[int, int], horizon: int | None, *, gamma: float = 0.9) -> Case:
    """The case of this size and horizon; a finite horizon ends with a random table V_b."""
    rng = np.random.default_rng([*size, horizon or 0])
    mdp = random_mdp(rng, size, gamma)
    options: dict[str, Any] = {}
    if horizon is not None:
        options = {"horizon": horizon, "terminal_value": 3 * rng.normal(size=size[0])}
    theta, u, v = rng.normal(size=(3, *size))
    return Case(mdp, theta, options, u, v)


def dense_rows(mdp: TabularMDP) -> Any:
    """P as an array (S, A, S)."""
    if hasattr(mdp.P, "toarray"):
        return mdp.P.toarray().reshape(*mdp.R.shape, -1)
    return np.array(mdp.P)


class Reference:
    """J and its derivatives by autograd, for one MDP, one θ of moderate size and one horizon."""

    def __init__(
        self, mdp: TabularMDP, theta: Any, horizon: int | None = None, terminal_value: Any = None
    ) -> None:
        self.P, self.R = dense_rows(mdp), np.array(mdp.R)
        self.gamma, self.rho = float(mdp.gamma), np.array(mdp.initial)
        self.theta, self.horizon = np.array(theta, dtype=float), horizon
        self.terminal = np.zeros(len(self.rho)) if terminal_value is None else terminal_value

    @staticmethod
    def policy(theta: Any) -> Any:
        """π(a|s)."""
        weights = anp.exp(theta)
        return weights / anp.sum(weights, axis=1, keepdims=True)

    def _under(self, theta: Any, R: Any) -> tuple[Any, Any]:
        """P_π and r_π."""
        pi = self.policy(theta)
        return anp.sum(pi[:, :, None] * self.P, axis=1), anp.sum(pi * R, axis=1)

    def objective(self, theta: Any, R: Any, gamma: Any) -> Any:
        """J(θ; R, γ)."""
        P_pi, r_pi = self._under(theta, R)
        if self.horizon is None:
            return anp.dot(self.rho, anp.linalg.solve(anp.eye(len(self.rho)) - gamma * P_pi, r_pi))
        at, total = self.rho, 0.0
        for t in range(self.horizon):
            total = total + gamma**t * anp.dot(at, r_pi)
            at = anp.dot(at, P_pi)
        return total + gamma**self.horizon * anp.dot(at, self.terminal)

    def _of_theta(self, theta: Any) -> Any:
        return self.objective(theta, self.R, self.gamma)

    def _slope(self, v: Any) -> Callable[[Any], Any]:
        return lambda theta: anp.sum(grad(self._of_theta)(theta) * v)

    @property
    def value(self) -> Any:
        """J."""
        return self._of_theta(self.theta)

    @property
    def gradient(self) -> Any:
        """∇J."""
        return grad(self._of_theta)(self.theta)

    @property
    def hessian(self) -> Any:
        """∇²J, (S, A, S, A)."""
        return jacobian(grad(self._of_theta))(self.theta)

    def hvp(self, v: Any) -> Any:
        """∇²J v."""
        return grad(self._slope(v))(self.theta)

    def third(self, u: Any, v: Any) -> Any:
        """∇³J[u, v, ·]."""
        slope = self._slope(v)
        return grad(lambda theta: anp.sum(grad(slope)(theta) * u))(self.theta)

    def cross_reward(self, u: Any) -> Any:
        """∂_φ ⟨∇_θ J(θ; R + φ), u⟩ at φ = 0."""
        theta_gradient = grad(self.objective, 0)
        return grad(lambda R: anp.sum(theta_gradient(self.theta, R, self.gamma) * u))(self.R)

    def cross_gamma(self) -> Any:
        """∂_γ ∇_θ J."""
        gamma_slope = grad(self.objective, 2)
        return grad(lambda theta: gamma_slope(theta, self.R, self.gamma))(self.theta)

    @staticmethod
    def _nothing(theta: Any) -> Any:
        """Zero as a function of θ: autograd warns of an output that does not depend on it."""
        return 0.0 * anp.sum(theta)

    def occupancies(self, theta: Any) -> list[Any]:
        """γ^t P(s_t = ·) for every t < T, or their sum over all t in a list of one."""
        P_pi, _ = self._under(theta, self.R)
        if self.horizon is None:
            return [anp.linalg.solve((anp.eye(len(self.rho)) - self.gamma * P_pi).T, self.rho)]
        tables = [self.rho + self._nothing(theta)]
        for _ in range(self.horizon - 1):
            tables.append(self.gamma * anp.dot(tables[-1], P_pi))
        return tables

    def action_values(self, theta: Any) -> list[Any]:
        """Q_t for every t < T, or Q in a list of one."""
        P_pi, r_pi = self._under(theta, self.R)
        if self.horizon is None:
            V = anp.linalg.solve(anp.eye(len(self.rho)) - self.gamma * P_pi, r_pi)
            return [self.R + self.gamma * anp.dot(self.P, V)]
        tables, V = [], self.terminal + self._nothing(theta)
        for _ in range(self.horizon):
            tables.append(self.R + self.gamma * anp.dot(self.P, V))
            V = anp.sum(self.policy(theta) * tables[-1], axis=1)
        return tables[::-1]

    def _three_roles(self, theta_d: Any, theta_pi: Any, theta_Q: Any) -> Any:
        """Σ_t d_t(θ_d) · Σ_a π(θ_π) Q_t(θ_Q): its θ_π-gradient at θ, θ, θ is ∇J."""
        steps = zip(self.occupancies(theta_d), self.action_values(theta_Q), strict=True)
        pi = self.policy(theta_pi)
        return sum(anp.dot(d, anp.sum(pi * Q, axis=1)) for d, Q in steps)

    def hessian_part(self, role: str) -> Any:
        """∂/∂θ_role of the θ_π-gradient of `_three_roles`: role d, pi or Q; (S, A, S, A)."""
        argument = {"d": 0, "pi": 1, "Q": 2}[role]
        return jacobian(grad(self._three_roles, 1), argument)(self.theta, self.theta, self.theta)


class PreciseReference:
    """J in 50 digits and its mixed directional derivatives by central differences.

    With h = 1e-10 the truncation error is of relative size h² = 1e-20, and rounding contributes
    1e-50 / h³ = 1e-20 to a third derivative.
    """

    DIGITS = 50
    STEP = "1e-10"

    def __init__(
        self, mdp: TabularMDP, theta: Any, horizon: int | None = None, terminal_value: Any = None
    ) -> None:
        self.P, self.horizon = dense_rows(mdp), horizon
        self.rho = [mp.mpf(x) for x in mdp.initial]
        terminal = np.zeros(len(self.rho)) if terminal_value is None else terminal_value
        self.terminal = [mp.mpf(x) for x in terminal]
        self.shape = mdp.R.shape
        self.theta, self.R = np.array(theta, dtype=float), np.array(mdp.R)
        self.gamma = float(mdp.gamma)
        self.size = self.R.size

    def _objective(self, point: list[Any]) -> Any:
        """J at point = (θ, R, γ) flattened."""
        num_states, num_actions = self.shape
        states, actions = range(num_states), range(num_actions)
        P_pi, r_pi = mp.zeros(num_states), [mp.mpf(0)] * num_states
        for s in states:
            logits = point[s * num_actions : (s + 1) * num_actions]
            weights = [mp.exp(x - max(logits)) for x in logits]
            for a in actions:
                probability = weights[a] / sum(weights)
                r_pi[s] += probability * point[self.size + s * num_actions + a]
                for z in states:
                    P_pi[s, z] += probability * mp.mpf(self.P[s, a, z])
        gamma = point[-1]
        if self.horizon is None:
            V = mp.lu_solve(mp.eye(num_states) - gamma * P_pi, mp.matrix(r_pi))
            return sum(self.rho[s] * V[s] for s in states)
        at, total = list(self.rho), mp.mpf(0)
        for t in range(self.horizon):
            total += gamma**t * sum(at[s] * r_pi[s] for s in states)
            at = [sum(at[s] * P_pi[s, z] for s in states) for z in states]
        return total + gamma**self.horizon * sum(at[s] * self.terminal[s] for s in states)

    def mixed(self, *directions: Any) -> float:
        """The mixed derivative along directions in (θ, R, γ); the value when there is none."""
        with mp.workdps(self.DIGITS):
            base = [*map(mp.mpf, [*self.theta.ravel(), *self.R.ravel(), self.gamma])]
            h, total = mp.mpf(self.STEP), mp.mpf(0)
            for signs in itertools.product((1, -1), repeat=len(directions)):
                point = list(base)
                for sign, direction in zip(signs, directions, strict=True):
                    for i in np.flatnonzero(direction):
                        point[i] += sign * h * mp.mpf(direction[i])
                total += int(np.prod(signs)) * self._objective(point)
            return float(total / (2 * h) ** len(directions))

    def along(self, theta: Any = None, R: Any = None, gamma: float = 0.0) -> Any:
        """A direction in (θ, R, γ)."""
        none = np.zeros(self.shape)
        parts = [none if x is None else np.asarray(x) for x in (theta, R)]
        return np.concatenate([*(x.ravel() for x in parts), [gamma]])

    def table(self, *directions: Any, over: str = "theta") -> Any:
        """The mixed derivatives with every component of θ (or R) added, (S, A)."""
        units = np.eye(self.size).reshape(-1, *self.shape)
        return np.array(
            [self.mixed(*directions, self.along(**{over: unit})) for unit in units]
        ).reshape(self.shape)


def trajectories(
    mdp: TabularMDP, theta: Any, horizon: int
) -> Iterator[tuple[float, float, list[tuple[int, int]], int]]:
    """Yield (probability, Σ γ^t r_t, [(s_t, a_t)], s_T) of every trajectory of T steps."""
    P, pi = dense_rows(mdp), Reference.policy(np.array(theta, dtype=float))
    num_states, num_actions = mdp.R.shape
    steps = list(itertools.product(range(num_states), range(num_actions)))
    for path in itertools.product(steps, repeat=horizon):
        for last in range(num_states):
            arrivals = [s for s, _ in path[1:]] + [last]
            probability = mdp.initial[path[0][0]]
            for (s, a), after in zip(path, arrivals, strict=True):
                probability = probability * pi[s, a] * P[s, a, after]
            total = sum(mdp.gamma**t * mdp.R[x] for t, x in enumerate(path))
            yield probability, total, list(path), last


def enumerated(mdp: TabularMDP, theta: Any, horizon: int, terminal_value: Any) -> tuple[Any, Any]:
    """J and ∇J = E[G Σ_t ∇log π(a_t|s_t)] summed over every trajectory."""
    pi = Reference.policy(np.array(theta, dtype=float))
    value, gradient = 0.0, np.zeros(mdp.R.shape)
    for probability, total, path, last in trajectories(mdp, theta, horizon):
        weight = probability * (total + mdp.gamma**horizon * terminal_value[last])
        value += weight
        for s, a in path:
            gradient[s] -= weight * pi[s]
            gradient[s, a] += weight
    return value, gradient


def central_difference(function: Callable[[Any], Any], x: Any, direction: Any) -> Any:
    """The derivative of a function along a direction, with an error of order h⁴, h = 1e-3."""
    h = 1e-3
    near, far = (function(x + k * h * direction) - function(x - k * h * direction) for k in (1, 2))
    return (8 * near - far) / (12 * h)
