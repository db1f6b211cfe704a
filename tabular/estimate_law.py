"""Second moments of one estimate from N trajectories at one θ, its baseline certain or noisy.

An estimate X is linear in rewards and baseline together. With a table V_b + σ z shared by the N
trajectories, z ~ N(0, I_S), it is X(R, V_b) + Σ_s z_s X(0, σ e_s), where X(0, σ e_s) is what the
same trajectories give with rewards zero and baseline σ e_s. Over trajectories and z, therefore,

    E X   = E X(R, V_b)
    Cov X = [Cov X(R, V_b) + Σ_s Cov X(0, σ e_s)]/N + Σ_s E X(0, σ e_s) E X(0, σ e_s)ᵀ,

S + 1 laws of one trajectory; the last sum does not fall with N: a wrong critic is wrong for all
of them. Derived here. Second moments come as these two `Parts`. Sums Σ_k μ_k Cov(Ĥu_k) over
M = Σ_k μ_k u_k u_kᵀ are E[ΔĤ M ΔĤ]; for `ad` and `lvc`, Ĥ = Σ_x C(x) Φ_x is linear in the table C
and the sum a contraction with Cov C.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tabular import covariance
from tabular.baselines import NoisyBaseline, exact_baseline
from tabular.cross_covariance import Whole, cross_moments
from tabular.moments import Expectation
from tabular.policy import project
from tabular.registry import Estimator, find_estimator
from tabular.sources import Differential, Mean, Sampled, Update
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: Eigenvalues of E λ λᵀ below this share of the largest do not reach the result in float64.
NEGLIGIBLE = 1e-15


class Parts(NamedTuple):
    """A covariance: what one trajectory has, divided by N, and what does not fall with N."""

    within: Array
    lasting: Array

    def of(self, num_trajectories: int) -> Array:
        """The covariance of an estimate from N trajectories."""
        return np.asarray(self.within / num_trajectories + self.lasting)


class EstimateLaw:
    """The laws X(R, V_b) and X(0, σ e_s) of one trajectory, and what they say of N.

    Attributes
    ----------
    center : TrajectoryLaw
        With rewards R and baseline V_b.
    noise : tuple of TrajectoryLaw
        With rewards zero and baseline σ e_s, s = 1..S; empty if the baseline is certain.
    """

    def __init__(self, center: TrajectoryLaw, noise: tuple[TrajectoryLaw, ...] = ()) -> None:
        self.center, self.noise = center, noise

    @cached_property
    def table_covariance(self) -> Parts:
        """Cov C, each (S, A, S, A)."""
        within = covariance.table_covariance(self.center)
        lasting = np.zeros_like(within)
        for law in self.noise:
            within = within + covariance.table_covariance(law)
            mean = mean_table(law)
            lasting += np.multiply.outer(mean, mean)
        return Parts(within, lasting)

    @cached_property
    def gradient_covariance(self) -> Parts:
        """Cov ĝ, each (S, A, S, A)."""
        pi = self.center.pi
        halves = (project(pi, table).transpose(2, 3, 0, 1) for table in self.table_covariance)
        return Parts(*(np.asarray(project(pi, half)) for half in halves))

    def hvp_covariance(self, kind: Estimator, u: Array) -> Parts:
        """Cov Ĥu of `loaded_dice` or `dice`, each (S, A, S, A)."""
        within = covariance.hvp_covariance(self.center, kind, u)
        lasting = np.zeros_like(within)
        for law in self.noise:
            moments = cross_moments(law, u, Whole(law))
            mean = moments.mean.reshape(law.shape)
            within += moments.covariance(law)
            lasting += np.multiply.outer(mean, mean)
        return Parts(within, lasting)

    def sandwich(self, kind: Estimator, M: Array) -> Parts:
        """E[ΔĤ M ΔĤ] for a symmetric M (S, A, S, A), each (S, A, S, A)."""
        law = self.center
        if not kind.cross:
            within, lasting = self.table_covariance
            still = own_sandwich(law, kind, M, lasting) if self.noise else np.zeros_like(within)
            return Parts(own_sandwich(law, kind, M, within), still)
        within, lasting = np.zeros((2, *law.shape, *law.shape))
        for value, u in eigenpairs(law, square(M)):
            parts = self.hvp_covariance(kind, u)
            within += value * parts.within
            lasting += value * parts.lasting
        return Parts(within, lasting)


def estimate_law(
    update: Update, source: Sampled, mean: Differential | None = None
) -> tuple[EstimateLaw, Estimator]:
    """Return the law of a sampled source's estimate at an update, and its estimator.

    `mean` is the source's expectation there, if it is known already.
    """
    center, kind = trajectory_law(update, centered(source), mean)
    noise = source.baseline
    if not isinstance(noise, NoisyBaseline) or update.critic is not None or not kind.baseline:
        return EstimateLaw(center), kind
    silent = update.mdp.with_reward(np.zeros(center.shape))
    scale = float(noise.scale(center.baseline)[0])
    laws = (
        TrajectoryLaw(
            silent,
            update.theta,
            horizon=center.horizon,
            baseline=table,
            gae_lambda=center.gae_lambda,
        )
        for table in scale * np.eye(center.shape[0])
    )
    return EstimateLaw(center, tuple(laws) if scale > 0 else ()), kind


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


def centered(source: Sampled) -> Sampled:
    """The source with its noisy baseline's mean; any other as it is."""
    noisy = isinstance(source.baseline, NoisyBaseline)
    return replace(source, baseline=exact_baseline) if noisy else source


def mean_table(law: TrajectoryLaw) -> Array:
    """E C = Σ_t γ^t d_t π A_t of one trajectory, (S, A)."""
    weight = law.gamma ** np.arange(law.horizon)
    visits = weight[:, None] * law.state_distribution
    return law.pi * np.einsum("ts,tsa->sa", visits, law.advantages.mean)


def sandwich(law: TrajectoryLaw, kind: Estimator, M: Array) -> Array:
    """E[ΔĤ M ΔĤ] = Σ_k μ_k Cov(Ĥu_k) of one trajectory for a symmetric M (S, A, S, A)."""
    return EstimateLaw(law).sandwich(kind, M).within


def own_sandwich(law: TrajectoryLaw, kind: Estimator, M: Array, C: Array) -> Array:
    """Σ C_ia,jb Φ_ia M_ij Φ_jb with C = Cov C, Φ_ia = ψ_a ψ_aᵀ − F_i for `lvc`, −F_i for `ad`."""
    psi, fisher = covariance.own_scores(law)
    # Blocks (i, j, ·, ·).
    M, C = (x.transpose(0, 2, 1, 3) for x in (M, C))
    FM = fisher[:, None] @ M
    total = C.sum(axis=(-2, -1), keepdims=True) * (FM @ fisher)
    if kind.local:
        transposed = psi.swapaxes(-1, -2)
        total += transposed[:, None] @ (C * (psi[:, None] @ M @ transposed)) @ psi
        total -= FM @ (transposed @ (C.sum(axis=-2)[..., None] * psi))
        seen = transposed[:, None] @ (C.sum(axis=-1)[..., None] * psi[:, None])
        total -= seen @ (M @ fisher)
    return np.asarray(total.transpose(0, 2, 1, 3))


def eigenpairs(law: TrajectoryLaw, M: Array) -> list[tuple[float, Array]]:
    """The μ_k that matter and their u_k (S, A), of a symmetric M (D, D)."""
    values, vectors = np.linalg.eigh(M)
    kept = np.abs(values) > NEGLIGIBLE * np.abs(values).max()
    return [
        (value, vector.reshape(law.shape))
        for value, vector in zip(values[kept], vectors.T[kept], strict=True)
    ]


def square(table: Array) -> Array:
    """(S, A, S, A) as (D, D)."""
    return table.reshape(table.shape[0] * table.shape[1], -1)
