"""Bias against variance of the Hessian estimators, and where their mean squared errors cross."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.experiments.paper import Settings
from figures.palette import ESTIMATOR_LOOKS
from figures.pictures.common import simulated, ticks

#: Trajectories an estimate in the left panels.
SHOWN = 32
#: The exact curves' N.
LONGEST = 2**14
#: Neighbours in bias, whose crossovers are marked.
PAIRS = ("ad to lvc", "lvc to loaded_dice")


def draw(data: xr.Dataset) -> Any:
    """Return a figure: one row a critic; bias and spread left, error against N right."""
    from matplotlib.figure import Figure

    noises = data.noise.values
    figure = Figure(figsize=(10.5, 3.6 * len(noises) + 0.5))
    axes = figure.subplots(len(noises), 2, squeeze=False, width_ratios=(1, 1.5), sharex="col")
    for (left, right), noise in zip(axes, noises, strict=True):
        here = data.sel(noise=noise)
        critic = "exact critic" if noise == 0 else f"noisy critic, c = {noise:g}"
        left.set_title(f"{critic}, N = {SHOWN}")
        right.set_title(critic)
        _plane(left, here)
        _curves(right, here)
    axes[-1, 0].set_xlabel("bias b/‖g‖")
    axes[-1, 1].set_xlabel("trajectories N")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _plane(axis: Any, here: xr.Dataset) -> None:
    """Bias and standard deviation of every MDP; on the diagonal they are equal."""
    axis.set(xscale="log", yscale="log", ylabel="standard deviation/‖g‖")
    for name in map(str, here.estimator.values):
        one, look = here.sel(estimator=name), ESTIMATOR_LOOKS[name]
        spread = np.sqrt(one.lasting + one.falling / SHOWN) / one.truth
        axis.plot(one.bias / one.truth, spread, look.marker, color=look.color, markersize=5)
    low, high = axis.get_ylim()
    axis.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
    axis.set_ylim(low, high)


def _curves(axis: Any, here: xr.Dataset) -> None:
    """Root mean squared error against N: exact lines, simulated markers, median crossovers."""
    axis.set(xscale="log", yscale="log", ylabel="√E‖ĝ − g‖²/‖g‖")
    N = np.geomspace(2, LONGEST, 200)
    for name in map(str, here.estimator.values):
        one, look = here.sel(estimator=name), ESTIMATOR_LOOKS[name]
        square = one.bias**2 + one.lasting + one.falling / xr.DataArray(N, dims="n")
        line = (np.sqrt(square) / one.truth).mean("mdp").values
        axis.plot(N, line, color=look.color, linewidth=1.2, dashes=look.dash)
        each = (np.sqrt(one.square) / one.truth).transpose("N", "mdp").values
        simulated(axis, one.N.values, each, look, joined=False, label=look.label)
    axis.set_xscale("log", base=2)
    ticks(axis, 2.0 ** np.arange(1, 15, 3))
    for pair in PAIRS:
        if pair not in here.pair:
            continue
        found = float(here.crossover.sel(pair=pair).median())
        if np.isfinite(found):
            first, second = (ESTIMATOR_LOOKS[name].label for name in pair.split(" to "))
            axis.axvline(found, color="0.3", linewidth=0.8, dashes=(4, 2))
            axis.annotate(
                f" {second} beats {first}\n from N = {found:.0f}",
                (found, 0.98),
                xycoords=("data", "axes fraction"),
                va="top",
                fontsize=7,
            )


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return (
        f"One step of size α = {settings['alpha']:g}, path and outer gradient exact (ESE), T = "
        f"{settings['horizon']}, {settings['mdps']} random MDPs. Left: exact bias and standard "
        "deviation of every MDP; below the diagonal bias dominates. Right: root mean squared error "
        "relative to the truth, mean over MDPs; lines are exact, markers are "
        f"{settings['trials']} trials on each MDP with 95% intervals over MDPs. Dashed verticals: "
        "median over MDPs of the exact N from which the less biased estimator has the smaller mean "
        "squared error. Below: a noisy critic shared by all trajectories leaves AD with a variance "
        "that no N removes."
    )
