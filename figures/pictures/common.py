"""Means over MDPs with their band, as all pictures show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from figures.claims.intervals import interval
from figures.palette import Look
from tabular.transitions import Array

#: A band that would reach zero on a logarithmic axis ends at this share of its mean.
LOWEST_SHARE = 0.25
AXES = {"N": "trajectories N", "alpha": "step size α", "K": "inner steps K"}


def simulated(
    axis: Any, x: Array, each: Array, look: Look, *, joined: bool, label: str | None = None
) -> None:
    """Draw means over MDPs, each (x, mdp), as markers with their 95% interval as a band."""
    mean, low, high = interval(each)
    if axis.get_yscale() == "log":
        low = np.maximum(low, LOWEST_SHARE * mean)
    axis.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)
    axis.plot(
        x,
        mean,
        color=look.color,
        marker=look.marker,
        markersize=3.5,
        linestyle=(0, (2, 1)) if joined else "none",
        linewidth=0.8,
        label=label,
    )


def key(style: Any, color: str = "0.2") -> Any:
    """A line for the legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, linewidth=1.1, linestyle=style)


def ticks(axis: Any, values: Any) -> None:
    """Label at most five of the values on the axis."""
    shown = values[:: max(1, -(-len(values) // 5))]
    axis.set_xticks(shown, [f"{value:g}" for value in shown])
    axis.set_xticks([], minor=True)
