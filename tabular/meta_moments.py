"""Exact mean and covariance of the estimated MAML meta-gradient along a certain path.

With independent estimates p̂ of the outer gradient and Ĥ_i of the Hessians at given iterates,
ĝ = Π_i (I + α Ĥ_i) p̂ is multilinear, so its mean is the product of the means and its second
moment M_0 = E ĝ ĝᵀ follows backwards from M_K = E p̂ p̂ᵀ:

    M_i = L_i M_{i+1} L_i + α²/N Q_i(M_{i+1}),   L_i = I + α E Ĥ_i,   Q_i(M) = E[ΔĤ_i M ΔĤ_i]

with ΔĤ = Ĥ − E Ĥ of one trajectory at θ^i. For `ad` and `lvc`, Ĥ = Σ_x C(x) Φ_x is
linear in the table C and Q is a contraction with Cov C; otherwise Q(M) = Σ_k μ_k Cov(Ĥ u_k) over
the eigenvectors u_k of M. With an exact outer gradient M_K has rank one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tabular import covariance
from tabular.metagradient import EXACT, adapt, meta_gradient, positive_number
from tabular.problems import Maml
from tabular.registry import Estimator, find_estimator
from tabular.sources import Exact, Mean, Sampled, Update
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: Eigenvalues of M below this share of the largest do not reach the result in float64.
NEGLIGIBLE = 1e-15


class MetaMoments(NamedTuple):
    """Mean (S, A) and covariance (S, A, S, A) of the estimated meta-gradient."""

    mean: Array
    covariance: Array


def maml_moments(
    problem: Maml,
    phi: Any,
    *,
    step_size: float,
    num_steps: int,
    path: Exact | Mean = EXACT,
    curvature: Exact | Sampled = EXACT,
    outer: Exact | Sampled = EXACT,
) -> MetaMoments:
    """Return the first two moments of the estimate along a path without randomness.

    Parameters
    ----------
    problem : Maml
    phi : array_like (S, A)
    step_size, num_steps : float, int
        α and K.
    path : Exact or Mean
        Source I: the exact gradient, or the expectation of an estimated one.
    curvature, outer : Exact or Sampled
        Sources II and III, independent of each other and from step to step. A sampled source
        needs a baseline without randomness.

    Raises
    ------
    ValueError, TypeError
        If φ does not fit, α or K is not positive, or a baseline is random.
    """
    options: dict[str, Any] = {"step_size": step_size, "num_steps": num_steps, "path": path}
    mean = meta_gradient(problem, phi, **options, curvature=_mean(curvature), outer=_mean(outer))
    alpha = positive_number(step_size, "step_size")
    if mean.ndim != 2:
        raise ValueError(f"phi must be one table (S, A), received shape {mean.shape}")
    shape, size = mean.shape, mean.size
    iterates = adapt(problem, phi, **options)
    last = problem.outer(iterates[0], iterates[-1])
    gradient = _mean(outer)(last, None).gradient
    second = np.multiply.outer(gradient, gradient)
    if isinstance(outer, Sampled):
        law, kind = trajectory_law(last, outer)
        second = second + covariance.gradient_covariance(law) / outer.num_trajectories
    for theta in reversed(iterates[:-1]):
        update = problem.inner(iterates[0], theta)
        differential = _mean(curvature)(update, None)
        noise: Any = 0.0
        if isinstance(curvature, Sampled):
            law, kind = trajectory_law(update, curvature)
            noise = alpha**2 / curvature.num_trajectories * sandwich(law, kind, second)

        def step(X: Array, product: Any = differential.vjp) -> Array:
            columns = X.reshape(size, *shape)
            return (columns + alpha * product(columns)).reshape(*shape, *shape)

        second = np.moveaxis(step(np.moveaxis(step(second), (2, 3), (0, 1))), (0, 1), (2, 3))
        second = second + noise
    return MetaMoments(mean, second - np.multiply.outer(mean, mean))


def sandwich(law: TrajectoryLaw, kind: Estimator, M: Array) -> Array:
    """Q(M) = E[ΔĤ M ΔĤ] of one trajectory for a symmetric M (S, A, S, A)."""
    if kind.cross:
        values, vectors = np.linalg.eigh(M.reshape(law.size, law.size))
        total = np.zeros((*law.shape, *law.shape))
        for value, vector in zip(values, vectors.T, strict=True):
            if abs(value) > NEGLIGIBLE * np.abs(values).max():
                product = covariance.hvp_covariance(law, kind, vector.reshape(law.shape))
                total += value * product
        return total
    terms = covariance.own_hessians(law, kind)
    return np.einsum(
        "iapq,iqjr,jbrs,iajb->ipjs",
        terms,
        M,
        terms,
        covariance.table_covariance(law),
        optimize=True,
    )


def trajectory_law(update: Update, source: Sampled) -> tuple[TrajectoryLaw, Estimator]:
    """Return the law of one trajectory of a sampled source at an update, and its estimator."""
    kind = find_estimator(source.estimator)
    options = source.advantage_options(update, None)
    baseline, gae_lambda = kind.advantage_inputs(update.mdp.num_states, **options)
    law = TrajectoryLaw(
        update.mdp,
        update.theta,
        horizon=source.horizon,
        baseline=baseline,
        gae_lambda=gae_lambda,
    )
    return law, kind


def _mean(source: Exact | Sampled) -> Exact | Mean:
    return Mean(source) if isinstance(source, Sampled) else source
