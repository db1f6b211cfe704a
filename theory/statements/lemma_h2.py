"""Lemma H.2 ([Liu2022]): the norm of a mean is at most the mean of the norm.

    ‖E X‖ <= E‖X‖,      ‖E X‖² <= (E‖X‖)²,      (E‖X‖)² <= E‖X‖²

by Jensen's inequality for ‖·‖ and for the square. The first needs E‖X‖ < ∞ only. The paper states
the first and ‖E X‖² <= E‖X‖², which is the second and third together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from theory.bounds import BoundCheck, law_check
from theory.finite.vectors import FiniteLaw


def lemma_h2(law: FiniteLaw, x: Any) -> tuple[BoundCheck, BoundCheck, BoundCheck]:
    """Check Lemma H.2 for X with values x (M, d).

    Raises
    ------
    ValueError, TypeError
        If the values do not fit the law.
    """
    _checks.instance(law, FiniteLaw, "law")
    x = law.values(x, "x")
    norm, mean_norm = float(np.linalg.norm(law.mean(x))), law.mean_norm(x)
    second = law.second_moment(x)
    linear = law.norm_rounding(x.shape[1], 2 * mean_norm)
    square = law.rounding(x.shape[1], 4 * second)
    return (
        law_check("Lemma H.2", norm, mean_norm, rounding=linear),
        law_check("Lemma H.2, squares", norm**2, mean_norm**2, rounding=square),
        law_check("Lemma H.2, second moment", mean_norm**2, second, rounding=square),
    )
