"""Statements about meta-gradients that hold exactly, whatever the MDP."""

from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import NoisyBaseline, zero_baseline
from tabular.gae import UpdateField, cross_lambda
from tabular.meta_moments import meta_moments
from tabular.metagradient import EXACT, adapt, meta_gradient
from tabular.moments import Expectation
from tabular.problems import Lirpg, Mgrl
from tabular.sources import Mean, Sampled
from tests.tabular.reference import Reference, dense_rows, random_mdp
from tests.tabular.surrogates import ESTIMATORS, NOTHING
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import Estimates, assert_mean, meta_case, state_value

SIZES = [(1, 3), (2, 2), (5, 3)]


# The mean of the ad Hessian is zero: AD-MAML is first-order MAML in expectation.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
@pytest.mark.parametrize(("horizon", "gae_lambda"), [(1, 1.0), (3, 0.5), (20, 1.0)])
def test_ad_with_exact_baseline_is_first_order_maml(size, num_steps, horizon, gae_lambda):
    """E ∏(I + α Ĥ) p = p = ∇J(θ^K): V_b = V^π centres the advantage at every T and λ."""
    problem, unroll, phi = meta_case("maml", size)
    options = {"step_size": 1.0, "num_steps": num_steps}
    source = Sampled("ad", 2, horizon, gae_lambda=gae_lambda)
    last = unroll.iterates(phi, **options)[-1]
    expected = Reference(problem.mdp, last).gradient
    assert_close(meta_gradient(problem, phi, curvature=Mean(source), **options), expected, SECOND)
    assert_close(meta_moments(problem, phi, curvature=source, **options).mean, expected, SECOND)


@pytest.mark.parametrize("outer", ["ad", "loaded_dice"])
def test_ad_maml_has_the_mean_of_its_outer_gradient(outer):
    problem, _, phi = meta_case("maml", (3, 2))
    options = {"step_size": 1.0, "num_steps": 3}
    source = Sampled(outer, 4, 5)
    actual = meta_gradient(
        problem, phi, curvature=Mean(Sampled("ad", 1, 5)), outer=Mean(source), **options
    )
    last = adapt(problem, phi, **options)[-1]
    expected = Mean(source)(problem.outer(phi, last), None).gradient
    assert_close(actual, expected, SECOND)


@pytest.mark.parametrize("estimator", ["ad", "lvc"])
def test_only_ad_with_the_exact_baseline_has_a_mean_hessian_of_zero(estimator):
    """The zero is one of cancellation over trajectories, and another estimator has none."""
    rng = np.random.default_rng(0)
    mdp, theta = random_mdp(rng, (2, 2)), rng.normal(size=(2, 2))
    each = Estimates.at(mdp, theta, estimator, horizon=3)
    assert np.abs(each.hessians).max() > 0.1
    mean = np.abs(each.mean(each.hessians)).max()
    assert mean < 1e-14 if estimator == "ad" else mean > 0.01
    without = Estimates.at(mdp, theta, estimator, horizon=3, baseline=np.zeros(2))
    assert np.abs(without.mean(without.hessians)).max() > 0.01


def test_a_noisy_baseline_leaves_ad_maml_without_bias_on_average():
    """E over the noise of E Ĥ is zero too: the mean Hessian is linear in V_b."""
    problem, unroll, phi = meta_case("maml", (3, 2))
    options = {"step_size": 1.0, "num_steps": 2}
    draws = meta_gradient(
        problem,
        np.broadcast_to(phi, (10_000, 3, 2)),
        curvature=Mean(Sampled("ad", 1, 5, baseline=NoisyBaseline())),
        rng=np.random.default_rng(1),
        **options,
    )
    last = unroll.iterates(phi, **options)[-1]
    assert_mean(draws, Reference(problem.mdp, last).gradient)


# LIRPG and MGRL use no Hessian at K = 1, and all estimators have the same cross-derivatives.


@pytest.mark.parametrize("name", ["lirpg", "mgrl", "mgrl-finite"])
@pytest.mark.parametrize("sampled_path", [False, True])
def test_estimators_agree_at_one_step_and_differ_at_two(name, sampled_path):
    problem, _, phi = meta_case(name, (3, 2))

    def draw(estimator: str, num_steps: int) -> Any:
        return meta_gradient(
            problem,
            phi,
            step_size=1.0,
            num_steps=num_steps,
            path=Sampled("lvc", 4, 6) if sampled_path else EXACT,
            curvature=Sampled(estimator, 3, 6),
            rng=np.random.default_rng(2),
        )

    for other in ("lvc", "loaded_dice"):
        assert np.array_equal(draw("ad", 1), draw(other, 1))
        apart = np.abs(draw("ad", 2) - draw(other, 2)).max()
        assert apart > 1e-3 * np.abs(draw("ad", 2)).max()


@pytest.mark.parametrize("name", ["lirpg", "mgrl"])
def test_estimators_have_one_law_at_one_step_and_three_at_two(name):
    problem, _, phi = meta_case(name, (3, 2))
    for num_steps in (1, 2):
        options = {"step_size": 1.0, "num_steps": num_steps, "outer": Sampled("lvc", 2, 6)}
        ad, *others = (
            meta_moments(problem, phi, curvature=Sampled(estimator, 3, 6), **options)
            for estimator in ESTIMATORS[:3]
        )
        for other in others:
            for one, two in zip(ad, other, strict=True):
                assert np.array_equal(one, two) == (num_steps == 1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", ["maml", "lirpg"])
def test_dice_is_loaded_dice_without_baseline(name, shared):
    """Sample by sample, for every part it plays, and whatever λ it is given."""
    problem, _, phi = meta_case(name, (3, 2))
    draws = []
    for source in (
        Sampled("dice", 3, 6, gae_lambda=0.5),
        Sampled("loaded_dice", 3, 6, baseline=zero_baseline),
    ):
        parts = {"path": source, "curvature": source, "outer": source, "shared": shared}
        rng = np.random.default_rng(3)
        draws.append(meta_gradient(problem, phi, step_size=1.0, num_steps=3, rng=rng, **parts))
    assert np.array_equal(*draws)


def test_the_mean_of_dice_is_that_of_loaded_dice_without_baseline():
    problem, _, phi = meta_case("maml", (3, 2))
    options = {"step_size": 1.0, "num_steps": 2}
    moments = [
        meta_moments(problem, phi, curvature=source, outer=source, **options)
        for source in (Sampled("dice", 2, 4), Sampled("loaded_dice", 2, 4, baseline=zero_baseline))
    ]
    for dice, loaded in zip(*moments, strict=True):
        assert_close(dice, loaded, SAME)


# λ: with V_b = V^π the expected gradient does not depend on it.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("horizon", [None, 1, 6])
@pytest.mark.parametrize("gae_lambda", [0.0, 0.4, 1.0])
def test_the_gradient_does_not_depend_on_lambda_with_the_exact_critic(size, horizon, gae_lambda):
    rng = np.random.default_rng(4)
    mdp, theta = random_mdp(rng, size), rng.normal(size=size)
    options = {"gae_lambda": gae_lambda, "horizon": horizon}
    critic = state_value(mdp, theta)
    slope = cross_lambda(mdp, theta, baseline=critic, **options)
    assert_close(slope, np.zeros(size), NOTHING, scale=100)
    for estimator in ESTIMATORS[:3]:
        expectation = Expectation(mdp, theta, estimator, baseline=critic, **options)
        assert_close(expectation.cross_lambda(), np.zeros(size), NOTHING, scale=100)
    depends = size != (1, 3) and horizon != 1
    noisy = cross_lambda(mdp, theta, baseline=critic + rng.normal(size=size[0]), **options)
    assert (np.abs(noisy).max() > 1e-2) == depends


@pytest.mark.parametrize("horizon", [None, 6])
def test_one_step_of_mgrl_has_no_slope_in_lambda_with_the_exact_critic(horizon):
    rng = np.random.default_rng(5)
    mdp, theta = random_mdp(rng, (4, 3)), rng.normal(size=(4, 3))
    phi = [0.8, 0.6]
    critic = state_value(mdp.with_gamma(phi[0]), theta)
    problem = Mgrl(mdp, theta, critic, horizon=horizon)
    by_gamma, by_lambda = meta_gradient(problem, phi, step_size=1.0, num_steps=1)
    assert abs(by_lambda) < 1e-13 < 1e-2 < abs(by_gamma)
    # The critic stays where it is, so the second step does depend on λ.
    _, by_lambda = meta_gradient(problem, phi, step_size=1.0, num_steps=2)
    assert abs(by_lambda) > 1e-4


@pytest.mark.parametrize("estimator", ESTIMATORS[:3])
def test_sampled_slope_in_lambda_averages_to_zero_over_trajectories(estimator):
    """It has a variance all the same."""
    rng = np.random.default_rng(6)
    mdp, theta = random_mdp(rng, (3, 2)), rng.normal(size=(3, 2))
    problem = Mgrl(mdp, theta, state_value(mdp.with_gamma(0.8), theta))
    options = {"step_size": 1.0, "num_steps": 1, "curvature": Sampled(estimator, 1, 5)}
    mean, covariance = meta_moments(problem, [0.8, 0.6], **options)
    assert abs(mean[1]) < 1e-14 < 1e-2 < abs(mean[0])
    assert covariance[1, 1] > 1e-3
    many = np.broadcast_to([0.8, 0.6], (20_000, 2))
    draws = meta_gradient(problem, many, rng=np.random.default_rng(7), **options)
    assert_mean(draws[:, 1], 0.0)
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(draws[:, 0], 0.0)


def test_dice_has_no_slope_in_lambda():
    problem, _, phi = meta_case("mgrl", (3, 2))
    result = meta_gradient(
        problem,
        np.broadcast_to(phi, (5, 2)),
        step_size=1.0,
        num_steps=1,
        curvature=Sampled("dice", 3, 5),
        rng=np.random.default_rng(8),
    )
    assert np.all(result[:, 1] == 0)
    assert np.all(result[:, 0] != 0)


def test_mgrl_at_lambda_one_climbs_the_objective():
    """Any critic: over an infinite horizon a constant table drops out of the gradient."""
    rng = np.random.default_rng(9)
    mdp, theta = random_mdp(rng, (4, 3)), rng.normal(size=(4, 3))
    update = Mgrl(mdp, theta, rng.normal(size=4)).inner(np.array([0.7, 1.0]), theta)
    expected = Reference(mdp.with_gamma(0.7), theta)
    assert_close(update.exact().gradient, expected.gradient, SECOND)
    v = rng.normal(size=(4, 3))
    assert_close(update.exact().vjp(v), expected.hvp(v), SECOND)


@pytest.mark.parametrize("exact_critic", [True, False])
def test_a_fixed_critic_with_lambda_below_one_follows_no_objective(exact_critic):
    """∂g/∂θ is not symmetric, not even where V_b = V^π at θ, so that its transpose matters."""
    rng = np.random.default_rng(10)
    mdp, theta = random_mdp(rng, (4, 3)), rng.normal(size=(4, 3))
    critic = state_value(mdp, theta) if exact_critic else rng.normal(size=4)
    units = np.eye(12).reshape(12, 4, 3)
    for gae_lambda in (0.3, 1.0):
        field = UpdateField(mdp, theta, gae_lambda=gae_lambda, baseline=critic)
        jacobian = np.stack([field.vjp(unit).ravel() for unit in units])
        if gae_lambda == 1.0:
            assert_close(jacobian, jacobian.T, SECOND)
        else:
            assert np.abs(jacobian - jacobian.T).max() > 0.1 * np.abs(jacobian).max()


# Intrinsic rewards that change no policy.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_constants_and_potentials_are_flat_directions_of_lirpg(size, num_steps):
    """φ + c and φ + γ E[Φ(s')] − Φ(s) add constants to J or to Q(s, ·) alone (Ng et al., 1999)."""
    problem, _, phi = meta_case("lirpg", size)
    mdp = problem.mdp
    potential = np.random.default_rng(11).normal(size=size[0])
    shaping = mdp.gamma * dense_rows(mdp) @ potential - potential[:, None]
    slope = meta_gradient(problem, phi, step_size=1.0, num_steps=num_steps)
    terms = np.abs(slope).sum()
    assert terms > 1e-2
    for direction in (np.ones(size), shaping):
        assert abs((slope * direction).sum()) < 1e-13 * terms * np.abs(direction).max()


# A constant added to the intrinsic reward: sharing biases what has expectation zero.


def test_shared_trajectories_bias_the_derivative_by_a_constant_reward():
    """The update does not depend on the constant, yet the shared estimate says it does.

    One state, γ = 0, V_b = 0: action a moves θ by α (R(a) + c) ψ_a, and where action b is
    differentiated the estimate is α ψ_b·∇J(θ¹). Independent a and b give zero, a = b does not.
    """
    alpha, R, theta = 2.0, np.array([1.0, 0.2, -0.4]), np.array([0.3, -0.2, 0.1])
    phi, pi = np.full((1, 3), 0.5), Reference.policy(theta[None])[0]
    psi = np.eye(3) - pi
    after = Reference.policy(theta + alpha * (R + 0.5)[:, None] * psi)
    gradients = after * (R - (after @ R)[:, None])
    table = alpha * gradients @ psi.T
    assert abs(pi @ table @ pi) < 1e-16
    coupled = pi @ np.diag(table)
    assert abs(coupled) > 0.05

    mdp = TabularMDP(np.ones((1, 3, 1)), R[None], 0.0, 0)
    problem, options = Lirpg(mdp, theta[None]), {"step_size": alpha, "num_steps": 1}
    assert abs(meta_gradient(problem, phi, **options).sum()) < 1e-16
    for estimator in ESTIMATORS:
        source = Sampled(estimator, 1, 1, baseline=zero_baseline)
        options |= {"path": source, "curvature": source}
        for shared, outcomes in ((True, np.diag(table)), (False, table.ravel())):
            rng, many = np.random.default_rng(12), np.broadcast_to(phi, (20_000, 1, 3))
            draws = meta_gradient(problem, many, shared=shared, rng=rng, **options)
            along = draws.sum(axis=(1, 2))
            distance = np.abs(along[:, None] - outcomes)
            assert distance.min(axis=1).max() < 1e-15
            assert set(distance.argmin(axis=1)) == set(range(len(outcomes)))
            assert_mean(along, coupled if shared else 0.0)
            if shared:
                with pytest.raises(AssertionError, match="standard errors away"):
                    assert_mean(along, 0.0)
