"""Run cells: load what is stored, compute the rest, store each result the moment it arrives.

Only this process writes, so that workers need no file system in common. A cell's numbers depend on
its settings alone (`figures.sweep.cell.stream`), and it is computed on one thread: the bits are the
same for any number of workers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing

from figures.sweep.cell import Cell
from figures.sweep.cluster import on_cluster
from figures.sweep.local import on_this_machine
from figures.sweep.store import Store, Stored
from figures.sweep.worker import Computed

#: Protocol, host (or an IPv6 address in brackets) and port.
ADDRESS = r"(?:\w+://)?(?:\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):\d+/?"


class WorkerDied(OSError):
    """A worker process or the connection to the cluster is lost; what was finished is stored."""


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    *,
    jobs: int | None = None,
    dask: str | None = None,
    advance: Callable[[str, str], None],
) -> list[Stored]:
    """Return the results of all cells, in their order.

    Parameters
    ----------
    cells : sequence of Cell
    store : Store
        Where results are loaded from and stored.
    jobs : int, optional
        Worker processes on this machine; 1 computes in this process. Default: one a core.
    dask : str, optional
        Address of a Dask scheduler, whose workers compute instead.
    advance : callable
        Is told the figure and the name of each cell when it is finished.

    Raises
    ------
    ValueError
        If two cells have the same figure and name, or `jobs` is no positive number, or both `jobs`
        and `dask` are given.
    WorkerDied
        If a worker is lost on the way.
    OSError
        If the cluster cannot be reached, its workers have other code or libraries, or a result
        cannot be stored.
    """
    check_workers(jobs, dask)
    names = Counter((cell.figure, cell.name) for cell in cells)
    twice = [": ".join(name) for name, count in names.items() if count > 1]
    if twice:
        raise ValueError(f"cells must have different names, received twice: {', '.join(twice)}")

    done: dict[int, Stored] = {}
    for index, cell in enumerate(cells):
        stored = store.load(cell)
        if stored is not None:
            done[index] = stored
            advance(cell.figure, cell.name)
    missing = {index: cell for index, cell in enumerate(cells) if index not in done}
    if missing:
        with closing(_compute(missing, jobs, dask)) as results:
            try:
                for index, computed in results:
                    cell = cells[index]
                    ours = store.fingerprint(cell)
                    if computed.fingerprint != ours:
                        raise OSError(_other_code(computed.fingerprint, ours))
                    done[index] = store.save(cell, computed.result, computed.seconds)
                    advance(cell.figure, cell.name)
            except BrokenExecutor as error:
                raise WorkerDied(
                    f"a worker died or was lost ({_first_line(error)}); {len(done)} of "
                    f"{len(cells)} cells are stored, and the same command continues from there"
                ) from None
    return [done[index] for index in range(len(cells))]


def check_workers(jobs: int | None, dask: str | None) -> None:
    """Raise a ValueError unless so many workers here, or that cluster, may compute."""
    if jobs is not None and (dask is not None or jobs < 1):
        wrong = "was given with --dask" if dask is not None else f"is {jobs}"
        raise ValueError(f"--jobs must be at least 1, and is for this machine only; it {wrong}")
    if dask is not None and not re.fullmatch(ADDRESS, dask):
        raise ValueError(
            f"the address of a Dask scheduler must be like tcp://host:8786, received {dask!r}"
        )


def _compute(
    cells: dict[int, Cell], jobs: int | None, dask: str | None
) -> Generator[tuple[int, Computed], None, None]:
    if dask is not None:
        return on_cluster(cells, dask)
    return on_this_machine(cells, jobs)


def _other_code(theirs: dict[str, str], ours: dict[str, str]) -> str:
    different = ", ".join(sorted(name for name in ours if theirs.get(name) != ours[name]))
    return (
        f"workers must have the same code and libraries as this process, and differ in: "
        f"{different}; install the same version of gmrl with the same constraints.txt on all"
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
