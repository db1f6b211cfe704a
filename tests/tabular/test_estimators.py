"""Sampled gradients, Hessians and cross derivatives against autograd of the surrogates."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular import TabularMDP, estimators
from tabular.estimators import Estimate
from tabular.registry import ESTIMATORS as REGISTRY
from tabular.registry import find_estimator
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import (
    DERIVATIVE,
    ESTIMATORS,
    NOTHING,
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
LAMBDAS = [0.0, 0.6, 1.0]
BASELINES = ["none", "zero", "random"]

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
every_case = pytest.mark.parametrize(
    ("size", "gae_lambda", "baseline"), list(itertools.product(SIZES, LAMBDAS, BASELINES))
)


class Case:
    """A sample with its MDP, logits and directions, and the estimate and surrogate of it."""

    def __init__(
        self,
        size: tuple[int, int, int, int],
        *,
        gae_lambda: float = 0.6,
        baseline: str = "random",
        gamma: float = 0.9,
    ) -> None:
        num_states, num_actions, horizon, count = size
        shape = (num_states, num_actions)
        rng = np.random.default_rng([*size, LAMBDAS.index(gae_lambda)])
        self.mdp = random_mdp(rng, shape, gamma)
        self.theta, self.u, self.v = rng.normal(size=(3, *shape))
        self.sample = arbitrary_sample(rng, shape, horizon, count)
        table = 2 * rng.normal(size=num_states)
        self.baseline = {"none": None, "zero": np.zeros(num_states), "random": table}[baseline]
        self.gae_lambda = gae_lambda
        constant = np.zeros(num_states) if baseline != "random" else table
        self.setting = Setting(gamma, gae_lambda, constant, np.zeros(shape))

    def estimate(self, estimator: str) -> Estimate:
        return Estimate(
            self.mdp,
            self.theta,
            as_trajectories([self.sample]),
            estimator=estimator,
            baseline=self.baseline,
            gae_lambda=self.gae_lambda,
        )

    def surrogate(self, estimator: str) -> Surrogate:
        return Surrogate(estimator, self.theta, self.sample, self.setting)


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
    from autograd import elementwise_grad, grad
    from autograd import numpy as anp

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


def test_registry_finds_by_name_and_by_entry():
    assert tuple(REGISTRY) == ESTIMATORS
    for name in ESTIMATORS:
        entry = find_estimator(name)
        assert entry.name == name
        assert find_estimator(entry) is entry


def _construct(**changes):
    rng = np.random.default_rng(0)
    arguments = {
        "mdp": TabularMDP(np.full((3, 2, 3), 1 / 3), np.zeros((3, 2)), 0.9, 0),
        "theta": np.zeros((3, 2)),
        "trajectories": as_trajectories([arbitrary_sample(rng, (3, 2), 4, 5)]),
        "estimator": "ad",
    } | changes
    return Estimate(
        arguments.pop("mdp"), arguments.pop("theta"), arguments.pop("trajectories"), **arguments
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"estimator": "maml"},
            ValueError,
            "unknown estimator 'maml'; choose one of ad, dice, loaded_dice, lvc",
        ),
        ({"estimator": "AD"}, ValueError, "unknown estimator 'AD'"),
        ({"theta": np.zeros((2, 3))}, ValueError, r"theta must have shape \(..., 3, 2\)"),
        ({"theta": np.zeros(2)}, ValueError, r"theta must have shape \(..., 3, 2\)"),
        ({"theta": np.full((3, 2), np.nan)}, ValueError, "theta must be finite"),
        ({"theta": "logits"}, TypeError, "theta must be an array of real numbers"),
        ({"baseline": np.zeros(2)}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": 0.0}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": [0.0, np.inf, 0.0]}, ValueError, "baseline must be finite"),
        ({"gae_lambda": 1.1}, ValueError, r"gae_lambda must lie in \[0, 1\], received 1.1"),
        ({"gae_lambda": -0.1}, ValueError, r"gae_lambda must lie in \[0, 1\]"),
        ({"gae_lambda": np.nan}, ValueError, "gae_lambda must be finite"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        _construct(**changes)


@pytest.mark.parametrize("method", ["hvp", "cross_reward"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_directions_of_a_wrong_shape_are_refused(estimator, method):
    estimate = _construct(estimator=estimator)
    with pytest.raises(ValueError, match=r"v must have shape \(..., 3, 2\), received \(2, 3\)"):
        getattr(estimate, method)(np.zeros((2, 3)))
