"""Exact mean and covariance of an estimated meta-gradient along a certain path.

With independent estimates p̂ of the outer gradient and (Ĥ_i, Ĝ_i) of the inner derivatives at given
iterates, the backward pass of Proposition 3.1 ([Liu2022]; `tabular.metagradient`),

    λ_K = p̂,   Φ_K = 0,   Φ_i = Φ_{i+1} + α Ĝ_iᵀ λ_{i+1},   λ_i = λ_{i+1} + α Ĥ_iᵀ λ_{i+1},

is linear in each estimate. The mean of z = (λ, Φ) is the pass with mean estimates, z ↦ L_i z, and

    Cov z_i = L_i Cov z_{i+1} L_iᵀ + α²/N Σ_k μ_k Cov(Ĥᵀu_k, Ĝᵀu_k),   Σ_k μ_k u_k u_kᵀ = E λ λᵀ,

where E λ λᵀ is that of λ_{i+1} and Cov that of one trajectory at θ^i: the same trajectories give
Ĥ_i and Ĝ_i, others each i. Its blocks are in `tabular.covariance`, and those with Ĝᵀu in
`tabular.reward_covariance` (LIRPG) and `tabular.discount_covariance` (MGRL). For `ad` and `lvc`,
Ĥ = Σ_x C(x) Φ_x is linear in the table C, and its block a contraction with Cov C. The estimate is
Φ_0 + (∂θ⁰/∂φ)ᵀ λ_0; λ_0 is left out where θ⁰ does not depend on φ. In all three problems the outer
objective depends on φ through θ^K only, so that Φ starts from q = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tabular import _checks, covariance, discount_covariance, reward_covariance
from tabular.metagradient import EXACT, positive_number
from tabular.moments import Expectation
from tabular.problems import Lirpg, Maml, Mgrl, Problem
from tabular.registry import Estimator, find_estimator
from tabular.sources import Differential, Exact, Mean, Sampled, Update
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: Eigenvalues of E λ λᵀ below this share of the largest do not reach the result in float64.
NEGLIGIBLE = 1e-15

#: Where the blocks with Ĝᵀu are; the update of MAML does not depend on φ.
PARAMETERS: dict[type, Any] = {Maml: None, Lirpg: reward_covariance, Mgrl: discount_covariance}


class MetaMoments(NamedTuple):
    """Mean and covariance of the estimated meta-gradient, in the shape of φ once and twice."""

    mean: Array
    covariance: Array


def meta_moments(
    problem: Problem,
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
    problem : Maml, Lirpg or Mgrl
    phi : array_like
        One φ: (S, A), or (2,) for `Mgrl`.
    step_size, num_steps : float, int
        α and K.
    path : Exact or Mean
        Source I: the exact gradient, or the expectation of an estimated one.
    curvature, outer : Exact or Sampled
        Sources II and III, independent of each other and from step to step. A sampled source
        needs a baseline without randomness.

    Returns
    -------
    MetaMoments
        `mean` in the shape of φ, `covariance` in that shape twice.

    Raises
    ------
    ValueError, TypeError
        If the problem is of another class, φ does not fit or is a batch, α or K is not positive, or
        a baseline is random.

    Notes
    -----
    Source: [Liu2022], Proposition 3.1, for the estimate; its law is derived above. A sampled step
    costs up to D = S·A covariances, the first one only those of Ĝᵀu where θ⁰ is fixed.
    """
    if type(problem) not in PARAMETERS:
        raise TypeError(
            "problem must be a Maml, Lirpg or Mgrl, received "
            f"{type(problem).__name__}; the law of no other problem's estimates is known"
        )
    for name, source, kinds in (
        ("path", path, (Exact, Mean)),
        ("curvature", curvature, (Exact, Sampled)),
        ("outer", outer, (Exact, Sampled)),
    ):
        if not isinstance(source, kinds):
            allowed = " or ".join(f"{kind.__name__}(...)" for kind in kinds)
            raise TypeError(f"{name} must be {allowed}, received {source!r}")
    phi = problem.check(phi)
    alpha = positive_number(step_size, "step_size")
    theta, steps = problem.start(phi), []
    if theta.ndim != 2:
        raise ValueError(
            f"covariances take one phi and one theta0 at a time, received phi of shape {phi.shape} "
            f"with theta0 of shape {theta.shape}; call once for each trial"
        )
    for _ in range(_checks.positive_integer(num_steps, "num_steps")):
        update = problem.inner(phi, theta)
        mean = _mean(curvature)(update, None)
        steps.append((update, mean))
        moved = mean if path == _mean(curvature) else path(update, None)
        theta = theta + alpha * moved.gradient

    update = problem.outer(phi, theta)
    last = _mean(outer)(update, None)
    units = np.eye(theta.size).reshape(-1, *theta.shape)
    D, n = theta.size, phi.size
    z, covariances = np.zeros(D + n), np.zeros((D + n, D + n))
    z[:D] = last.gradient.ravel()
    if isinstance(outer, Sampled):
        law, _ = trajectory_law(update, outer, last)
        covariances[:D, :D] = _square(covariance.gradient_covariance(law)) / outer.num_trajectories
    start = problem.start_vjp(units)
    for i, (update, mean) in reversed(list(enumerate(steps))):
        through = i > 0 or start is not None
        factor = np.eye(D + n)
        cross = problem.cross(mean, units)
        if cross is not None:
            factor[D:, :D] = alpha * cross.reshape(D, n).T
        if through:
            factor[:D, :D] += alpha * mean.vjp(units).reshape(D, D).T
        noise: Any = 0.0
        if isinstance(curvature, Sampled):
            law, kind = trajectory_law(update, curvature, mean)
            M = covariances[:D, :D] + np.outer(z[:D], z[:D])
            noise = step_noise(law, kind, PARAMETERS[type(problem)], M, n, through=through)
            noise = alpha**2 / curvature.num_trajectories * noise
        z, covariances = factor @ z, factor @ covariances @ factor.T + noise
    ends = np.zeros((n, D + n))
    ends[:, D:] = np.eye(n)
    if start is not None:
        ends[:, :D] = start.reshape(D, n).T
    table = ends @ covariances @ ends.T
    return MetaMoments((ends @ z).reshape(phi.shape), table.reshape(*phi.shape, *phi.shape))


def step_noise(
    law: TrajectoryLaw, kind: Estimator, parameters: Any, M: Array, n: int, *, through: bool
) -> Array:
    """Σ_k μ_k Cov(Ĥu_k, Ĝᵀu_k) of one trajectory for M (D, D): (D + n, D + n).

    `parameters` is the module with the blocks of Ĝᵀu, or None. Without `through`, those with Ĥu are
    not needed and left at zero.
    """
    D = law.size
    total = np.zeros((D + n, D + n))
    if through:
        total[:D, :D] = _square(sandwich(law, kind, M.reshape(*law.shape, *law.shape)))
    for value, u in _eigenpairs(law, M) if parameters is not None else ():
        total[D:, D:] += value * parameters.own_covariance(law, kind, u)
        if through:
            total[:D, D:] += value * parameters.joint_covariance(law, kind, u)
    total[D:, :D] = total[:D, D:].T
    return total


def sandwich(law: TrajectoryLaw, kind: Estimator, M: Array) -> Array:
    """E[ΔĤ M ΔĤ] = Σ_k μ_k Cov(Ĥu_k) of one trajectory for a symmetric M (S, A, S, A)."""
    if kind.cross:
        total = np.zeros((*law.shape, *law.shape))
        for value, u in _eigenpairs(law, _square(M)):
            total += value * covariance.hvp_covariance(law, kind, u)
        return total
    return _own_sandwich(law, kind, M)


def _own_sandwich(law: TrajectoryLaw, kind: Estimator, M: Array) -> Array:
    """Σ Cov(C_ia, C_jb) Φ_ia M_ij Φ_jb with Φ_ia = ψ_a ψ_aᵀ − F_i for `lvc` and −F_i for `ad`."""
    psi, fisher = covariance.own_scores(law)
    # Blocks (i, j, ·, ·).
    M, C = (x.transpose(0, 2, 1, 3) for x in (M, covariance.table_covariance(law)))
    FM = fisher[:, None] @ M
    total = C.sum(axis=(-2, -1), keepdims=True) * (FM @ fisher)
    if kind.local:
        transposed = psi.swapaxes(-1, -2)
        total += transposed[:, None] @ (C * (psi[:, None] @ M @ transposed)) @ psi
        total -= FM @ (transposed @ (C.sum(axis=-2)[..., None] * psi))
        seen = transposed[:, None] @ (C.sum(axis=-1)[..., None] * psi[:, None])
        total -= seen @ (M @ fisher)
    return np.asarray(total.transpose(0, 2, 1, 3))


def _eigenpairs(law: TrajectoryLaw, M: Array) -> list[tuple[float, Array]]:
    """The μ_k that matter and their u_k (S, A), of a symmetric M (D, D)."""
    values, vectors = np.linalg.eigh(M)
    kept = np.abs(values) > NEGLIGIBLE * np.abs(values).max()
    return [
        (value, vector.reshape(law.shape))
        for value, vector in zip(values[kept], vectors.T[kept], strict=True)
    ]


def trajectory_law(
    update: Update, source: Sampled, mean: Differential | None = None
) -> tuple[TrajectoryLaw, Estimator]:
    """Return the law of one trajectory of a sampled source at an update, and its estimator.

    `mean` is the source's expectation there, if it is known already.
    """
    expectation = mean if isinstance(mean, Expectation) else Mean(source)(update, None)
    field = expectation.field
    law = TrajectoryLaw(
        update.mdp,
        update.theta,
        horizon=source.horizon,
        baseline=field.baseline,
        gae_lambda=field.gae_lambda,
    )
    return law, find_estimator(source.estimator)


def _square(table: Array) -> Array:
    """(S, A, S, A) as (D, D)."""
    return table.reshape(table.shape[0] * table.shape[1], -1)


def _mean(source: Exact | Sampled) -> Exact | Mean:
    return Mean(source) if isinstance(source, Sampled) else source
