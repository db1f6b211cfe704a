"""Lemma H.5 ([Liu2022]): properties of the variance V[X] = E‖X − E X‖².

    (i)    V[X] = E‖X‖² − ‖E X‖²
    (ii)   E‖X − x‖² = V[X] + ‖E X − x‖² for every fixed x, so that V[X] = min_x E‖X − x‖²
    (iii)  V[X + Y] = V[X] + V[Y]  if X and Y are uncorrelated, E⟨X − E X, Y − E Y⟩ = 0;
           V[X + Y] <= (√V[X] + √V[Y])² in any case.

The paper asks for X and Y to be independent in all three parts. (i) and (ii) are about X alone; for
(iii) uncorrelated is enough, and without it Y = −X is a counterexample. The general inequality is
Minkowski's (Lemma H.3) for the deviations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from theory.bounds import BoundCheck, law_check
from theory.finite.vectors import FiniteLaw, bounded, same_shape


def lemma_h5(law: FiniteLaw, x: Any, y: Any, point: Any) -> tuple[BoundCheck, ...]:
    """Check Lemma H.5, parts (i), (ii) and (iii), for X and Y with joint values x, y (M, d).

    Parameters
    ----------
    law : FiniteLaw
    x, y : array_like (M, d)
    point : array_like (d,)
        The fixed x of part (ii).

    Returns
    -------
    tuple of BoundCheck
        Of (iii), `setting` says whether X and Y are `uncorrelated`, and so whether the equality is
        checked or the general inequality.

    Raises
    ------
    ValueError, TypeError
        If the values do not fit the law, each other or the point.
    """
    _checks.instance(law, FiniteLaw, "law")
    x, y = law.values(x, "x"), law.values(y, "y")
    same_shape(x, y)
    dimension = x.shape[1]
    at = bounded(_checks.table(np.atleast_1d(point), "point", (dimension,)), "point")
    if at.ndim != 1:
        raise ValueError(f"point must have shape ({dimension},), received {at.shape}")
    mean, variance, second = law.mean(x), law.variance(x), law.second_moment(x)
    parts = abs(variance - (second - float(mean @ mean)))
    around = law.second_moment(x - at)
    shift = float(((mean - at) ** 2).sum())
    # E‖X − x‖² and its parts are at most 2 (E‖X‖² + ‖x‖²).
    spread = 2 * (second + float(at @ at))
    return (
        law_check("Lemma H.5 (i)", parts, 0.0, rounding=law.rounding(dimension, 8 * second)),
        law_check(
            "Lemma H.5 (ii)",
            abs(around - (variance + shift)),
            0.0,
            rounding=law.rounding(dimension, 8 * spread),
        ),
        _sum(law, x, y),
    )


def _sum(law: FiniteLaw, x: Any, y: Any) -> BoundCheck:
    dimension = x.shape[1]
    first, second, both = law.variance(x), law.variance(y), law.variance(x + y)
    deviations = (x - law.mean(x)) * (y - law.mean(y))
    covariance = float(law.probability @ deviations.sum(axis=1))
    # All three variances, and twice the covariance, are at most 2 (E‖X‖² + E‖Y‖²).
    spread = 2 * (law.second_moment(x) + law.second_moment(y))
    rounding = law.rounding(dimension, 8 * spread)
    uncorrelated = abs(covariance) <= rounding
    setting = {
        "uncorrelated": uncorrelated,
        "covariance": covariance,
        "V[X]": first,
        "V[Y]": second,
    }
    if uncorrelated:
        lhs, rhs, rounding = abs(both - (first + second)), 0.0, 3 * rounding
    else:
        lhs, rhs = both, (first**0.5 + second**0.5) ** 2
    return law_check("Lemma H.5 (iii)", lhs, rhs, rounding=rounding, setting=setting)
