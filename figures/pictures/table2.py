"""Table 2 and the exact facts of its random MDPs, as a picture of two tables."""

from __future__ import annotations

from typing import Any

import xarray as xr

from figures.experiments.paper import TABLE_2, Settings

#: What each setting of Table 2 is; where the paper's own words mislead, see the caption.
ROWS = {
    "horizon": "trajectory length T",
    "gamma": "discount factor γ",
    "inner_step_size": "inner step size α",
    "inner_steps": "inner steps K",
    "mdps": "random MDPs",
    "trials": "trials on each",
    "num_states": "states S",
    "num_actions": "actions A",
    "noise": "critic noise c",
    "density": "Dirichlet parameter of P",
}
COLUMNS = {
    "value": ("J", "{:.3f}"),
    "gradient": ("‖∇J‖", "{:.3f}"),
    "hessian": ("‖∇²J‖₂", "{:.3f}"),
    "lvc_bias": ("LVC's bias/‖∇²J‖", "{:.0%}"),
    "critic_noise": ("critic's σ", "{:.3f}"),
    "successors": ("successors", "{:.3f}"),
}


def draw(data: xr.Dataset) -> Any:
    """Return a figure with the settings left and one row an MDP right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    paper = TABLE_2 | {"inner_step_size": 10, "inner_steps": 1}
    settings = [[text, f"{paper[name]:g}"] for name, text in ROWS.items()]
    facts = [
        [str(i), *(form.format(float(data[name][i])) for name, (_, form) in COLUMNS.items())]
        for i in range(data.sizes["mdp"])
    ]
    _table(left, settings, ["setting", "Table 2"], (0.75, 0.19))
    heads = ["MDP", *(head for head, _ in COLUMNS.values())]
    _table(right, facts, heads, (0.09, 0.12, 0.12, 0.14, 0.25, 0.14, 0.14))
    return figure


def _table(axis: Any, rows: list[list[str]], heads: list[str], widths: tuple[float, ...]) -> None:
    """Text in columns with lines above and below the heads."""
    axis.set_axis_off()
    height = 1 / (len(rows) + 1)
    left = [sum(widths[:i]) for i in range(len(widths))]
    for k, row in enumerate([heads, *rows]):
        for x, width, text, first in zip(left, widths, row, [True] + [False] * 9, strict=False):
            axis.text(
                x if first else x + width,
                1 - (k + 0.5) * height,
                text,
                ha="left" if first else "right",
                va="center",
                fontsize=8.5,
                fontweight="bold" if k == 0 else "normal",
                parse_math=False,
            )
    axis.set(xlim=(0, 1), ylim=(0, 1))
    for y in (1.0, 1 - height, 0.0):
        axis.plot([0, sum(widths)], [y, y], color="0.3", linewidth=0.9, clip_on=False)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return (
        f"Left: Table 2 (where the discount factor is described as a learning rate). Right: exact "
        f"facts at θ = 0 of the {settings['mdps']} random MDPs of this run, which all figures "
        "share: value, norms of gradient and Hessian, the part of the Hessian that LVC misses on "
        "average (Frobenius), the standard deviation of each entry of the noisy critic, and the "
        "effective number of successors of a state and action, next to one: these MDPs are all but "
        "deterministic."
    )
