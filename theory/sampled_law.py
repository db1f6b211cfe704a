"""What Lemma 4.4 and Theorem 4.5 bound, of one estimator on an MDP of any size, by sampling.

The objective is J_T with a fixed terminal table V_b, of which the estimators' gradients with that
V_b are unbiased (Assumption 4.2), and MAML's meta-gradient is estimated at θ⁰ = φ. Along
`NUM_PATHS` sampled paths of N trajectories a step,

    e_K = E‖θ̂^K − θ^K‖,    s_K² = E‖θ̂^K − θ^K‖²,

the mean of the estimate from separate samples is that of F of `theory.compositional`, whose
control variate leaves little noise, and its variance, and both with shared samples, are those of
`NUM_ESTIMATES` full estimates. The norms of sampled means are not corrected for their noise: where
the truth is zero they are about as large as their standard errors. For K = 1, s_K is exact:
s_1² = α² tr Cov(ĝ)/N. Where samples seldom meet what makes the estimates scatter (`theory.rare`),
or rest on a few that outweigh all others, nothing is measured: neither a sampled number nor its
standard error would say anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tabular import covariance
from tabular.metagradient import EXACT, meta_gradient
from tabular.sources import Sampled, Source
from tabular.transitions import Array
from theory.bounds import Obtained
from theory.compositional import NUM_PATHS, TOGETHER, Paths, last_factor, quieter, sampled_paths
from theory.inner_path import InnerPath
from theory.rare import ENOUGH, score_square, square_moments
from theory.report import CONSTANT
from theory.simulation import effective

#: Full estimates.
NUM_ESTIMATES = 256
#: A standard error rests on as many samples of equal weight at least, a variance on `ENOUGH`: the
#: relative error of a root is half of its square's.
SEVERAL = ENOUGH / 4
#: Samples that differ by less than this share of their size do so by rounding.
ROUNDING = 1e-12


class Measured(NamedTuple):
    """A number, the standard error of its estimate (None if exact), and how it was obtained."""

    value: float
    standard_error: float | None
    obtained: Obtained


#: What is said where samples say nothing.
UNMEASURED = Measured(np.nan, None, "not measured")


class Streams(NamedTuple):
    """Seeds of the sampled paths, and of full estimates from separate and from shared samples.

    Estimators with the same gradient and streams take the same paths.
    """

    paths: np.random.SeedSequence
    separate: np.random.SeedSequence
    shared: np.random.SeedSequence


@dataclass(frozen=True, eq=False)
class SampledLaw:
    """One estimator along one inner path whose `problem` is J_T with the source's fixed V_b."""

    path: InnerPath
    source: Sampled
    streams: Streams

    @cached_property
    def meets_enough(self) -> bool:
        """Whether samples meet what makes the estimates scatter, along the whole exact path."""
        met = NUM_PATHS * self.source.num_trajectories
        for i in range(len(self.path.iterates)):
            law = self.path.law(i)
            mean, deviation = square_moments(law, score_square(law.pi), 1)
            if ENOUGH * deviation**2 > met * mean**2:
                return False
        return True

    @cached_property
    def scatters(self) -> bool:
        """Whether gradients do at θ⁰, beyond rounding."""
        least = CONSTANT * float(np.linalg.norm(self.path.unbiased[0].gradient))
        return covariance.gradient_variance(self.path.law(0)) > least**2

    @cached_property
    def paths(self) -> Paths:
        """Sampled paths: θ̂^K, and F and its control variate without their last factor."""
        rng = np.random.default_rng(self.streams.paths)
        return sampled_paths(self.path, self.source, NUM_PATHS, rng)

    @cached_property
    def truth(self) -> Array:
        """The exact meta-gradient of J_T."""
        return self.path.adjoints(self.path.evaluations[:-1])[0]

    @property
    def first_moment(self) -> Measured:
        """e_K."""
        return _mean(self._distances, self.paths.ends, SEVERAL) if self.meets_enough else UNMEASURED

    @property
    def second_moment(self) -> Measured:
        """s_K."""
        if len(self.path.iterates) == 2:
            single = covariance.gradient_variance(self.path.law(0)) / self.source.num_trajectories
            # Where estimates are constant, rounding may make it negative.
            root = float(np.sqrt(max(single, 0.0)))
            return Measured(self.path.step_size * root, None, "exact moments")
        if not self.meets_enough:
            return UNMEASURED
        return _root(_mean(self._distances**2, self.paths.ends, ENOUGH))

    @property
    def outer_bias(self) -> Measured:
        """‖E ∇J(θ̂^K) − ∇J(θ^K)‖."""
        if not self.meets_enough:
            return UNMEASURED
        kept = quieter(self.paths.gradients, self.paths.gradient_control)
        return _distance(kept, self.path.evaluations[-1].gradient)

    @cached_property
    def _distances(self) -> Array:
        return np.sqrt(_squares(self.paths.ends - self.path.iterates[-1]))

    def bias(self, *, shared: bool) -> Measured:
        """‖E Ĝ^K − ∇J^K‖, with separate samples for the curvature or with the path's."""
        if not self.meets_enough:
            return UNMEASURED
        if shared:
            return _distance(self._estimates(shared=True, outer=EXACT), self.truth)
        first = self.path.means(self.source)[0]
        kept = quieter(self.paths.draws, self.paths.control)
        return _distance(last_factor(self.path, first, kept), self.truth)

    def variance(self, *, shared: bool) -> Measured:
        """E‖Ĝ^K − E Ĝ^K‖², the outer gradient sampled too."""
        if not self.meets_enough:
            return UNMEASURED
        found = self._estimates(shared=shared, outer=self.source)
        # They scatter at θ⁰, and not where policies have become deterministic.
        if _constant(found) and self.scatters:
            return UNMEASURED
        squares = _squares(found - found.mean(axis=0))
        return _mean(squares * len(found) / (len(found) - 1), found, ENOUGH)

    def _estimates(self, *, shared: bool, outer: Source) -> Array:
        """Full estimates, (number, S, A), as many at a time as fit into memory."""
        rng = np.random.default_rng(self.streams.shared if shared else self.streams.separate)
        num_steps, source = len(self.path.iterates) - 1, self.source
        an_estimate = (2 * num_steps + 1) * source.horizon * source.num_trajectories
        together = max(1, TOGETHER // an_estimate)
        pieces = [
            meta_gradient(
                self.path.problem,
                np.repeat(self.path.iterates[:1], min(together, NUM_ESTIMATES - i), axis=0),
                step_size=self.path.step_size,
                num_steps=num_steps,
                path=source,
                curvature=source,
                outer=outer,
                shared=shared,
                rng=rng,
            )
            for i in range(0, NUM_ESTIMATES, together)
        ]
        return np.concatenate(pieces)


def _mean(numbers: Array, samples: Array, enough: float) -> Measured:
    """The mean of numbers made of the samples, unless too few of these outweigh all others."""
    error = numbers.std(ddof=1) / np.sqrt(len(numbers))
    return _unless_rare(samples, enough, float(numbers.mean()), float(error))


def _root(square: Measured) -> Measured:
    """The root of an estimated square, its error to first order."""
    value, error, obtained = square
    root = float(np.sqrt(value))
    return Measured(root, None if error is None or root == 0 else error / (2 * root), obtained)


def _distance(samples: Array, center: Array) -> Measured:
    """‖E x − center‖ of n samples, noise and all; its error is at most √(tr Cov x / n)."""
    noise = samples.var(axis=0, ddof=1).sum() / len(samples)
    off = samples.mean(axis=0) - center
    return _unless_rare(samples, SEVERAL, float(np.linalg.norm(off)), float(np.sqrt(noise)))


def _unless_rare(samples: Array, enough: float, value: float, error: float) -> Measured:
    off = samples - samples.mean(axis=0)
    if not _constant(samples) and effective(_squares(off / np.abs(off).max())) < enough:
        return UNMEASURED
    return Measured(value, error, "sampling")


def _constant(samples: Array) -> bool:
    """Whether samples differ by rounding only."""
    off = samples - samples.mean(axis=0)
    return bool(np.abs(off).max() <= ROUNDING * np.abs(samples).max())


def _squares(samples: Array) -> Array:
    return np.asarray((samples**2).sum(axis=(-2, -1)))
