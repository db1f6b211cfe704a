"""Bound against truth: the error of a sampled inner loop over N, α and K, and the bias over Δ_H.

The first three panels show the spread √E‖θ̂^K − θ^K‖² of the last iterate and Lemma 4.4's bound of
it; the fourth the meta-gradient's bias where the Hessians alone are wrong by Δ, and term (ii) of
Theorem 4.5 ([Liu2022]). Numbers are `theory.curves`'s. On logarithmic axes powers are lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.curves import LARGEST, ErrorCurve
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
    title = f"α = {_plain(K.setting.step_size)}"
    if len(K.x) > 1:
        _errors(axes[2], K, "inner steps K", title)
        axes[2].set_xscale("linear")
    else:
        axes[2].set_title(f"Lemma 4.4, {title}", parse_math=False)
        _empty(axes[2], f"K > 1 is not computed for\nmore than {LARGEST} state-action pairs")
    for axis, curve in zip(axes[:3], (N, alpha, K), strict=True):
        axis.set_xticks(curve.x, [_plain(x) for x in curve.x])
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
        f"{curves.label}, T = {curves.horizon}, where not varied "
        f"N = {N.setting.num_trajectories}, α = {_plain(N.setting.step_size)}\n"
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
    if not curve.spread.min() > 0:
        _empty(axis, "no estimate scatters:\nerrors and bounds are zero")
        return
    axis.plot(curve.x, curve.empirical, color=MET, dashes=(6, 1.5), label="bound, constants met")
    top = float(max(curve.empirical.max(), curve.spread.max()))
    low = float(curve.spread.min())
    proved = curve.certified
    told_only = proved is not None and proved.min() >= FAR_ABOVE * top
    if proved is not None:
        if not told_only:
            axis.plot(
                curve.x, proved, color=PROVED, dashes=(1.2, 1.2), label="bound, constants proved"
            )
            top = float(max(top, min(proved.max(), FAR_ABOVE * top)))
        else:
            note = f"bound, constants proved:\n{_times(proved / curve.spread)} the truth, or more"
            _say(axis, note, 0.92, color=PROVED)
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
    room = 2.5 * (top / low) ** 0.25 if told_only else 2.5
    axis.set_ylim(low / 1.6, top * room)


def _hessians(axis: Any, curves: tuple[HessianErrorCurve, ...], step_size: float) -> None:
    """Bias and term (ii) against αΔ, one colour for each K."""
    axis.set(xscale="log", yscale="log", xlabel="error of the Hessians αΔ")
    axis.set_title("Theorem 4.5 (ii), I and III exact")
    axis.set_ylabel("bias of the meta-gradient")
    if not all(curve.bound.min() > 0 for curve in curves):
        _empty(axis, "the meta-gradient is zero,\nwhatever the Hessians are")
        return
    for curve, color in zip(curves, STEPS_COLORS, strict=True):
        x = step_size * curve.Delta
        axis.plot(x, curve.bound, color=color, dashes=(6, 1.5))
        axis.plot(x, curve.bias, color=color, marker="o", markersize=5, linestyle="none")
        axis.annotate(
            f"K = {curve.num_steps}",
            (x[-1], float(curve.bound[-1])),
            xytext=(7, 0),
            textcoords="offset points",
            color=color,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
    low, high = axis.get_xlim()
    axis.set_xlim(low, high * (high / low) ** 0.16)


def _empty(axis: Any, why: str) -> None:
    """Say why there is nothing to draw; a logarithmic axis has no zero."""
    axis.set_axis_off()
    _say(axis, why, 0.5)


def _say(axis: Any, text: str, height: float, color: str = TRUTH) -> None:
    """Text across a panel at a height from 0 to 1."""
    axis.text(
        0.5,
        height,
        text,
        transform=axis.transAxes,
        fontsize=8,
        color=color,
        ha="center",
        va="center",
        parse_math=False,
    )


def _plain(x: float) -> str:
    """Three digits, without an exponent where that is short: 1130, 0.28, 2e-08."""
    rounded = float(f"{x:.3g}")
    return f"{rounded:.0f}" if 100 <= rounded < 1e6 else f"{rounded:g}"


def _times(ratio: Any) -> str:
    """The smallest ratio in words."""
    value = float(np.min(ratio))
    return f"{value:.0f} times" if value < 1e4 else f"{value:.0e} times"
