"""Computes the cells that are not stored yet, here, in several processes, or on a Dask cluster.

Workers compute; this process alone stores, each result the moment it arrives, so that a cluster
needs no shared disk and whatever stops the run costs the unfinished cells only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

import joblib
from threadpoolctl import threadpool_limits

from figures.sweep.cell import Cell
from figures.sweep.cluster import computed_on_cluster
from figures.sweep.errors import WorkerDied
from figures.sweep.store import Store, Stored

#: Computed cells as they arrive, with their places in the list.
Arrivals = Iterator[tuple[int, Stored]]


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    *,
    jobs: int | None = None,
    dask: str | None = None,
    advance: Callable[[str, str], None],
) -> list[Stored]:
    """Return every cell's result, in the order of the cells.

    Parameters
    ----------
    cells : sequence of Cell
        With different names in one figure.
    store : Store
        Where finished cells are, and go.
    jobs : int, optional
        Processes on this machine; as many as it has cores if not given.
    dask : str, optional
        Address of a Dask scheduler to use instead.
    advance : callable
        Is told figure and name of each cell that is there.

    Raises
    ------
    ValueError
        If two cells have the same name.
    OSError
        If a result cannot be stored, the cluster cannot be reached, or a worker died
        (`WorkerDied`). What was finished is stored.
    """
    names = [(cell.figure, cell.name) for cell in cells]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"cells need different names, received {': '.join(twice)} twice")
    found: dict[int, Stored] = {}
    for i, cell in enumerate(cells):
        stored = store.load(cell)
        if stored is not None:
            found[i] = stored
            advance(cell.figure, cell.name)
    left = [i for i in range(len(cells)) if i not in found]
    jobs = min(jobs or joblib.cpu_count(), len(left))
    chosen = [cells[i] for i in left]
    arrivals: Arrivals
    if dask is not None:
        arrivals = computed_on_cluster(chosen, dask, timed)
    else:
        arrivals = _in_processes(chosen, jobs) if jobs > 1 else _here(chosen)
    try:
        with closing(arrivals):  # type: ignore[type-var]
            for k, stored in arrivals:
                cell = chosen[k]
                store.save(cell, stored)
                found[left[k]] = stored
                advance(cell.figure, cell.name)
    except WorkerDied as error:
        raise WorkerDied(
            f"{error}; {len(found)} of {len(cells)} cells are stored, and the same command goes on "
            "from there"
        ) from None
    return [found[i] for i in range(len(cells))]


def timed(cell: Cell) -> Stored:
    """Compute one cell with one BLAS thread."""
    started = time.perf_counter()
    with threadpool_limits(1):
        result = cell.compute(cell.settings)
    return Stored(dict(result), time.perf_counter() - started)


def _here(cells: Sequence[Cell]) -> Arrivals:
    for i, cell in enumerate(cells):
        yield i, timed(cell)


def _in_processes(cells: Sequence[Cell], jobs: int) -> Arrivals:
    workers = joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1)
    arrivals = workers(joblib.delayed(_numbered)(i, cell) for i, cell in enumerate(cells))
    try:
        yield from arrivals
    except BrokenProcessPool:
        raise WorkerDied("a worker process died (killed, or out of memory)") from None
    finally:
        arrivals.close()


def _numbered(i: int, cell: Cell) -> tuple[int, Stored]:
    return i, timed(cell)
