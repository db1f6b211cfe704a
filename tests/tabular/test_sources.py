"""Exact, sampled and mean sources, one at a time."""

from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tabular.baselines import NoisyBaseline, exact_baseline, zero_baseline
from tabular.estimators import Estimate
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tabular.sampling import sample
from tabular.sources import Exact, Mean, Sampled, Update
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import Estimates, meta_case

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def test_exact_is_the_problems_own_differential():
    differential = object()
    update = Update(None, None, exact=lambda: differential)
    assert Exact()(update, None) is differential


@every_estimator
def test_mean_is_the_sum_over_trajectories(estimator):
    problem, _, phi = meta_case("maml", (2, 2))
    source = Sampled(estimator, 3, 3, gae_lambda=0.6)
    mean = Mean(source)(problem.inner(phi, phi), None)
    each = Estimates.at(problem.mdp, phi, estimator, horizon=3, gae_lambda=0.6)
    assert_close(mean.gradient.ravel(), each.mean(each.gradients), SECOND)
    u = np.random.default_rng(0).normal(size=(2, 2))
    assert_close(mean.vjp(u).ravel(), u.ravel() @ each.mean(each.hessians), SECOND)


@every_estimator
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_sampled_is_an_estimate_on_fresh_trajectories(estimator, batch):
    problem, _, phi = meta_case("maml", (3, 2))
    theta = phi + np.random.default_rng(1).normal(size=(*batch, 3, 2))
    source = Sampled(estimator, 5, 4, gae_lambda=0.6)
    drawn = source(problem.inner(theta, theta), np.random.default_rng(2))
    rng = np.random.default_rng(2)
    again = sample(problem.mdp, theta, horizon=4, num_trajectories=5, rng=rng)
    baseline = exact.state_value(problem.mdp, theta)
    options = {"estimator": estimator, "baseline": baseline, "gae_lambda": 0.6}
    expected = Estimate(problem.mdp, theta, again, **options)
    u = np.random.default_rng(3).normal(size=(3, 2))
    assert np.array_equal(drawn.gradient, expected.gradient)
    assert np.array_equal(drawn.vjp(u), expected.hvp(u))


@pytest.mark.parametrize("mean", [False, True])
def test_critic_and_lambda_of_the_update_come_first(mean):
    """MGRL fixes V_b and λ: what the source says of them does not matter."""
    problem, _, phi = meta_case("mgrl", (3, 2))
    update = problem.inner(phi, problem.start(phi))
    gradients = []
    for settings in ({}, {"baseline": zero_baseline, "gae_lambda": 0.1}):
        source = Sampled("lvc", 4, 5, **settings)
        source = Mean(source) if mean else source
        gradients.append(source(update, np.random.default_rng(4)).gradient)
    assert np.array_equal(*gradients)
    options = Sampled("lvc", 4).advantage_options(update, None)
    assert options["baseline"] is problem.critic
    assert options["gae_lambda"] == phi[1]


def test_the_baseline_follows_the_policy():
    """It is called once an estimate, with the update's own MDP and θ and the generator."""
    problem, _, phi = meta_case("lirpg", (3, 2))
    calls = []

    def baseline(*call: Any) -> Any:
        calls.append(call)
        return exact_baseline(*call)

    source, rng = Sampled("lvc", 4, 5, baseline=baseline), np.random.default_rng(5)
    meta_gradient(problem, phi, step_size=1.0, num_steps=2, curvature=source, outer=source, rng=rng)
    (mdp, _, _), (_, _, _), (last, _, _) = calls
    assert all(call[2] is rng for call in calls)
    assert len({call[1].tobytes() for call in calls}) == 3
    assert_close(mdp.R, problem.mdp.R + phi, SAME)
    assert last is problem.mdp


def test_sources_are_values():
    assert Sampled("ad", 2) == Sampled("ad", 2, horizon=20, baseline=exact_baseline)
    assert Sampled("ad", 2) != Sampled("ad", 2, baseline=zero_baseline)
    assert Sampled("ad", 2, baseline=NoisyBaseline()) == Sampled("ad", 2, baseline=NoisyBaseline())
    assert len({Exact(), EXACT, Mean(Sampled("ad", 2)), Mean(Sampled("ad", 2))}) == 2
    with pytest.raises(AttributeError):
        Sampled("ad", 2).horizon = 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("maml", 2), ValueError, "unknown estimator 'maml'; choose one of ad, dice, loaded_dice"),
        (("ad", 0), ValueError, "num_trajectories must be at least 1, received 0"),
        (("ad", 2.0), TypeError, "num_trajectories must be an integer, received 2.0"),
        (("ad", True), TypeError, "num_trajectories must be an integer, received True"),
        (("ad", 2, 0), ValueError, "horizon must be at least 1, received 0"),
        (("ad", 2, None), TypeError, "horizon must be an integer, received None"),
        (("ad", 2, 5, exact_baseline, 1.5), ValueError, r"gae_lambda must lie in \[0, 1\]"),
        (("ad", 2, 5, exact_baseline, float("nan")), ValueError, "gae_lambda must be finite"),
    ],
)
def test_bad_settings(arguments, error, message):
    with pytest.raises(error, match=message):
        Sampled(*arguments)


def test_a_baseline_of_the_wrong_shape_is_refused():
    problem, _, phi = meta_case("maml", (3, 2))
    source = Sampled("ad", 2, baseline=lambda mdp, theta, rng: np.zeros(4))
    for choice in (source, Mean(source)):
        with pytest.raises(ValueError, match=r"baseline must have shape \(..., 3\)"):
            choice(problem.inner(phi, phi), np.random.default_rng(0))


def test_a_batch_of_mdps_cannot_be_sampled():
    problem, _, phi = meta_case("maml", (3, 2))
    stacked = Maml(TabularMDP.stack([problem.mdp, problem.mdp]))
    with pytest.raises(ValueError, match="sampling needs one MDP"):
        Sampled("ad", 2)(stacked.inner(phi, phi), np.random.default_rng(0))
