"""The law of a sampled inner path: a tree whose nodes are the realisable θ̂^i.

    θ̂^{i+1} = θ̂^i + α (1/N) Σ_j ĝ(θ̂^i; τ_j),    i < K.

A node's children are the multisets of N outcomes, with multinomial probabilities. Each level is
one batch. With the exact inner gradient the tree is the path θ⁰, ..., θ^K itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from tabular._checks import positive_integer
from tabular.metagradient import positive_number
from tabular.transitions import Array
from theory.finite.problem import FiniteProblem, Inner, InnerOutcomes, Outer, OuterOutcomes

#: Most numbers in a table over a level's nodes and their children.
MAX_NUMBERS = 30_000_000
#: In place of a probability of zero, which has no logarithm.
SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


class Level(NamedTuple):
    """The nodes θ̂^i of one level, in the order of their parents.

    Attributes
    ----------
    theta : ndarray (B, d)
    probability : ndarray (B,)
    exact : Inner
        The exact derivatives at them.
    outcomes : InnerOutcomes
        One trajectory's estimates, (B, M, ...).
    children : InnerOutcomes or None
        Averages of N estimates, (B, C, ...); None where the path is exact.
    """

    theta: Array
    probability: Array
    exact: Inner
    outcomes: InnerOutcomes
    children: InnerOutcomes | None


@dataclass(frozen=True, eq=False)
class Paths:
    """Sampled inner paths.

    Attributes
    ----------
    problem : FiniteProblem
    step_size : float
    num_trajectories : int or None
        N; None where the path is exact.
    levels : tuple of Level
        i = 0, ..., K − 1.
    ends, probability : ndarray (B, d), (B,)
        The law of θ̂^K.
    iterates : ndarray (K + 1, d)
        The exact path θ⁰, ..., θ^K.
    exact : Inner
        The exact derivatives at θ⁰, ..., θ^{K−1}, (K, ...).
    """

    problem: FiniteProblem
    step_size: float
    num_trajectories: int | None
    levels: tuple[Level, ...]
    ends: Array
    probability: Array
    iterates: Array
    exact: Inner

    @property
    def num_steps(self) -> int:
        """K."""
        return len(self.levels)

    def error(self, power: int) -> float:
        """E‖θ̂^K − θ^K‖ for power one, its root mean square for power two."""
        power = positive_integer(power, "power")
        with np.errstate(over="ignore"):
            distance = np.linalg.norm(self.ends - self.iterates[-1], axis=-1)
            error = float((self.probability @ distance**power) ** (1 / power))
        if not np.isfinite(error):
            raise ValueError(
                f"errors and their powers must stay finite over {self.num_steps} steps of "
                f"{self.step_size}; take a smaller step_size"
            )
        return error

    @cached_property
    def outer(self) -> Outer:
        """p and q at every θ̂^K, (B, ...)."""
        return self.problem.outer(self.ends)

    @cached_property
    def outer_outcomes(self) -> OuterOutcomes:
        """One trajectory's estimates of them, (B, M, ...)."""
        return self.problem.outer_outcomes(self.ends)

    @cached_property
    def exact_outer(self) -> Outer:
        """p and q at θ^K, (1, ...)."""
        return self.problem.outer(self.iterates[-1:])

    @cached_property
    def truth(self) -> Array:
        """∇J^K (m,), by the reverse recursion of [Liu2022], Proposition 3.1."""
        adjoint, total = self.exact_outer.gradient[0], self.exact_outer.direct[0]
        for i in reversed(range(self.num_steps)):
            total = total + self.step_size * self.exact.cross[i].T @ adjoint
            adjoint = adjoint + self.step_size * self.exact.hessian[i].T @ adjoint
        return total + self.problem.start_jacobian.T @ adjoint


@np.errstate(over="ignore", invalid="ignore")
def inner_paths(
    problem: FiniteProblem, *, step_size: float, num_steps: int, num_trajectories: int | None
) -> Paths:
    """Enumerate the inner paths of a problem.

    Parameters
    ----------
    problem : FiniteProblem
    step_size : float
        α > 0.
    num_steps : int
        K >= 1.
    num_trajectories : int or None
        N of an inner step; None for exact steps (one path).

    Raises
    ------
    ValueError, TypeError
        If a number is not positive, the tree is too large, or the steps leave the floating-point
        range.
    """
    step_size = positive_number(step_size, "step_size")
    num_steps = positive_integer(num_steps, "num_steps")
    if num_trajectories is not None:
        positive_integer(num_trajectories, "num_trajectories")
    theta, probability = problem.start[None], np.ones(1)
    iterates, alongside, levels = [problem.start], [], []
    for i in range(num_steps):
        both = problem.inner(np.concatenate([theta, iterates[-1][None]]))
        exact, outcomes = Inner(*(x[:-1] for x in both)), problem.inner_outcomes(theta)
        alongside.append(Inner(*(x[-1] for x in both)))
        if num_trajectories is None:
            children, moves = None, exact.gradient[:, None]
            probabilities = np.ones((len(theta), 1))
        else:
            _require_room(outcomes, num_trajectories, i)
            children = _averages(outcomes, num_trajectories)
            moves, probabilities = children.gradient, children.probability
        levels.append(Level(theta, probability, exact, outcomes, children))
        theta = (theta[:, None] + step_size * moves).reshape(-1, theta.shape[-1])
        probability = (probability[:, None] * probabilities).ravel()
        iterates.append(iterates[-1] + step_size * alongside[-1].gradient)
    if not (np.isfinite(theta).all() and np.isfinite(iterates[-1]).all()):
        raise ValueError(
            f"theta must stay finite, received NaN or infinity within {num_steps} inner steps; "
            "take a smaller step_size"
        )
    return Paths(
        problem,
        step_size,
        num_trajectories,
        tuple(levels),
        theta,
        probability,
        np.array(iterates),
        Inner(*map(np.array, zip(*alongside, strict=True))),
    )


def _averages(outcomes: InnerOutcomes, count: int) -> InnerOutcomes:
    """The averages of `count` independent estimates and their probabilities."""
    if count == 1:
        return outcomes
    times = _multisets(outcomes.probability.shape[-1], count)
    # A multinomial coefficient may exceed the floats, and p^N fall below them: logarithms do not.
    arrangements = gammaln(count + 1) - gammaln(times + 1).sum(axis=1)
    chances = np.log(np.maximum(outcomes.probability, SMALLEST)) @ times.T
    probability = np.exp(arrangements + chances)
    # For large N a logarithm's rounding is that of its size.
    probability /= probability.sum(axis=-1, keepdims=True)
    share = times / count
    gradient, hessian, cross = (
        np.einsum("cm,bm...->bc...", share, table, optimize=True) for table in outcomes[1:]
    )
    return InnerOutcomes(probability, gradient, hessian, cross)


def _multisets(num_outcomes: int, count: int) -> Array:
    """How often each outcome is met, for every multiset of `count`: (C, M)."""
    last = count + num_outcomes - 1
    # The lengths of the gaps that M − 1 bars leave in N + M − 1 places.
    bars = np.array(list(combinations(range(last), num_outcomes - 1)), dtype=np.intp)
    return np.diff(bars, axis=1, prepend=-1, append=last) - 1


def _require_room(outcomes: InnerOutcomes, count: int, step: int) -> None:
    """Raise unless the children of a level fit into memory."""
    nodes, num_outcomes = outcomes.probability.shape
    children = comb(num_outcomes + count - 1, count)
    size, parameters = outcomes.cross.shape[-2:]
    numbers = children * max(nodes * size * (size + parameters), num_outcomes)
    if numbers > MAX_NUMBERS:
        raise ValueError(
            f"step {step + 1} has {nodes} nodes with {children} children each ({num_outcomes} "
            f"outcomes, {count} trajectories), {numbers} numbers, more than the {MAX_NUMBERS} "
            "that fit; take fewer steps, fewer trajectories or a shorter horizon"
        )
