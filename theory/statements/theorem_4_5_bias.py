"""Theorem 4.5 ([Liu2022]), the bias of an estimated K-step meta-gradient.

Under Assumptions 4.1 to 4.3, with the recursions of `theory.recursions`,

    ‖E Ĝ^K − ∇J^K‖ <= (i) + (ii) + (iii) [+ (iv)]

    (i)    (μ₂ + μ₁ ζ_K) s_K        outer gradient at a sampled θ̂^K: compositional
    (ii)   m₁ δ_K                   curvature of the wrong mean: Hessian bias
    (iii)  m₁ ω_K                   curvature at sampled θ̂^i: compositional
    (iv)   μ₁ d_K s_K + m₁ κ_K      curvature from the path's own trajectories: coupling

(iv) is needed where the trajectories that move θ give the curvature too, as in plain automatic
differentiation; the paper's proof assumes separate ones without saying so, and without (iv) the
statement fails for shared ones. s_i bounds E‖θ̂^i − θ^i‖ (Lemma 4.4, second moment). For K = 1,
(iv) = α² μ₁ σ_in (σ_H ζ_0 + σ_J)/N.
"""

from __future__ import annotations

import numpy as np

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
) -> dict[str, float]:
    """Return the terms; their sum bounds the bias.

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
    """
    *_, last = growth(
        lipschitz,
        noise,
        step_size=step_size,
        num_steps=num_steps,
        num_trajectories=num_trajectories,
    )
    m1, mu1 = lipschitz.m1, lipschitz.mu1
    terms = {
        "(i) outer compositional": (lipschitz.mu2 + mu1 * last.zeta) * last.s,
        "(ii) Hessian": m1 * last.delta,
        "(iii) inner compositional": m1 * last.omega,
    }
    if shared:
        terms["(iv) coupling"] = mu1 * last.d * last.s + m1 * last.kappa
    return terms


def check(
    case: FiniteCase, *, lipschitz: Lipschitz | None = None, noise: Noise | None = None
) -> BoundCheck:
    """Check the bias on a finite case.

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
    size = float(np.linalg.norm(case.law.mean) + np.linalg.norm(case.truth))
    lhs = float(np.linalg.norm(case.law.mean - case.truth))
    return BoundCheck(
        "Theorem 4.5, bias",
        lhs,
        sum(terms.values()),
        terms,
        scope=c.scope,
        rounding=ROUNDING * size,
        setting=case.setting,
    )
