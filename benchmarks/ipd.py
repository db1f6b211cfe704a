"""One update of LOLA-DiCE for many runs: all at once, and one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.sides import Prepared
from tabular.transitions import Array


@dataclass(frozen=True)
class Runs:
    """Both players of so many runs, with rollouts of their own for every inner and outer gradient.

    Attributes
    ----------
    trials, inner, outer, length : int
        Runs, rollouts of an inner and of an outer gradient, and their length T.
    """

    trials: int
    inner: int
    outer: int
    length: int

    @cached_property
    def players(self) -> Array:
        """Parameters and baselines (2, runs, 2, 5)."""
        return np.random.default_rng(0).normal(size=(2, self.trials, 2, 5))

    def generators(self) -> list[np.random.Generator]:
        """One for each run."""
        return [np.random.default_rng([0, k]) for k in range(self.trials)]


def batched(runs: Runs) -> Prepared:
    """Meta-gradients of all players of all runs in one batch."""
    import torch

    from adapters.ipd.lookahead import Lookahead
    from adapters.ipd.settings import Sources, Table3

    table = Table3(batch=runs.outer, large=runs.inner, rollout=runs.length, ring=runs.outer)
    own, baseline = (torch.from_numpy(x).flatten(0, 1) for x in runs.players)

    def update() -> Any:
        look = Lookahead(Sources("large", "large"), table, runs.generators())
        return look.meta_gradient(own, baseline).gradient.reshape(runs.trials, 2, 5)

    return Prepared(update, lambda: update()[0], work=runs.trials)


def plain(runs: Runs) -> Prepared:
    """The same for the first run alone, each player by itself."""
    from adapters.ipd.settings import Table3
    from benchmarks import with_torch_ipd

    table = Table3()
    players, baselines = runs.players[:, 0]

    def update() -> Any:
        rng = runs.generators()[0]
        drawn = {
            name: [rng.random((2, 2, count)) for _ in range(runs.length)]
            for name, count in (("curvature", runs.inner), ("outer", runs.outer))
        }
        return [
            with_torch_ipd.meta_gradient(
                players[player],
                players[1 - player],
                {name: [u[player] for u in steps] for name, steps in drawn.items()},
                gamma=table.gamma,
                step_size=table.inner_rate,
                baselines=(baselines[player], baselines[1 - player]),
            )
            for player in range(2)
        ]

    return Prepared(update, note="timed on one run")
