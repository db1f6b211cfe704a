"""One unit of work of an experiment: a function of plain settings.

Random numbers belong to what they are used for, not to an order: `stream` turns the seed and a
label into a generator, so that a cell has the same bits in any process and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular.transitions import Array

Result = Mapping[str, Array]


@dataclass(frozen=True)
class Cell:
    """A piece of a figure that is computed, and stored, as a whole.

    Attributes
    ----------
    figure, name : str
        Together unique among all cells: "fig5", "lvc, MDP 3".
    settings : mapping
        All that the numbers depend on, as JSON: numbers, strings, lists of them.
    compute : callable
        A function at the top of a module, from the settings to named arrays of numbers.
    """

    figure: str
    name: str
    settings: Mapping[str, Any]
    compute: Callable[[Mapping[str, Any]], Result]

    @property
    def package(self) -> str:
        """Where the function is."""
        return self.compute.__module__.partition(".")[0]


def stream(seed: int, *label: Any) -> np.random.Generator:
    """Return the generator of one use of random numbers, named by its label.

    Parameters
    ----------
    seed : int
        Seed of the whole run.
    *label
        Strings and numbers: ``stream(0, "fig5", "lvc", "N", 32, "SSE", "MDP", 3)``.
    """
    digest = hashlib.sha256("/".join(map(str, label)).encode()).digest()
    words = np.frombuffer(digest, dtype=np.uint32).tolist()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))
