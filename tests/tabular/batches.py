"""Batches of every kind the engine takes, with the single problems they are made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from tabular import TabularMDP
from tests.tabular.reference import REPRESENTATIONS, random_mdp


class Batch(NamedTuple):
    """A batched MDP and logits, the batch shape, and how to take one member out."""

    mdp: TabularMDP
    theta: Any
    shape: tuple[int, ...]
    member: Callable[[tuple[int, ...]], tuple[TabularMDP, Any]]


OF_ONE_MDP = ["theta", "grid", "one", "gamma", "reward", "gamma-theta", "reward-theta"]
#: Batches of logits, discounts, rewards and (dense only) MDPs, and crossed ones.
BATCHES = {
    "dense": [*OF_ONE_MDP, "mdp", "mdp-theta", "mdp-gamma", "gammas-differ"],
    "sparse": OF_ONE_MDP,
}


def make_batch(kind: str, representation: str, size: tuple[int, int]) -> Batch:
    """One of BATCHES; crossed kinds set two batches against each other as (2, 1) and (3,)."""
    rng = np.random.default_rng([*size, sorted(BATCHES["dense"]).index(kind)])
    convert = REPRESENTATIONS[representation]
    mdp = convert(random_mdp(rng, size))
    others = [random_mdp(rng, size) for _ in range(3)]
    one, column, row, grid = (
        rng.normal(size=(*lead, *size)) for lead in ((), (2, 1), (3,), (2, 3))
    )
    gammas, rewards = np.array([0.0, 0.5, 0.9]), rng.normal(size=(3, *size))
    stacked = TabularMDP.stack(others)
    match kind:
        case "theta":
            return Batch(mdp, row, (3,), lambda i: (mdp, row[i]))
        case "grid":
            return Batch(mdp, grid, (2, 3), lambda i: (mdp, grid[i]))
        case "one":
            return Batch(mdp, row[:1], (1,), lambda i: (mdp, row[i]))
        case "gamma":
            batch = mdp.with_gamma(gammas)
            return Batch(batch, one, (3,), lambda i: (mdp.with_gamma(gammas[i]), one))
        case "reward":
            batch = mdp.with_reward(rewards)
            return Batch(batch, one, (3,), lambda i: (mdp.with_reward(rewards[i]), one))
        case "gamma-theta":
            batch = mdp.with_gamma(gammas)
            return Batch(
                batch, column, (2, 3), lambda i: (mdp.with_gamma(gammas[i[1]]), column[i[0], 0])
            )
        case "reward-theta":
            batch = mdp.with_reward(rewards)
            return Batch(
                batch, column, (2, 3), lambda i: (mdp.with_reward(rewards[i[1]]), column[i[0], 0])
            )
        case "mdp":
            return Batch(stacked, one, (3,), lambda i: (others[i[0]], one))
        case "mdp-theta":
            return Batch(stacked, column, (2, 3), lambda i: (others[i[1]], column[i[0], 0]))
        case "mdp-gamma":
            batch = stacked.with_gamma(gammas[:2, None])
            return Batch(batch, one, (2, 3), lambda i: (others[i[1]].with_gamma(gammas[i[0]]), one))
        case "gammas-differ":
            members = [m.with_gamma(g) for m, g in zip(others, gammas, strict=True)]
            batch = TabularMDP.stack(members)
            return Batch(batch, row, (3,), lambda i: (members[i[0]], row[i]))
    raise ValueError(f"unknown batch {kind!r}")


every_batch = pytest.mark.parametrize(
    ("representation", "kind"), [(r, kind) for r, kinds in BATCHES.items() for kind in kinds]
)
