"""One picture of a verification report: root mean squared error against trajectories N.

For an estimate of N independent trajectories, RMSE(N)² = ‖bias‖² + v/N exactly, with the bias and
the single-trajectory variance v of `tabular.moments`: a falling line that ends on a floor. Where
two lines cross, the less biased estimator starts to win. Dots are simulations at one N. A K > 1
meta-gradient, a product of K estimates, has no such v: its exact error is a short level line at N.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from figures.palette import ESTIMATOR_LOOKS
from tabular.transitions import Array
from theory.point import CHECK_ESTIMATES
from theory.report import Report, Row

TITLES = {
    "gradient": "Gradient ∇J",
    "hessian": "Hessian ∇²J",
    "hessian·u": "Hessian along the gradient",
    "meta-gradient": "Meta-gradient, K = {num_steps}",
}
NUM_TRAJECTORIES = np.geomspace(1, 1e5, 101)
#: The stretch of N, relative to an estimate's own, over which a single exact error is drawn.
SHORT = np.array([0.5, 2.0])
#: Biases this many times below every line are off the scale.
FAR_BELOW = 30.0
#: Points by which the dots of estimators are moved apart.
APART = 2.5
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def draw(report: Report) -> Any:
    """Return a figure with a panel for each quantity of the report."""
    from matplotlib.figure import Figure

    quantities = list(dict.fromkeys(row.quantity for row in report.rows))
    figure = Figure(figsize=(3.4 * len(quantities), 3.6))
    axes = figure.subplots(1, len(quantities))
    for axis, quantity in zip(np.atleast_1d(axes), quantities, strict=True):
        rows = [row for row in report.rows if row.quantity == quantity]
        _panel(axis, rows, report)
        axis.set(
            xlabel="trajectories N per estimate",
            title=TITLES[quantity].format(**report.settings),
        )
    np.atleast_1d(axes)[0].set_ylabel("root mean squared error / ‖truth‖")
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(
        f"{report.mdp}: {report.num_states} states, {report.num_actions} actions, "
        f"γ = {report.gamma:g}, α = {report.step_size:.3g}, V_b {report.settings['baseline']}\n"
        f"{report.horizon_note}\n"
        f"lines: exact; dots: {CHECK_ESTIMATES} simulated estimates, side by side at "
        f"N = {report.check_trajectories} (hollow: too few rewards met to judge); "
        "ticks at the right: bias",
        fontsize=10,
        parse_math=False,
    )
    return figure


def _panel(axis: Any, rows: list[Row], report: Report) -> None:
    """Lines, dots and floors of one quantity."""
    axis.set(xscale="log", yscale="log", xlim=(1, 1e5))
    _ticks(axis.xaxis, np.arange(6.0), (1,))
    if rows[0].truth == 0:
        axis.set_yticks([])
        axis.text(0.5, 0.5, "the truth is zero", transform=axis.transAxes, ha="center")
        return
    axis.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    shown = [1.0]
    for place, row in enumerate(rows):
        shown += _curve(axis, row, report, place - (len(rows) - 1) / 2)
    shown = [height for height in shown if height > 0]
    unknown = [ESTIMATOR_LOOKS[row.estimator].label for row in rows if row.sd is None]
    if unknown:
        note = f"not computed: sd of {', '.join(unknown)}"
        axis.text(0.03, 0.03, note, transform=axis.transAxes, fontsize=7, color="0.4")
    floors = [row.bias / row.truth for row in rows]
    seen = [floor for floor in floors if floor > min(shown) / FAR_BELOW]
    low, high = min(shown + seen) / 1.3, max(shown + seen) * 1.3
    axis.set_ylim(low, high)
    exponents = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    _ticks(axis.yaxis, exponents, (1,) if high / low > 100 else (1, 2, 5))
    for place, (row, floor) in enumerate(zip(rows, floors, strict=True)):
        if floor in seen:
            axis.plot(
                [1.02 + 0.03 * place, 1.045 + 0.03 * place],
                [floor, floor],
                color=ESTIMATOR_LOOKS[row.estimator].color,
                transform=axis.get_yaxis_transform(),
                clip_on=False,
            )


def _curve(axis: Any, row: Row, report: Report, place: float) -> list[float]:
    """Draw the RMSE line and the simulated dot of one estimator; return the heights drawn."""
    from matplotlib.transforms import ScaledTranslation

    look, shown = ESTIMATOR_LOOKS[row.estimator], []
    if row.sd is not None:
        n, at = report.settings["num_trajectories"], NUM_TRAJECTORIES
        variance = row.sd**2 * n / at
        if row.quantity == "meta-gradient" and report.settings["num_steps"] > 1:
            # No multiple of 1/N: drawn about its own N only.
            at, variance = n * SHORT, np.full(SHORT.shape, row.sd**2)
        error = np.sqrt(row.bias**2 + variance) / row.truth
        dashes = look.dash or (1, 0)
        axis.plot(at, error, color=look.color, label=look.label, dashes=dashes)
        shown += [error.min(), error.max()]
    if row.sampled_rmse is not None:
        rare = row.sd is not None and row.sd > 0 and row.z_sd is None
        apart = ScaledTranslation(APART * place / 72, 0, axis.figure.dpi_scale_trans)
        shown.append(row.sampled_rmse / row.truth)
        axis.plot(
            report.check_trajectories,
            row.sampled_rmse / row.truth,
            marker=look.marker,
            markersize=5,
            markerfacecolor="white" if rare else look.color,
            markeredgecolor=look.color if rare else "white",
            linestyle="none",
            transform=axis.transData + apart,
        )
    return shown


def _ticks(axis: Any, exponents: Array, multiples: tuple[int, ...]) -> None:
    """Ticks at these multiples of powers of ten, few enough that no labels meet."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    every = int(np.ceil(len(exponents) / 7))
    at = [(m, int(k)) for k in exponents[::every] for m in multiples]
    axis.set_major_locator(FixedLocator([m * 10.0**k for m, k in at]))
    axis.set_major_formatter(FixedFormatter([_power(m, k) for m, k in at]))
    axis.set_minor_locator(NullLocator())


def _power(multiple: int, exponent: int) -> str:
    """Write 0.02, 5, 1000, and 10⁵ or 2·10⁵ beyond."""
    if -3 <= exponent <= 3:
        return f"{multiple * 10.0**exponent:g}"
    power = "10" + str(exponent).translate(SUPERSCRIPTS)
    return power if multiple == 1 else f"{multiple}·{power}"
