"""Reading numbers out of the figures' data, and putting what was seen into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Comparison
from figures.claims.intervals import interval
from figures.palette import ESTIMATOR_LOOKS
from tabular.transitions import Array

#: Two accuracies are comparable within this: a twentieth of the way from no relation to identity.
COMPARABLE = 0.05
#: A fall of the accuracy is one "by a lot" from here on.
A_LOT = 0.2
#: What varies in a figure.
GRID = ("N", "K", "alpha")
#: An estimator and a permutation: whose accuracy.
Whose = tuple[str, str]
#: Most comparisons named one by one.
NAMED = 2


def over_grid(data: xr.Dataset, name: str, estimator: str, permutation: str) -> xr.DataArray:
    """One quantity by N, K, α and MDP, averaged over trials."""
    each = data[name].sel(estimator=estimator, permutation=permutation)
    return each.mean("trial") if "trial" in each.dims else each


def accuracy(data: xr.Dataset, estimator: str, permutation: str) -> Array:
    """Mean accuracy over the whole grid of the figure, one number an MDP."""
    each = over_grid(data, "accuracy", estimator, permutation)
    return np.asarray(each.mean(GRID))


def gaps(
    data: xr.Dataset, pairs: Mapping[str, tuple[Whose, Whose]]
) -> tuple[dict[str, Array], str]:
    """Differences of mean accuracy by label, and in words which change sign along the figure.

    A sign counts where the end's own interval excludes zero.
    """
    x = max(GRID, key=lambda axis: data.sizes[axis])
    ends = data.isel({x: [0]}), data.isel({x: [-1]})
    differences, turns = {}, []
    for name, (one, other) in pairs.items():
        differences[name] = accuracy(data, *one) - accuracy(data, *other)
        start, end = (interval(accuracy(at, *one) - accuracy(at, *other)) for at in ends)
        if start.low > 0 > end.high or start.high < 0 < end.low:
            first, last = (signed(float(each.mean), ".2f") for each in (start, end))
            turns.append(f"{name} from {first} to {last}")
    if not turns:
        return differences, ""
    span = f"{symbol(x)} = {data[x].values[0]:g} to {data[x].values[-1]:g}"
    return differences, f" The sign changes from {span}: {', '.join(turns)}."


def log_spread(data: xr.Dataset, estimator: str, permutation: str, name: str = "sum_sd") -> Array:
    """Mean over the grid of ln Σ sd (or of another spread), one number an MDP."""
    each: Any = np.log(over_grid(data, name, estimator, permutation))
    return np.asarray(each.mean(GRID))


def label(estimator: str) -> str:
    """The estimator's name in print."""
    return ESTIMATOR_LOOKS[estimator].label


def symbol(axis: str) -> str:
    """The axis' name in print."""
    return axis.replace("alpha", "α")


def summary(comparisons: Sequence[Comparison]) -> str:
    """How many comparisons hold, and which do not."""
    count = len(comparisons)
    failing = [c for c in comparisons if c.verdict == "not reproduced"]
    open_ones = [c for c in comparisons if c.verdict == "inconclusive"]
    holding = count - len(failing) - len(open_ones)
    noun, verb = ("comparison", "holds") if count == 1 else ("comparisons", "hold")
    parts = [f"{holding} of {count} {noun} {verb}"]
    for which, one, many in ((failing, "fails", "fail"), (open_ones, "is open", "are open")):
        if which:
            parts.append(f"{len(which)} {one if len(which) == 1 else many}: {_named(which)}")
    return "; ".join(parts) + "."


def _named(comparisons: Sequence[Comparison]) -> str:
    """The first few with their means and intervals."""
    each = [
        f"{c.label} = {signed(c.mean)} [{signed(c.low)}, {signed(c.high)}]"
        for c in comparisons[:NAMED]
    ]
    rest = len(comparisons) - NAMED
    return ", ".join(each) + (f" and {rest} more" if rest > 0 else "")


def signed(value: float, precision: str = ".2g") -> str:
    """A number with its sign, a proper minus."""
    return f"{value:+{precision}}".replace("-", "−")
