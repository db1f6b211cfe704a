"""Lemma H.7 ([Liu2022]), the law of total variance: V[X] = E V[X | Y] + V[E[X | Y]].

V[X | Y] = E[‖X − E[X | Y]‖² | Y] (Definition H.6), and Y is anything at all: here a label of each
outcome. (In the last line of the paper's proof, "conditional variance of E[X | Y]" is to be read as
the variance of E[X | Y].)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from theory.bounds import BoundCheck, law_check
from theory.finite.vectors import FiniteLaw


def lemma_h7(law: FiniteLaw, x: Any, labels: Any) -> BoundCheck:
    """Check Lemma H.7 for X with values x (M, d), given Y with values `labels` (M,).

    Raises
    ------
    ValueError, TypeError
        If the values or the labels do not fit the law.
    """
    _checks.instance(law, FiniteLaw, "law")
    x = law.values(x, "x")
    given = np.asarray(labels)
    if given.shape != (law.num_outcomes,):
        raise ValueError(
            f"labels must have shape ({law.num_outcomes},), one for each outcome, "
            f"received {given.shape}"
        )
    if not np.all(given == given):
        raise ValueError("labels must not be NaN; give each outcome a label, such as a number")
    try:
        _, label = np.unique(given, return_inverse=True)
    except TypeError:
        raise TypeError(
            f"labels must be of one kind, numbers or strings, received {labels!r}"
        ) from None
    weight = np.bincount(label, law.probability)
    # Within a label; one of no probability has no conditional law and needs none.
    within = np.divide(
        law.probability,
        weight[label],
        out=np.zeros_like(law.probability),
        where=weight[label] > 0,
    )
    conditional = np.zeros((len(weight), x.shape[1]))
    np.add.at(conditional, label, within[:, None] * x)
    parts = {
        "E V[X | Y]": law.second_moment(x - conditional[label]),
        "V[E[X | Y]]": law.variance(conditional[label]),
    }
    # A conditional mean is a second sum; ‖E[X | Y]‖ <= E[‖X‖ | Y], so all is at most E‖X‖².
    rounding = law.rounding(x.shape[1], 16 * law.second_moment(x))
    lhs = abs(law.variance(x) - sum(parts.values()))
    return law_check("Lemma H.7", lhs, 0.0, rounding=rounding, setting=parts)
