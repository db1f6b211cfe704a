"""Cells on one machine."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Generator

from joblib import Parallel, cpu_count, delayed

from figures.sweep.cell import Cell
from figures.sweep.worker import Computed, compute, compute_numbered

#: The thread of a worker process that ends it with its parent.
WATCH = "gmrl-watch"


def in_this_process(cells: dict[int, Cell]) -> Generator[tuple[int, Computed], None, None]:
    """Yield the results one after the other."""
    for index, cell in cells.items():
        yield index, compute(cell)


def on_this_machine(
    cells: dict[int, Cell], jobs: int | None
) -> Generator[tuple[int, Computed], None, None]:
    """Yield the results of so many processes, of this one alone if one is enough."""
    jobs = min(jobs or cpu_count(), len(cells))
    return in_this_process(cells) if jobs == 1 else in_processes(cells, jobs)


def in_processes(cells: dict[int, Cell], jobs: int) -> Generator[tuple[int, Computed], None, None]:
    """Yield the results of two or more worker processes as they come.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If a worker dies.
    """
    parallel = Parallel(
        n_jobs=jobs,
        backend="loky",
        batch_size=1,  # each result comes, and is stored, alone
        max_nbytes=None,
        return_as="generator_unordered",
    )
    results = parallel(delayed(_work)(os.getpid(), index, cell) for index, cell in cells.items())
    try:
        # `yield from` would close joblib's generator before the `finally`.
        for result in results:  # noqa: UP028
            yield result
    finally:
        with warnings.catch_warnings():  # joblib's, of the workers that this stops
            warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
            results.close()


def _work(parent: int, index: int, cell: Cell) -> tuple[int, Computed]:
    """Compute in a worker process."""
    if all(thread.name != WATCH for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name=WATCH, daemon=True).start()
    return compute_numbered(index, cell)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: killed, that one cannot stop its workers."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
