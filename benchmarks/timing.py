"""Time several functions in turns.

Another process on the machine slows down whatever runs beside it. The functions therefore take
turns, round by round and in alternating order, and the cheapest call of each is compared: what the
computation costs when nothing disturbs it. A short call is cheapest by wall time: among hundreds
some find a quiet moment. A long one has few tries and no quiet, so that its processor time counts,
which leaves out the waiting for a core (for short calls the system books that too coarsely where
threads are involved, as in XLA). On one thread of a quiet machine both times are the same.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

#: A function that takes more seconds than this is timed once: its first call.
PATIENCE = 7.0
#: In a round every function but the slowest is called about as long as that one, up to this often.
MOST_CALLS = 25
#: A call of more seconds than this is long.
LONG = 0.1


class Clock(NamedTuple):
    """Wall and processor seconds of one call."""

    wall: float
    processor: float

    @property
    def cost(self) -> float:
        """Processor time of a long call, wall time of a short one."""
        return self.processor if self.processor > LONG else self.wall


class Timing(NamedTuple):
    """Seconds a call.

    Attributes
    ----------
    seconds, median : float
        Smallest and middle cost.
    calls : int
        How many were timed.
    cores : float
        Processor time over wall time: 1 on one thread, less where other processes took the core.
    """

    seconds: float
    median: float
    calls: int
    cores: float


def interleave(
    functions: Mapping[str, Callable[[], Any]],
    first: Mapping[str, Clock],
    *,
    seconds: float,
    min_rounds: int = 3,
    max_rounds: int = 200,
) -> dict[str, Timing]:
    """Time `functions` in turns for about `seconds`, at least `min_rounds` rounds.

    `first` holds the time of each one's first call: its warm-up, and its only call where that took
    longer than `PATIENCE`. The second says how often to call it in a round.
    """
    patient = [name for name in functions if first[name].processor <= PATIENCE]
    samples = {name: [first[name]] for name in functions}
    samples |= {name: [clock(functions[name])[1]] for name in patient}
    rough = {name: samples[name][0].cost for name in patient}
    slowest = max([0.02, *(rough[name] for name in patient)])
    calls = {
        name: int(np.clip(slowest / max(rough[name], 1e-6), 1, MOST_CALLS)) for name in patient
    }
    started, enabled = time.perf_counter(), gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(max_rounds):
            for name in patient if turn % 2 else reversed(patient):
                samples[name] += [clock(functions[name])[1] for _ in range(calls[name])]
            if turn + 1 >= min_rounds and time.perf_counter() - started > seconds:
                break
    finally:
        if enabled:
            gc.enable()
    return {name: _summary(samples[name]) for name in functions}


def clock(function: Callable[[], Any]) -> tuple[Any, Clock]:
    """Call once; return the value and the time."""
    wall, processor = time.perf_counter(), time.process_time()
    value = function()
    return value, Clock(time.perf_counter() - wall, time.process_time() - processor)


def _summary(samples: list[Clock]) -> Timing:
    wall, processor = np.array(samples).T
    cores = float(processor.sum() / wall.sum())
    cost = [sample.cost for sample in samples]
    return Timing(min(cost), float(np.median(cost)), len(cost), cores)
