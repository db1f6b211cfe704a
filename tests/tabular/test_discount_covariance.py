"""Covariance of the derivatives by γ and λ against sums over every trajectory."""

import itertools

import numpy as np
import pytest

from tabular.discount_covariance import joint_covariance, own_covariance
from tabular.estimators import Estimate
from tabular.sampling import sample
from tests.tabular.surrogates import ESTIMATORS, Law
from tests.tabular.tiny_cases import BASELINES, KINDS, LAMBDAS, SIZES, law_of, make
from tests.tabular.tolerances import ENUMERATED, SECOND, assert_close
from tests.tabular.unroll import assert_mean

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def enumerated(case, estimator):
    """Cov B and Cov(Ĥv, B)."""
    law = Law(case.mdp, case.theta, case.options["horizon"])
    each = law.surrogate(estimator, case.options["gae_lambda"], case.options["baseline"])
    both = np.stack([each.crosses(name, case.v) for name in ("gamma", "gae_lambda")], axis=-1)
    products = each.hvps(case.v).reshape(len(both), -1)
    return law.covariance(both), law.covariance(products, both)


def assert_covariances(case, estimator, factor=1.0):
    law, kind = law_of(case, estimator)
    own, joint = enumerated(case, estimator)
    assert_close(factor * own_covariance(law, kind, case.v), own, ENUMERATED, what="Cov B")
    assert_close(factor * joint_covariance(law, kind, case.v), joint, ENUMERATED, what="Cov Hv, B")


@every_estimator
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_covariances_against_every_trajectory(estimator, size, kind):
    """The nine pairs of λ and V_b take turns; γ is 0, 0.9 or 0.99."""
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
    with pytest.raises(AssertionError, match="Cov B differs"):
        assert_covariances(case, estimator, 1 + 1e-6)


@pytest.mark.parametrize("size", [(6, 3, 12), (20, 2, 30)], ids=str)
def test_sparse_is_dense(size):
    case = make(size, "plain", 0.7, "random")
    sparse = case._replace(mdp=case.mdp.sparse())
    for function in (own_covariance, joint_covariance):
        one, other = (function(*law_of(c, "loaded_dice"), case.v) for c in (case, sparse))
        assert_close(other, one, SECOND)


@pytest.mark.parametrize("estimator", ESTIMATORS[:3])
def test_with_the_true_value_the_derivative_by_lambda_still_scatters(estimator):
    """Its mean is zero (`test_meta_facts`), its variance is not, unless T = 1."""
    for horizon in (1, 2, 6):
        case = make((3, 2, horizon), "plain", 0.6, "value")
        own = own_covariance(*law_of(case, estimator), case.v)
        assert (own[1, 1] > 1e-2) == (horizon > 1)
        assert own[0, 0] > 1e-2


def test_dice_has_no_derivative_by_lambda():
    case = make((3, 2, 4), "plain", 0.6, "random")
    law, kind = law_of(case, "dice")
    own, joint = own_covariance(law, kind, case.v), joint_covariance(law, kind, case.v)
    assert not np.any(own[1])
    assert not np.any(own[:, 1])
    assert not np.any(joint[:, 1])
    assert np.abs(joint[:, 0]).min() > 0


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
    by_gamma = (estimate.cross_gamma() * case.v).sum(axis=(1, 2))
    by_lambda = (estimate.cross_lambda() * case.v).sum(axis=(1, 2))
    x = np.random.default_rng(1).normal(size=case.v.shape)
    along = (estimate.hvp(case.v) * x).sum(axis=(1, 2))
    by_gamma, by_lambda, along = (y - y.mean() for y in (by_gamma, by_lambda, along))
    shrink = N * trials / (trials - 1)
    own = own_covariance(law, kind, case.v)
    joint = x.ravel() @ joint_covariance(law, kind, case.v)
    assert_mean(shrink * by_gamma**2, own[0, 0])
    assert_mean(shrink * along * by_gamma, joint[0])
    if estimator != "dice":
        assert_mean(shrink * by_lambda**2, own[1, 1])
        assert_mean(shrink * along * by_lambda, joint[1])
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(shrink * by_gamma**2, 1.2 * own[0, 0])
