"""Errors of sampled inner steps over N, α and K beside their leading order and Lemma 4.4."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.experiments.paper import Settings
from figures.palette import ESTIMATOR_LOOKS
from figures.pictures.common import AXES, key, simulated, ticks

#: AD, LVC and Loaded-DiCE have the same gradient, drawn as LVC.
LABELS = {"lvc": "with the noisy critic (AD, LVC, Loaded-DiCE)", "dice": "without critic (DiCE)"}
SWEEPS = ("N", "alpha", "K")


def draw(data: xr.Dataset) -> Any:
    """Return a figure: errors of θ^K above, of the meta-gradient below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 6.2))
    axes = figure.subplots(2, 3, sharex="col", sharey="row")
    for axis in axes.ravel():
        axis.set_yscale("log")
    for column, sweep in zip(axes.T, SWEEPS, strict=True):
        at = data[sweep].values
        for name in map(str, data.estimator.values):
            here, look = data.sel(estimator=name), ESTIMATOR_LOOKS[name]
            steps: Any = np.sqrt((here[f"steps_over_{sweep}"] ** 2).mean("trial"))
            meta = here[f"meta_over_{sweep}"].mean("trial")
            label = LABELS[name]
            simulated(column[0], at, steps.values, look, joined=False, label=label)
            simulated(column[1], at, meta.values, look, joined=True)
            for kind, style in (("exact", "-"), ("bound", ":")):
                line = here[f"{kind}_steps_over_{sweep}"].mean("mdp").values
                column[0].plot(at, line, color=look.color, linewidth=1.1, linestyle=style)
        truth = data[f"truth_over_{sweep}"].isel(estimator=0).mean("mdp").values
        column[1].plot(at, truth, color="0.4", linewidth=1.1, linestyle="-.")
        column[1].set_xlabel(AXES[sweep])
        if sweep == "N":
            column[0].set_xscale("log", base=2)
        ticks(column[1], at)
    axes[0, 0].set_ylabel("√E‖θ̂ᴷ − θᴷ‖², logits")
    axes[1, 0].set_ylabel("E‖ĝ − g‖")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles += [key("-"), key(":"), key("-.", "0.4")]
    labels += ["exact leading order", "Lemma 4.4", "‖g‖"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    fixed = settings["fixed"]
    held = "; ".join(
        f"over {sweep.replace('alpha', 'α')}: "
        + ", ".join(f"{k.replace('alpha', 'α')} = {v:g}" for k, v in fixed[sweep].items())
        for sweep in SWEEPS
    )
    return (
        f"Sampled inner steps, exact Hessians and outer gradient (SEE): {settings['mdps']} random "
        f"MDPs, {settings['trials']} trials on each; {held}. Markers: mean over MDPs with its 95% "
        "interval. Above, the error of the last iterate, its exact leading order (exact for K = "
        "1), and Lemma 4.4 in second moments with the constants along the exact path. Below, the "
        "error of the meta-gradient, and the size of the exact one."
    )
