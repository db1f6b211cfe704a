"""Intervals against SciPy's, together and alone, and how often they miss."""

import re

import numpy as np
import pytest
from scipy import stats

from figures.claims.intervals import MISS, comparisons, interval

RNG = np.random.default_rng(5)
SAMPLES = {
    "two": RNG.normal(size=2),
    "ten": RNG.normal(3, 2, size=10),
    "skew": RNG.exponential(size=25),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


@every_sample
@pytest.mark.parametrize("together", [1, 4, 28])
def test_intervals_are_students_with_bonferronis_level(sample, together):
    found = interval(sample, together=together)
    level = 1 - 0.05 / together
    expected = stats.ttest_1samp(sample, 0.0).confidence_interval(confidence_level=level)
    assert found.low == pytest.approx(expected.low, rel=1e-12, abs=1e-12)
    assert found.high == pytest.approx(expected.high, rel=1e-12, abs=1e-12)
    assert found.mean == pytest.approx(sample.mean(), rel=1e-14)


def test_leading_axes_are_intervals_of_their_own():
    table = RNG.normal(size=(3, 2, 7))
    found = interval(table)
    assert found.mean.shape == (3, 2)
    for index in np.ndindex(3, 2):
        one = interval(table[index])
        assert [x[index] for x in found] == pytest.approx(list(one), rel=1e-14)


def test_equal_numbers_have_an_interval_of_no_width():
    assert interval([2.5] * 4) == (2.5, 2.5, 2.5)


@pytest.mark.parametrize("wrong", [[1.0], 1.0, [[1.0], [2.0]]])
def test_one_number_has_no_interval(wrong):
    with pytest.raises(ValueError, match="two MDPs or more"):
        interval(wrong)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_must_be_finite(wrong):
    with pytest.raises(ValueError, match="finite"):
        interval([1.0, wrong])
    with pytest.raises(ValueError, match=r"LVC: EES .* finite"):
        comparisons({"LVC: EES": [1.0, wrong]})


def test_comparisons_hold_together():
    positive = {"a": SAMPLES["ten"], "b": -SAMPLES["ten"]}
    equal = {"c": SAMPLES["skew"]}
    found = comparisons(positive, equal=equal, margin=0.25)
    assert [one.label for one in found] == ["a", "b", "c"]
    assert [one.margin for one in found] == [None, None, 0.25]
    for one, sample in zip(found, [*positive.values(), *equal.values()], strict=True):
        expected = interval(sample, together=3)
        assert (one.mean, one.low, one.high) == tuple(map(float, expected))
        won = sum(1 for d in sample if (d > 0 if one.margin is None else abs(d) < one.margin))
        assert one.wins == f"{won} of {len(sample)}"
    alone = comparisons({"a": positive["a"]})[0]
    assert alone.low > found[0].low
    assert comparisons() == ()


def test_the_same_numbers_are_compared_once():
    """Up to round-off, whatever the labels; as positive and as equal they are two."""
    d = SAMPLES["ten"]
    zero, minus_zero = np.zeros(3), -np.zeros(3)
    same = {"AD: EES − SES": d, "LVC: EES − SES": d + 1e-13, "AD: ESS − SSS": d + 1e-6}
    found = comparisons(same, equal={"x": d, "x: a": zero, "y": minus_zero}, margin=1.0)
    labels = [one.label for one in found]
    assert labels == ["AD, LVC: EES − SES", "AD: ESS − SSS", "x", "x: a; y"]
    assert (found[0].low, found[0].high) == tuple(map(float, interval(d, together=4)[1:]))


def test_a_tie_is_no_win():
    (one,) = comparisons({"a": [0.0, 1.0, -1.0]})
    assert re.fullmatch("1 of 3", one.wins)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "together"), [(2, 1), (10, 1), (10, 6)])
def test_all_intervals_hold_together_as_often_as_they_say(n, together):
    """Independent normal comparisons: all m hold with probability (1 − 0.05/m)^m >= 0.95."""
    repeats = 200_000
    draws = np.random.default_rng(11).normal(0.7, 2.0, size=(repeats, together, n))
    found = interval(draws, together=together)
    held = ((found.low < 0.7) & (found.high > 0.7)).all(axis=-1).mean()
    expected = (1 - MISS / together) ** together
    assert abs(held - expected) < 4 * np.sqrt(expected * (1 - expected) / repeats)
