"""The abstract's two rates: where each holds, and where it does not."""

from dataclasses import replace

import numpy as np
import pytest

from theory.finite.quadratic import Quadratic
from theory.rates import compositional_numbers
from theory.statements.abstract import (
    compositional_rates,
    hessian_rates,
    stated_compositional_rate,
    step_rates,
)

#: Of y ~ x^r (1 + c x) or (1 + c/x) the extrapolated slope is off by order x² or 1/x², at the ends
#: that are taken: 1e-4 in α and Δ_H, 0.01 in N where c/N is a tenth at the last N.
SLOPE = 0.01


@pytest.mark.parametrize("K", [1, 2, 3])
def test_compositional_rates(K):
    for rate in compositional_rates(K):
        assert abs(rate.limit - rate.exponent) < SLOPE, rate
        assert abs(rate.slope - rate.exponent) < 4 * SLOPE, rate


@pytest.mark.parametrize("K", [2, 3])
def test_the_stated_exponents_are_not_those_of_small_steps(K):
    """α^K and N^{−1/2} for the bias would be caught."""
    found = {(r.quantity, r.variable, r.regime): r.slope for r in compositional_rates(K)}
    assert abs(found["error", "alpha", "small"] - K) > 0.9
    assert abs(found["bias", "N", "large"] + 0.5) > 0.4
    assert abs(found["error", "alpha", "large, softmax"] - K) > 0.9


def test_rates_against_the_number_of_steps():
    for rate in step_rates():
        assert abs(rate.limit - rate.exponent) < SLOPE, rate


@pytest.mark.parametrize("K", [2, 3, 4])
def test_hessian_rates(K):
    rates = hessian_rates(K)
    assert [rate.exponent for rate in rates] == [1, K, 1, K - 1]
    for rate in rates:
        assert abs(rate.limit - rate.exponent) < SLOPE, rate


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("c1", [0.2, 1.0, 5.0])
def test_stated_rate_holds_from_alpha_c1_of_one_on(K, c1):
    steps = np.array([1.0, 3.0, 100.0]) / c1
    options = {"num_steps": K, "num_trajectories": 4}
    problem = Quadratic(c1=c1, sigma=0.7)
    stated = {"c1": c1, "sigma_in": 0.7, "num_steps": K, "N": 4, "scope": "every θ"}
    spread = compositional_numbers(problem, "alpha", steps, **options).spread
    checks = stated_compositional_rate(spread, steps, **stated)
    assert all(check.holds for check in checks)
    if K == 1:
        assert max(abs(check.ratio - 1) for check in checks) < 1e-12
        assert not any(replace(check, rhs=(1 - 1e-9) * check.rhs).holds for check in checks)
    steps = np.array([1e-3, 1e-2]) / c1
    spread = compositional_numbers(problem, "alpha", steps, **options).spread
    checks = stated_compositional_rate(spread, steps, **stated)
    assert all(check.holds == (K == 1) for check in checks)
