"""Cells on the workers of a Dask cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from figures.sweep.cell import Cell
from figures.sweep.worker import Computed, compute_numbered

if TYPE_CHECKING:
    from distributed import Client

#: Seconds until a scheduler answers and has a worker.
CONNECT = 5
#: Seconds without any worker after which none is expected to come back.
PATIENCE = 30
#: Seconds between looks at what is finished.
PAUSE = 0.05
#: Dask's words where the scheduler has not the modules of a task.
LACKING = "deserialization of the task graph"


def on_cluster(cells: dict[int, Cell], address: str) -> Generator[tuple[int, Computed], None, None]:
    """Yield the results of a cluster's workers as they come.

    Raises
    ------
    OSError
        If Dask is not installed, or nothing answers at the address, or there is no worker, or the
        scheduler lacks our packages.
    concurrent.futures.BrokenExecutor
        If a cell's workers die, or all workers or the scheduler go away.
    """
    try:
        from distributed import KilledWorker, as_completed
    except ImportError:
        raise OSError("--dask needs Dask: pip install 'gmrl[cluster]'") from None
    with _quiet(), _connected(address) as client:
        futures = [
            client.submit(compute_numbered, index, cell, pure=False)
            for index, cell in cells.items()
        ]
        coming = as_completed(futures, loop=client.loop)
        seen = time.monotonic()
        try:
            while coming.count():
                if coming.has_ready():
                    future = next(coming)
                    yield future.result()
                    future.release()
                elif client.status != "running":
                    raise BrokenExecutor(f"no connection to {address}")
                elif client.scheduler_info()["workers"]:
                    seen = time.monotonic()
                    time.sleep(PAUSE)
                elif time.monotonic() - seen > PATIENCE:
                    raise BrokenExecutor(f"{address} has no workers any more")
                else:
                    time.sleep(PAUSE)
        except (KilledWorker, CancelledError, OSError) as error:  # OSError: the line is cut
            raise BrokenExecutor(str(error)) from None
        except RuntimeError as error:
            if LACKING not in str(error):
                raise
            raise OSError(
                f"the cluster at {address} cannot read the cells; install the same version of gmrl "
                "for the scheduler and all workers"
            ) from error
        finally:
            if client.status == "running":
                client.cancel(futures)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client

    remedy = "start it with: dask scheduler, and dask worker ADDRESS"
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"no Dask scheduler answers at {address!r}; {remedy}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise OSError(f"the Dask scheduler at {address!r} has no workers; {remedy}") from None
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off standard error: what matters is raised."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
