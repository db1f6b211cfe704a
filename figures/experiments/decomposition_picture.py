"""Accuracy, mean along the truth and spread of the permutations, simulation beside exact lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.intervals import interval
from figures.palette import ESTIMATOR_LOOKS

ROWS = ("accuracy", "along", "sum_sd")
LABELS = {
    "accuracy": "accuracy (cosine)",
    "along": "estimate along truth",
    "sum_sd": "Σ standard deviations",
}
AXES = {"N": "trajectories N", "alpha": "step size α", "K": "inner steps K"}
#: What each permutation samples.
MEANINGS = {
    "SSS": "all sampled",
    "SES": "Hessian exact",
    "ESS": "path exact",
    "EES": "outer sampled",
    "SSE": "outer exact",
    "ESE": "Hessian sampled",
    "SEE": "path sampled",
}


def draw(data: xr.Dataset, x: str) -> Any:
    """Return a figure with one column a permutation and one row a quantity, against `x`."""
    from matplotlib.figure import Figure

    permutations = data.permutation.values
    figure = Figure(figsize=(1.5 + 1.75 * len(permutations), 6.4))
    axes = figure.subplots(len(ROWS), len(permutations), sharex=True, sharey="row", squeeze=False)
    for column, permutation in zip(axes.T, permutations, strict=True):
        column[0].set_title(f"{permutation}\n{MEANINGS[permutation]}", fontsize=9)
        column[-1].set_xlabel(AXES[x])
        here = data.sel(permutation=permutation).squeeze(
            [axis for axis in ("N", "K", "alpha") if axis != x]
        )
        for axis, row in zip(column, ROWS, strict=True):
            for name in data.estimator.values:
                _curve(axis, here.sel(estimator=name), row, x, str(name))
    for axis, row in zip(axes[:, 0], ROWS, strict=True):
        axis.set_ylabel(LABELS[row])
    if x == "N":
        axes[0, 0].set_xscale("log", base=2)
    for axis in axes[-1]:
        axis.set_xticks(_ticks(data[x].values), [f"{v:g}" for v in _ticks(data[x].values)])
        axis.set_xticks([], minor=True)
    for axis in axes[1]:
        axis.axhline(1.0, color="0.5", linewidth=0.8, zorder=0)
        axis.set_ylim(-1.0, 3.0)
    for axis in axes[2]:
        axis.set_yscale("log")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles += [_line("-"), _line(":")]
    labels += ["exact law", "its limit: cosine of the exact mean"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _curve(axis: Any, here: xr.Dataset, row: str, x: str, name: str) -> None:
    """Means over MDPs with their intervals, and the exact counterpart as a line."""
    look, at = ESTIMATOR_LOOKS[name], here[x].values
    each = here[row].mean("trial") if "trial" in here[row].dims else here[row]
    mean, low, high = interval(each.transpose(x, "mdp").values)
    exact = here[f"exact_{row}"].mean("mdp", skipna=False).values
    landed = row != "accuracy" and np.isfinite(exact).all()
    if row == "sum_sd":
        low = np.maximum(low, mean / 4)
    axis.fill_between(at, low, high, color=look.color, alpha=0.18, linewidth=0)
    axis.plot(
        at,
        mean,
        color=look.color,
        marker=look.marker,
        markersize=3.5,
        linestyle="none" if landed else (0, (2, 1)),
        linewidth=0.8,
        label=look.label,
    )
    style = ":" if row == "accuracy" else "-"
    axis.plot(at, exact, color=look.color, linewidth=1.1, linestyle=style)


def _ticks(values: Any) -> Any:
    """At most five of the values."""
    return values[:: max(1, -(-len(values) // 5))]


def _line(style: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color="0.2", linewidth=1.1, linestyle=style)
