"""One picture of a verification report: root mean squared error against trajectories N.

For an estimate of N independent trajectories, RMSE(N)² = ‖bias‖² + v/N exactly, with the bias and
the single-trajectory variance v of `tabular.moments`: a falling line that ends on a floor. Where
two lines cross, the less biased estimator starts to win. Dots are simulations at one N.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from figures.palette import ESTIMATOR_LOOKS
from theory.laws import CHECK_ESTIMATES
from theory.report import Report, Row

TITLES = {
    "gradient": "Gradient ∇J",
    "hessian": "Hessian ∇²J",
    "hessian·u": "Hessian along the gradient",
    "meta-gradient": "Meta-gradient, K = {num_steps}",
}
NUM_TRAJECTORIES = np.geomspace(1, 1e5, 101)


def draw(report: Report) -> Any:
    """Return a figure with a panel for each quantity of the report."""
    from matplotlib.figure import Figure

    quantities = list(dict.fromkeys(row.quantity for row in report.rows))
    figure = Figure(figsize=(3.4 * len(quantities), 3.6))
    axes = figure.subplots(1, len(quantities))
    for axis, quantity in zip(np.atleast_1d(axes), quantities, strict=True):
        rows = [row for row in report.rows if row.quantity == quantity]
        for row in rows:
            _curve(axis, row, report)
        axis.axhline(1, color="0.6", linewidth=0.8, zorder=0)
        axis.set(
            xscale="log",
            yscale="log",
            xlim=(1, 1e5),
            xlabel="trajectories N per estimate",
            title=TITLES[quantity].format(**report.settings),
        )
    np.atleast_1d(axes)[0].set_ylabel("root mean squared error / ‖truth‖")
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(
        f"{report.mdp}: {report.num_states} states, {report.num_actions} actions, "
        f"γ = {report.gamma:g}, T = {report.settings['horizon']}, "
        f"α = {report.step_size:.3g}, V_b {report.settings['baseline']}\n"
        f"lines: exact; dots: {CHECK_ESTIMATES} simulated estimates; ticks at the right edge: bias",
        fontsize=10,
        parse_math=False,
    )
    return figure


def _curve(axis: Any, row: Row, report: Report) -> None:
    """RMSE line, its floor and the simulated dot of one estimator."""
    if row.truth == 0:
        return
    look = ESTIMATOR_LOOKS[row.estimator]
    color, bias = look.color, row.bias / row.truth
    if row.sd is not None:
        variance = row.sd**2 * report.settings["num_trajectories"] / row.truth**2
        error = np.sqrt(bias**2 + variance / NUM_TRAJECTORIES)
        axis.plot(
            NUM_TRAJECTORIES, error, color=color, label=look.label, dashes=look.dash or (1, 0)
        )
        axis.plot(1e5, max(bias, 1e-12), marker="_", color=color, markersize=12, clip_on=False)
    axis.plot(
        report.check_trajectories,
        row.sampled_rmse / row.truth,
        marker=look.marker,
        color=color,
        markersize=5,
        markeredgecolor="white",
        linestyle="none",
    )
