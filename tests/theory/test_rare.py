"""How much squares scatter by events: over all trajectories, by hand, and of products."""

import numpy as np
import pytest

from tabular import TabularMDP, zoo
from tabular.baselines import FixedBaseline, exact_baseline
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.policy import softmax
from tabular.registry import find_estimator
from tabular.sources import Sampled
from tabular.trajectory_law import TrajectoryLaw
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.test_simulation import lottery
from theory.inner_path import InnerPath, adjoints
from theory.laws import _product_scatter
from theory.rare import relative_variance

#: Sums over at most a few thousand trajectories.
SUMS = Tolerance(rtol=1e-10, atol=1e-12)


def law_of(mdp: TabularMDP, theta, horizon: int, baseline) -> TrajectoryLaw:
    return TrajectoryLaw(mdp, theta, horizon=horizon, baseline=baseline, gae_lambda=1.0)


def enumerated(mdp, theta, horizon, V_b, direction) -> float:
    """Both sums on every trajectory, conditional expectations by sums over those that agree."""
    every, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    s, a, after = (x[..., 0] for x in (every.states[:-1], every.actions, every.states[1:]))
    pi, gamma = softmax(theta), float(mdp.gamma)
    delta = every.rewards[..., 0] + gamma * V_b[after] - V_b[s]
    psi = np.zeros((*s.shape, mdp.num_states, mdp.num_actions))
    for t, i in np.ndindex(s.shape):
        psi[t, i, s[t, i]] -= pi[s[t, i]]
        psi[t, i, s[t, i], a[t, i]] += 1.0
    score = (psi**2).sum(axis=(-2, -1))
    if direction is not None:
        score = score * (psi * direction).sum(axis=(-2, -1)) ** 2
    discount = gamma ** (2 * np.arange(horizon))[:, None]

    def given(numbers, t):
        """E[numbers | x_t] on every trajectory."""
        same = (s[t][:, None] == s[t]) & (a[t][:, None] == a[t])
        return same @ (probability * numbers) / (same @ probability)

    surprises = discount * delta**2
    first = sum(surprises[t] * given(score[: t + 1].sum(axis=0), t) for t in range(horizon))
    second = sum(score[t] * given(surprises[t:].sum(axis=0), t) for t in range(horizon))
    return max(float(probability @ W**2) / float(probability @ W) ** 2 - 1 for W in (first, second))


@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("along", [False, True])
def test_against_all_trajectories(horizon, along):
    rng = np.random.default_rng(horizon)
    P = rng.dirichlet(np.full(2, 0.5), size=(2, 2))
    mdp = TabularMDP(P, rng.normal(size=(2, 2, 2)), 0.7, rng.dirichlet(np.ones(2)))
    theta, V_b = rng.normal(size=(2, 2)), rng.normal(size=2)
    direction = rng.normal(size=(2, 2)) if along else None
    found = relative_variance(law_of(mdp, theta, horizon, V_b), direction)
    assert_close(found, enumerated(mdp, theta, horizon, V_b, direction), SUMS)


def test_a_rare_reward_by_hand():
    """A prize of chance p in one step: squares of 0 or 1 have the relative variance (1 − p)/p."""
    found = relative_variance(law_of(lottery(0.04), np.zeros((2, 2)), 1, np.zeros(2)))
    assert_close(found, 0.96 / 0.04, SUMS)


def test_a_rare_action_by_hand():
    """Arms of rewards ±1, one of them of chance p: ‖ψ‖² is 2p² of the other and 2(1 − p)² of it."""
    p = 1e-3
    arms = TabularMDP(np.ones((1, 2, 1)), np.array([[1.0, -1.0]]), 0.5, 0)
    theta = np.array([[np.log((1 - p) / p), 0.0]])
    found = relative_variance(law_of(arms, theta, 1, np.zeros(1)))
    mean = (1 - p) * p**2 + p * (1 - p) ** 2
    assert_close(found, ((1 - p) * p**4 + p * (1 - p) ** 4) / mean**2 - 1, SUMS)


def test_size_of_rewards_and_directions_does_not_matter():
    mdp = TabularMDP.random(3, 2, rng=np.random.default_rng(0))
    theta, V_b, v = np.zeros((3, 2)), np.arange(3.0), np.random.default_rng(1).normal(size=(3, 2))
    expected = relative_variance(law_of(mdp, theta, 4, V_b), v)
    for size in (1e-45, 1e45):
        scaled = law_of(mdp.with_reward(size * mdp.R), theta, 4, size * V_b)
        assert_close(relative_variance(scaled, v * size), expected, SUMS)


def test_nothing_scatters_without_surprises_or_choices():
    """With V_b = V and equal rewards no temporal differences; with one action no scores."""
    mdp = zoo.chain(3).with_reward(np.ones((3, 2)))
    value = np.full(3, 1 / (1 - float(mdp.gamma)))
    assert relative_variance(law_of(mdp.with_gamma(0.0), np.zeros((3, 2)), 5, np.ones(3))) == 0.0
    assert relative_variance(law_of(mdp, np.zeros((3, 2)), 5, value)) < np.inf
    lone = TabularMDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.5, 0)
    assert relative_variance(law_of(lone, np.zeros((1, 1)), 5, np.zeros(1))) == 0.0


@pytest.mark.parametrize("step_size", [1.0, 10.0])
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_tails_of_factors_multiply(step_size, num_steps):
    """Against products of all trajectories' factors; 128 samples of three show no such tail."""
    P = np.broadcast_to([0.9, 0.1], (2, 2, 2))
    R = np.broadcast_to([[0.0, 10.0], [0.3, 8.0]], (2, 2, 2))
    mdp = TabularMDP(P, R, 0.5, 0)
    source, kind = Sampled("loaded_dice", 1, 2, exact_baseline), find_estimator("loaded_dice")
    path = InnerPath(mdp, source, step_size, num_steps)
    means = path.adjoints(path.means(source))
    last, mean = means[-1], means[0].ravel()

    products, weight = last.reshape(1, 4), np.ones(1)
    for theta in reversed(path.iterates[:-1]):
        every, probability = enumerate_trajectories(mdp, theta, horizon=2)
        baseline = exact_baseline(mdp, theta, None)
        each = Estimate(mdp, theta, every, estimator="loaded_dice", baseline=baseline)
        factors = np.eye(4) + step_size * each.hessian.reshape(-1, 4, 4)
        products = np.einsum("mij,nj->mni", factors, products).reshape(-1, 4)
        weight = np.outer(probability, weight).ravel()
    assert_close(weight @ products, mean, SUMS)
    square = ((products - mean) ** 2).sum(axis=1)
    truth = weight @ square**2 / (weight @ square) ** 2 - 1

    rng = np.random.default_rng(0)
    estimates = [path.repeat(source, i, 128, rng) for i in range(num_steps)]
    found = _product_scatter(kind, path, estimates, means, 1, weight @ square)
    assert truth / 3 < found < 3 * truth
    if num_steps == 3:
        trials = np.broadcast_to(last, (128, *last.shape))
        few = ((adjoints(trials, estimates, step_size)[0] - means[0]) ** 2).sum(axis=(1, 2))
        assert few.var() / few.mean() ** 2 < truth / 5


def test_a_lottery_along_the_path():
    """The law at each iterate is that of its policy."""
    mdp = lottery(0.04)
    path = InnerPath(mdp, Sampled("ad", 1, 1, FixedBaseline(np.zeros(2))), 1.0, 1)
    for i, theta in enumerate(path.iterates):
        expected = relative_variance(law_of(mdp, theta, 1, np.zeros(2)))
        assert_close(path.relative_variance(i), expected, SUMS)
