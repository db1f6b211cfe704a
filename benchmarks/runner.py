"""Prepare the sides of a case, compare their numbers, then time them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sparse
from benchmarks.machine import describe, one_thread
from benchmarks.sides import OURS, Case, Prepared, Row, Skipped
from benchmarks.timing import Clock, Timing, clock, interleave

#: Largest distance from our numbers, relative to the largest of them, with which a side is timed.
AGREE = 1e-8


def steps(cases: Iterable[Case]) -> int:
    """How often `run` calls `advance`."""
    return sum(len(case.sides) + 1 for case in cases)


def run(
    cases: Sequence[Case],
    out: Path,
    advance: Callable[..., None] = lambda *names: None,
) -> list[Row]:
    """Measure the cases and write `out`/bench.json, and `out`/sparse.svg and .png where it is due.

    Parameters
    ----------
    cases : sequence of Case
        From `plan`.
    out : Path
        An existing folder.
    advance : callable
        Called with the names of what begins next, `steps(cases)` times in all.

    Returns
    -------
    list of Row
        One for each side of each case, ours first.
    """
    from figures.save import save_picture, write_text  # matplotlib, needless in child processes

    rows: list[Row] = []
    modules = sorted({module for case in cases for module in case.modules})
    with one_thread(modules):
        machine = describe()
        for case in cases:
            rows += measure(case, advance)
    document = {"machine": machine, "rows": [asdict(row) for row in rows]}
    write_text(out / "bench.json", json.dumps(document, indent=2, allow_nan=False) + "\n")
    studied = [row for row in rows if row.name == "sparse"]
    if studied:
        save_picture(lambda: sparse.draw(studied), out / "sparse")
    return rows


def measure(case: Case, advance: Callable[..., None] = lambda *names: None) -> list[Row]:
    """Rows of one case; a side that is missing, too large or wrong is not timed, and says why."""
    problem = case.build()
    rows: dict[str, Row] = {}
    ready: dict[str, Prepared] = {}
    first: dict[str, Clock] = {}
    reference: Any = None
    for side, prepare in case.sides.items():
        advance(case.name, case.label, side)
        rows[side] = row = Row(case.name, case.label, side, case.unit)
        try:
            prepared = prepare(problem)
        except Skipped as reason:
            rows[side] = replace(row, note=str(reason))
            continue
        except ImportError as missing:
            note = f"{missing.name} not installed (pip install 'gmrl[bench]')"
            rows[side] = replace(row, note=note)
            continue
        value, first[side] = clock(prepared.call)
        result = np.asarray(value if prepared.result is None else prepared.result())
        reference = result if side == OURS else reference
        error = distance(result, reference)
        rows[side] = row = replace(
            row,
            error=None if side == OURS else error,
            compile_seconds=prepared.compile_seconds,
            note=prepared.note,
            details=dict(prepared.details),
        )
        if error <= AGREE:
            ready[side] = prepared
        else:
            rows[side] = replace(row, note="void: not the same numbers as ours", met=False)
    advance(case.name, case.label, "timing")
    calls = {side: prepared.call for side, prepared in ready.items()}
    timings = interleave(calls, first, seconds=case.seconds)
    for side, timing in timings.items():
        rows[side] = _timed(rows[side], case, timing, ready[side].work)
    ours = rows[OURS].seconds
    for side, row in rows.items():
        if row.seconds is not None and ours is not None:
            rows[side] = _judged(row, case, row.seconds / ours)
    return list(rows.values())


def distance(result: Any, reference: Any) -> float:
    """max|result − reference| / max|reference|, at most 1; 1 where shapes differ or NaN appears."""
    if result.shape != reference.shape or not np.all(np.isfinite([result, reference])):
        return 1.0
    return min(1.0, float(np.abs(result - reference).max() / np.abs(reference).max()))


def _timed(row: Row, case: Case, timing: Timing, work: float) -> Row:
    return replace(
        row,
        seconds=timing.seconds / work,
        median=timing.median / work,
        calls=timing.calls,
        cores=timing.cores,
    )


def _judged(row: Row, case: Case, ratio: float) -> Row:
    """Fill in the ratio and the verdict on the target that this row reports on."""
    row = replace(row, ratio=None if row.side == OURS else ratio)
    target = case.target(row.side)
    if target is None or row.seconds is None:
        return row
    if target.ratio is not None:
        return replace(row, target=f"≥ {target.ratio:g}", met=ratio >= target.ratio)
    limit = target.seconds or 0.0
    return replace(row, target=f"≤ {duration(limit)}", met=row.seconds <= limit)


def duration(seconds: float) -> str:
    """Seconds in a fitting unit, three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
