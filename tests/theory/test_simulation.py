"""The two scores of simulated estimates, and when they say nothing."""

import numpy as np

from tests.tabular.tolerances import Tolerance, assert_close
from theory.simulation import simulate

#: A few sums of numbers of size one.
SCORE = Tolerance(rtol=1e-12, atol=1e-12)
M = 128


def estimates(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal([1.0, 2.0], [1.0, 3.0], size=(M, 2))


MEAN, TRUTH = np.array([1.0, 2.0]), np.array([3.0, 4.0])


def test_scores_of_normal_estimates_by_hand():
    x = estimates()
    found = simulate([(x, MEAN, TRUTH)], 10.0, (0.6**2 + 0.8**2 * 9), 0.0)
    along = (x - MEAN) @ np.array([0.6, 0.8])
    assert_close(found.z_mean(0.0), along.mean() / np.sqrt(6.12 / M), SCORE)
    squares = ((x - MEAN) ** 2).sum(axis=1)
    relative = squares.std(ddof=1) / np.sqrt(M) / squares.mean()
    assert_close(found.z_sd(0.0), np.log(squares.mean() / 10.0) / relative, SCORE)
    assert_close(found.rmse, np.sqrt(((x - TRUTH) ** 2).sum(axis=1).mean()), SCORE)


def test_pieces_add_up():
    x = estimates()
    whole = simulate([(x, MEAN, TRUTH)], 10.0, 6.12, 0.0)
    pieces = [(x[:, i], MEAN[i], TRUTH[i]) for i in range(2)]
    parts = simulate(pieces, 10.0, 6.12, 0.0)
    for name in ("squares", "along", "errors"):
        assert_close(getattr(parts, name), getattr(whole, name), SCORE)


def test_without_an_exact_variance_the_mean_is_studentised():
    x = estimates()
    along = (x - MEAN) @ np.array([0.6, 0.8])
    found = simulate([(x, MEAN, TRUTH)], None, None, 0.0)
    expected = along.mean() / (along.std(ddof=1) / np.sqrt(M))
    assert_close(found.z_mean(0.0), expected, SCORE)
    assert found.z_sd(0.0) is None


def test_a_reward_seen_by_few_or_none_says_nothing_of_the_spread():
    rare = np.zeros((M, 2))
    for seen, says in ((0, False), (5, False), (40, True)):
        rare[:seen] = [1.0, 0.0]
        found = simulate([(rare, np.zeros(2), TRUTH)], 0.3, None, 0.0)
        assert (found.z_sd(0.0) is not None) == says
        assert (found.z_mean(0.0) is not None) == says


def test_a_constant_offset_is_no_spread():
    """All estimates zero, their exact mean not: the squares do not scatter but by rounding."""
    zero = 1e-17 * estimates()
    found = simulate([(zero, MEAN, TRUTH)], 10.0, 6.12, 0.0)
    assert found.z_sd(0.0) is None
    assert found.z_mean(0.0) is not None


def test_variances_of_rounding_errors_have_no_score():
    found = simulate([(estimates(), MEAN, TRUTH)], 1e-30, 1e-30, 0.0)
    assert (found.z_mean(1e-14), found.z_sd(1e-14)) == (None, None)


def test_events_that_samples_may_not_have_met_widen_the_spread():
    """By 128 squares of relative variance 4 their mean is known to √(4/128); by 13, not at all."""
    x = estimates()
    found = {
        scatter: simulate([(x, MEAN, TRUTH)], 5.0, None, scatter).z_sd(0.0)
        for scatter in (0.0, 4.0, 13.0)
    }
    ratio = ((x - MEAN) ** 2).sum(axis=1).mean() / 5.0
    assert_close(found[4.0], np.log(ratio) / np.sqrt(4 / M), SCORE)
    assert found[0.0] > found[4.0] > 0
    assert found[13.0] is None


def test_squares_that_are_all_but_the_same_say_nothing():
    """They scatter by 1e-5 of their mean; an event of chance 1/1000 that was missed may move v."""
    for spread, says in ((1e-5, False), (1e-2, True)):
        x = MEAN + np.random.default_rng(0).choice([1.0, 1.0 + spread], size=(M, 2))
        assert (simulate([(x, MEAN, TRUTH)], 2.0, None, 0.0).z_sd(0.0) is not None) == says


def test_scatter_of_the_size_of_rounding_has_no_score():
    x = MEAN + np.random.default_rng(0).choice([1.0, 1.01], size=(M, 2))
    for rounding, says in ((1e-6, True), (1e-2, False)):
        assert (simulate([(x, MEAN, TRUTH)], 2.0, None, 0.0).z_sd(rounding) is not None) == says
