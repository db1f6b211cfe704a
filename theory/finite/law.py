"""Exact mean and covariance of an estimated K-step meta-gradient, by a backward recursion.

With z_i = (λ_i, Φ_i), z_K = (p̂, q̂) and the meta-gradient Φ_0 + Z_0ᵀ λ_0,

    z_i = L̂_i z_{i+1},    L̂_i = [[I + α Ĥ_iᵀ, 0], [α Ĝ_iᵀ, I]].

Given a node θ̂^i of the tree of inner paths (`theory.finite.paths`), with E over its children,

    independent    E z_i    = E[L̂] E[E z_{i+1}],
                   E z_i z_iᵀ = L̄ S L̄ᵀ + (E[L̂ S L̂ᵀ] − L̄ S L̄ᵀ)/N,    S = E[E z_{i+1} z_{i+1}ᵀ]
    shared         E z_i    = E[L̂ E z_{i+1}],    E z_i z_iᵀ = E[L̂ (E z_{i+1} z_{i+1}ᵀ) L̂ᵀ],

where a shared L̂ belongs to the child, and an independent one to N trajectories of its own at θ̂^i.
Both are the law of total expectation, level by level ([Liu2022], Proposition 3.1 for z).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabular._checks import instance
from tabular.transitions import Array
from theory.cases import require_case
from theory.finite.paths import Level, Paths
from theory.finite.problem import FiniteProblem, Inner, InnerOutcomes


class MetaLaw(NamedTuple):
    """E of the estimated meta-gradient (m,) and its covariance (m, m)."""

    mean: Array
    covariance: Array

    @property
    def variance(self) -> float:
        """The trace of the covariance."""
        return float(np.trace(self.covariance))


def meta_gradient_law(
    paths: Paths,
    *,
    curvature_trajectories: int | None,
    outer_trajectories: int | None,
    shared: bool = False,
) -> MetaLaw:
    """The law of the estimated meta-gradient.

    Parameters
    ----------
    paths : Paths
        The inner paths, sampled or exact.
    curvature_trajectories : int or None
        N of Ĥ_i and Ĝ_i; None for the exact derivatives at θ̂^i.
    outer_trajectories : int or None
        N of p̂ and q̂; None for the exact ones at θ̂^K.
    shared : bool
        Take Ĥ_i and Ĝ_i from the path's own trajectories, as plain automatic differentiation does.

    Raises
    ------
    ValueError, TypeError
        If a number is not positive, or `shared` has nothing to share.
    """
    instance(paths, Paths, "paths")
    require_case(paths.num_trajectories, curvature_trajectories, outer_trajectories, shared=shared)
    problem, alpha = paths.problem, paths.step_size
    z, second = _last(paths, outer_trajectories)
    for level in reversed(paths.levels):
        if shared:
            factors, weight = _factors(_shared(level), alpha), _shared(level).probability
            moved = factors @ _by_node(z, level)[..., None]
            z = np.einsum("bc,bci->bi", weight, moved[..., 0])
            second = _sandwich(factors, _by_node(second, level), weight)
        else:
            z, second = _average(z, level), _average(second, level)
            z, second = _independent(level, z, second, alpha, curvature_trajectories)
    ends = _ends(problem)
    mean = ends @ z[0]
    covariance = ends @ (second[0] - np.outer(z[0], z[0])) @ ends.T
    return MetaLaw(mean, covariance)


def _independent(
    level: Level, z: Array, second: Array, alpha: float, count: int | None
) -> tuple[Array, Array]:
    """Apply an L̂ that is independent of what follows."""
    if count is None:
        factor = _factors(level.exact, alpha)
        return _times(factor, z), factor @ second @ factor.swapaxes(-1, -2)
    each, weight = _factors(level.outcomes, alpha), level.outcomes.probability
    mean = np.einsum("bm,bmij->bij", weight, each)
    of_mean = mean @ second @ mean.swapaxes(-1, -2)
    one = _sandwich(each, second[:, None], weight)
    return _times(mean, z), of_mean + (one - of_mean) / count


def _last(paths: Paths, count: int | None) -> tuple[Array, Array]:
    """E z_K (B, d + m) and E z_K z_Kᵀ at every θ̂^K."""
    if count is None:
        z = np.concatenate(paths.outer, axis=-1)
        return z, z[:, :, None] * z[:, None, :]
    probability, gradient, direct = paths.outer_outcomes
    each = np.concatenate([gradient, direct], axis=-1)
    z = np.einsum("bm,bmi->bi", probability, each)
    one = (probability[..., None] * each).swapaxes(-1, -2) @ each
    of_mean = z[:, :, None] * z[:, None, :]
    return z, of_mean + (one - of_mean) / count


def _factors(at: Inner | InnerOutcomes, alpha: float) -> Array:
    """L̂, (..., d + m, d + m)."""
    d, m = at.cross.shape[-2:]
    out = np.zeros((*at.cross.shape[:-2], d + m, d + m))
    out[...] = np.eye(d + m)
    out[..., :d, :d] += alpha * at.hessian.swapaxes(-1, -2)
    out[..., d:, :d] = alpha * at.cross.swapaxes(-1, -2)
    return out


def _shared(level: Level) -> InnerOutcomes:
    """The averages that moved θ̂^i; a path that is sampled has them."""
    if level.children is None:
        raise ValueError("shared samples need a sampled path")
    return level.children


def _by_node(x: Array, level: Level) -> Array:
    """A table over the next level's nodes (B·C, ...) by parent, (B, C, ...)."""
    return x.reshape(len(level.theta), -1, *x.shape[1:])


def _average(x: Array, level: Level) -> Array:
    """E over the children of each node."""
    if level.children is None:
        return x
    return np.einsum("bc,bc...->b...", level.children.probability, _by_node(x, level))


def _times(matrix: Array, x: Array) -> Array:
    return np.einsum("bij,bj->bi", matrix, x)


def _sandwich(factors: Array, middle: Array, weight: Array) -> Array:
    """Σ_c w_c L_c M_c L_cᵀ for L (B, C, n, n) and M (B, C or 1, n, n)."""
    return np.einsum("bc,bcij->bij", weight, factors @ middle @ factors.swapaxes(-1, -2))


def _ends(problem: FiniteProblem) -> Array:
    """(Z_0ᵀ, I), (m, d + m)."""
    jacobian = problem.start_jacobian
    return np.hstack([jacobian.T, np.eye(jacobian.shape[1])])
