"""Tiny MDPs whose sampled laws are enumerated, shared by the tests of the sampled checks."""

from typing import Any

import numpy as np

from tabular import TabularMDP
from tabular.baselines import FixedBaseline
from tabular.problems import Maml
from tabular.sources import Sampled
from theory.finite.paths import Paths, inner_paths
from theory.finite.tabular import TabularFinite
from theory.inner_path import InnerPath
from theory.sampled_law import SampledLaw, Streams
from theory.settings import BASELINES

#: T and α. Steps three times as long have estimates of so heavy tails that thousands are too few.
HORIZON, STEP_SIZE = 2, 1.0
#: Standard errors between a sampled number and the enumerated one.
WITHIN = 5.0


def tiny() -> TabularMDP:
    """Nothing in it is rare: a few thousand samples meet all that makes estimates scatter."""
    P = [[[0.7, 0.3], [0.4, 0.6]], [[0.5, 0.5], [0.2, 0.8]]]
    return TabularMDP(P, [[1.0, -0.5], [0.2, 0.9]], 0.8, [0.5, 0.5], name="tiny")


def table_of(mdp: TabularMDP, name: str) -> Any:
    kind = "zero" if name == "dice" else "exact"
    return BASELINES[kind](mdp, np.zeros(mdp.R.shape), None)


def streams(seed: int) -> Streams:
    return Streams(*np.random.SeedSequence(seed).spawn(3))


def sampled(
    name: str, num_steps: int, count: int, seed: int = 0, step_size: float = STEP_SIZE
) -> SampledLaw:
    mdp = tiny()
    table = table_of(mdp, name)
    problem = Maml(mdp, HORIZON, table)
    source = Sampled(name, count, HORIZON, FixedBaseline(table))
    first = "dice" if name == "dice" else "loaded_dice"
    unbiased = Sampled(first, count, HORIZON, FixedBaseline(table))
    path = InnerPath(mdp, unbiased, step_size, num_steps, problem)
    return SampledLaw(path, source, streams(seed))


def enumerated(name: str, num_steps: int, count: int, step_size: float = STEP_SIZE) -> Paths:
    mdp = tiny()
    table = table_of(mdp, name)
    source = Sampled(name, count, HORIZON, FixedBaseline(table))
    finite = TabularFinite(Maml(mdp, HORIZON, table), np.zeros(mdp.R.shape), source)
    return inner_paths(finite, step_size=step_size, num_steps=num_steps, num_trajectories=count)
