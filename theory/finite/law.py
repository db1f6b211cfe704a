"""The exact mean and variance of an estimated meta-gradient over a tree of sampled paths.

The backward pass of Proposition 3.1 takes z = (λ, Φ) from z_K = (p̂, q̂) at θ̂^K to z_0 by

    z_i = L̂_i z_{i+1},    L̂_i = [[I + α Ĥ_iᵀ, 0], [α Ĝ_iᵀ, I]],    Ĝ^K = Φ_0 + Z_0ᵀ λ_0,

so that the first two moments of z_i given θ̂^i follow from those at its children, with weights w_j:

    shared samples      E z_i = Σ_j w_j L̂_j E z_j,    E z_i z_iᵀ = Σ_j w_j L̂_j E[z_j z_jᵀ] L̂_jᵀ
    separate samples    with z' the mixture of the children's, independent of L̂_i,
                        E z_i = E L̂ E z',   E z_i z_iᵀ = E[L̂ E[z' z'ᵀ] L̂ᵀ],
                        whose variance about E L̂ is one trajectory's over N_H
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabular.transitions import Array
from theory.finite.paths import Level, Tree
from theory.finite.problem import FiniteProblem, Inner, InnerOutcomes


class MetaLaw(NamedTuple):
    """E Ĝ^K (m,) and E‖Ĝ^K − E Ĝ^K‖²."""

    mean: Array
    variance: float


def meta_law(
    problem: FiniteProblem,
    tree: Tree,
    *,
    step_size: float,
    curvature: int | str,
    outer: int | None,
) -> MetaLaw:
    """Return the law of the estimate.

    Parameters
    ----------
    tree : Tree
        `theory.finite.paths.sampled_tree`.
    step_size : float
        α.
    curvature : int, "shared" or "exact"
        N_H trajectories of their own, the path's, or the exact derivatives at θ̂^i.
    outer : int or None
        N_o, or exact p and q.
    """
    mean, second = _outer_moments(problem, tree.theta, outer)
    for level in reversed(tree.levels):
        mean, second = _step(problem, level, mean, second, step_size, curvature)
    ends = np.concatenate([problem.start_jacobian.T, np.eye(problem.start_jacobian.shape[1])], 1)
    m = ends @ mean[0]
    return MetaLaw(m, max(0.0, float(np.trace(ends @ second[0] @ ends.T) - m @ m)))


def _outer_moments(problem: FiniteProblem, theta: Array, num: int | None) -> tuple[Array, Array]:
    """E z_K and E z_K z_Kᵀ at every leaf."""
    if num is None:
        z = np.concatenate(problem.outer(theta), axis=-1)
        return z, z[..., :, None] * z[..., None, :]
    probability, *estimates = problem.outer_outcomes(theta)
    z = np.concatenate(estimates, axis=-1)
    mean = np.einsum("bm,bmi->bi", probability, z)
    off = z - mean[:, None]
    spread = np.einsum("bm,bmi,bmj->bij", probability, off, off, optimize=True)
    return mean, mean[..., :, None] * mean[..., None, :] + spread / num


def _step(
    problem: FiniteProblem,
    level: Level,
    mean: Array,
    second: Array,
    step_size: float,
    curvature: int | str,
) -> tuple[Array, Array]:
    """The moments at a level's nodes from those at their children."""
    nodes, n = len(level.theta), mean.shape[-1]
    mean, second = mean.reshape(nodes, -1, n), second.reshape(nodes, -1, n, n)
    if curvature == "shared":
        w, L = level.averages.probability, factors(level.averages, step_size)
        return np.einsum("bm,bmij,bmj->bi", w, L, mean, optimize=True), np.einsum(
            "bm,bmij,bmjk,bmlk->bil", w, L, second, L, optimize=True
        )
    if mean.shape[1] > 1:
        mean = np.einsum("bm,bmi->bi", level.averages.probability, mean)
        second = np.einsum("bm,bmij->bij", level.averages.probability, second)
    else:
        mean, second = mean[:, 0], second[:, 0]
    if curvature == "exact":
        center = factors(problem.inner(level.theta), step_size)
        spread = 0.0
    else:
        w, L = level.outcomes.probability, factors(level.outcomes, step_size)
        center = np.einsum("bm,bmij->bij", w, L)
        off = L - center[:, None]
        spread = np.einsum("bm,bmij,bjk,bmlk->bil", w, off, second, off, optimize=True)
        spread = spread / int(curvature)
    moved = np.einsum("bij,bj->bi", center, mean)
    return moved, center @ second @ np.swapaxes(center, -1, -2) + spread


def factors(inner: Inner | InnerOutcomes, step_size: float) -> Array:
    """L = [[I + αHᵀ, 0], [αGᵀ, I]], (..., d + m, d + m)."""
    *lead, d, m = inner.cross.shape
    L = np.zeros((*lead, d + m, d + m))
    L[...] = np.eye(d + m)
    L[..., :d, :d] += step_size * np.swapaxes(inner.hessian, -1, -2)
    L[..., d:, :d] = step_size * np.swapaxes(inner.cross, -1, -2)
    return L
