"""A tiny experiment, and ones that go wrong. Run as a program it sweeps until it is killed."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from figures.sweep.cell import Cell, stream
from figures.sweep.run import run_cells
from figures.sweep.store import Store

NUM_CELLS = 6


def compute(settings):
    """Random numbers through BLAS; leaves a line in a log and takes its time if asked to."""
    rng = stream(settings["seed"], "example", settings["index"])
    draws = rng.standard_normal((40, 40))
    time.sleep(settings.get("seconds", 0.0))
    if "log" in settings:
        with Path(settings["log"]).open("a") as log:
            log.write(f"{settings['index']}\n")
    return {"product": draws @ draws.T, "rank": np.array(settings["index"])}


def dies(settings):
    """Finishes the first cells, then kills its own process."""
    if settings["index"] < 2:
        return compute(settings)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def fails(settings):
    """Finishes the first cells, then has a bug."""
    if settings["index"] < 2:
        return compute(settings)
    time.sleep(0.2)
    return {"x": np.array(1 / (settings["index"] - settings["index"]))}


def cells(function=compute, count=NUM_CELLS, **settings):
    return [
        Cell("example", f"cell {index}", {"seed": 0, "index": index} | settings, function)
        for index in range(count)
    ]


def bits(stored):
    return [
        {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in one.result.items()}
        for one in stored
    ]


def silent(figure, name):
    pass


if __name__ == "__main__":
    # A shell that runs the tests in the background has them ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, log, jobs = sys.argv[1:]
    run_cells(cells(log=log, seconds=0.4), Store(Path(folder)), jobs=int(jobs), advance=silent)
