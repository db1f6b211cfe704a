"""Tables for the terminal."""

from __future__ import annotations

import math

from rich.table import Table

from theory.report import Report, Row


def verification_table(report: Report) -> Table:
    """Make the table of `gmrl verify`: biases and spreads as a percentage of the truth's norm."""
    settings = report.settings
    beyond = report.gamma ** settings["horizon"]
    table = Table(
        title=(
            f"{report.mdp}: {report.num_states} states, {report.num_actions} actions, "
            f"γ = {report.gamma:g}, J(π) = {report.value:.5g} at the uniform policy"
        ),
        caption=(
            f"T = {settings['horizon']}, V_b {settings['baseline']}, K = {settings['num_steps']}, "
            f"α = {report.step_size:.4g} (α‖∇²J‖ = {report.step_size * report.hessian_norm:.2g}). "
            "In % of the truth's norm (abs: itself, where that is zero). Exact, but for "
            "compositional (sampled paths, ± their noise) and z (a simulation against the exact "
            f"mean). Without an earlier end, γ^T = {beyond:.2g} of the discounted "
            "future lies beyond a trajectory."
        ),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("quantity  ‖truth‖")
    table.add_column("estimator")
    for name in ("bias", "truncation", "Hessian", "compositional"):
        table.add_column(name, justify="right")
    table.add_column(f"sd, N = {settings['num_trajectories']}", justify="right")
    table.add_column("beaten from N", justify="right")
    table.add_column("z", justify="right")
    last = None
    for row in report.rows:
        if last not in (None, row.quantity):
            table.add_section()
        table.add_row(*_cells(row, first=row.quantity != last))
        last = row.quantity
    return table


def _cells(row: Row, *, first: bool) -> list[str]:
    compositional = "–"
    if row.truth > 0 and row.compositional is not None:
        spread = _percent(row.compositional_se, row.truth)
        compositional = f"{_percent(row.compositional, row.truth)} ± {spread}"
    beaten = "–"
    if row.beaten_by is not None:
        start = (
            "any" if row.beaten_from is None or row.beaten_from <= 1 else _count(row.beaten_from)
        )
        beaten = f"{start} by {row.beaten_by}"
    return [
        f"{row.quantity}  {row.truth:.3g}" if first else "",
        row.estimator,
        _percent(row.bias, row.truth),
        _percent(row.truncation, row.truth),
        _percent(row.hessian, row.truth),
        compositional,
        _percent(row.sd, row.truth),
        beaten,
        "–" if row.z is None else f"{row.z:+.1f}",
    ]


def _percent(value: float | None, truth: float) -> str:
    if value is None or value == truth == 0:
        return "–"
    if truth == 0:
        return f"{value:.3g} abs"
    share = 100 * value / truth
    return "0" if share < 1e-10 else f"{share:.3g}"


def _count(value: float) -> str:
    """The first whole N at or beyond a crossing."""
    return f"{math.ceil(value)}" if value < 1e5 else f"{value:.1e}"
