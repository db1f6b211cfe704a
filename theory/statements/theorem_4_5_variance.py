"""Theorem 4.5, variance: the trace of the covariance of Ĝ^K.

By the law of total variance given the path, V[Ĝ^K] = E V[Ĝ^K | path] + V[E[Ĝ^K | path]], and
V[X] <= E‖X − c‖² with c = ∇J^K. The decomposition of the bias (`theorem_4_5_bias`) in L2 gives

    independent    V <= (√w_0 + ζ_0 √v_0)² + [(μ₂ + μ₁ζ_K) s_K + m₁δ_K + m₁r_K]²
    shared         V <= (σ_q + (ζ̄_K + dF_K) σ_p)² + [(μ₂ + μ₁ζ_K) s_K + m₁δ_K + m₁r_K + m₁dF_K]²

where, for separate samples, v_i and w_i bound the variances of the adjoints λ_i and Φ_i given
the path: v_K = σ_p², w_K = σ_q², and backwards with l_{i+1} = m₁B^{K−1−i} >= ‖E λ_{i+1}‖,

    v_i = (B² + α²σ_H²) v_{i+1} + α²σ_H² l²_{i+1}
    w_i = (√w_{i+1} + αḡ√v_{i+1})² + α²σ_J² (v_{i+1} + l²_{i+1}).

σ are those of averages over the trajectories. The names and B, ḡ are those of `theory.recursions`.
Source: [Liu2022], Theorem 4.5, of which the explicit constants are derived here.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from theory.bounds import BoundCheck
from theory.cases import require_case
from theory.constants import Constants, Lipschitz, Noise
from theory.finite.estimate import estimated
from theory.finite.paths import Paths
from theory.recursions import averaged, or_infinite, recursions

#: Rounding of a variance computed as a difference of second moments, relative to them.
ROUNDING = 1e-13


def bound(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int | None,
    curvature_trajectories: int | None,
    outer_trajectories: int | None,
    shared: bool = False,
) -> dict[str, float]:
    """The two parts of the bound: of the estimators given the path, and of the path.

    The arguments and errors are those of `theorem_4_5_bias.bound`.
    """
    require_case(num_trajectories, curvature_trajectories, outer_trajectories, shared=shared)
    noise = averaged(
        noise,
        num_trajectories=num_trajectories,
        curvature_trajectories=curvature_trajectories,
        outer_trajectories=outer_trajectories,
    )
    at = recursions(lipschitz, noise, step_size=step_size, num_steps=num_steps)
    shift = (lipschitz.mu2 + lipschitz.mu1 * at.zeta[-1]) * at.s[-1]
    shift += lipschitz.m1 * (at.delta[-1] + at.r[-1])
    if shared:
        spread = noise.sigma_q + (at.zeta_bar[-1] + at.d_F[-1]) * noise.sigma_p
        shift += lipschitz.m1 * at.d_F[-1]
    else:
        spread = _independent_spread(lipschitz, noise, step_size, num_steps)
    return or_infinite({"estimators": spread * spread, "path": shift * shift})


def _independent_spread(lipschitz: Lipschitz, noise: Noise, alpha: float, num_steps: int) -> float:
    """√w_0 + ζ_0 √v_0."""
    B = 1 + alpha * (lipschitz.c1 + noise.Delta_H)
    g = lipschitz.c2 + noise.Delta_J
    v, w, mean = noise.sigma_p, noise.sigma_q, lipschitz.m1  # roots of v_i and w_i
    for _ in range(num_steps):
        second = hypot(v, mean)
        w = hypot(w + alpha * g * v, alpha * noise.sigma_J * second)
        v = hypot(B * v, alpha * noise.sigma_H * second)
        mean = B * mean
    return w + lipschitz.zeta0 * v


def check(
    paths: Paths,
    *,
    curvature_trajectories: int | None,
    outer_trajectories: int | None,
    shared: bool = False,
    constants: Constants | None = None,
) -> BoundCheck:
    """Check the bound against the exact variance; arguments as `theorem_4_5_bias.check`."""
    found = estimated(
        paths,
        bound,
        curvature_trajectories=curvature_trajectories,
        outer_trajectories=outer_trajectories,
        shared=shared,
        constants=constants,
    )
    law = found.law
    return BoundCheck(
        name="Theorem 4.5, variance",
        lhs=law.variance,
        rhs=sum(found.terms.values()),
        terms=found.terms,
        obtained="enumeration",
        scope=found.scope,
        rounding=ROUNDING * float(law.variance + np.sum(law.mean**2)),
        setting=found.setting,
    )
