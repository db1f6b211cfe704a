"""Finite random vectors: moments against fractions, refusals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from tests.theory.finite.random_vectors import joint_laws
from theory.finite.vectors import FiniteLaw


def fractions_of(law, x):
    """(p, x) as exact numbers, the probabilities summing to one exactly."""
    p = [Fraction(float(q)) for q in law.probability]
    return [q / sum(p) for q in p], [[Fraction(float(e)) for e in row] for row in x]


@given(joint_laws())
def test_moments_agree_with_fractions_within_the_stated_rounding(joint):
    law = FiniteLaw(joint.probability)
    x = law.values(joint.x, "x")
    p, exact = fractions_of(law, x)
    mean = [sum(q * row[k] for q, row in zip(p, exact, strict=True)) for k in range(x.shape[1])]
    second = sum(q * sum(e**2 for e in row) for q, row in zip(p, exact, strict=True))
    variance = second - sum(m**2 for m in mean)
    d, size = x.shape[1], law.second_moment(x)
    assert abs(Fraction(law.second_moment(x)) - second) <= law.rounding(d, size)
    assert abs(Fraction(law.variance(x)) - variance) <= law.rounding(d, 4 * size)
    error = sum((Fraction(float(a)) - b) ** 2 for a, b in zip(law.mean(x), mean, strict=True))
    assert float(error) ** 0.5 <= law.norm_rounding(d, law.mean_norm(x))


def test_probabilities_are_divided_by_their_sum():
    law = FiniteLaw([0.25, 0.25, 0.5000001])
    assert abs(law.probability.sum() - 1) <= 2 * np.finfo(float).eps
    assert law.mean(law.values([1.0, 1.0, 1.0], "x")) == pytest.approx(1.0, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("probability", "message"),
    [
        ([0.5, 0.6], "sum to 1, received a sum of 1.1"),
        ([1.5, -0.5], "non-negative, received -0.5 at outcome 1"),
        ([], r"shape \(M,\)"),
        ([[1.0]], r"received \(1, 1\)"),
        ([np.nan, 1.0], "finite"),
    ],
)
def test_what_is_no_law_is_refused(probability, message):
    with pytest.raises(ValueError, match=message):
        FiniteLaw(probability)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 2)), r"shape \(2, d\)"),
        (np.zeros((2, 0)), r"received \(2, 0\)"),
        (np.zeros((2, 2, 2)), r"received \(2, 2, 2\)"),
        ([1e102, 0.0], "another unit"),
        ([np.inf, 0.0], "finite"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FiniteLaw([0.5, 0.5]).values(values, "x")


def test_the_wrong_kind_is_refused():
    with pytest.raises(TypeError, match="probability must be an array"):
        FiniteLaw("half")
