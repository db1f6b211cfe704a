"""The compositional part: how far sampled inner steps shift the expected meta-gradient.

A path θ^{i+1} = θ^i + α ĝ_i of N trajectories a step, with expected curvature and an exact outer
gradient, ends in the draw F = Π_i (I + α E Ĥ(θ^i)) ∇J(θ^K). Its mean less the one along the path θ̄
of expected steps is the part sought; it is averaged over sampled paths. To first order F moves with
the noise of the steps, which has no mean given the past:

    ξ_i = ĝ_i − E[ĝ_i | θ^i],    Δ_0 = 0,    Δ_{i+1} = (I + α H_i) Δ_i + α ξ_i
    C   = Π_{j<K} L_j H_K Δ_K + Σ_{0<i<K} Π_{j<i} L_j α ∂H_i[Δ_i] λ_{i+1}

with H_i = ∇²J(θ̄^i), ∂H_i[Δ] its derivative along Δ (for `loaded_dice` and `dice`; the other
estimators' expected curvature is not H, and the term is left out), L_i = I + α E Ĥ(θ̄^i), and the
adjoints λ along θ̄. All maps are fixed beforehand and each ξ_i is a martingale difference: E C = 0
exactly, whatever the maps, so F − C has the mean of F and, to first order, no noise but what
truncated steps, which are not ∇J, leave of it. For K = 1, C = α L_0 H_1 ξ_0. Where steps are so
long that first order says nothing, F alone scatters less and is taken instead. The common factor
L_0 is applied last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabular._checks import instance, positive_integer
from tabular.moments import Expectation
from tabular.registry import find_estimator
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.inner_path import InnerPath, adjoints

#: Sampled inner paths.
NUM_PATHS = 64
#: Paths sampled together have no more time steps, and tables over time no more entries.
TOGETHER = 2_000_000


class Paths(NamedTuple):
    """θ̂^K, ∇J(θ̂^K) and H_K Δ_K, and F and C before their factor L_0; each (paths, S, A)."""

    ends: Array
    gradients: Array
    gradient_control: Array
    draws: Array
    control: Array


def compositional(
    path: InnerPath, source: Sampled, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the norm of the shift and the size of its noise; None if all paths are the same."""
    instance(path, InnerPath, "path")
    instance(source, Sampled, "source")
    sampled = sampled_paths(path, source, NUM_PATHS, rng)
    if not np.ptp(sampled.ends, axis=0).any():
        return None
    means = path.means(source)
    samples = quieter(sampled.draws, sampled.control)
    return mean_shift(last_factor(path, means[0], samples), path.adjoints(means)[0])


def sampled_paths(path: InnerPath, source: Sampled, count: int, rng: np.random.Generator) -> Paths:
    """Sample paths, as many at a time as fit into memory."""
    positive_integer(count, "count")
    a_path = source.horizon * source.num_trajectories
    if len(path.iterates) > 2:
        a_path = max(a_path, source.horizon * path.iterates[0].size)
    together = max(1, TOGETHER // a_path)
    pieces = [
        _sampled_together(path, source, min(together, count - i), rng)
        for i in range(0, count, together)
    ]
    return Paths(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))


def _sampled_together(
    path: InnerPath, source: Sampled, count: int, rng: np.random.Generator
) -> Paths:
    alpha, means = path.step_size, path.means(source)
    theta = path.iterates[0]
    moved = [np.zeros_like(theta)]
    curvatures = []
    for i in range(len(means)):
        if i == 0:
            estimate, mean = path.repeat(source, 0, count, rng), means[0]
        else:
            estimate = source(path.problem.inner(theta, theta), rng)
            mean = path.mean(source, theta)
        step = estimate.gradient
        drift = path.evaluations[i].hvp(moved[i]) if i else 0.0
        moved.append(moved[i] + alpha * (drift + step - mean.gradient))
        curvatures.append(mean)
        theta = theta + alpha * step
    gradient = path.evaluate(theta).gradient
    draws = adjoints(gradient, curvatures[1:], alpha)[0]

    control = gradient_control = path.evaluations[-1].hvp(moved[-1])
    along = path.adjoints(means) if len(means) > 1 else []
    for i in reversed(range(1, len(means))):
        control = control + alpha * means[i].vjp(control)
        if find_estimator(source.estimator).cross:
            control = control + alpha * path.evaluations[i].third(moved[i], along[i + 1])
    return Paths(theta, gradient, gradient_control, draws, control)


def quieter(draws: Array, control: Array) -> Array:
    """F − C, or F alone where that scatters less."""
    return min((draws - control, draws), key=lambda x: float(x.var(axis=0).sum()))


def last_factor(path: InnerPath, mean: Expectation, x: Array) -> Array:
    """L_0 x for x (paths, S, A), a few at a time."""
    few = max(4, TOGETHER // (path.source.horizon * path.iterates[0].size * 8))
    products = [mean.vjp(x[i : i + few]) for i in range(0, len(x), few)]
    return x + path.step_size * np.concatenate(products)


def mean_shift(samples: Array, center: Array) -> tuple[float, float]:
    """‖E samples − center‖ without the noise's own norm, and that norm, √(tr Cov/paths)."""
    shift = samples.mean(axis=0) - center
    noise = samples.var(axis=0, ddof=1).sum() / len(samples)
    squared = float((shift**2).sum())
    return float(np.sqrt(max(0.0, squared - noise))), float(np.sqrt(noise))
