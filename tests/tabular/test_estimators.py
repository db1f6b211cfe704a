"""Sampled gradients, Hessians and cross derivatives against autograd of the surrogates."""

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad, grad
from hypothesis import given
from hypothesis import strategies as st

from tabular.estimators import Estimate
from tests.tabular.reference import random_mdp
from tests.tabular.sampled_case import LAMBDAS, Case
from tests.tabular.surrogates import (
    DERIVATIVE,
    ESTIMATORS,
    Sample,
    Setting,
    Surrogate,
    arbitrary_sample,
    as_trajectories,
    original_dice,
    quietly,
)
from tests.tabular.tolerances import SAME, assert_close

#: (S, A, T, N)
SIZES = [(1, 1, 3, 2), (1, 3, 1, 4), (2, 2, 2, 1), (3, 1, 4, 3), (3, 2, 5, 4), (4, 3, 6, 7)]
BASELINES = ["none", "zero", "random"]

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
every_case = pytest.mark.parametrize(
    ("size", "gae_lambda", "baseline"), list(itertools.product(SIZES, LAMBDAS, BASELINES))
)


@every_estimator
@every_case
def test_gradient_hvp_and_hessian_against_autograd(estimator, size, gae_lambda, baseline):
    case = Case(size, gae_lambda=gae_lambda, baseline=baseline)
    actual, expected = case.estimate(estimator), case.surrogate(estimator)
    assert_close(actual.gradient, expected.mean(expected.gradients()), DERIVATIVE, what="gradient")
    assert_close(actual.hvp(case.v), expected.mean(expected.hvps(case.v)), DERIVATIVE, what="Hv")
    assert_close(actual.hessian, expected.mean(expected.hessians()), DERIVATIVE, what="Hessian")
    np.testing.assert_array_equal(actual.vjp(case.v), actual.hvp(case.v))


@every_estimator
@every_case
def test_cross_derivatives_against_autograd(estimator, size, gae_lambda, baseline):
    case = Case(size, gae_lambda=gae_lambda, baseline=baseline)
    actual, expected = case.estimate(estimator), case.surrogate(estimator)
    assert_close(
        actual.cross_reward(case.u), expected.mean_cross_reward(case.u), DERIVATIVE, what="φ"
    )
    assert_close(actual.cross_gamma(), expected.mean_cross_scalar("gamma"), DERIVATIVE, what="γ")
    assert_close(
        actual.cross_lambda(), expected.mean_cross_scalar("gae_lambda"), DERIVATIVE, what="λ"
    )


@every_estimator
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_no_discount_keeps_the_first_step_only(estimator, gae_lambda):
    """γ = 0: 0⁰ = 1 and ∂_γ γ^t = 0 except at t = 1."""
    case = Case((3, 2, 5, 4), gae_lambda=gae_lambda, gamma=0.0)
    actual, expected = case.estimate(estimator), case.surrogate(estimator)
    assert_close(actual.gradient, expected.mean(expected.gradients()), DERIVATIVE)
    assert_close(actual.hessian, expected.mean(expected.hessians()), DERIVATIVE)
    assert_close(actual.cross_gamma(), expected.mean_cross_scalar("gamma"), DERIVATIVE)
    assert_close(actual.cross_reward(case.u), expected.mean_cross_reward(case.u), DERIVATIVE)
    first = Estimate(
        case.mdp,
        case.theta,
        as_trajectories([Sample(*(part[:, : 1 + (i == 0)] for i, part in enumerate(case.sample)))]),
        estimator=estimator,
        baseline=case.baseline,
    )
    assert_close(actual.gradient, first.gradient, SAME)


@pytest.mark.parametrize("size", SIZES)
def test_dice_is_the_original_objective_differentiated_twice(size):
    """Abel summation: loaded_dice at V_b = 0, λ = 1 is Σ γ^t r_t (Π_{k<=t} π/π_old − 1)."""
    case = Case(size)
    tiled = np.broadcast_to(case.theta, (size[3], *case.theta.shape)).copy()
    slope = elementwise_grad(lambda x: original_dice(x, case.theta, case.sample, case.mdp.gamma))
    product = quietly(grad(lambda x: anp.sum(slope(x) * case.v)), tiled)
    actual = case.estimate("dice")
    assert_close(actual.gradient, quietly(slope, tiled).mean(axis=0), DERIVATIVE)
    assert_close(actual.hvp(case.v), product.mean(axis=0), DERIVATIVE)
    assert_close(case.surrogate("dice").hvps(case.v), product, DERIVATIVE)


@every_estimator
def test_trials_with_their_own_logits_baseline_discount_lambda_and_rewards(estimator):
    shape, batch, horizon, count = (3, 2), (2, 3), 4, 5
    rng = np.random.default_rng(5)
    theta, u, v = rng.normal(size=(3, *batch, *shape))
    baseline = rng.normal(size=(*batch, shape[0]))
    gamma, gae_lambda = rng.random(batch), rng.random(batch)
    trials = list(np.ndindex(batch))
    samples = [arbitrary_sample(rng, shape, horizon, count) for _ in trials]
    mdp = random_mdp(rng, shape).with_gamma(gamma)
    actual = Estimate(
        mdp,
        theta,
        as_trajectories(samples, batch),
        estimator=estimator,
        baseline=baseline,
        gae_lambda=gae_lambda,
    )
    results = {
        "gradient": actual.gradient,
        "hvp": actual.hvp(v),
        "hessian": actual.hessian,
        "φ": actual.cross_reward(u),
        "γ": actual.cross_gamma(),
        "λ": actual.cross_lambda(),
    }
    for i, sample in zip(trials, samples, strict=True):
        setting = Setting(gamma[i], gae_lambda[i], baseline[i], np.zeros(shape))
        expected = Surrogate(estimator, theta[i], sample, setting)
        references = {
            "gradient": expected.mean(expected.gradients()),
            "hvp": expected.mean(expected.hvps(v[i])),
            "hessian": expected.mean(expected.hessians()),
            "φ": expected.mean_cross_reward(u[i]),
            "γ": expected.mean_cross_scalar("gamma"),
            "λ": expected.mean_cross_scalar("gae_lambda"),
        }
        for name, reference in references.items():
            assert_close(results[name][i], reference, DERIVATIVE, what=f"{name}, trial {i}")


@every_estimator
def test_one_policy_baseline_or_direction_serves_all_trials(estimator):
    shape, batch = (3, 2), (2, 3)
    rng = np.random.default_rng(6)
    mdp, theta, v = random_mdp(rng, shape), rng.normal(size=shape), rng.normal(size=shape)
    baseline = rng.normal(size=shape[0])
    samples = [arbitrary_sample(rng, shape, 4, 5) for _ in range(6)]
    options = {"estimator": estimator, "baseline": baseline, "gae_lambda": 0.7}
    together = Estimate(mdp, theta, as_trajectories(samples, batch), **options)
    for i, sample in zip(np.ndindex(batch), samples, strict=True):
        alone = Estimate(mdp, theta, as_trajectories([sample]), **options)
        assert_close(together.gradient[i], alone.gradient, SAME)
        assert_close(together.hvp(v)[i], alone.hvp(v), SAME)
        assert_close(together.hessian[i], alone.hessian, SAME)
        assert_close(together.cross_reward(v)[i], alone.cross_reward(v), SAME)
        assert_close(together.cross_gamma()[i], alone.cross_gamma(), SAME)
        assert_close(together.cross_lambda()[i], alone.cross_lambda(), SAME)


@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(*(st.integers(1, n) for n in (4, 3, 5, 4))))
@every_estimator
def test_hvp_is_the_hessian_times_v(estimator, seed, size):
    rng = np.random.default_rng(seed)
    shape = size[:2]
    theta, v = 2 * rng.normal(size=(2, *shape))
    setting = Setting(0.9, rng.random(), rng.normal(size=shape[0]), np.zeros(shape))
    sample = arbitrary_sample(rng, shape, size[2], size[3])
    estimate = Estimate(
        random_mdp(rng, shape),
        theta,
        as_trajectories([sample]),
        estimator=estimator,
        baseline=setting.baseline,
        gae_lambda=setting.gae_lambda,
    )
    assert_close(np.tensordot(estimate.hessian, v, axes=2), estimate.hvp(v), DERIVATIVE)
    reference = Surrogate(estimator, theta, sample, setting)
    assert_close(estimate.hvp(v), reference.mean(reference.hvps(v)), DERIVATIVE)
    assert_close(estimate.gradient, reference.mean(reference.gradients()), DERIVATIVE)
