"""The bias against the Hessians' error: matrices multiplied out, degrees, and term (ii)."""

from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian
from numpy.polynomial.polynomial import polyval

from tabular.problems import Lirpg, Maml, Mgrl
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.tolerances import Tolerance, assert_close
from tests.tabular.unroll import lirpg, maml
from theory.hessian_error import biased_meta_gradients, hessian_error_curve
from theory.rates import degree

#: Products of K factors I + αH + αΔE, each exact to 1e-12.
PRODUCTS = Tolerance(rtol=1e-11, atol=1e-13)
RNG = np.random.default_rng(8)
MDP = random_mdp(RNG, (3, 2), 0.8)
THETA, BONUS = RNG.normal(size=(2, 3, 2))
CASES = {
    "maml": (Maml(MDP), maml(MDP), THETA),
    "maml, T = 3": (Maml(MDP, horizon=3), maml(MDP, 3), THETA),
    "lirpg": (Lirpg(MDP, THETA), lirpg(MDP, THETA), BONUS),
}
ERRORS = np.array([0.0, 0.01, 1.0, 7.0, 300.0])
ALPHA = 0.6


def multiplied_out(name: str, K: int, Delta: float):
    """Π (I + α H_i + αΔE) p or α Σ G_iᵀ Π p, by autograd and matrices."""
    problem, unroll, phi = CASES[name]
    path = unroll.iterates(phi, step_size=ALPHA, num_steps=K)
    p = np.ravel(grad(unroll.value)(path[-1]))
    E = np.outer(p, p) / (p @ p)
    factors, crosses = [], []
    for theta in path[:-1]:
        H = jacobian(lambda x: anp.ravel(unroll.update(phi, x)))(theta).reshape(6, 6)
        factors.append(np.eye(6) + ALPHA * H + ALPHA * Delta * E)
        if isinstance(problem, Lirpg):
            G = jacobian(lambda x, at=theta: anp.ravel(unroll.update(x, at)))(phi)
            crosses.append(G.reshape(6, 6))
    if not crosses:
        for factor in reversed(factors):
            p = factor @ p
        return p
    total = np.zeros(6)
    for factor, G in zip(reversed(factors), reversed(crosses), strict=True):
        total = total + ALPHA * G.T @ p
        p = factor @ p
    return total


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_bias_is_that_of_the_product(name, K):
    problem, _, phi = CASES[name]
    options = {"step_size": ALPHA, "num_steps": K}
    off = biased_meta_gradients(problem, phi, ERRORS, **options).reshape(-1, 6)
    expected = np.stack([multiplied_out(name, K, Delta) for Delta in ERRORS])
    assert_close(off, expected, PRODUCTS)
    curve = hessian_error_curve(problem, phi, ERRORS, **options)
    bias = np.linalg.norm(expected - expected[0], axis=1)
    assert_close(curve.bias, bias, PRODUCTS)
    assert all(check.holds and check.certified for check in curve.checks)
    if K > 1:
        smaller = replace(curve, bound=0.3 * curve.bound)
        assert not all(check.holds for check in smaller.checks)
    assert_close(curve.bound, polyval(ERRORS, np.insert(curve.coefficients, 0, 0.0)), PRODUCTS)


@pytest.mark.parametrize("K", [1, 2, 3, 4])
@pytest.mark.parametrize("name", CASES)
def test_degree_is_k_for_maml_and_one_less_for_a_fixed_start(name, K):
    problem, _, phi = CASES[name]
    options = {"step_size": ALPHA, "num_steps": K}
    off = biased_meta_gradients(problem, phi, np.arange(8.0), **options)
    expected = K - 1 if name == "lirpg" else K
    assert degree(off) == expected
    assert hessian_error_curve(problem, phi, ERRORS, **options).degree == expected


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_constants_are_those_of_the_path(name, K):
    problem, unroll, phi = CASES[name]
    curve = hessian_error_curve(problem, phi, ERRORS, step_size=ALPHA, num_steps=K)
    path = unroll.iterates(phi, step_size=ALPHA, num_steps=K)
    rewards = MDP.R + phi if name == "lirpg" else MDP.R
    horizon = 3 if name == "maml, T = 3" else None
    first = 1 if name == "lirpg" else 0
    norms = [
        np.linalg.norm(Reference(MDP.with_reward(rewards), one, horizon).hessian.reshape(6, 6), 2)
        for one in path[first:-1]
    ]
    assert_close(curve.c1, max(norms), PRODUCTS)
    assert_close(curve.m1, np.linalg.norm(grad(unroll.value)(path[-1])), PRODUCTS)
    if name != "lirpg":
        assert curve.c2 == 0.0
        return
    crosses = [
        np.reshape(jacobian(lambda x, at=one: anp.ravel(unroll.update(x, at)))(phi), (6, 6))
        for one in path[:-1]
    ]
    assert_close(curve.c2, max(np.linalg.norm(G, 2) for G in crosses), PRODUCTS)


@pytest.mark.parametrize("name", ["maml", "lirpg"])
def test_the_first_hessian_counts_for_maml_only(name):
    """From a uniform policy long steps lead to flatter places."""
    problem, unroll = (Maml(MDP), maml(MDP)) if name == "maml" else CASES["lirpg"][:2]
    if name == "lirpg":
        problem, unroll = Lirpg(MDP, np.zeros((3, 2))), lirpg(MDP, np.zeros((3, 2)))
    phi, rewards = np.zeros((3, 2)), MDP.with_reward(MDP.R)
    path = unroll.iterates(phi, step_size=20.0, num_steps=3)
    norms = [np.linalg.norm(Reference(rewards, x).hessian.reshape(6, 6), 2) for x in path[:-1]]
    curve = hessian_error_curve(problem, phi, ERRORS, step_size=20.0, num_steps=3)
    assert norms[0] > 1.1 * max(norms[1:])
    assert_close(curve.c1, norms[0] if name == "maml" else max(norms[1:]), PRODUCTS)


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_bound_by_its_formula(name, K):
    problem, _, phi = CASES[name]
    curve = hessian_error_curve(problem, phi, ERRORS, step_size=ALPHA, num_steps=K)
    a, shift = 1 + ALPHA * curve.c1, ALPHA * ERRORS
    if name == "lirpg":
        growth = sum((a + shift) ** j - a**j for j in range(1, K)) + 0 * shift
        assert_close(curve.bound, curve.m1 * ALPHA * curve.c2 * growth, PRODUCTS, scale=10.0)
    else:
        assert_close(curve.bound, curve.m1 * ((a + shift) ** K - a**K), PRODUCTS, scale=10.0)


def test_term_ii_is_attained_where_the_hessian_is_a_multiple_of_e():
    """K = 1: the bias is αΔ m₁, whatever H; a smaller m₁ or c₁ would be passed."""
    curve = hessian_error_curve(Maml(MDP), THETA, ERRORS, step_size=ALPHA, num_steps=1)
    assert_close(curve.bias, curve.bound, PRODUCTS)
    assert_close(curve.bias, ALPHA * ERRORS * curve.m1, PRODUCTS)
    smaller = replace(curve, bound=(1 - 1e-9) * curve.bound)
    assert [check.holds for check in smaller.checks] == [True, False, False, False, False]


def test_nothing_to_climb():
    """p = 0: no direction, no bias."""
    flat = MDP.with_reward(np.zeros((3, 2)))
    curve = hessian_error_curve(Maml(flat), THETA, ERRORS, step_size=ALPHA, num_steps=2)
    assert not curve.bias.any()
    assert not curve.bound.any()


@pytest.mark.parametrize("family", [Maml, Lirpg])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_rewards_far_from_zero_are_no_violation(family, K):
    """They cancel in every derivative, up to their own rounding."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        mdp = random_mdp(rng, (3, 2), 0.9)
        mdp = mdp.with_reward(mdp.R + 1e8)
        theta = rng.normal(size=(3, 2))
        problem, phi = (Maml(mdp), theta) if family is Maml else (Lirpg(mdp, theta), 0 * theta)
        errors = np.array([1e-12, 1e-10, 1e-8])
        curve = hessian_error_curve(problem, phi, errors, step_size=1.0, num_steps=K)
        assert all(check.holds for check in curve.checks)


def test_bad_input():
    options = {"step_size": 1.0, "num_steps": 2}
    with pytest.raises(ValueError, match="at least 0"):
        hessian_error_curve(Maml(MDP), THETA, [-1.0], **options)
    with pytest.raises(TypeError, match="a Maml or a Lirpg"):
        hessian_error_curve(Mgrl(MDP, THETA, np.zeros(3)), THETA, ERRORS, **options)
    with pytest.raises(ValueError, match="one phi"):
        hessian_error_curve(Maml(MDP), np.zeros((2, 3, 2)), ERRORS, **options)


def test_cross_derivatives_have_a_limit(monkeypatch):
    monkeypatch.setattr("theory.hessian_error.MAX_ENTRIES", 35)
    with pytest.raises(ValueError, match="fewer states"):
        hessian_error_curve(Lirpg(MDP, THETA), BONUS, ERRORS, step_size=1.0, num_steps=2)
