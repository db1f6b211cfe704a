"""Confidence intervals of a mean over MDPs, from paired differences.

MDPs are drawn independently, so that the differences d_1, ..., d_n of two settings on the same MDPs
are independent, and their mean has the interval d̄ ± t_{n−1}(1 − a/2) sd(d)/√n (Student). For m
comparisons behind one claim a is divided by m (Bonferroni), so that all m intervals hold together
with probability 1 − a. Noise of the simulation is part of the differences. What is the same random
variable by its definition (AD, LVC and Loaded-DiCE where the Hessian is exact) is compared once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from figures.claims.claim import Comparison
from tabular._checks import finite_array
from tabular.transitions import Array

#: Probability that one of a claim's intervals misses.
MISS = 0.05
#: Decimals to which two sets of differences are the same.
DECIMALS = 9


class Interval(NamedTuple):
    """Mean and ends, each (...)."""

    mean: Array
    low: Array
    high: Array


def interval(differences: Any, *, together: int = 1) -> Interval:
    """Return mean and interval over the last axis, at level 1 − `MISS`/`together`.

    Parameters
    ----------
    differences : array_like (..., n)
        One number an MDP, n >= 2.
    together : int
        How many intervals are to hold at once.

    Raises
    ------
    ValueError
        If there are fewer than two numbers or one is not finite.
    """
    d = finite_array(differences, "differences")
    if d.ndim == 0 or d.shape[-1] < 2:
        raise ValueError(
            f"an interval needs the numbers of two MDPs or more, received shape {d.shape}"
        )
    n = d.shape[-1]
    mean = d.mean(axis=-1)
    half = stats.t.ppf(1 - MISS / (2 * together), n - 1) * d.std(axis=-1, ddof=1) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def comparisons(
    positive: Mapping[str, Any] | None = None,
    *,
    equal: Mapping[str, Any] | None = None,
    margin: float = 0.0,
) -> tuple[Comparison, ...]:
    """Return what a claim rests on, all intervals holding together.

    Parameters
    ----------
    positive, equal : mapping, optional
        Differences (n,), one an MDP, by label: claimed to be positive, or within ± margin of zero.
    margin : float
        For `equal`.

    Returns
    -------
    tuple of Comparison
        The same numbers under several labels are one comparison.
    """
    groups = [
        (labels, differences, limit)
        for group, limit in ((positive, None), (equal, margin))
        for labels, differences in _distinct(group or {})
    ]
    return tuple(
        _comparison(joined(labels), differences, len(groups), limit)
        for labels, differences, limit in groups
    )


def _distinct(group: Mapping[str, Any]) -> list[tuple[list[str], Array]]:
    """Labels of the same numbers together."""
    found: dict[bytes, tuple[list[str], Array]] = {}
    for label, differences in group.items():
        d = finite_array(differences, label)
        key = (np.round(d, DECIMALS) + 0.0).tobytes()  # without −0
        found.setdefault(key, ([], d))[0].append(label)
    return list(found.values())


def joined(labels: Sequence[str]) -> str:
    """Join labels; of "a: x" and "b: x" make "a, b: x"."""
    heads, colons, tails = zip(*(label.partition(": ") for label in labels), strict=True)
    if len(set(tails)) == 1 and colons[0]:
        return f"{', '.join(heads)}: {tails[0]}"
    return "; ".join(labels)


def _comparison(label: str, d: Array, together: int, margin: float | None) -> Comparison:
    mean, low, high = map(float, interval(d, together=together))
    holds = d > 0 if margin is None else np.abs(d) < margin
    return Comparison(label, mean, low, high, margin, f"{int(holds.sum())} of {d.size}")
