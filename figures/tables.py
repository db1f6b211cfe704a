"""Tables for the terminal: one row an estimator, or, in a narrow one, one column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from theory.point import CHECK_ESTIMATES
from theory.report import Report, Row

#: Titles of a row's numbers, in the order of `_cells`.
HEADS = (
    *("bias", "truncation", "Hessian", "compositional", "sd"),
    *("beaten from N", "z mean", "z sd"),
)
#: Smaller percentages are not spelled out.
TINY = 1e-3
#: Columns in which every layout fits.
UNBOUNDED = 10_000


@dataclass(frozen=True)
class VerificationTable:
    """The table of `gmrl verify`: biases and spreads as a percentage of the truth's norm.

    Where the terminal is too narrow for a row there is a block for each quantity, a column for each
    estimator in it.
    """

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the widest layout that fits, and the caption."""
        wide = _wide(self.report)
        width = Measurement.get(console, options.update(max_width=UNBOUNDED), wide).maximum
        yield Text(_title(self.report), style="bold", no_wrap=False, overflow="fold")
        if width <= options.max_width:
            yield wide
        else:
            yield from _narrow(self.report)
            width = options.max_width
        caption = Text(_caption(self.report), style="dim", no_wrap=False, overflow="fold")
        yield from caption.wrap(console, width)


def _title(report: Report) -> str:
    return (
        f"{report.mdp}: {report.num_states} states, {report.num_actions} actions, "
        f"γ = {report.gamma:g}, J(π) = {report.value:.5g} at the uniform policy"
    )


def _caption(report: Report) -> str:
    settings = report.settings
    return (
        f"{report.horizon_note}: what lies beyond T of the discounted future. "
        f"V_b {settings['baseline']}, K = {settings['num_steps']}, α = {report.step_size:.4g} "
        f"(α‖∇²J‖ = {report.step_size * report.hessian_norm:.2g}). In % of the truth's norm (abs: "
        "itself, where that is zero). Of the meta-gradient, bias and sd are those of the curvature "
        "alone: θ moves by expected estimates and the outer gradient is exact; compositional "
        "(± its noise) is what steps sampled from N trajectories add to the bias. "
        f"z: {CHECK_ESTIMATES} simulated estimates of {_trajectories(report.check_trajectories)} "
        "against the exact mean and sd; – where they say nothing. The rest is exact."
    )


def _trajectories(count: int) -> str:
    return "1 trajectory" if count == 1 else f"{count} trajectories"


def _wide(report: Report) -> Table:
    """One row an estimator; the truth's norm stands below the quantity."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("quantity\n‖truth‖", no_wrap=True)
    table.add_column("\nestimator", no_wrap=True)
    below = {"sd": f"sd\nN = {report.settings['num_trajectories']}"}
    for head in HEADS:
        table.add_column(below.get(head, f"\n{head}"), justify="right", no_wrap=True)
    for quantity, rows in groupby(report.rows, key=lambda row: row.quantity):
        lines = [[row.estimator, *_cells(row)] for row in rows]
        truth = next(row.truth for row in report.rows if row.quantity == quantity)
        for left, line in zip_longest([quantity, f"{truth:.3g}"], lines, fillvalue=""):
            table.add_row(str(left), *line)
        table.add_section()
    return table


def _narrow(report: Report) -> Iterator[Text | Table]:
    """One block a quantity, one column an estimator; lines of dashes are left out."""
    for quantity, group in groupby(report.rows, key=lambda row: row.quantity):
        rows = list(group)
        yield Text(f"\n{quantity}, ‖truth‖ = {rows[0].truth:.3g}")
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        table.add_column(min_width=max(map(len, HEADS)))
        for row in rows:
            table.add_column(row.estimator, justify="right", min_width=14, no_wrap=True)
        for head, *line in zip(HEADS, *map(_cells, rows), strict=True):
            name = f"sd, N = {report.settings['num_trajectories']}" if head == "sd" else head
            if set(line) != {"–"}:
                table.add_row(name, *(cell.replace(" by ", "\nby ") for cell in line))
        yield table
    yield Text()


def _cells(row: Row) -> list[str]:
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
        _percent(row.bias, row.truth),
        _percent(row.truncation, row.truth),
        _percent(row.hessian, row.truth),
        compositional,
        _percent(row.sd, row.truth),
        beaten,
        _score(row.z_mean),
        _score(row.z_sd),
    ]


def _percent(value: float | None, truth: float) -> str:
    if value is None or value == truth == 0:
        return "–"
    if truth == 0:
        return f"{value:.3g} abs"
    share = 100 * value / truth
    if share < 1e-10:
        return "0"
    if share < TINY:
        return f"<{TINY:g}"
    return f"{share:.0f}" if 1000 <= share < 1e5 else f"{share:.3g}"


def _score(z: float | None) -> str:
    return "–" if z is None else f"{z:+.1f}"


def _count(value: float) -> str:
    """The first whole N at or beyond a crossing."""
    return f"{math.ceil(value)}" if value < 1e5 else f"{value:.1e}"
