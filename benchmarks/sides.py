"""What is compared: a case has sides, each a computation of the same numbers.

A side is a function of the case's problem that builds its tables, compiles, and returns a
`Prepared`. It raises `Skipped` with the reason where it cannot run, ImportError where its library
is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP
from tabular.transitions import Array

OURS = "gmrl"


class Skipped(Exception):
    """Raised by a side that does not run; the message says why."""


@dataclass(frozen=True)
class Problem:
    """An MDP (or a batch) with logits, and what the sampled cases need besides.

    `theta`, `v` are (..., S, A) and `baseline` (..., S); `step_size` and `num_steps` are α and K.
    """

    mdp: TabularMDP
    theta: Array
    v: Array
    step_size: float = 1.0
    num_steps: int = 3
    baseline: Any = None
    horizon: int = 20
    num_trajectories: int = 0
    seed: int = 0

    @property
    def batch(self) -> bool:
        """Whether there is more than one table of logits."""
        return self.theta.ndim > 2

    @property
    def num_steps_simulated(self) -> int:
        """Environment steps of one call: trials times N times T."""
        return int(np.prod(self.theta.shape[:-2])) * self.num_trajectories * self.horizon


class Prepared(NamedTuple):
    """A side that is ready to be timed.

    Attributes
    ----------
    call : callable
        One computation.
    result : callable
        What must agree between the sides; the call itself if None.
    compile_seconds : float, optional
        Time of compilation, not part of the call.
    work : float
        How much of the case's work one call does: the time is divided by it.
    note : str
        What a reader of the number should know.
    details : dict
        Further numbers for the JSON file.
    """

    call: Callable[[], Any]
    result: Callable[[], Any] | None = None
    compile_seconds: float | None = None
    work: float = 1.0
    note: str = ""
    details: Mapping[str, Any] = MappingProxyType({})


Side = Callable[[Any], Prepared]


class Target(NamedTuple):
    """What the case is meant to reach: `ratio` of `side` to ours, or ours within `seconds`."""

    side: str
    ratio: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Case:
    """One comparison: `sides` by name, ours first; timed for about `seconds`.

    `modules` are the libraries that the sides import, to be held to one thread.
    """

    name: str
    label: str
    build: Callable[[], Any]
    sides: Mapping[str, Side]
    targets: tuple[Target, ...] = ()
    unit: str = "call"
    seconds: float = 6.0
    modules: tuple[str, ...] = ()

    def target(self, side: str) -> Target | None:
        """The target that the row of `side` reports on."""
        return next((target for target in self.targets if target.side == side), None)


@dataclass(frozen=True)
class Row:
    """One side of one case, measured: seconds a unit of work, of the cheapest and the middle call.

    `ratio` is this side's seconds over ours, `error` its largest distance from our numbers
    relative to the largest of them; `met` is whether the target is, None without one.
    """

    name: str
    case: str
    side: str
    unit: str
    seconds: float | None = None
    median: float | None = None
    calls: int = 0
    cores: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    error: float | None = None
    compile_seconds: float | None = None
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)
