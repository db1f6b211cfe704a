"""Theorem 4.5, bias: ‖E Ĝ^K − ∇J^K‖ from the constants of Assumptions 4.1 to 4.3.

    outer compositional    (μ₂ + μ₁ζ_K) s_K
    estimation bias        m₁ δ_K
    inner compositional    m₁ r_K
    coupling               μ₁ d_K s_K + m₁ κ_K        shared samples only

with the recursions of `theory.recursions`. Let F = E[Ĝ^K | path] for separate samples: its Z̄_K
has E Ĥ and E Ĝ along the sampled path. Then, all outer derivatives at θ̂^K or θ^K,

    F − ∇J^K = [q(θ̂) − q(θ)] + Z_Kᵀ[p(θ̂) − p(θ)] + (Z̄_K − Z_K)ᵀ p(θ̂),
    ‖Z̄_{i+1} − Z_{i+1}‖ <= B‖Z̄_i − Z_i‖ + α(Δ_H ζ_i + Δ_J) + α(ρ₁ζ_i + ρ₂)‖θ̂^i − θ^i‖,

whose means are the first three terms. With shared samples Ẑ_K − Z̄_K is correlated with θ̂^K:

    E (Ẑ_K − Z̄_K)ᵀ p(θ̂) = E (Ẑ_K − Z̄_K)ᵀ[p(θ̂) − p(θ)] + E (Ẑ_K − Z̄_K)ᵀ p(θ),

by Cauchy-Schwarz and a recursion for the mean. The term cannot be left out: there are problems
where the first three vanish and the bias is the coupling. Source: [Liu2022], Theorem 4.5, of which
the explicit constants and the coupling are derived here.
"""

from __future__ import annotations

import numpy as np

from theory.bounds import BoundCheck
from theory.cases import require_case
from theory.constants import Constants, Lipschitz, Noise
from theory.finite.estimate import estimated
from theory.finite.paths import Paths
from theory.finite.rounding import hidden_rounding
from theory.recursions import averaged, or_infinite, recursions

#: Rounding of a mean over the tree, relative to the vectors that are subtracted.
ROUNDING = 1e-12


def bound(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int | None,
    curvature_trajectories: int | None,
    outer_trajectories: int | None = None,
    shared: bool = False,
) -> dict[str, float]:
    """The terms of the bound, by name.

    Parameters
    ----------
    lipschitz, noise
        The constants, noise and bias of one trajectory.
    step_size : float
        α > 0.
    num_steps : int
        K >= 1.
    num_trajectories, curvature_trajectories, outer_trajectories : int or None
        N of the inner steps, of Ĥ and Ĝ, and of p̂ and q̂ (which have no part in the bias); None
        for the exact quantity.
    shared : bool
        Ĥ_i and Ĝ_i come from the trajectories of the inner step.

    Raises
    ------
    ValueError, TypeError
        If a number is not positive, or `shared` has nothing to share.
    """
    require_case(num_trajectories, curvature_trajectories, outer_trajectories, shared=shared)
    noise = averaged(
        noise,
        num_trajectories=num_trajectories,
        curvature_trajectories=curvature_trajectories,
        outer_trajectories=outer_trajectories,
    )
    at = recursions(lipschitz, noise, step_size=step_size, num_steps=num_steps)
    terms = {
        "outer compositional": (lipschitz.mu2 + lipschitz.mu1 * at.zeta[-1]) * at.s[-1],
        "estimation bias": lipschitz.m1 * at.delta[-1],
        "inner compositional": lipschitz.m1 * at.r[-1],
    }
    if shared:
        terms["coupling"] = lipschitz.mu1 * at.d[-1] * at.s[-1] + lipschitz.m1 * at.kappa[-1]
    return or_infinite(terms)


def check(
    paths: Paths,
    *,
    curvature_trajectories: int | None,
    outer_trajectories: int | None = None,
    shared: bool = False,
    constants: Constants | None = None,
) -> BoundCheck:
    """Check the bound against the exact mean of the estimated meta-gradient.

    Parameters
    ----------
    paths : Paths
        The inner paths (`theory.finite.paths.inner_paths`).
    curvature_trajectories, outer_trajectories, shared
        As in `bound`.
    constants : (Lipschitz, Noise), optional
        The largest values over every realisable θ if not given.

    Raises
    ------
    ValueError, TypeError
        As `bound`, and, where no constants are given, if Assumption 4.2 fails at a realisable θ;
        with given ones it is taken for granted.
    """
    found = estimated(
        paths,
        bound,
        curvature_trajectories=curvature_trajectories,
        outer_trajectories=outer_trajectories,
        shared=shared,
        constants=constants,
    )
    law, lipschitz = found.law, found.lipschitz
    averages = averaged(
        found.noise,
        num_trajectories=paths.num_trajectories,
        curvature_trajectories=curvature_trajectories,
        outer_trajectories=outer_trajectories,
    )
    at = recursions(lipschitz, averages, step_size=paths.step_size, num_steps=paths.num_steps)
    size = float(np.linalg.norm(law.mean) + np.linalg.norm(paths.truth))
    unbiased = outer_trajectories is not None
    hidden = hidden_rounding(paths, at.zeta_bar[-1], ROUNDING, unbiased=unbiased)
    return BoundCheck(
        name="Theorem 4.5, bias",
        lhs=float(np.linalg.norm(law.mean - paths.truth)),
        rhs=sum(found.terms.values()),
        terms=found.terms,
        obtained="enumeration",
        scope=found.scope,
        rounding=ROUNDING * size + hidden,
        setting=found.setting,
    )
