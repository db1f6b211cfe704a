"""Lemma H.3 ([Liu2022]), Minkowski's inequality: of mean norms, and of root mean squares.

    E‖X + Y‖ <= E‖X‖ + E‖Y‖,        √E‖X + Y‖² <= √E‖X‖² + √E‖Y‖²

for any joint law: no independence is needed. The paper states the first; the bounds of the second
moment (Lemma 4.4) and of the variance (Theorem 4.5) use the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from theory.bounds import BoundCheck, law_check
from theory.finite.vectors import FiniteLaw, same_shape


def lemma_h3(law: FiniteLaw, x: Any, y: Any) -> tuple[BoundCheck, BoundCheck]:
    """Check Lemma H.3 for X and Y with joint values x, y (M, d).

    Raises
    ------
    ValueError, TypeError
        If the values do not fit the law, or each other.
    """
    _checks.instance(law, FiniteLaw, "law")
    x, y = law.values(x, "x"), law.values(y, "y")
    same_shape(x, y)
    mean = {"E‖X‖": law.mean_norm(x), "E‖Y‖": law.mean_norm(y)}
    square = {"√E‖X‖²": _root(law, x), "√E‖Y‖²": _root(law, y)}
    return (
        _check(law, "Lemma H.3", law.mean_norm(x + y), mean, x.shape[1]),
        _check(law, "Lemma H.3, second moment", _root(law, x + y), square, x.shape[1]),
    )


def _root(law: FiniteLaw, x: Any) -> float:
    return float(np.sqrt(law.second_moment(x)))


def _check(
    law: FiniteLaw, name: str, lhs: float, terms: dict[str, float], dimension: int
) -> BoundCheck:
    rhs = sum(terms.values())
    return law_check(name, lhs, rhs, terms, rounding=law.norm_rounding(dimension, 2 * rhs))
