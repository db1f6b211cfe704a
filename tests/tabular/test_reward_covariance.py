"""Covariance of the derivative by an intrinsic reward against sums over every trajectory."""

import itertools

import numpy as np
import pytest

from tabular import covariance
from tabular.estimators import Estimate
from tabular.reward_covariance import joint_covariance, own_covariance
from tabular.sampling import sample
from tests.tabular.surrogates import ESTIMATORS, Law
from tests.tabular.tiny_cases import BASELINES, KINDS, LAMBDAS, SIZES, law_of, make
from tests.tabular.tolerances import ENUMERATED, SAME, SECOND, assert_close
from tests.tabular.unroll import assert_mean

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
every_case = pytest.mark.parametrize("size", SIZES, ids=str)
every_kind = pytest.mark.parametrize("kind", KINDS)


def enumerated(case, estimator):
    """Cov N and Cov(Ĥv, N)."""
    law = Law(case.mdp, case.theta, case.options["horizon"])
    each = law.surrogate(estimator, case.options["gae_lambda"], case.options["baseline"])
    by_reward = each.crosses("phi", case.v).reshape(-1, case.v.size)
    products = each.hvps(case.v).reshape(by_reward.shape)
    return law.covariance(by_reward), law.covariance(products, by_reward)


def assert_covariances(case, estimator, factor=1.0):
    law, kind = law_of(case, estimator)
    own, joint = enumerated(case, estimator)
    assert_close(factor * own_covariance(law, kind, case.v), own, ENUMERATED, what="Cov N")
    assert_close(factor * joint_covariance(law, kind, case.v), joint, ENUMERATED, what="Cov Hv, N")


@every_estimator
@every_case
@every_kind
def test_covariances_against_every_trajectory(estimator, size, kind):
    """The nine pairs of λ and V_b take turns."""
    turn = SIZES.index(size) + list(KINDS).index(kind)
    pairs = list(itertools.product(LAMBDAS, BASELINES))
    assert_covariances(make(size, kind, *pairs[turn % 9]), estimator)


@every_estimator
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
@pytest.mark.parametrize("baseline", BASELINES)
def test_every_lambda_and_baseline_against_every_trajectory(estimator, gae_lambda, baseline):
    assert_covariances(make((2, 3, 3), "by successor", gae_lambda, baseline), estimator)


@pytest.mark.slow
@every_estimator
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
@pytest.mark.parametrize("size", [(2, 2, 6), (3, 3, 3), (5, 2, 3), (1, 2, 10)], ids=str)
def test_longer_trajectories(estimator, gae_lambda, size):
    assert_covariances(make(size, "by successor", gae_lambda, "random"), estimator)


@every_estimator
def test_a_relative_error_of_a_millionth_is_found(estimator):
    case = make((3, 2, 3), "by successor", 0.6, "random")
    with pytest.raises(AssertionError, match="Cov N differs"):
        assert_covariances(case, estimator, 1 + 1e-6)


@pytest.mark.parametrize("kind", ["plain", "sparse by successor"])
@pytest.mark.parametrize("size", [(20, 5, 20), (30, 2, 40)], ids=str)
def test_the_derivative_does_not_depend_on_the_estimator(kind, size):
    case = make(size, kind, 0.9, "random")
    tables = [own_covariance(*law_of(case, name), case.v) for name in ESTIMATORS[:3]]
    assert np.array_equal(tables[0], tables[1])
    assert np.array_equal(tables[0], tables[2])
    assert_close(tables[0], tables[0].T, SAME)
    eigenvalues = np.linalg.eigvalsh(tables[0])
    assert eigenvalues.min() > -1e-13 * eigenvalues.max()


@every_estimator
@pytest.mark.parametrize("size", [(20, 5, 20), (30, 2, 40)], ids=str)
def test_rewards_times_their_derivative_are_the_gradient(estimator, size):
    """V_b = 0 and R(s,a): ⟨ĝ,u⟩ = ⟨N, R⟩ for every trajectory."""
    case = make(size, "plain", 0.9, "zero")
    law, kind = law_of(case, estimator)
    R = case.mdp.R.ravel()
    along = R @ own_covariance(law, kind, case.v) @ R
    assert_close(along, covariance.gradient_variance_along(law, case.v), SECOND)


@every_estimator
def test_many_trajectories_have_this_covariance(estimator):
    """20000 estimates of eight trajectories, beyond enumeration: each product is a mean."""
    case = make((6, 3, 8), "by successor", 0.9, "value")
    law, kind = law_of(case, estimator)
    trials, N = 20_000, 8
    theta = np.broadcast_to(case.theta, (trials, *case.theta.shape))
    rng = np.random.default_rng(0)
    drawn = sample(case.mdp, theta, horizon=8, num_trajectories=N, rng=rng)
    options = {k: case.options[k] for k in ("baseline", "gae_lambda")}
    estimate = Estimate(case.mdp, theta, drawn, estimator=estimator, **options)
    products, by_reward = estimate.hvp(case.v), estimate.cross_reward(case.v)
    # One number each: the covariances along two directions.
    x, y = np.random.default_rng(1).normal(size=(2, case.v.size))
    along = products.reshape(trials, -1) @ x, by_reward.reshape(trials, -1) @ y
    first, second = (values - values.mean() for values in along)
    shrink = N * trials / (trials - 1)
    own = y @ own_covariance(law, kind, case.v) @ y
    joint = x @ joint_covariance(law, kind, case.v) @ y
    assert_mean(shrink * second**2, own)
    assert_mean(shrink * first * second, joint)
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(shrink * second**2, 1.2 * own)
