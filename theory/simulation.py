"""Simulated estimates beside their exact law, as two scores that are about standard normal.

With M estimates x of n trajectories, E x and Cov x exact, and e the direction of the truth,

    z of the mean   mean e·(x − E x) over √(eᵀ Cov x e / M), or, where that is not known, over the
                    estimates' own standard error
    z of the sd     ln(v̂/v) over se(v̂)/v̂,   v̂ = mean ‖x − E x‖²,  v = tr Cov x,
                    se(v̂)² = Var ‖x − E x‖² / M

The second is approximate: squares have heavy tails, and se is the simulation's own, but at least
what events that it may not have met make of it (`theory.rare`). In logarithms twice the variance
and half of it score alike. Where the squares come from a few of the estimates only (a rare reward
seen once or never), or do not scatter at all, it says nothing: None. The same holds for the first
where it rests on the estimates' own standard error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tabular.transitions import Array
from theory.rare import ENOUGH

#: A relative error of a mean square below this is that of squares that are all but the same, which
#: rounding, or one event that was not met, moves by more.
STEADY = 1e-4


@dataclass(frozen=True)
class Simulation:
    """M estimates, reduced to (M,) numbers each.

    `squares` are ‖x − E x‖², `along` the components of x − E x along the truth, `errors` are
    ‖x − truth‖²; `variance` and `along_variance` are exact, of one estimate, None if not known.
    `scatter` is the relative variance of ‖x − E x‖² by events that may not have been met.
    """

    squares: Array
    along: Array
    errors: Array
    variance: float | None
    along_variance: float | None
    scatter: float

    @property
    def rmse(self) -> float:
        """√ mean ‖x − truth‖²."""
        return float(np.sqrt(self.errors.mean()))

    def z_mean(self, rounding: float) -> float | None:
        """The score of the mean; None where the component does not scatter beyond rounding."""
        count = len(self.along)
        variance = self.along_variance
        if variance is None:
            if effective(self.along**2) < ENOUGH:
                return None
            variance = float(self.along.var(ddof=1))
        if variance <= rounding**2:
            return None
        return float(self.along.mean() / np.sqrt(variance / count))

    def z_sd(self, rounding: float) -> float | None:
        """The score of the spread."""
        if self.variance is None or self.variance <= rounding**2:
            return None
        found, count = self.squares.mean(), len(self.squares)
        error = self.squares.std(ddof=1) / np.sqrt(count)
        unseen = self.scatter / count
        if error <= max(STEADY * found, rounding * np.sqrt(found)):
            return None
        if effective(self.squares) < ENOUGH or unseen > 1 / ENOUGH:
            return None
        error = max(error / found, np.sqrt(unseen))
        return float(np.log(found / self.variance) / error)


def simulate(
    pieces: Iterable[tuple[Array, Array, Array]],
    variance: float | None,
    along_variance: float | None,
    scatter: float,
) -> Simulation:
    """Reduce estimates (M, ...), given with their exact mean and the truth, piece by piece."""
    squares, along, errors, size = np.zeros(()), np.zeros(()), np.zeros(()), 0.0
    for samples, mean, truth in pieces:
        axes = tuple(range(1, samples.ndim))
        off = samples - mean
        squares = squares + (off**2).sum(axis=axes)
        along = along + (off * truth).sum(axis=axes)
        errors = errors + ((samples - truth) ** 2).sum(axis=axes)
        size += float((truth**2).sum())
    along = along / np.sqrt(size) if size > 0 else along
    return Simulation(squares, along, errors, variance, along_variance, scatter)


def effective(weights: Array) -> float:
    """(Σ w)²/Σ w², of equal weights their number."""
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0
