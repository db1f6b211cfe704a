"""What a worker does with a cell."""

from __future__ import annotations

import time
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from figures.sweep.cell import Cell, Result
from figures.sweep.fingerprint import fingerprint


class Computed(NamedTuple):
    """A result on its way to the store."""

    result: Result
    seconds: float
    fingerprint: dict[str, str]


def compute(cell: Cell) -> Computed:
    """Compute a cell on one thread."""
    with threadpool_limits(1):
        started = time.perf_counter()
        result = cell.compute(cell.settings)
        seconds = time.perf_counter() - started
    return Computed(result, seconds, fingerprint(cell.package))


def compute_numbered(index: int, cell: Cell) -> tuple[int, Computed]:
    """Compute a cell whose result may come in any order."""
    return index, compute(cell)
