"""Expected updates and means of a batch against those of its members."""

import numpy as np
import pytest

from tabular import TabularMDP, moments
from tabular.gae import UpdateField
from tests.tabular.reference import REPRESENTATIONS, random_mdp
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import SAME, assert_close

HORIZONS = [1, 4, None]
LAMBDAS = [0.0, 0.6, 1.0]

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


FIELD_BATCHES = {
    "lambda": ((), (3,), (), (), ()),
    "gamma": ((), (), (3,), (), ()),
    "theta": ((3,), (), (), (), ()),
    "baseline": ((), (), (), (3,), ()),
    "reward": ((), (), (), (), (3,)),
    "lambda and gamma": ((), (3,), (3,), (), ()),
    "lambda by gamma": ((), (2, 1), (3,), (), ()),
    "lambda by theta": ((3,), (2, 1), (), (), ()),
    "all": ((3,), (2, 1), (2, 3), (3,), (2, 1)),
}


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("kind", FIELD_BATCHES)
def test_a_field_of_a_batch_is_its_members(kind, horizon, representation):
    of_theta, of_lambda, of_gamma, of_baseline, of_reward = FIELD_BATCHES[kind]
    rng = np.random.default_rng(8)
    size = (4, 3)
    single = REPRESENTATIONS[representation](random_mdp(rng, size))
    theta, rewards = rng.normal(size=(*of_theta, *size)), rng.normal(size=(*of_reward, *size))
    gae_lambda, gamma = rng.random(of_lambda), 0.95 * rng.random(of_gamma)
    baseline, u = rng.normal(size=(*of_baseline, 4)), rng.normal(size=size)
    batch = np.broadcast_shapes(*FIELD_BATCHES[kind])
    field = UpdateField(
        single.with_gamma(gamma).with_reward(rewards),
        theta,
        gae_lambda=gae_lambda,
        baseline=baseline,
        horizon=horizon,
    )

    def member(x, i, dims=0):
        full = np.broadcast_to(x, (*batch, *np.shape(x)[np.ndim(x) - dims :]))
        return full[i]

    for i in np.ndindex(batch):
        mdp = single.with_gamma(member(gamma, i)).with_reward(member(rewards, i, 2))
        alone = UpdateField(
            mdp,
            member(theta, i, 2),
            gae_lambda=member(gae_lambda, i),
            baseline=member(baseline, i, 1),
            horizon=horizon,
        )
        for name in ("gradient", "table"):
            assert_close(getattr(field, name)[i], getattr(alone, name), SAME, what=name)
        assert_close(field.vjp(u)[i], alone.vjp(u), SAME, what="Gᵀu")
        assert_close(field.cross_gamma()[i], alone.cross_gamma(), SAME, what="γ")
        assert_close(field.cross_lambda()[i], alone.cross_lambda(), SAME, what="λ")
        # It does not depend on the rewards, and need not repeat over their batch.
        cross = np.broadcast_to(field.cross_reward(u), (*batch, *size))
        assert_close(cross[i], alone.cross_reward(u), SAME, what="φ")


@every_estimator
@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("kind", FIELD_BATCHES)
def test_the_whole_hessian_of_a_batch_is_its_products(kind, horizon, representation, estimator):
    of_theta, of_lambda, of_gamma, of_baseline, of_reward = FIELD_BATCHES[kind]
    rng, size = np.random.default_rng(8), (4, 3)
    mdp = REPRESENTATIONS[representation](random_mdp(rng, size))
    mean = moments.Expectation(
        mdp.with_gamma(0.95 * rng.random(of_gamma)).with_reward(
            rng.normal(size=(*of_reward, *size))
        ),
        rng.normal(size=(*of_theta, *size)),
        estimator,
        horizon=horizon,
        baseline=rng.normal(size=(*of_baseline, 4)),
        gae_lambda=rng.random(of_lambda),
    )
    hessian = mean.hessian
    for x in np.ndindex(size):
        basis = np.zeros(size)
        basis[x] = 1.0
        assert_close(hessian[..., *x], mean.hvp(basis), SAME, what=f"column {x}")


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_a_field_of_a_batch_of_mdps_is_its_members(horizon, gae_lambda):
    rng = np.random.default_rng(8)
    members = [random_mdp(rng, (3, 2)) for _ in range(3)]
    theta, u, baseline = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=3)
    options = {"gae_lambda": gae_lambda, "baseline": baseline, "horizon": horizon}
    field = UpdateField(TabularMDP.stack(members), theta, **options)
    for i, mdp in enumerate(members):
        alone = UpdateField(mdp, theta, **options)
        assert_close(field.gradient[i], alone.gradient, SAME)
        assert_close(field.vjp(u)[i], alone.vjp(u), SAME)
        assert_close(field.cross_reward(u)[i], alone.cross_reward(u), SAME)
        assert_close(field.cross_gamma()[i], alone.cross_gamma(), SAME)
        assert_close(field.cross_lambda()[i], alone.cross_lambda(), SAME)


#: Batch shapes of θ, V_b, λ, γ and R, all of which broadcast together.
BATCHES = {
    "theta": ((3,), (), (), (), ()),
    "baseline": ((), (3,), (), (), ()),
    "lambda": ((), (), (3,), (), ()),
    "gamma": ((), (), (), (3,), ()),
    "reward": ((), (), (), (), (3,)),
    "as many rewards as parameters": ((), (), (), (), (6,)),
    "rewards by theta": ((2, 1), (), (), (), (3,)),
    "all": ((3,), (2, 1), (2, 3), (2, 1), (3,)),
}


@every_estimator
@pytest.mark.parametrize("horizon", [4, None])
@pytest.mark.parametrize("kind", BATCHES)
def test_means_of_a_batch_are_those_of_its_members(estimator, horizon, kind):
    of_theta, of_baseline, of_lambda, of_gamma, of_reward = BATCHES[kind]
    rng = np.random.default_rng(4)
    single, batch = random_mdp(rng, (3, 2)), np.broadcast_shapes(*BATCHES[kind])
    theta, rewards = rng.normal(size=(*of_theta, 3, 2)), rng.normal(size=(*of_reward, 3, 2))
    baseline, gae_lambda = rng.normal(size=(*of_baseline, 3)), rng.random(of_lambda)
    gamma, v = 0.9 * rng.random(of_gamma), rng.normal(size=(3, 2))
    together = moments.Expectation(
        single.with_gamma(gamma).with_reward(rewards),
        theta,
        estimator,
        horizon=horizon,
        baseline=baseline,
        gae_lambda=gae_lambda,
    )

    # `dice` ignores λ and V_b, and need not repeat over their batch.
    gradient, hvp = (
        np.broadcast_to(x, (*batch, 3, 2)) for x in (together.gradient, together.hvp(v))
    )
    hessian = np.broadcast_to(together.hessian, (*batch, 3, 2, 3, 2))
    for i in np.ndindex(batch):
        alone = moments.Expectation(
            single.with_gamma(np.broadcast_to(gamma, batch)[i]).with_reward(
                np.broadcast_to(rewards, (*batch, 3, 2))[i]
            ),
            np.broadcast_to(theta, (*batch, 3, 2))[i],
            estimator,
            horizon=horizon,
            baseline=np.broadcast_to(baseline, (*batch, 3))[i],
            gae_lambda=np.broadcast_to(gae_lambda, batch)[i],
        )
        assert_close(gradient[i], alone.gradient, SAME, what="E g")
        assert_close(hvp[i], alone.hvp(v), SAME, what="E Hv")
        assert_close(hessian[i], alone.hessian, SAME, what="E H")


@every_estimator
@pytest.mark.parametrize("horizon", [4, None])
def test_means_of_a_batch_of_mdps(estimator, horizon):
    rng = np.random.default_rng(4)
    members = [random_mdp(rng, (3, 2)) for _ in range(2)]
    theta, options = rng.normal(size=(3, 2)), {"horizon": horizon, "baseline": rng.normal(size=3)}
    together = moments.expected_hessian(TabularMDP.stack(members), theta, estimator, **options)
    for i, mdp in enumerate(members):
        alone = moments.expected_hessian(mdp, theta, estimator, **options)
        assert_close(together[i], alone, SAME)
