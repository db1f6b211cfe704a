"""The tree of sampled inner paths: every θ̂^i that N trajectories a step can lead to.

    θ̂^{i+1} = θ̂^i + α ĝ_i,    ĝ_i the average of N independent trajectories at θ̂^i

With M outcomes of one trajectory an average has C(M + N − 1, N) outcomes, the multisets of N with
their multinomial probabilities. All nodes of a level are one batch.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb, factorial
from typing import NamedTuple

import numpy as np

from tabular.transitions import Array
from theory.finite.problem import FiniteProblem, InnerOutcomes

#: Most nodes of the last level.
MAX_NODES = 50_000


class Level(NamedTuple):
    """The nodes after i < K steps: θ̂^i (B, d), their probabilities (B,), and what is drawn there.

    `outcomes` are one trajectory's, `averages` those of N, whose M' outcomes lead to the next
    level's B·M' nodes, in this order; with exact steps each node leads to one.
    """

    theta: Array
    probability: Array
    outcomes: InnerOutcomes
    averages: InnerOutcomes


class Tree(NamedTuple):
    """The levels 0, ..., K − 1, and the leaves θ̂^K (B, d) with their probabilities (B,)."""

    levels: list[Level]
    theta: Array
    probability: Array


def sampled_tree(
    problem: FiniteProblem,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    exact: bool = False,
) -> Tree:
    """Return the tree; a single node a level where the steps are `exact`.

    Raises
    ------
    ValueError
        If the last level would have more than `MAX_NODES` nodes.
    """
    theta, probability = problem.start[None], np.ones(1)
    levels = []
    for i in range(num_steps):
        outcomes = problem.inner_outcomes(theta)
        averages = outcomes if exact else average(outcomes, num_trajectories)
        levels.append(Level(theta, probability, outcomes, averages))
        if exact:
            theta = theta + step_size * problem.inner(theta).gradient
            continue
        count = float(averages.probability.shape[-1])
        if len(theta) * count ** (num_steps - i) > MAX_NODES:
            raise ValueError(
                f"{num_steps} steps of {num_trajectories} trajectories lead to about "
                f"{len(theta) * count ** (num_steps - i):.2g} points, more than {MAX_NODES}; take "
                "fewer steps or trajectories, or a smaller or shorter problem"
            )
        theta = (theta[:, None] + step_size * averages.gradient).reshape(-1, theta.shape[-1])
        probability = (probability[:, None] * averages.probability).ravel()
    return Tree(levels, theta, probability)


def average(outcomes: InnerOutcomes, num: int) -> InnerOutcomes:
    """Return the law of the average of `num` independent trajectories.

    Raises
    ------
    ValueError
        If it has more than `MAX_NODES` outcomes.
    """
    if num == 1:
        return outcomes
    count = outcomes.probability.shape[-1]
    if comb(count + num - 1, num) > MAX_NODES:
        raise ValueError(
            f"the average of {num} trajectories of {count} kinds has "
            f"{comb(count + num - 1, num):.2g} outcomes, more than {MAX_NODES}; take fewer"
        )
    drawn = np.array(list(combinations_with_replacement(range(count), num)))
    times = [np.unique(row, return_counts=True)[1] for row in drawn]
    ways = np.array([factorial(num) / np.prod([factorial(k) for k in row]) for row in times])
    probability = ways * outcomes.probability[..., drawn].prod(axis=-1)
    gradient = outcomes.gradient[..., drawn, :].mean(axis=-2)
    hessian = outcomes.hessian[..., drawn, :, :].mean(axis=-3)
    return InnerOutcomes(
        probability, gradient, hessian, outcomes.cross[..., drawn, :, :].mean(axis=-3)
    )
