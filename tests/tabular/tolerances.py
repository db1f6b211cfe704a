"""How closely two numbers must agree, one constant for each kind of quantity.

Distances are measured in the maximum norm of the whole table: a component far below the largest
one carries the rounding error of the largest. `scale` multiplies the absolute part where a test
knows the size of the numbers that cancelled (say 1/(1 − γ) times the rewards).
"""

from typing import Any, NamedTuple

import numpy as np


class Tolerance(NamedTuple):
    """|actual − expected| <= rtol · max|expected| + atol · scale."""

    rtol: float
    atol: float


# The moderate cases (γ <= 0.9) have condition numbers below 20, so that double precision keeps
# 14 digits; every derivative is a sum of more products of solutions, and loses a little more.
VALUE = Tolerance(rtol=1e-13, atol=1e-14)
FIRST = Tolerance(rtol=1e-12, atol=1e-13)
SECOND = Tolerance(rtol=1e-12, atol=1e-13)
THIRD = Tolerance(rtol=1e-11, atol=1e-13)

#: At γ = 0.999 the condition number (1 + γ)/(1 − γ) = 2000 leaves 12 digits of a value, and the
#: advantages of a saturated policy are differences of values a hundred times larger.
#: `scale` = the size of terms that cancel exactly; each keeps one rounding error.
CONDITIONED = Tolerance(rtol=1e-10, atol=1e-16)

#: A member of a batch against the single computation, or compiled loops against NumPy: the same
#: formulas with sums in another order and another factorisation. Each of the two solutions that
#: a second derivative multiplies carries a condition number (below 20) of rounding errors.
SAME = Tolerance(rtol=1e-12, atol=1e-13)

#: GMRES stops at a relative residual of 1e-12, which 1/(1 − γ) <= 20 magnifies.
ITERATIVE = Tolerance(rtol=1e-10, atol=1e-12)

#: Central differences of order four with h = 1e-3: truncation h⁴/30 = 3e-14 times a fifth
#: derivative, rounding 1e-16/h = 1e-13 times the function. An error of 5e-4 is far outside.
FINITE_DIFFERENCE = Tolerance(rtol=1e-9, atol=1e-12)

#: Identities between the engine's own numbers at any logits and up to γ = 0.999: about 20 units
#: of rounding in the largest terms, whose size `scale` a test knows before it starts.
IDENTITY = Tolerance(rtol=0.0, atol=5e-15)

#: Closed forms of means and covariances against sums over all trajectories of a tiny MDP: at most
#: 1e-11 · max(1, max|truth|), whatever the case. The largest error seen is 3e-14.
ENUMERATED = Tolerance(rtol=5e-12, atol=5e-12)


def assert_close(
    actual: Any, expected: Any, tolerance: Tolerance, *, scale: float = 1.0, what: str = ""
) -> None:
    """Fail unless shapes are equal, nothing is empty, all is finite and the distance is small."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    assert actual.shape == expected.shape, f"{what} shape {actual.shape} is not {expected.shape}"
    assert actual.size > 0, f"{what} is empty: nothing was compared"
    assert np.all(np.isfinite(expected)), f"{what} has a reference that is not finite"
    assert np.all(np.isfinite(actual)), f"{what} is not finite"
    error = float(np.max(np.abs(actual - expected)))
    allowed = tolerance.rtol * float(np.max(np.abs(expected))) + tolerance.atol * scale
    assert error <= allowed, f"{what} differs by {error:.3g}, allowed {allowed:.3g}"
