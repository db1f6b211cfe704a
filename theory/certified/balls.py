"""Ball arithmetic: exact rationals from floats, and norms with rigorous enclosures.

A ball (`flint.arb`) contains the number it stands for; operations at the working precision round
outwards. A symmetric matrix's operator norm is enclosed by powers of the matrix,

    tr(A^m)/d <= ‖A‖^m <= tr(A^m),    m = 2^j,

whose m-th roots differ by a factor d^{1/m}: no eigenvector is needed, and multiple eigenvalues do
no harm. With j half the bits, that factor and the rounding of j squarings are both about 2^{−j}.
Source: [Johansson2017] for balls; the enclosure is derived here from Σ_k λ_k^m.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    from flint import arb, arb_mat, ctx, fmpq
except ImportError as error:
    raise ImportError(
        "certified mode needs python-flint; install it with: pip install 'gmrl[certify]'"
    ) from error

__all__ = ["arb", "arb_mat", "column", "ctx", "diagonal", "fmpq", "identity"]

#: A ball, a matrix of balls, a rational: python-flint has no types.
Ball = Any
Matrix = Any
Rational = Any


def rational(value: float) -> Rational:
    """Return a float as the rational number that it is."""
    return fmpq(*float(value).as_integer_ratio())


def column(entries: Iterable[Any]) -> Matrix:
    """A column vector."""
    entries = [arb(x) for x in entries]
    return arb_mat(len(entries), 1, entries)


def diagonal(entries: list[Any]) -> Matrix:
    """A diagonal matrix."""
    d = len(entries)
    return arb_mat(d, d, [entries[i] if i == j else 0 for i in range(d) for j in range(d)])


def identity(d: int) -> Matrix:
    """I."""
    return diagonal([arb(1)] * d)


def root(x: Ball) -> Ball:
    """√x of a number that is not negative, although its ball may reach below zero."""
    if x.lower() > 0:
        return x.sqrt()
    return arb(0).union(x.upper().max(arb(0)).sqrt())


def square(x: Ball) -> Ball:
    """x², also where the ball contains zero: there python-flint's x**2 is NaN."""
    return x * x


def squared_norm(v: Matrix) -> Ball:
    """‖v‖², or ‖A‖_F²."""
    return sum(map(square, v.entries()), arb(0))


def norm(v: Matrix) -> Ball:
    """‖v‖, or ‖A‖_F."""
    return root(squared_norm(v))


def symmetric_norm(matrix: Matrix) -> Ball:
    """Operator norm of a symmetric matrix."""
    power, squarings = matrix, max(1, ctx.prec // 2)
    for _ in range(squarings):
        power = power * power
    trace = power.trace()
    low, high = trace / matrix.nrows(), trace
    for _ in range(squarings):
        low, high = root(low), root(high)
    return low.union(high)
