"""Figure 9: value and accuracies against the meta-updates, every run a thin line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from figures.claims.intervals import interval
from figures.experiments.paper import Settings
from figures.palette import ESTIMATOR_LOOKS

#: Okabe and Ito's safe palette, and dashes; the surrogates' are those of `figures.palette`.
_LOOKS = (
    ("#E69F00", (6, 1.5), ("large/batch", "curvature-large", "path-large", "exact-spread")),
    ("#56B4E9", (3, 1.5), ("exact/batch", "curvature-exact", "path-exact", "naive")),
    ("#000000", (1.2, 1.2), ("exact/exact",)),
    ("#777777", (6, 1.5, 1.2, 1.5), ("separate", "naive-exact")),
    ("#0072B2", (), ("off-both",)),
    ("#D55E00", (6, 1.5), ("off-path", "off-path-released")),
    ("#009E73", (3, 1.5), ("off-curvature", "off-curvature-released")),
    *((look.color, look.dash, (name,)) for name, look in ESTIMATOR_LOOKS.items() if name != "dice"),
    (ESTIMATOR_LOOKS["dice"].color, (), ("batch/batch",)),
)
#: How each setting is drawn, everywhere.
LOOKS: dict[str, dict[str, Any]] = {
    name: {"color": color, "linestyle": (0, dash) if dash else "-"}
    for color, dash, names in _LOOKS
    for name in names
}
TITLES = {
    "a": "(a) inner / outer rollouts",
    "b": "(b) curvature",
    "c": "(c) path",
    "d": "(d) off policy",
    "released": "(d) fresh without baseline",
    "surrogates": "surrogates",
    "learners": "learners and starts",
}
#: How single runs are drawn: below everything else, and as dots, not as thousands of strokes.
THIN = {"linewidth": 0.3, "zorder": 0.5, "rasterized": True}
#: Keeps a mean apart from the runs below it.
HALO = [withStroke(linewidth=2.4, foreground="white")]
#: How opaque single runs are: the more there are, the less.
OPAQUE, INK = 0.5, 6
#: Row by variable.
ROWS = {
    "value": "value a step (1 − γ) J",
    "accuracy_inner": "accuracy, outer exact",
    "accuracy": "accuracy",
}


def draw(data: xr.Dataset, panels: Mapping[str, list[str]]) -> Figure:
    """One column a panel: value, accuracy with the exact outer gradient, accuracy."""
    figure = Figure(figsize=(2.5 * len(panels) + 0.5, 7.0), layout="constrained")
    axes = figure.subplots(len(ROWS), len(panels), sharex=True, sharey="row", squeeze=False)
    for column, (panel, names) in enumerate(panels.items()):
        for name in names:
            one = data.sel(setting=name)
            count = f"{int(one['cooperates'].sum())} of {one.sizes['run']}"
            for axis, variable in zip(axes[:, column], ROWS, strict=True):
                _curve(axis, one[variable], LOOKS[name], f"{name} ({count})")
        axes[0, column].set_title(TITLES[panel])
        legend_below(axes[:, column])
    for axis, label in zip(axes[:, 0], ROWS.values(), strict=True):
        axis.set_ylabel(label)
    axes[0, 0].set_ylim(-2.05, -0.95)
    return figure


def legend_below(axes: Any) -> None:
    """Label the updates of a column, and name its lines below."""
    axes[-1].set_xlabel("meta-updates")
    handles, labels = axes[0].get_legend_handles_labels()
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25)}
    axes[-1].legend(handles, labels, fontsize="small", frameon=False, **below)


def _curve(axis: Any, each: xr.DataArray, look: Mapping[str, Any], label: str) -> None:
    """Mean, band and runs of one setting."""
    each = each.dropna("update").transpose("update", "run")
    x = each["update"].values
    mean, low, high = interval(each.values)
    if each.name == "value":
        alpha = min(OPAQUE, INK / each.sizes["run"])
        axis.plot(x, each.values, color=look["color"], alpha=alpha, **THIN)
    axis.fill_between(x, low, high, color=look["color"], alpha=0.3, linewidth=0)
    axis.plot(x, mean, linewidth=1.4, label=label, path_effects=HALO, **look)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return (
        f"{settings['runs']} runs of {settings['updates']} updates, rollouts of "
        f"{settings['rollout']} steps, batches of {settings['batch']}, large ones of "
        f"{settings['large']}, a ring of {settings['ring']}; outer rate "
        f"{settings['outer_rate']:g}, inner rate {settings['inner_rate']:g}, "
        f"γ = {settings['gamma']:g}, K = {settings['lookahead']}. Exact values, not sampled "
        "returns: mutual defection is −2, mutual cooperation −1. Thick lines are means over runs "
        "with 95% intervals, thin ones single runs; in brackets, how many runs end above −1.1. "
        "Accuracy is the cosine with the exact meta-gradient at the same parameters."
    )
