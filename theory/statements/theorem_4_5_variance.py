"""Theorem 4.5 ([Liu2022]), the variance E‖Ĝ^K − E Ĝ^K‖² of an estimated K-step meta-gradient.

With the recursions of `theory.recursions`, b = (μ₂ + μ₁ ζ_K) s_K + m₁ (δ_K + ω_K), N trajectories a
step, N_H for each curvature and N_o outer ones,

    separate samples    V <= V_est + V_path,    V_path = b²,    V_est = (√w_0 + ζ_0 √v_0)²
        v_K = σ_p²/N_o,  w_K = σ_q²/N_o,  l_i = m₁ B^{K−i},  r = α²/N_H,
        v_i = (B² + r σ_H²) v_{i+1} + r σ_H² l_{i+1}²
        w_i = (√w_{i+1} + α (c₂ + Δ_J) √v_{i+1})² + r σ_J² (v_{i+1} + l_{i+1}²)

    shared samples      V <= V_outer + V_path,  V_path = (b + m₁ f_K)²
        V_outer = (σ_q + (ζ̄_K + f_K) σ_p)²/N_o

(Lemma H.7 given the path, H.5 (ii) against ∇J^K, Minkowski's inequality; derived in
docs/theory.md). V_path bounds a mean squared distance from the truth: it holds the squared bias.
"""

from __future__ import annotations

from math import sqrt

from theory.bounds import BoundCheck
from theory.constants import Lipschitz, Noise
from theory.finite.case import FiniteCase
from theory.recursions import growth

#: Rounding of the left-hand side, as a share of its terms.
ROUNDING = 1e-12


def bound(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    shared: bool,
    curvature_trajectories: int | None = None,
    outer_trajectories: int | None = None,
) -> dict[str, float]:
    """Return the two parts; their sum bounds the variance.

    Parameters
    ----------
    lipschitz, noise : Lipschitz, Noise
    step_size : float
        α.
    num_steps : int
        K.
    num_trajectories : int
        N of every inner step.
    shared : bool
        Whether the curvature comes from the path's trajectories.
    curvature_trajectories, outer_trajectories : int, optional
        N_H and N_o; N if not given.
    """
    *_, last = growth(
        lipschitz,
        noise,
        step_size=step_size,
        num_steps=num_steps,
        num_trajectories=num_trajectories,
    )
    m1 = lipschitz.m1
    off = (lipschitz.mu2 + lipschitz.mu1 * last.zeta) * last.s + m1 * (last.delta + last.omega)
    n_outer = outer_trajectories or num_trajectories
    if shared:
        outer = (noise.sigma_q + (last.zeta_bar + last.f) * noise.sigma_p) ** 2 / n_outer
        return {"outer": outer, "path": (off + m1 * last.f) ** 2}
    B = 1 + step_size * (lipschitz.c1 + noise.Delta_H)
    cross = step_size * (lipschitz.c2 + noise.Delta_J)
    r = step_size**2 / (curvature_trajectories or num_trajectories)
    v, w, size = noise.sigma_p**2 / n_outer, noise.sigma_q**2 / n_outer, m1
    for _ in range(num_steps):
        squared = v + size**2
        w = (sqrt(w) + cross * sqrt(v)) ** 2 + r * noise.sigma_J**2 * squared
        v = B**2 * v + r * noise.sigma_H**2 * squared
        size = B * size
    return {"estimation": (sqrt(w) + lipschitz.zeta0 * sqrt(v)) ** 2, "path": off**2}


def check(
    case: FiniteCase, *, lipschitz: Lipschitz | None = None, noise: Noise | None = None
) -> BoundCheck:
    """Check the variance on a finite case.

    Parameters
    ----------
    case : FiniteCase
        Its `setting` says whether the samples are shared, so which case a user is in.
    lipschitz, noise : Lipschitz, Noise, optional
        Constants; those of the realisable points if not given.
    """
    c = lipschitz or case.lipschitz
    terms = bound(
        c,
        case.quieten(noise or case.noise),
        step_size=case.step_size,
        num_steps=case.num_steps,
        num_trajectories=case.num_trajectories,
        shared=case.shared,
    )
    lhs = case.law.variance
    size = float(case.law.mean @ case.law.mean) + lhs
    return BoundCheck(
        "Theorem 4.5, variance",
        lhs,
        sum(terms.values()),
        terms,
        scope=c.scope,
        rounding=ROUNDING * size,
        setting=case.setting,
    )
