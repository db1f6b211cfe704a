"""The meta-gradient's error from a wrong Hessian of known size, beside Theorem 4.5's term (ii)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.experiments.paper import Settings
from figures.palette import Look
from figures.pictures.common import key, simulated, ticks

#: One for each α.
COLORS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("o", "s", "^", "D")


def draw(data: xr.Dataset) -> Any:
    """Return a figure: error and bias left, bias over its bound right, against c."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.9))
    left, right = figure.subplots(1, 2)
    left.set_yscale("log")
    left.set_xscale("log")
    at = data["size"].values
    for alpha, color, marker in zip(data.alpha.values, COLORS, MARKERS, strict=False):
        look = Look(f"α = {alpha:g}", color, marker, ())
        here = data.sel(alpha=alpha, steps=data.attrs["K"])
        square = np.sqrt((here.error**2).mean("trial")).transpose("size", "mdp")
        simulated(left, at, square.values, look, joined=False, label=look.label)
        for name, style in (("exact_error", "-"), ("exact_bias", "--"), ("bound", ":")):
            line = here[name].mean("mdp").values
            left.plot(at, line, color=color, linewidth=1.1, linestyle=style)
        ratio = (here.exact_bias / here.bound).transpose("size", "mdp")
        simulated(right, at, ratio.values, look, joined=True)
    for axis in (left, right):
        axis.set_xlabel("size c of the added bias; ‖ΔH‖ = 2c/(S·A)")
        ticks(axis, at)
    left.set_ylabel("error of the meta-gradient")
    right.set_ylabel("exact bias / term (ii) of Theorem 4.5")
    right.set_ylim(0, 1)
    handles, labels = left.get_legend_handles_labels()
    handles += [key("-"), key("--"), key(":")]
    labels += ["exact √E‖ĝ − g‖²", "exact bias", "term (ii)"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return (
        f"Path and outer gradient exact, K = {settings['K']}; to the Hessians of the "
        f"{settings['K']} steps (2/(S·A)) diag(c + {settings['spread']:g} z) is added, z fresh "
        f"normal. {settings['mdps']} random MDPs, {settings['trials']} trials on each; markers: "
        "root mean squared error, mean over MDPs with its 95% interval; the lines are exact. "
        "Right: how much of term (ii), with constants along the path, the bias uses up."
    )
