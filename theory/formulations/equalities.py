"""What has to hold exactly of the K-sample formulation, as checks.

    E[X + Y] = ∇J_S^K                    the K-sample meta-gradient is unbiased at c = 1
    E Σ_i Ẑ_iᵀ s_i = 0                   a constant return baseline does not change its mean
    E Ĥ_ad + E[s ĝᵀ] = ∇²J_T             one trajectory: what the correction adds to first order

The last is the derivative of E ĝ(θ; τ) = ∇J_T(θ): at fixed τ, and through p(τ; θ). As α → 0 it
makes E Y = α Σ_i (∇²J_T − E Ĥ_ad) p + O(α²): the correction first of all repairs the Hessian of
`ad`, what `lvc` and `loaded_dice` do without a score of the whole trajectory. Derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.formulations.maml import TinyMaml
from theory.formulations.sampling_correction import CorrectionLaw

#: Rounding of a sum over paths or trajectories, relative to the root mean square of what is summed,
#: and to scores times returns, of which gradients are differences: a baseline may cancel them.
ROUNDING = 1e-12


def unbiased(own: CorrectionLaw, target: Array, setting: dict[str, Any]) -> BoundCheck:
    """Check E[X + Y] = ∇J_S^K.

    Parameters
    ----------
    own : CorrectionLaw
        The law for `ad`.
    target : ndarray (m,)
        ∇J_S^K, found without scores (`theory.formulations.objective`).
    setting : dict
        What is checked.
    """
    size = np.sqrt(own.path_variance + own.path_mean @ own.path_mean)
    size += np.sqrt(own.correction_variance + own.correction_mean @ own.correction_mean)
    size += abs(own.objective) * np.sqrt(own.score_variance)
    return _equality("K-sample meta-gradient: E[X + Y]", own.bias(target), float(size), setting)


def baseline_free(own: CorrectionLaw, setting: dict[str, Any]) -> BoundCheck:
    """Check E Σ_i Ẑ_iᵀ s_i = 0 for a law."""
    size = float(np.sqrt(own.score_variance))
    off = float(np.linalg.norm(own.score_mean))
    return _equality("return baseline: E Σ Ẑᵀs", off, size, setting)


def completed_hessian(problem: TinyMaml) -> BoundCheck:
    """Check E Ĥ + E[s ĝᵀ] = ∇²J_T at φ, which holds for `ad` only."""
    theta = problem.start
    here, score = problem.inner_outcomes(theta), problem.inner_scores(theta)
    each = here.hessian + score[..., :, None] * here.gradient[..., None, :]
    off = np.tensordot(here.probability, each, axes=1) - problem.inner(theta).hessian
    size = float(np.sqrt(here.probability @ (each**2).sum(axis=(-2, -1))))
    size += abs(float(problem.outer_value(theta))) * float(here.probability @ (score**2).sum(-1))
    setting = {"horizon": problem.horizon}
    return _equality("score term completes E Ĥ", float(np.linalg.norm(off)), size, setting)


def _equality(name: str, lhs: float, size: float, setting: dict[str, Any]) -> BoundCheck:
    return BoundCheck(
        name=name,
        lhs=lhs,
        rhs=0.0,
        obtained="enumeration",
        rounding=ROUNDING * size,
        scope="every realisable θ",
        setting=setting,
    )
