"""The law of an estimated meta-gradient by nested loops over every tuple of trajectories.

Forward in i, with Z_i: Z_{i+1} = (I + αĤ_i) Z_i + αĜ_i and q̂ + Z_Kᵀ p̂ at the end.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np


def tuples(outcomes: Any, exact: Any, count: int | None) -> Iterator[tuple[float, Any]]:
    """Probability and averages of every ordered tuple; the exact ones if `count` is None."""
    if count is None:
        yield 1.0, exact
        return
    probability, *tables = outcomes
    for chosen in product(range(len(probability)), repeat=count):
        index = list(chosen)
        yield probability[index].prod(), [table[index].mean(axis=0) for table in tables]


def slow_law(
    problem: Any,
    *,
    step_size: float,
    num_steps: int,
    counts: tuple[int | None, int | None, int | None],
    shared: bool,
) -> tuple[Any, Any]:
    """Mean (m,) and covariance (m, m)."""
    path, curvature, outer = counts

    def onwards(i: int, theta: Any, Z: Any) -> tuple[Any, Any]:
        m = Z.shape[1]
        mean, second = np.zeros(m), np.zeros((m, m))
        if i == num_steps:
            ends = tuples(problem.outer_outcomes(theta), problem.outer(theta), outer)
            for weight, (p, q) in ends:
                x = q + Z.T @ p
                mean += weight * x
                second += weight * np.outer(x, x)
            return mean, second
        outcomes, exact = problem.inner_outcomes(theta), problem.inner(theta)
        for weight, moved in tuples(outcomes, exact, path):
            others = [(1.0, moved)] if shared else tuples(outcomes, exact, curvature)
            for other_weight, (_, H, G) in others:
                Z_next = Z + step_size * (H @ Z + G)
                one, two = onwards(i + 1, theta + step_size * moved[0], Z_next)
                mean += weight * other_weight * one
                second += weight * other_weight * two
        return mean, second

    mean, second = onwards(0, problem.start, problem.start_jacobian)
    return mean, second - np.outer(mean, mean)
