"""Cells on a Dask cluster: machines with the same version installed, one scheduler's address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from figures.sweep.cell import Cell
from figures.sweep.errors import WorkerDied
from figures.sweep.store import Stored

#: Seconds to reach the scheduler.
CONNECT = 5
#: Seconds without a result after which to look whether any worker is left.
PATIENCE = 5


def computed_on_cluster(
    cells: Sequence[Cell], address: str, compute: Callable[[Cell], Stored]
) -> Iterator[tuple[int, Stored]]:
    """Yield each cell's place and result as it arrives.

    Raises
    ------
    ValueError
        If `distributed` is not installed.
    OSError
        If the scheduler cannot be reached, or has no worker; `WorkerDied` if one dies on a cell, or
        all are gone.
    """
    try:
        from distributed import Client, KilledWorker, wait
    except ImportError:
        raise ValueError(
            "a Dask cluster needs the library distributed: pip install 'gmrl[cluster]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it logs is raised here
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(
            f"no Dask scheduler answers at {address} ({reason}); start one with dask scheduler and "
            "give its address, such as tcp://host:8786"
        ) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise OSError(
                f"the Dask scheduler at {address} has no workers; start some with "
                f"dask worker {address}"
            )
        places = {client.submit(compute, cell, pure=False): i for i, cell in enumerate(cells)}
        pending = set(places)
        while pending:
            try:
                done, pending = wait(pending, timeout=PATIENCE, return_when="FIRST_COMPLETED")
            except TimeoutError:
                if client.status != "running" or not client.scheduler_info()["workers"]:
                    raise WorkerDied(f"the workers of {address} are gone") from None
                continue
            for future in done:
                try:
                    yield places[future], future.result()
                except KilledWorker:
                    raise WorkerDied(f"workers of {address} died on one cell") from None
