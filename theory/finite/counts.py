"""The law of θ̂^K by counts: only how often each outcome occurs among N trajectories matters.

Of M outcomes, N trajectories have the counts n with probability N!/Π n_x! Π p_x^{n_x}, and move θ
by (α/N) Σ_x n_x ĝ_x. There are binom(N + M − 1, M − 1) of them instead of M^N samples, and that to
the power K of ends θ̂^K: with two outcomes (N + 1)^K, so that expectations are exact for K = 1 and
thousands of trajectories, K = 2 and hundreds, K = 3 and a hundred.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

from tabular import _checks
from tabular.metagradient import positive_number
from tabular.transitions import Array
from theory.finite.problem import FiniteProblem

#: Most ends of a loop: times d numbers of 8 bytes, and as many again for each target.
MAX_ENDS = 4_000_000


class EndLaw(NamedTuple):
    """The values of θ̂^K (L, d), their probabilities (L,), and θ^K (d,) of the exact loop."""

    probability: Array
    theta: Array
    exact: Array

    def error(self) -> float:
        """E‖θ̂^K − θ^K‖."""
        return float(self.probability @ np.linalg.norm(self.theta - self.exact, axis=1))

    def spread(self) -> float:
        """√E‖θ̂^K − θ^K‖²."""
        squares = ((self.theta - self.exact) ** 2).sum(axis=1)
        return float(np.sqrt(self.probability @ squares))

    def shift(self, values: Array, exact: Array) -> Array:
        """E f(θ̂^K) − f(θ^K) from f at every end, (L, ...), and at θ^K."""
        return np.tensordot(self.probability, values - exact, axes=1)


def end_law(
    problem: FiniteProblem, *, step_size: float, num_steps: int, num_trajectories: int
) -> EndLaw:
    """Return the law of θ̂^K.

    Parameters
    ----------
    problem : FiniteProblem
        Gives θ⁰, the exact gradient and its estimates.
    step_size, num_steps, num_trajectories : float, int, int
        α, K and N.

    Raises
    ------
    ValueError
        If there are more than `MAX_ENDS` ends.
    """
    alpha = positive_number(step_size, "step_size")
    K = _checks.positive_integer(num_steps, "num_steps")
    N = _checks.positive_integer(num_trajectories, "num_trajectories")
    exact = problem.start
    theta, weight = exact[None], np.ones(1)
    ends = count_ends(problem, K, N)
    if ends > MAX_ENDS:
        raise ValueError(
            f"{N} trajectories a step and {K} steps have {ends:.3g} ends, more than the {MAX_ENDS} "
            "that fit; take fewer trajectories or steps"
        )
    number = compositions(N, _outcomes(problem))
    arrangements = gammaln(N + 1) - gammaln(number + 1).sum(axis=1)
    for _ in range(K):
        exact = exact + alpha * problem.inner(exact).gradient
        one = problem.inner_outcomes(theta)
        law = np.exp(arrangements + xlogy(number, one.probability[:, None, :]).sum(axis=-1))
        theta = (theta[:, None] + alpha / N * (number @ one.gradient)).reshape(-1, theta.shape[-1])
        weight = (weight[:, None] * law).ravel()
    return EndLaw(weight, theta, exact)


def count_ends(problem: FiniteProblem, num_steps: int, num_trajectories: int) -> int:
    """Count the ends of a loop, without making them."""
    M = _outcomes(problem)
    return math.comb(num_trajectories + M - 1, M - 1) ** num_steps


def _outcomes(problem: FiniteProblem) -> int:
    """M."""
    return problem.inner_outcomes(problem.start).probability.shape[-1]


def compositions(total: int, parts: int) -> Array:
    """All (n_1, ..., n_parts) of whole numbers that add up to `total`, one a row."""
    if parts == 1:
        return np.full((1, 1), total, dtype=np.float64)
    rows = [
        np.insert(compositions(total - first, parts - 1), 0, first, axis=1)
        for first in range(total + 1)
    ]
    return np.concatenate(rows)
