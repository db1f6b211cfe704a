"""The two scores of simulated estimates, and when they say nothing."""

import numpy as np

from tabular import TabularMDP, zoo
from tests.tabular.tolerances import Tolerance, assert_close
from theory.rare import meets_enough
from theory.simulation import simulate

#: A few sums of numbers of size one.
SCORE = Tolerance(rtol=1e-12, atol=1e-12)
M = 128


def estimates(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal([1.0, 2.0], [1.0, 3.0], size=(M, 2))


MEAN, TRUTH = np.array([1.0, 2.0]), np.array([3.0, 4.0])


def test_scores_of_normal_estimates_by_hand():
    x = estimates()
    found = simulate([(x, MEAN, TRUTH)], 10.0, (0.6**2 + 0.8**2 * 9))
    along = (x - MEAN) @ np.array([0.6, 0.8])
    assert_close(found.z_mean(0.0), along.mean() / np.sqrt(6.12 / M), SCORE)
    squares = ((x - MEAN) ** 2).sum(axis=1)
    relative = squares.std(ddof=1) / np.sqrt(M) / squares.mean()
    assert_close(found.z_sd(0.0), np.log(squares.mean() / 10.0) / relative, SCORE)
    assert_close(found.rmse, np.sqrt(((x - TRUTH) ** 2).sum(axis=1).mean()), SCORE)


def test_pieces_add_up():
    x = estimates()
    whole = simulate([(x, MEAN, TRUTH)], 10.0, 6.12)
    pieces = [(x[:, i], MEAN[i], TRUTH[i]) for i in range(2)]
    parts = simulate(pieces, 10.0, 6.12)
    for name in ("squares", "along", "errors"):
        assert_close(getattr(parts, name), getattr(whole, name), SCORE)


def test_without_an_exact_variance_the_mean_is_studentised():
    x = estimates()
    along = (x - MEAN) @ np.array([0.6, 0.8])
    found = simulate([(x, MEAN, TRUTH)], None, None)
    expected = along.mean() / (along.std(ddof=1) / np.sqrt(M))
    assert_close(found.z_mean(0.0), expected, SCORE)
    assert found.z_sd(0.0) is None


def test_a_reward_seen_by_few_or_none_says_nothing_of_the_spread():
    rare = np.zeros((M, 2))
    for seen, says in ((0, False), (5, False), (40, True)):
        rare[:seen] = [1.0, 0.0]
        found = simulate([(rare, np.zeros(2), TRUTH)], 0.3, None)
        assert (found.z_sd(0.0) is not None) == says
        assert (found.z_mean(0.0) is not None) == says


def test_a_constant_offset_is_no_spread():
    """All estimates zero, their exact mean not: the squares do not scatter but by rounding."""
    zero = 1e-17 * estimates()
    found = simulate([(zero, MEAN, TRUTH)], 10.0, 6.12)
    assert found.z_sd(0.0) is None
    assert found.z_mean(0.0) is not None


def test_variances_of_rounding_errors_have_no_score():
    found = simulate([(estimates(), MEAN, TRUTH)], 1e-30, 1e-30)
    assert (found.z_mean(1e-14), found.z_sd(1e-14)) == (None, None)


def lottery(chance: float) -> TabularMDP:
    """One state; with this chance a step pays one."""
    P = np.array([[[1.0 - chance, chance]], [[1.0 - chance, chance]]])
    R = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    return TabularMDP(P, R, 0.5, [1.0, 0.0])


def test_a_simulation_must_meet_the_rewards_that_matter():
    """100 steps meet a reward of chance 0.04 four times, one of 0.06 six."""
    start = np.array([[1.0, 0.0]])
    zero = np.zeros(2)
    assert not meets_enough(lottery(0.04), zero, start, 100)
    assert meets_enough(lottery(0.04), zero, start, 150)
    assert meets_enough(lottery(0.06), zero, start, 100)
    assert meets_enough(lottery(0.055), zero, start, 100)


def seldom_met_share(mdp, R, V_b, visits, N) -> float:
    """The share of Σ_t γ^{2t} E δ_t² of transitions met less than five times, one by one."""
    seldom = every = 0.0
    for s, a, after in np.ndindex(mdp.P.shape):
        chance = [d[s] / mdp.num_actions * mdp.P[s, a, after] for d in visits]
        delta = R[s, a, after] + mdp.gamma * V_b[after] - V_b[s]
        share = sum(mdp.gamma ** (2 * t) * p for t, p in enumerate(chance)) * delta**2
        every += share
        seldom += share if N * sum(chance) < 5 else 0.0
    return seldom / every


def test_shares_of_the_variance_one_by_one():
    """Both verdicts, and shares on both sides of one in twenty, over random MDPs."""
    rng, shares = np.random.default_rng(1), []
    for _ in range(300):
        P = rng.dirichlet(np.full(3, 0.3), size=(3, 2))
        R = rng.normal(size=(3, 2, 3))
        mdp = TabularMDP(P, R, 0.4, 0)
        V_b, visits = rng.normal(size=3), rng.dirichlet(np.ones(3), size=4)
        N = int(rng.integers(10, 200))
        shares.append(seldom_met_share(mdp, R, V_b, visits, N))
        assert meets_enough(mdp, V_b, visits, N) == (shares[-1] <= 0.05)
    near = np.abs(np.log(np.array(shares)[np.array(shares) > 0] / 0.05)) < 0.2
    assert near.sum() > 5


def test_rare_transitions_without_a_surprise_do_not_matter():
    """With V_b = V and equal rewards no transition has a temporal difference."""
    mdp = zoo.chain(3).with_reward(np.ones((3, 2)))
    value = np.full(3, 1 / (1 - float(mdp.gamma)))
    assert meets_enough(mdp, value, np.array([[1e-9, 0.0, 1.0 - 1e-9]]), 1)
