"""Bias, spread and accuracy of the meta-gradient along one path of training."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from figures.experiments.paper import Settings
from figures.pictures.ipd import LOOKS, TITLES, legend_below

#: Row by variable.
ROWS = {
    "bias_inner": "bias, outer exact",
    "spread_inner": "spread, outer exact",
    "accuracy_inner": "accuracy, outer exact",
    "spread": "spread",
    "accuracy": "accuracy",
}


def draw(data: xr.Dataset, panels: Mapping[str, list[str]]) -> Figure:
    """One column a panel, one row a quantity."""
    figure = Figure(figsize=(2.5 * len(panels) + 0.5, 10.0), layout="constrained")
    axes = figure.subplots(len(ROWS), len(panels), sharex=True, sharey="row", squeeze=False)
    for column, (panel, names) in enumerate(panels.items()):
        for name in names:
            one, look = data.sel(setting=name), LOOKS[name]
            for axis, variable in zip(axes[:, column], ROWS, strict=True):
                x = one["update"].values
                if variable.startswith("bias"):
                    low, high = (
                        one[variable.replace("bias", f"bias_{end}")].values
                        for end in ("low", "high")
                    )
                    axis.fill_between(x, low, high, color=look["color"], alpha=0.2, linewidth=0)
                axis.plot(x, one[variable].values, marker=".", linewidth=1.1, label=name, **look)
        axes[0, column].set_title(TITLES[panel])
        legend_below(axes[:, column])
    for row, (variable, label) in zip(axes, ROWS.items(), strict=True):
        row[0].set_ylabel(label)
        if variable.startswith("spread"):
            row[0].set_yscale("symlog", linthresh=0.1)
    return figure


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return (
        f"At {settings['points']} points of one run's path of training, {settings['repeats']} "
        "meta-gradients of each setting, independent of each other; a ring is filled by the "
        "parameters before the point. Bias |E ĝ − g| (freed of its noise, with 95% intervals) and "
        "spread √(Σ var ĝ) are relative to the exact |g|, root mean squares of both players; "
        "accuracy is the mean cosine. The upper three rows take the exact outer gradient."
    )
