"""What the estimators share, where they differ, and what their Hessians are blind to."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular import estimators
from tabular.estimators import Estimate
from tests.tabular.reference import random_mdp
from tests.tabular.sampled_case import LAMBDAS, Case
from tests.tabular.surrogates import ESTIMATORS, NOTHING, Sample, arbitrary_sample, as_trajectories
from tests.tabular.tolerances import SAME, assert_close

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def test_gradients_and_cross_derivatives_do_not_depend_on_the_estimator():
    """At the sampling policy; only second derivatives tell ad, lvc and loaded_dice apart."""
    case = Case((4, 3, 6, 7))
    ad, lvc, loaded = (case.estimate(name) for name in ("ad", "lvc", "loaded_dice"))
    for other in (lvc, loaded):
        np.testing.assert_array_equal(other.gradient, ad.gradient)
        np.testing.assert_array_equal(other.cross_reward(case.u), ad.cross_reward(case.u))
        np.testing.assert_array_equal(other.cross_gamma(), ad.cross_gamma())
        np.testing.assert_array_equal(other.cross_lambda(), ad.cross_lambda())
    for one, other in itertools.combinations((ad, lvc, loaded), 2):
        assert np.max(np.abs(one.hvp(case.v) - other.hvp(case.v))) > 0.01


@pytest.mark.parametrize("other", ["lvc", "loaded_dice"])
def test_the_surrogates_themselves_agree_sample_by_sample_in_first_derivatives(other):
    case = Case((3, 2, 5, 4))
    ad, second = case.surrogate("ad"), case.surrogate(other)
    assert_close(second.gradients(), ad.gradients(), SAME)
    assert_close(second.mean_cross_reward(case.u), ad.mean_cross_reward(case.u), SAME)
    for parameter in ("gamma", "gae_lambda"):
        actual = second.mean_cross_scalar(parameter)
        assert_close(actual, ad.mean_cross_scalar(parameter), SAME)


def test_dice_is_loaded_dice_without_baseline_and_lambda():
    case = Case((4, 3, 6, 7))
    dice = case.estimate("dice")
    bare = Estimate(case.mdp, case.theta, as_trajectories([case.sample]), estimator="loaded_dice")
    np.testing.assert_array_equal(dice.gradient, bare.gradient)
    np.testing.assert_array_equal(dice.hvp(case.v), bare.hvp(case.v))
    np.testing.assert_array_equal(dice.cross_gamma(), bare.cross_gamma())
    np.testing.assert_array_equal(dice.cross_lambda(), np.zeros((4, 3)))
    assert np.max(np.abs(bare.cross_lambda())) > 0.01


@every_estimator
@given(data=st.data())
def test_hessian_is_symmetric_and_blind_to_a_constant_per_state(estimator, data):
    size = tuple(data.draw(st.integers(1, n)) for n in (4, 3, 6, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = size[:2]
    mdp = random_mdp(rng, shape, data.draw(st.sampled_from([0.0, 0.5, 0.99])))
    theta = data.draw(st.sampled_from([0.1, 3.0, 300.0])) * rng.normal(size=shape)
    sample = arbitrary_sample(rng, shape, size[2], size[3])
    estimate = Estimate(
        mdp,
        theta,
        as_trajectories([sample]),
        estimator=estimator,
        baseline=rng.normal(size=shape[0]),
        gae_lambda=data.draw(st.sampled_from(LAMBDAS)),
    )
    H = estimate.hessian
    # Each entry is a mean of at most 2T pairs with weights Σ γ^t |Â_t| <= T² max|δ|, |δ| < 10.
    scale = 20.0 * size[2] ** 3
    assert_close(H, H.transpose(2, 3, 0, 1), NOTHING, scale=scale, what="symmetry")
    constant = np.repeat(rng.normal(size=(shape[0], 1)), shape[1], axis=1)
    nothing = np.zeros(shape)
    assert_close(estimate.hvp(constant), nothing, NOTHING, scale=scale, what="Hv")
    sums = {
        "gradient": estimate.gradient,
        "Hv": estimate.hvp(rng.normal(size=shape)),
        "γ": estimate.cross_gamma(),
        "λ": estimate.cross_lambda(),
    }
    for name, table in sums.items():
        assert_close(
            table.sum(axis=-1), np.zeros(shape[0]), NOTHING, scale=scale, what=f"sum of {name}"
        )
    assert_close(estimate.cross_reward(constant), nothing, NOTHING, scale=scale, what="φ")


@every_estimator
def test_the_average_of_two_halves_is_the_whole(estimator):
    case = Case((4, 3, 6, 7))
    halves = [Sample(*(part[i] for part in case.sample)) for i in (slice(3), slice(3, 7))]
    first, second = (
        Estimate(
            case.mdp,
            case.theta,
            as_trajectories([half]),
            estimator=estimator,
            baseline=case.baseline,
            gae_lambda=case.gae_lambda,
        )
        for half in halves
    )
    whole = case.estimate(estimator)
    assert_close((3 * first.gradient + 4 * second.gradient) / 7, whole.gradient, SAME)
    mean = (3 * first.hvp(case.v) + 4 * second.hvp(case.v)) / 7
    assert_close(mean, whole.hvp(case.v), SAME)


def test_functions_are_the_attributes():
    case = Case((3, 2, 5, 4))
    arguments = (case.mdp, case.theta, as_trajectories([case.sample]))
    options = {"estimator": "lvc", "baseline": case.baseline, "gae_lambda": 0.6}
    estimate = Estimate(*arguments, **options)
    np.testing.assert_array_equal(estimators.gradient(*arguments, **options), estimate.gradient)
    np.testing.assert_array_equal(
        estimators.hvp(*arguments, case.v, **options), estimate.hvp(case.v)
    )
    np.testing.assert_array_equal(estimators.hessian(*arguments, **options), estimate.hessian)


def test_an_estimate_leaves_its_inputs_alone():
    case = Case((3, 2, 5, 4))
    trajectories = as_trajectories([case.sample])
    inputs = [*trajectories, case.theta, case.baseline, case.v]
    before = [np.array(x) for x in inputs]
    for estimator in ESTIMATORS:
        estimate = Estimate(
            case.mdp, case.theta, trajectories, estimator=estimator, baseline=case.baseline
        )
        first = estimate.hvp(case.v)
        _ = estimate.hessian, estimate.cross_gamma(), estimate.cross_reward(case.v)
        np.testing.assert_array_equal(estimate.hvp(case.v), first)
    for x, y in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, y)
