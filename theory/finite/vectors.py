"""Random vectors with finitely many outcomes: X = x_j with probability p_j, j < M.

Several vectors on one law are jointly distributed: row j of each is its value at outcome j. With
the Euclidean norm (Frobenius' for matrices, as vectors of their entries),

    E X = Σ_j p_j x_j,    V[X] = E‖X − E X‖²                 ([Liu2022], Definition H.4).

How much rounding changes such numbers is counted, not guessed. The p_j are divided by their sum,
and every sum has at most M or d terms, so the computed mean of f(X), where f is a norm or a square
of one, is off by at most n ε E|f|, n = 2 M + d + 8, plus n times the smallest number for underflow
([Higham2002], section 3.1). V[X] subtracts the mean first, which costs at most 4 n ε E‖X‖².
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.mdp_checks import ROW_SUM_TOLERANCE
from tabular.transitions import Array

EPSILON = float(np.finfo(np.float64).eps)
SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
#: Third-order products of entries up to this are finite.
LARGEST = 1e101


class FiniteLaw:
    """The probabilities of M outcomes.

    Parameters
    ----------
    probability : array_like (M,)
        Non-negative, summing to one up to `ROW_SUM_TOLERANCE`; divided by their sum.

    Raises
    ------
    ValueError, TypeError
        If the probabilities are not those of a law.
    """

    def __init__(self, probability: Any) -> None:
        p = _checks.finite_array(probability, "probability")
        if p.ndim != 1 or not p.size:
            raise ValueError(f"probability must have shape (M,), M >= 1, received {p.shape}")
        if np.any(p < 0):
            j = int(np.argmin(p))
            raise ValueError(f"probability must be non-negative, received {p[j]} at outcome {j}")
        total = float(p.sum())
        if abs(total - 1.0) > ROW_SUM_TOLERANCE:
            raise ValueError(f"probability must sum to 1, received a sum of {total}")
        self.probability = p / total

    @property
    def num_outcomes(self) -> int:
        """M."""
        return len(self.probability)

    def values(self, values: Any, name: str) -> Array:
        """Return a random vector's values as (M, d), scalars as (M, 1), after checking them.

        Raises
        ------
        ValueError, TypeError
            If there is not one vector an outcome, or an entry is beyond `LARGEST`.
        """
        x = _checks.finite_array(values, name)
        if x.ndim == 1:
            x = x[:, None]
        if x.ndim != 2 or len(x) != self.num_outcomes or not x.size:
            raise ValueError(
                f"{name} must have shape ({self.num_outcomes}, d), a vector for each outcome, "
                f"received {np.shape(values)}"
            )
        return bounded(x, name)

    def mean(self, values: Array) -> Array:
        """E of values (M, ...)."""
        return np.tensordot(self.probability, values, axes=1)

    def mean_norm(self, x: Array) -> float:
        """E‖X‖."""
        return float(self.probability @ np.linalg.norm(x, axis=1))

    def second_moment(self, x: Array) -> float:
        """E‖X‖²."""
        return float(self.probability @ (x**2).sum(axis=1))

    def variance(self, x: Array) -> float:
        """V[X]."""
        return self.second_moment(x - self.mean(x))

    def rounding(self, dimension: int, magnitude: float, *, smallest: float = SMALLEST) -> float:
        """n (ε magnitude + smallest number): of expectations of that total magnitude."""
        count = 2 * self.num_outcomes + dimension + 8
        return count * (EPSILON * magnitude + smallest)

    def norm_rounding(self, dimension: int, magnitude: float) -> float:
        """The same of norms, roots of squares that may underflow."""
        return self.rounding(dimension, magnitude, smallest=SMALLEST**0.5)


def bounded(x: Array, name: str) -> Array:
    """Return `x` if its moments are finite, or raise ValueError."""
    if np.abs(x).max(initial=0.0) > LARGEST:
        raise ValueError(
            f"{name} must stay below {LARGEST:g}, so that its moments are finite; "
            f"received {np.abs(x).max()}: choose another unit"
        )
    return x


def same_shape(x: Array, y: Array) -> None:
    """Raise ValueError unless X and Y can be added."""
    if x.shape != y.shape:
        raise ValueError(
            f"x and y must have the same dimension, received {x.shape[1]} and {y.shape[1]}"
        )
