"""Slopes and degrees of sequences that are known."""

import numpy as np
import pytest

from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import VALUE, assert_close
from tests.theory.sample_paths import ENDS, Slow, finite
from theory.rates import Rate, compositional_numbers, degree
from theory.second_order import SampledLoop

X = np.array([1.0, 2.0, 4.0, 8.0])


def rate(x, y, end="last") -> Rate:
    return Rate("y", "x", "always", 3.0, x, y, end)


def test_slopes_of_a_power():
    cubic = rate(X, 5 * X**3)
    assert_close(cubic.slopes, np.full(3, 3.0), VALUE, scale=10.0)
    assert_close(cubic.fitted, 3.0, VALUE, scale=10.0)
    assert_close(cubic.limit, 3.0, VALUE, scale=10.0)
    fine = np.array([100.0, 200.0, 400.0])
    assert (
        abs(rate(fine, fine**3 + fine**2).limit - 3)
        < 1e-3
        < 3 - rate(fine, fine**3 + fine**2).slope
    )
    assert abs(rate(1 / fine[::-1], 1 / fine[::-1] + fine[::-1] ** -2, "first").limit - 1) < 1e-4
    assert rate(fine[:2], fine[:2]).limit == rate(fine[:2], fine[:2]).slope
    mixed = X + X**3
    assert rate(X, mixed).slope > rate(X, mixed).fitted > rate(X, mixed, "first").slope > 1


def test_limits_by_hand():
    """Slopes 2 and 3 about x = 2 and 20: lines in x and in 1/x through them."""
    x = np.array([1.0, 4.0, 100.0])
    y = np.array([1.0, 4.0**2, 4.0**2 * 25.0**3])
    assert_close(rate(x, y, "first").limit, 2 - 2 / 18, VALUE, scale=10.0)
    assert_close(rate(x, y, "last").limit, 3 + 2 / 18, VALUE, scale=10.0)


@pytest.mark.parametrize(
    ("x", "y"),
    [(X[::-1], X), (X, 0 * X), (X[:1], X[:1]), (X - 1, X)],
    ids=["decreasing", "zero", "one point", "x = 0"],
)
def test_what_has_no_slope(x, y):
    with pytest.raises(ValueError, match="slopes need"):
        rate(x, y)


def test_degrees():
    x = np.arange(9.0)
    for k in range(6):
        values = np.stack([x**k, 3 - x ** max(k - 1, 0)], axis=1)
        assert degree(values) == k
    assert degree(np.zeros((5, 2))) == 0
    assert degree(x**3 + 1e-9 * x**4) == 4
    assert degree(np.exp(x)) == 8


def test_degrees_up_to_rounding():
    """Differences of order k have 2^k times the rounding of the values, and no more is ignored."""
    x = np.arange(20.0)
    assert degree(np.sqrt(2) * x + 1 / 3) == 1
    assert degree(x[:9] ** 3 + 1e-12 * x[:9] ** 4) == 4


def test_numbers_are_those_of_every_sequence():
    mdp, theta = random_mdp(np.random.default_rng(9), (1, 2), 0.0), np.array([[0.2, 0.7]])
    numbers = compositional_numbers(
        finite(SampledLoop(mdp, theta, 0.8, 1, 1)), "K", [1, 2], step_size=0.8, num_trajectories=3
    )
    slow = Slow(mdp, 0.8, 1, np.zeros(1))
    for i, K in enumerate([1, 2]):
        weight, ends = slow.ends(theta, K, 3)
        exact = slow.exact_path(theta, K)[-1]
        off = np.linalg.norm((ends - exact).reshape(len(ends), -1), axis=1)
        slopes = np.stack([slow.reference(end).gradient for end in ends])
        bias = np.tensordot(weight, slopes, axes=1) - slow.reference(exact).gradient
        assert_close(numbers.error[i], weight @ off, ENDS)
        assert_close(numbers.spread[i], np.sqrt(weight @ off**2), ENDS)
        assert_close(numbers.bias[i], np.linalg.norm(bias), ENDS)


def test_unknown_variable():
    mdp = random_mdp(np.random.default_rng(9), (1, 2), 0.0)
    with pytest.raises(ValueError, match="variable must be one of"):
        compositional_numbers(finite(SampledLoop(mdp, np.zeros((1, 2)), 1.0, 1, 1)), "T", [1, 2])
