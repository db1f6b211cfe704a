"""Bound against truth: the error of a sampled inner loop over N, α and K, and the bias over Δ_H.

The first three panels show the spread √E‖θ̂^K − θ^K‖² of the last iterate and Lemma 4.4's bound of
it; the fourth the meta-gradient's bias where the Hessians alone are wrong by Δ, and term (ii) of
Theorem 4.5 ([Liu2022]). Numbers are `theory.curves`'s. On logarithmic axes powers are lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.curves import ErrorCurve
from theory.hessian_error import HessianErrorCurve
from theory.report import Report

TRUTH, MET, PROVED, BIAS = "#000000", "#0072B2", "#D55E00", "#009E73"
#: K = 2, 3, 4 in the panel of the Hessians' error.
STEPS_COLORS = ("#009E73", "#CC79A7", "#E69F00")
#: A proved bound that lies further above the rest is only mentioned.
FAR_ABOVE = 300.0


def draw_bounds(report: Report) -> Any:
    """Return a figure with the four panels.

    Raises
    ------
    ValueError
        If the report has no curves.
    """
    from matplotlib.figure import Figure

    curves = report.curves
    if curves is None:
        raise ValueError(f"the report of {report.mdp} has no curves to draw")
    figure = Figure(figsize=(14.2, 3.9))
    axes = figure.subplots(1, 4)
    N, alpha, K = curves.over_counts, curves.over_step_sizes, curves.over_steps
    _errors(axes[0], N, "trajectories N per inner step", f"K = {N.setting.num_steps}")
    _errors(axes[1], alpha, "step size α", f"K = {alpha.setting.num_steps}")
    _errors(axes[2], K, "inner steps K", f"α = {K.setting.step_size:.3g}")
    axes[2].set_xscale("linear")
    for axis, curve in ((axes[1], alpha), (axes[2], K)):
        axis.set_xticks(curve.x, [f"{x:.2g}" for x in curve.x])
        axis.set_xticks([], minor=True)
    axes[0].set_ylabel("error of θᴷ, logits")
    _hessians(axes[3], curves.over_hessian_errors, N.setting.step_size)
    handles: dict[str, Any] = {}
    for axis in axes:
        handles |= {label: h for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles)
    )
    figure.suptitle(
        f"{report.mdp}, γ = {report.gamma:g}: bound against truth at θ⁰ = 0, "
        f"V_b {report.settings['baseline']}, T = {curves.horizon}, where not varied "
        f"N = {N.setting.num_trajectories}, α = {N.setting.step_size:.3g}\n"
        "filled: exact; hollow: leading order in 1/N; proved constants hold for every θ, "
        "met ones are the largest along the exact path; right: dots exact, lines the bound",
        fontsize=10,
        parse_math=False,
    )
    return figure


def _errors(axis: Any, curve: ErrorCurve, label: str, title: str) -> None:
    """Spread and bounds against N, α or K."""
    axis.set(xscale="log", yscale="log", xlabel=label)
    axis.set_title(f"Lemma 4.4, {title}", parse_math=False)
    axis.plot(curve.x, curve.empirical, color=MET, dashes=(6, 1.5), label="bound, constants met")
    top = float(max(curve.empirical.max(), curve.spread.max()))
    low = float(curve.spread.min())
    proved = curve.certified
    if proved is not None:
        if proved.min() < FAR_ABOVE * top:
            axis.plot(
                curve.x, proved, color=PROVED, dashes=(1.2, 1.2), label="bound, constants proved"
            )
            top = float(max(top, min(proved.max(), FAR_ABOVE * top)))
        else:
            note = f"proved: {_times(proved / curve.spread)} the truth"
            axis.text(0.04, 0.94, note, transform=axis.transAxes, fontsize=8, color=PROVED)
    if curve.bias.max() > 0:
        known = curve.bias > 0
        label = "‖E θ̂ᴷ − θᴷ‖, leading order"
        axis.plot(curve.x[known], curve.bias[known], color=BIAS, dashes=(3, 1.5), label=label)
        low = min(low, float(curve.bias[known].min()))
    axis.plot(curve.x, curve.spread, color=TRUTH, linewidth=1)
    for exact in (True, False):
        at = curve.exact == exact
        axis.plot(
            curve.x[at],
            curve.spread[at],
            color=TRUTH,
            marker="o",
            markersize=5,
            markerfacecolor=TRUTH if exact else "white",
            linestyle="none",
            label="√E‖θ̂ᴷ − θᴷ‖²" if exact else None,
        )
    if low > 0:
        axis.set_ylim(low / 1.6, top * 2.5)


def _hessians(axis: Any, curves: tuple[HessianErrorCurve, ...], step_size: float) -> None:
    """Bias and term (ii) against αΔ, one colour for each K."""
    axis.set(xscale="log", yscale="log", xlabel="error of the Hessians αΔ")
    axis.set_title("Theorem 4.5 (ii), I and III exact")
    axis.set_ylabel("bias of the meta-gradient")
    for curve, color in zip(curves, STEPS_COLORS, strict=True):
        x = step_size * curve.Delta
        axis.plot(x, curve.bound, color=color, dashes=(6, 1.5))
        axis.plot(x, curve.bias, color=color, marker="o", markersize=5, linestyle="none")
        at = (x[-1], float(curve.bound[-1]))
        if curve.bound[-1] > 0:
            axis.annotate(
                f"K = {curve.num_steps}",
                at,
                xytext=(-14, 3),
                textcoords="offset points",
                color=color,
                fontsize=8,
                ha="right",
                va="bottom",
            )


def _times(ratio: Any) -> str:
    """The smallest ratio in words."""
    value = float(np.min(ratio))
    return f"{value:.0f} times" if value < 1e4 else f"{value:.0e} times"
