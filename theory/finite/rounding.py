"""How much rounding an estimated meta-gradient carries that its mean does not show.

Where all actions are as good, or the policy is saturated, p cancels to zero up to rounding of what
it is a sum of. That is seen in the size of one trajectory's p̂ and q̂ and, where these are unbiased
(Assumption 4.2 of [Liu2022]), in the distance of E p̂ from p, up to what that assumption's check
takes for rounding. Both are multiplied by ‖Ẑ_K‖ <= ζ̄_K.
"""

from __future__ import annotations

import numpy as np

from theory.finite.constants import UNBIASED
from theory.finite.paths import Paths


def hidden_rounding(paths: Paths, zeta_bar: float, share: float, *, unbiased: bool) -> float:
    """`share` of ζ̄_K max‖p̂‖ + max‖q̂‖, and ζ̄_K ‖E p̂ − p‖ + ‖E q̂ − q‖ where that is rounding.

    Parameters
    ----------
    paths : Paths
    zeta_bar : float
        ζ̄_K of `theory.recursions`.
    share : float
        Rounding relative to what is summed.
    unbiased : bool
        Whether p̂ and q̂ are sampled, and so to be unbiased.
    """
    weight, *estimates = paths.outer_outcomes
    total = 0.0
    for each, exact, growth in zip(estimates, paths.outer, (zeta_bar, 1.0), strict=True):
        total += share * growth * float(np.linalg.norm(each, axis=-1).max())
        if unbiased:
            missed = np.einsum("bm,bmi->bi", weight, each) - exact
            most = UNBIASED * max(1.0, float(np.abs(each).max()))
            total += growth * min(most, float(np.linalg.norm(missed, axis=-1).max()))
    return total
