"""The rows as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.runner import duration
from benchmarks.sides import Row


def table(rows: Sequence[Row]) -> Table:
    """Make the table of `gmrl bench`: time, times ours, target, agreement."""
    made = Table(
        title="Speed, one thread, float64: the cheapest call, all sides in turns",
        caption=(
            "× gmrl: this side's time over ours, above 1 where we are faster. agrees: largest "
            "distance from our numbers relative to the largest of them, checked before timing."
        ),
        title_justify="left",
        caption_justify="left",
    )
    for name in ("case", "side"):
        made.add_column(name)
    for name in ("time", "× gmrl", "target", "agrees", "compile"):
        made.add_column(name, justify="right")
    made.add_column("note")
    last: Row | None = None
    for row in rows:
        if last is not None and row.name != last.name:
            made.add_section()
        same = last is not None and (row.name, row.case) == (last.name, last.case)
        made.add_row("" if same else f"{row.name}  {row.case}", *_cells(row))
        last = row
    return made


def _cells(row: Row) -> list[str]:
    per = "" if row.unit == "call" else f"/{row.unit}"
    verdict = {None: "", True: " met", False: " missed"}[row.met]
    return [
        row.side,
        "–" if row.seconds is None else duration(row.seconds) + per,
        "" if row.ratio is None else f"{row.ratio:.3g}",
        f"{row.target}{verdict}" if row.target else "",
        "" if row.error is None else f"{row.error:.0e}",
        "" if row.compile_seconds is None else duration(row.compile_seconds),
        row.note,
    ]
