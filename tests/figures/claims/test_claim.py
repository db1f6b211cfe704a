"""Verdicts of comparisons and claims, in all their cases."""

import pytest

from figures.claims.claim import Claim, Comparison
from figures.claims.seen import NAMED, summary

HOLDS, FAILS, OPEN = "reproduced", "not reproduced", "inconclusive"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.3, HOLDS),
        (-0.3, -0.1, FAILS),
        (-0.1, 0.3, OPEN),
        (0.0, 0.3, OPEN),  # zero is not positive, and not excluded to be exceeded
        (-0.3, 0.0, FAILS),  # nothing in it is positive
        (0.0, 0.0, FAILS),  # two settings that are the same thing
        (0.2, 0.2, HOLDS),
    ],
)
def test_a_mean_that_is_to_be_positive(low, high, verdict):
    assert Comparison("x", (low + high) / 2, low, high).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.04, 0.04, HOLDS),
        (0.0, 0.0, HOLDS),
        (0.01, 0.04, HOLDS),  # surely not zero, and surely within the margin
        (0.06, 0.2, FAILS),
        (-0.2, -0.06, FAILS),
        (0.04, 0.06, OPEN),
        (-0.06, -0.04, OPEN),
        (-0.2, 0.2, OPEN),
        (-0.05, 0.05, OPEN),  # the ends of the margin are not within it
        (0.05, 0.2, OPEN),
        (0.05, 0.05, OPEN),
    ],
)
def test_a_mean_that_is_to_be_near_zero(low, high, verdict):
    assert Comparison("x", (low + high) / 2, low, high, margin=0.05).verdict == verdict


def comparison(verdict):
    low, high = {HOLDS: (1, 2), FAILS: (-2, -1), OPEN: (-1, 1)}[verdict]
    return Comparison(f"{verdict} one", (low + high) / 2, low, high)


def claim(*verdicts):
    return Claim("here", "so it is", ("fig5",), "test", tuple(map(comparison, verdicts)))


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ((HOLDS,), HOLDS),
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, OPEN), OPEN),
        ((OPEN,), OPEN),
        ((HOLDS, FAILS), FAILS),
        ((OPEN, FAILS), FAILS),
        ((HOLDS, OPEN, FAILS), FAILS),
        ((), OPEN),  # nothing was compared
    ],
)
def test_a_claim_is_as_weak_as_its_weakest_comparison(verdicts, together):
    assert claim(*verdicts).verdict == together


def test_what_was_seen_in_words():
    assert summary([comparison(HOLDS)]) == "1 of 1 comparison holds."
    assert summary([comparison(HOLDS)] * 3) == "3 of 3 comparisons hold."
    found = summary([comparison(HOLDS), comparison(FAILS), comparison(OPEN)])
    assert found.startswith("1 of 3 comparisons hold; 1 fails: not reproduced one")
    assert "1 is open: inconclusive one = +0 [−1, +1]" in found
    many = summary([comparison(FAILS)] * (NAMED + 1))
    assert many.count("not reproduced one") == NAMED
    assert many.endswith("] and 1 more.")
