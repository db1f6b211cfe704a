"""The constants of an update with a fixed critic: never exceeded, nearly attained by one state."""

import dataclasses

import mpmath as mp
import numpy as np
import pytest

from tabular import TabularMDP
from tabular.gae import UpdateField
from tabular.problems import Mgrl
from tests.theory.cases import dense_random, one_action
from theory.certified_constants import certified_lipschitz
from theory.objectives import Objective
from theory.softmax_state import L1

STEP = 1e-5
#: Rounding over the step, and its square times a third derivative.
DIFFERENCE = 1e-6


def random_problem(rng):
    S, A = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    rows = rng.gamma(0.3, size=(S, A, S)) + 1e-9
    mdp = TabularMDP(
        rows / rows.sum(axis=-1, keepdims=True),
        rng.integers(0, 2, (S, A)).astype(float),
        0.9,
        rng.dirichlet(np.ones(S)),
    )
    theta = rng.choice([0.3, 2.0]) * rng.normal(size=(S, A))
    critic = rng.choice([0.0, 1.0, 3.0]) * rng.normal(size=S)
    phi = np.array([rng.choice([0.0, 0.5, 0.9]), rng.choice([0.0, 0.5, 1.0])])
    return Mgrl(mdp, theta, critic, [None, 1, 3][rng.integers(3)]), phi


def derivatives(problem, phi, theta):
    """H (D, D) and G as (2, D) at θ."""
    D = theta.size
    field = UpdateField(
        problem.mdp.with_gamma(phi[0]),
        theta,
        gae_lambda=phi[1],
        baseline=problem.critic,
        horizon=problem.horizon,
    )
    H = np.array([field.vjp(u).ravel() for u in np.eye(D).reshape(-1, *theta.shape)])
    return H, np.stack([field.cross_gamma().ravel(), field.cross_lambda().ravel()])


def largest(problem, phi, rng):
    """Norms of H, G and, by central differences along a few directions, of their derivatives."""
    theta = problem.theta0
    H, G = derivatives(problem, phi, theta)
    found = {"c1": np.linalg.norm(H, 2), "c2": np.linalg.norm(G, 2), "rho1": 0.0, "rho2": 0.0}
    for u in (rng.normal(size=theta.size), np.linalg.svd(H)[2][0], np.eye(theta.size)[0]):
        u = u.reshape(theta.shape) / np.linalg.norm(u)
        pair = (derivatives(problem, phi, theta + s * STEP * u) for s in (1, -1))
        for name, (up, down) in zip(("rho1", "rho2"), zip(*pair, strict=True), strict=True):
            found[name] = max(found[name], np.linalg.norm(up - down, 2) / (2 * STEP))
    return found


def search(rng, count):
    best = dict.fromkeys(("c1", "c2", "rho1", "rho2"), 0.0)
    for _ in range(count):
        problem, phi = random_problem(rng)
        constants = dataclasses.asdict(certified_lipschitz(problem, phi))
        for name, value in largest(problem, phi, rng).items():
            assert value <= constants[name] * (1 + 1e-9) + DIFFERENCE
            if value > DIFFERENCE:
                best[name] = max(best[name], value / constants[name])
    return best


def test_random_search_exceeds_no_constant():
    """And would refute half of c1, c2 and rho1, and a fifth of rho2."""
    best = search(np.random.default_rng(0), 120)
    assert min(best[name] for name in ("c1", "c2", "rho1")) > 0.5
    assert best["rho2"] > 0.2


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.9, 0.7), (0.5, 1.0), (0.8, 0.0), (0.0, 0.5)])
def test_constants_are_derivatives_of_one_function(gamma, gae_lambda):
    """Of ĥ(t) = c′(t) a/((1 − κc(t))(1 − γc(t))), c = 1 + Σ C_k t^k/k!, a the half-span of δ̄.

    It solves the update's two equations with π(t) replaced by c(t) in the norm of its derivatives.
    """
    rng = np.random.default_rng(3)
    P = np.zeros((4, 2, 4))
    P[:3, :, :3], P[3, :, 3] = rng.dirichlet(np.ones(3), size=(3, 2)), 1.0
    R, V_b = rng.normal(size=(4, 2)), rng.normal(size=4)
    R[3], V_b[3] = 50.0, -50.0  # out of reach
    mdp = TabularMDP(P, R, 0.9, 0)
    delta = (R + gamma * P @ V_b - V_b[:, None])[:3]

    def h(t, lam, gam):
        c, slope = (
            1 + sum(C * t**k / mp.factorial(k) for k, C in enumerate(L1) if k),
            sum(C * t ** (k - 1) / mp.factorial(k - 1) for k, C in enumerate(L1) if k),
        )
        half = mp.mpf(np.ptp(delta)) / 2 + (gam - gamma) * mp.mpf(np.ptp(V_b[:3])) / 2
        return slope * half / ((1 - lam * gam * c) * (1 - gam * c))

    def derivative(*orders):
        with mp.workdps(40):
            return float(mp.diff(h, (0, mp.mpf(gae_lambda), mp.mpf(gamma)), orders))

    found = certified_lipschitz(Mgrl(mdp, np.zeros((4, 2)), V_b), [gamma, gae_lambda])
    expected = {
        "c1": derivative(1, 0, 0),
        "rho1": derivative(2, 0, 0),
        "c2": np.hypot(derivative(0, 1, 0), derivative(0, 0, 1)),
        "rho2": np.hypot(derivative(1, 1, 0), derivative(1, 0, 1)),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9)


@pytest.mark.slow
def test_random_search_exceeds_no_constant_at_scale():
    search(np.random.default_rng(1), 4000)


def test_the_outer_constants_are_those_of_the_objective():
    mdp, theta = dense_random(), np.zeros((4, 3))
    constants = certified_lipschitz(Mgrl(mdp, theta, np.zeros(4)), [0.5, 0.5])
    bounds = Objective(mdp).bounds
    assert (constants.m1, constants.mu1) == (bounds.first, bounds.second)
    assert constants.mu2 == constants.zeta0 == 0.0


def test_one_action_decides_nothing():
    mdp = one_action(4)
    constants = certified_lipschitz(Mgrl(mdp, np.zeros((4, 1)), np.arange(4.0)), [0.9, 0.9])
    assert not any(dataclasses.asdict(constants)[n] for n in ("c1", "c2", "rho1", "rho2", "m1"))


def test_wrong_input():
    mdp, theta = dense_random(), np.zeros((4, 3))
    with pytest.raises(ValueError, match="one phi"):
        certified_lipschitz(Mgrl(mdp, theta, np.zeros(4)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="one critic"):
        certified_lipschitz(Mgrl(mdp, theta, np.zeros((2, 4))), [0.9, 0.9])
    with pytest.raises(ValueError, match="0 <= gamma < 1"):
        certified_lipschitz(Mgrl(mdp, theta, np.zeros(4)), [1.0, 0.9])
