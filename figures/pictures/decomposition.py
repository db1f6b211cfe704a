"""Accuracy, mean along the truth and spread of the permutations, simulation beside exact lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.experiments.decomposition import GRID, LIRPG_STEPS
from figures.experiments.paper import Settings
from figures.palette import ESTIMATOR_LOOKS
from figures.pictures.common import AXES, key, simulated, ticks

#: Dimensions of length one where they are neither the column nor the axis.
SQUEEZED = ("permutation", *GRID)
ROWS = ("accuracy", "along", "sum_sd")
LABELS = {
    "accuracy": "accuracy (cosine)",
    "along": "estimate along truth",
    "sum_sd": "Σ standard deviations",
}
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


def draw(data: xr.Dataset, x: str, by: str = "permutation") -> Any:
    """Return a figure with one row a quantity and one column a value of `by`, against `x`."""
    from matplotlib.figure import Figure

    columns = data[by].values
    figure = Figure(figsize=(1.5 + 1.75 * len(columns), 6.4))
    axes = figure.subplots(len(ROWS), len(columns), sharex=True, sharey="row", squeeze=False)
    axes[2, 0].set_yscale("log")
    for column, value in zip(axes.T, columns, strict=True):
        title = f"{value}\n{MEANINGS[value]}" if by == "permutation" else f"{by} = {value}"
        column[0].set_title(title, fontsize=9)
        column[-1].set_xlabel(AXES[x])
        here = data.sel({by: value})
        here = here.squeeze(
            [axis for axis in ("permutation", *GRID) if axis in here.dims and axis != x]
        )
        for axis, row in zip(column, ROWS, strict=True):
            for name in data.estimator.values:
                _curve(axis, here.sel(estimator=name), row, x, str(name))
    for axis, row in zip(axes[:, 0], ROWS, strict=True):
        axis.set_ylabel(LABELS[row])
    if x == "N":
        axes[0, 0].set_xscale("log", base=2)
    for axis in axes[-1]:
        ticks(axis, data[x].values)
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(max(low, -1.0), min(high, 1.05))
    for axis in axes[1]:
        axis.axhline(1.0, color="0.5", linewidth=0.8, zorder=0)
        axis.set_ylim(-1.0, 3.0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles += [key("-"), key(":")]
    labels += ["exact", "exact limit N → ∞"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _curve(axis: Any, here: xr.Dataset, row: str, x: str, name: str) -> None:
    """Means over MDPs with their intervals, and the exact counterpart as a line."""
    look, at = ESTIMATOR_LOOKS[name], here[x].values
    each = here[row].mean("trial") if "trial" in here[row].dims else here[row]
    exact = here[f"exact_{row}"].mean("mdp", skipna=False).values
    landed = row != "accuracy" and bool(np.isfinite(exact).all())
    values = each.transpose(x, "mdp").values
    simulated(axis, at, values, look, joined=not landed, label=look.label)
    style = ":" if row == "accuracy" else "-"
    axis.plot(at, exact, color=look.color, linewidth=1.1, linestyle=style)


def caption(settings: Settings, varied: str) -> str:
    """What was run, and how to read it, for a figure over `varied`."""
    fixed = [
        f"{AXES[axis].split()[-1]} = {settings[axis][0]:g}"
        for axis in GRID
        if axis not in varied.split() and len(settings[axis]) == 1
    ]
    return (
        f"{settings['mdps']} random MDPs, {settings['trials']} trials on each, "
        f"{', '.join(fixed)}, T = {settings['horizon']}, γ = {settings['gamma']:g}, critic noise "
        f"{settings['noise']:g}. Markers: mean over MDPs with its 95% interval "
        f"(Student, {settings['mdps']} MDPs). All estimators see the same trajectories, and those "
        "with the same gradient (AD, LVC, Loaded-DiCE) coincide where the Hessian is exact. "
        "Top: cosine with the exact meta-gradient; dotted, that of the exact expected estimate, "
        "which many trajectories reach. Middle: estimate along the truth, relative to it "
        "(1 without bias; what is beyond the axis is not shown); solid lines are the exact "
        "expectation. Bottom: sum over components of the standard deviation; solid lines follow "
        "from the exact covariance. Exact lines are drawn wherever the path is exact; the "
        "covariance of Hessians with cross terms (Loaded-DiCE, DiCE) only for one inner step, and "
        "with a sampled outer gradient only where the critic has no noise (DiCE). Where no line is "
        "exact, dashes join the markers. Markers below their line: tails so heavy that the trials "
        "miss them."
    )


def lirpg_caption(settings: Settings) -> str:
    """The same for LIRPG."""
    return (
        "LIRPG: the derivative by an intrinsic reward φ at φ = 0, path and outer gradient exact "
        f"(ESE), generalised advantages with λ = {settings['gae_lambda']:g}. For K = 1 no Hessian "
        f"is used, and the estimators are the same. Exact variances up to K = {LIRPG_STEPS}. "
        + caption(settings, "N K")
    )
