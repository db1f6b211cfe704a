"""Exact K-step meta-gradients: against autograd through the whole unroll, and by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Lirpg, Maml, Mgrl
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.tolerances import SAME, SECOND, Tolerance, assert_close
from tests.tabular.unroll import (
    META,
    PROBLEMS,
    ActorCritic,
    meta_case,
)

SIZES = [(1, 3), (2, 2), (3, 2), (5, 3), (8, 4), (60, 2)]
STEPS = range(1, 7)
every_problem = pytest.mark.parametrize("name", PROBLEMS)


@every_problem
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_steps", STEPS)
def test_exact_is_autograd_through_the_unroll(name, size, num_steps):
    problem, unroll, phi = meta_case(name, size)
    for step_size in (0.5, 2.0):
        options = {"step_size": step_size, "num_steps": num_steps}
        expected = unroll.meta_gradient(phi, **options)
        assert_close(meta_gradient(problem, phi, **options), expected, META)
        iterates = np.stack(adapt(problem, phi, **options))
        assert_close(iterates, np.stack(unroll.iterates(phi, **options)), META)


@pytest.mark.parametrize("phi", [(0.0, 0.5), (0.9, 0.0), (0.9, 1.0), (0.5, 0.9)])
@pytest.mark.parametrize("name", ["mgrl", "mgrl-finite"])
def test_mgrl_at_the_borders_of_gamma_and_lambda(name, phi):
    problem, unroll, _ = meta_case(name, (3, 2))
    options = {"step_size": 1.5, "num_steps": 3}
    expected = unroll.meta_gradient(np.array(phi), **options)
    assert_close(meta_gradient(problem, phi, **options), expected, META)


@every_problem
@pytest.mark.parametrize("size", [(5, 3), (60, 2)])
def test_sparse_is_dense(name, size):
    options = {"step_size": 1.0, "num_steps": 4}
    results = [
        meta_gradient(case.problem, case.phi, **options)
        for case in (meta_case(name, size), meta_case(name, size, sparse=True))
    ]
    assert_close(results[1], results[0], META)


def test_rewards_of_successors_enter_by_their_mean():
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(3), size=(3, 2)), rng.normal(size=(3, 2, 3))
    phi, theta = rng.normal(size=(2, 3, 2))
    options = {"step_size": 1.0, "num_steps": 3}
    by_successor = TabularMDP(P, R, 0.9, 0)
    mean = TabularMDP(P, (P * R).sum(axis=-1), 0.9, 0)
    for make in (Maml, lambda mdp: Lirpg(mdp, theta)):
        expected = meta_gradient(make(mean), phi, **options)
        assert_close(meta_gradient(make(by_successor), phi, **options), expected, SAME)


@every_problem
@pytest.mark.parametrize("batch", [(1,), (4,), (2, 3)])
def test_batch_of_phi_is_the_singles(name, batch):
    case = meta_case(name, (4, 3))
    phi = case.phi + 0.1 * np.random.default_rng(0).uniform(-1, 1, (*batch, *case.phi.shape))
    options = {"step_size": 1.0, "num_steps": 3}
    together = meta_gradient(case.problem, phi, **options)
    assert together.shape == phi.shape
    for index in np.ndindex(batch):
        assert_close(together[index], meta_gradient(case.problem, phi[index], **options), META)


@every_problem
@pytest.mark.parametrize("one_phi", [True, False])
def test_batch_of_mdps_is_the_singles(name, one_phi):
    case, rng = meta_case(name, (4, 3)), np.random.default_rng(1)
    members = [random_mdp(rng, (4, 3)) for _ in range(3)]
    phi = case.phi + (0 if one_phi else 0.1 * rng.uniform(-1, 1, (3, *case.phi.shape)))
    options = {"step_size": 1.0, "num_steps": 3}
    stacked = replace(case.problem, mdp=TabularMDP.stack(members))
    together = meta_gradient(stacked, phi, **options)
    assert together.shape == (3, *case.phi.shape)
    for i, member in enumerate(members):
        single = replace(case.problem, mdp=member)
        expected = meta_gradient(single, phi if one_phi else phi[i], **options)
        assert_close(together[i], expected, META)


@pytest.mark.parametrize("num_steps", STEPS)
def test_bandit_by_hand(num_steps):
    """One state, two actions, R = (1, 0): J = σ(x)/(1 − γ) with x = θ(0) − θ(1).

    An inner reward of slope c climbs x' = x + 2 α c σ'(x), so
    ∂x'/∂x = 1 + 2 α c σ''(x) and ∂x'/∂c = 2 α σ'(x).
    """
    gamma, alpha, theta, phi = 0.5, 0.3, np.array([[0.2, -0.5]]), np.array([[0.4, 0.1]])
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 0.0]], gamma, 0)
    sign = np.array([[1.0, -1.0]])

    def sigma(x: float) -> tuple[float, float, float]:
        s = 1 / (1 + np.exp(-x))
        return s, s * (1 - s), s * (1 - s) * (1 - 2 * s)

    def climb(c: float) -> tuple[float, float]:
        """∂J/∂x⁰ and ∂J/∂c."""
        x, by_start, by_slope = theta[0, 0] - theta[0, 1], 1.0, 0.0
        for _ in range(num_steps):
            _, first, second = sigma(x)
            by_slope = (1 + 2 * alpha * c * second) * by_slope + 2 * alpha * first
            by_start = (1 + 2 * alpha * c * second) * by_start
            x = x + 2 * alpha * c * first
        outer = sigma(x)[1] / (1 - gamma)
        return outer * by_start, outer * by_slope

    options = {"step_size": alpha, "num_steps": num_steps}
    by_theta, _ = climb(1 / (1 - gamma))
    assert_close(meta_gradient(Maml(mdp), theta, **options), by_theta * sign, SECOND)
    _, by_slope = climb((1 + phi[0, 0] - phi[0, 1]) / (1 - gamma))
    actual = meta_gradient(Lirpg(mdp, theta), phi, **options)
    assert_close(actual, by_slope / (1 - gamma) * sign, SECOND)
    # In one state the critic and λ cancel, and γ enters as the slope 1/(1 − γ).
    _, by_slope = climb(1 / (1 - 0.8))
    actual = meta_gradient(Mgrl(mdp, theta, [3.0]), [0.8, 0.6], **options)
    assert_close(actual, [by_slope / (1 - 0.8) ** 2, 0.0], SECOND)


def test_one_step_formulas():
    rng, alpha = np.random.default_rng(2), 0.7
    mdp = random_mdp(rng, (3, 2))
    theta, phi = rng.normal(size=(2, 3, 2))
    critic, options = rng.normal(size=3), {"step_size": 0.7, "num_steps": 1}

    here = Reference(mdp, theta)
    p = Reference(mdp, theta + alpha * here.gradient).gradient
    assert_close(meta_gradient(Maml(mdp), theta, **options), p + alpha * here.hvp(p), SECOND)

    inner = Reference(mdp.with_reward(mdp.R + phi), theta)
    p = Reference(mdp, theta + alpha * inner.gradient).gradient
    expected = alpha * inner.cross_reward(p)
    assert_close(meta_gradient(Lirpg(mdp, theta), phi, **options), expected, SECOND)

    update, step = ActorCritic(mdp, critic, None), 1e-6
    p = Reference(mdp, theta + alpha * update(theta, 0.8, 0.6)).gradient
    by_gamma = update(theta, 0.8 + step, 0.6) - update(theta, 0.8 - step, 0.6)
    by_lambda = update(theta, 0.8, 0.6 + step) - update(theta, 0.8, 0.6 - step)
    expected = alpha * np.array([(by_gamma * p).sum(), (by_lambda * p).sum()]) / (2 * step)
    actual = meta_gradient(Mgrl(mdp, theta, critic), [0.8, 0.6], **options)
    # Differences of order two: truncation h² = 1e-12, rounding 1e-16/h = 1e-10.
    assert_close(actual, expected, Tolerance(rtol=1e-8, atol=1e-9))


@pytest.mark.parametrize("kind", ["maml", "lirpg"])
def test_order_of_the_hessians(kind):
    problem, unroll, phi = meta_case(kind, (8, 4))
    alpha, mdp, size = 2.0, problem.mdp, phi.size
    iterates = unroll.iterates(phi, step_size=alpha, num_steps=3)
    inner = mdp if kind == "maml" else mdp.with_reward(mdp.R + phi)
    references = [Reference(inner, theta) for theta in iterates]
    factors = [np.eye(size) + alpha * r.hessian.reshape(size, size) for r in references[:-1]]
    p = Reference(mdp, iterates[-1]).gradient.ravel()

    def product(order: list[int]) -> Any:
        """α Σ_i G_iᵀ Π_j L_j p, or Π_j L_j p; `order` lists the factors from the left."""
        if kind == "maml":
            return np.linalg.multi_dot([*(factors[j] for j in order), p])
        total = np.zeros(mdp.R.shape)
        for i in range(3):
            vector = p
            for j in reversed([j for j in order if j > i]):
                vector = factors[j] @ vector
            total += alpha * references[i].cross_reward(vector.reshape(mdp.R.shape))
        return total.ravel()

    actual = meta_gradient(problem, phi, step_size=alpha, num_steps=3).ravel()
    assert_close(actual, product([0, 1, 2]), META)
    wrong = product([2, 1, 0])
    assert np.linalg.norm(wrong - actual) > 1e-2 * np.linalg.norm(actual)
