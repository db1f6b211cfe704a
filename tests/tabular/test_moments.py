"""Exact means and covariances of the estimators against sums over every trajectory."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular import TabularMDP, covariance, moments
from tests.strategies import mdps_with_logits
from tests.tabular.surrogates import DERIVATIVE, ESTIMATORS, Law
from tests.tabular.tiny_cases import BASELINES, KINDS, LAMBDAS, SIZES, Case, law_of, make
from tests.tabular.tolerances import ENUMERATED, SAME, assert_close

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)

#: Every size with every kind of MDP; the nine pairs of λ and V_b take turns.
CASES = [
    (size, kind, *list(itertools.product(LAMBDAS, BASELINES))[i % 9])
    for i, (size, kind) in enumerate(itertools.product(SIZES, KINDS))
]
every_case = pytest.mark.parametrize(
    "spec", CASES, ids=[f"{s}-{k}-{g}-{b}" for s, k, g, b in CASES]
)


def assert_moments(case, estimator):
    arguments, options = (case.mdp, case.theta, estimator), case.options
    law = Law(case.mdp, case.theta, options["horizon"])
    reference = law.surrogate(estimator, options["gae_lambda"], options["baseline"])
    gradients, hvps, v = reference.gradients(), reference.hvps(case.v), case.v
    hessians = reference.hessians()
    hessian = reference.mean(hessians)
    spread = law.probability @ ((hessians - hessian) ** 2).sum(axis=(1, 2, 3, 4))
    of_gradient, of_product = law.covariance(gradients), law.covariance(hvps)
    for moment, extra, expected in (
        (moments.expected_gradient, (), reference.mean(gradients)),
        (moments.expected_hvp, (v,), reference.mean(hvps)),
        (moments.expected_hessian, (), hessian),
        (moments.gradient_covariance, (), of_gradient),
        (moments.gradient_variance, (), np.einsum("iaia", of_gradient)),
        (moments.hvp_covariance, (v,), of_product),
        (moments.hvp_variance, (v,), np.einsum("iaia", of_product)),
        (moments.hessian_variance, (), spread),
    ):
        actual = moment(*arguments, *extra, **options)
        assert_close(actual, expected, ENUMERATED, what=moment.__name__)


@every_estimator
@every_case
def test_means_and_covariances_against_every_trajectory(estimator, spec):
    assert_moments(make(*spec), estimator)


@pytest.mark.slow
@every_estimator
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("size", [(2, 2, 6), (3, 3, 3), (5, 2, 3), (1, 2, 10)])
def test_longer_trajectories(estimator, gae_lambda, baseline, size):
    assert_moments(make(size, "by successor", gae_lambda, baseline), estimator)


@every_estimator
@given(
    case=mdps_with_logits(max_states=3, max_actions=2),
    horizon=st.integers(1, 3),
    gae_lambda=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_mdp(estimator, case, horizon, gae_lambda, seed):
    """Rows near and at certainty, logits to ±700, discounts to 0.999, rewards to 1."""
    rng = np.random.default_rng(seed)
    mdp, theta = case
    rewards = mdp.R if mdp.successor_reward is None else mdp.successor_reward
    rewards = rewards / max(1.0, np.abs(rewards).max())
    mdp = TabularMDP(mdp.P, rewards, mdp.gamma, mdp.initial)
    baseline = rng.normal(size=mdp.num_states)
    options = {"horizon": horizon, "baseline": baseline, "gae_lambda": gae_lambda}
    assert_moments(Case(mdp, theta, options, rng.normal(size=theta.shape)), estimator)


@every_estimator
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_moments_are_homogeneous_in_the_rewards(estimator, scale):
    """Means are linear and covariances quadratic in R and V_b together."""
    case = make((3, 2, 4), "plain", 0.6, "random")
    scaled = case.options | {"baseline": scale * case.options["baseline"]}
    for moment, extra, power in (
        (moments.expected_gradient, (), 1),
        (moments.expected_hvp, (case.v,), 1),
        (moments.gradient_covariance, (), 2),
        (moments.hvp_covariance, (case.v,), 2),
        (moments.hvp_variance, (case.v,), 2),
    ):
        one = moment(case.mdp, case.theta, estimator, *extra, **case.options)
        mdp = case.mdp.with_reward(scale * case.mdp.R)
        other = moment(mdp, case.theta, estimator, *extra, **scaled)
        assert_close(other / scale**power, one, SAME, what=moment.__name__)


@every_estimator
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
@pytest.mark.parametrize("kind", ["by successor", "sparse by successor"])
def test_mean_cross_derivatives_against_every_trajectory(estimator, gae_lambda, kind):
    case = make((3, 2, 3), kind, gae_lambda, "random")
    law = Law(case.mdp, case.theta, 3)
    reference = law.surrogate(estimator, gae_lambda, case.options["baseline"])
    actual = moments.Expectation(case.mdp, case.theta, estimator, **case.options)
    by_reward = reference.mean_cross_reward(case.v)
    assert_close(actual.cross_reward(case.v), by_reward, ENUMERATED, what="φ")
    by_gamma = reference.mean_cross_scalar("gamma")
    assert_close(actual.cross_gamma(), by_gamma, ENUMERATED, what="γ")
    by_lambda = reference.mean_cross_scalar("gae_lambda")
    assert_close(actual.cross_lambda(), by_lambda, ENUMERATED, what="λ")


@every_estimator
def test_the_reward_given_the_successor_matters_for_covariances_only(estimator):
    """R(s,a,s') and its mean R(s,a) have the same means but not the same covariances."""
    case = make((3, 2, 4), "by successor", 0.6, "random")
    averaged = TabularMDP(case.mdp.P, case.mdp.R, case.mdp.gamma, case.mdp.initial)
    one, other = (
        moments.expected_hessian(mdp, case.theta, estimator, **case.options)
        for mdp in (case.mdp, averaged)
    )
    assert_close(one, other, SAME)
    one, other = (
        moments.gradient_variance(mdp, case.theta, estimator, **case.options)
        for mdp in (case.mdp, averaged)
    )
    assert abs(one - other) > 0.01 * one


@every_estimator
def test_covariances_are_symmetric_and_positive(estimator):
    case = make((4, 2, 3), "plain", 0.6, "random")
    arguments = (case.mdp, case.theta, estimator)
    for table in (
        moments.gradient_covariance(*arguments, **case.options),
        moments.hvp_covariance(*arguments, case.v, **case.options),
    ):
        matrix = table.reshape(8, 8)
        assert_close(matrix, matrix.T, SAME)
        eigenvalues = np.linalg.eigvalsh(matrix)
        assert eigenvalues.min() > -1e-13 * eigenvalues.max()
        # Sums over the actions of a state are certain, so half of the directions have none.
        assert np.sum(eigenvalues > 1e-10 * eigenvalues.max()) == 4


@every_estimator
@pytest.mark.parametrize("kind", ["plain", "sparse by successor"])
@pytest.mark.parametrize("size", [(20, 5, 20), (60, 2, 10), (2, 2, 1), (1, 3, 4)])
def test_variances_without_covariances(estimator, kind, size):
    """Traces and variances along one direction skip the tables; sizes beyond enumeration."""
    case = make(size, kind, 0.9, "random")
    arguments = (case.mdp, case.theta, estimator)
    law, entry = law_of(case, estimator)
    u = np.random.default_rng(0).normal(size=case.theta.shape)
    rule = "ij,ijkl,kl"

    whole = moments.gradient_covariance(*arguments, **case.options)
    trace = moments.gradient_variance(*arguments, **case.options)
    assert_close(trace, np.einsum("iaia", whole), DERIVATIVE, what="tr Cov g")
    along = covariance.gradient_variance_along(law, u)
    assert_close(along, np.einsum(rule, u, whole, u), DERIVATIVE, what="u Cov g u")

    whole = moments.hvp_covariance(*arguments, case.v, **case.options)
    trace = moments.hvp_variance(*arguments, case.v, **case.options)
    assert_close(trace, np.einsum("iaia", whole), DERIVATIVE, what="tr Cov Hv")
    along = covariance.hvp_variance_along(law, entry, case.v, u)
    assert_close(along, np.einsum(rule, u, whole, u), DERIVATIVE, what="u Cov Hv u")


@every_estimator
@pytest.mark.parametrize("size", [(6, 3, 8), (2, 2, 1)])
def test_hessian_variance_is_the_sum_of_product_variances(estimator, size):
    case = make(size, "by successor", 0.9, "random")
    arguments = (case.mdp, case.theta, estimator)
    units = np.eye(case.theta.size).reshape(-1, *case.theta.shape)
    total = sum(moments.hvp_variance(*arguments, unit, **case.options) for unit in units)
    actual = moments.hessian_variance(*arguments, **case.options)
    assert_close(actual, total, DERIVATIVE)


@every_estimator
@pytest.mark.parametrize("size", [(20, 5, 20), (60, 2, 10)])
def test_sparse_and_dense_have_the_same_moments(estimator, size):
    case = make(size, "sparse by successor", 0.9, "random")
    dense = TabularMDP(
        case.mdp.P.toarray().reshape(*size[:2], size[0]),
        case.mdp.successor_reward.toarray().reshape(*size[:2], size[0]),
        case.mdp.gamma,
        case.mdp.initial,
    )
    for moment, extra in (
        (moments.expected_gradient, ()),
        (moments.expected_hvp, (case.v,)),
        (moments.gradient_covariance, ()),
        (moments.hvp_covariance, (case.v,)),
        (moments.hvp_variance, (case.v,)),
    ):
        actual = moment(case.mdp, case.theta, estimator, *extra, **case.options)
        expected = moment(dense, case.theta, estimator, *extra, **case.options)
        assert_close(actual, expected, DERIVATIVE, what=moment.__name__)


def test_functions_are_the_attributes():
    case = make((3, 2, 4), "plain", 0.6, "random")
    arguments = (case.mdp, case.theta, "lvc")
    expectation = moments.Expectation(*arguments, **case.options)
    actual = moments.expected_gradient(*arguments, **case.options)
    np.testing.assert_array_equal(actual, expectation.gradient)
    actual = moments.expected_hvp(*arguments, case.v, **case.options)
    np.testing.assert_array_equal(actual, expectation.hvp(case.v))


@every_estimator
def test_a_missing_baseline_is_zero(estimator):
    case = make((3, 2, 4), "plain", 0.6, "zero")
    arguments = (case.mdp, case.theta, estimator, case.v)
    absent = {"horizon": 4, "gae_lambda": 0.6}
    for moment in (moments.expected_hvp, moments.hvp_covariance):
        np.testing.assert_array_equal(
            moment(*arguments, **absent), moment(*arguments, **case.options)
        )
