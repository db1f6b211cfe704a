"""Ascent on log(lhs/rhs) over all real numbers of a design: MDP or polynomials, φ, V_b and α.

Bounds are maxima over the nodes of a tree, so that ratios have kinks at which gradients mislead. A
(1 + 1) evolution strategy needs none: it adds σ times normal noise to some of the coordinates,
keeps what is no worse, and multiplies σ by e^{1/2} on success and e^{−1/8} on failure, which
settles at a success rate of one in five.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.theory.search.bounds import TRUE, Theory, right_hand_sides
from tests.theory.search.case import Case
from tests.theory.search.designs import Design, random_x

#: Largest share of a left-hand side that may be rounding.
ROUNDING_SHARE = 1e-6
#: Where the logarithm of a ratio starts.
LEAST = -50.0
#: Random points of which the best starts an ascent, and how far coordinates may go.
STARTS, LIMIT = 20, 30.0
SMALLEST_STEP = 1e-4


class Best(NamedTuple):
    """The largest lhs/rhs of an ascent and where it was."""

    ratio: float
    case: Case


def ratio(case: Case, statement: str, scope: str = "realisable", theory: Theory = TRUE) -> float:
    """lhs/rhs of one statement; zero where lhs is mostly rounding."""
    lhs = case.met[statement].lhs
    if mostly_rounding(case, statement):
        return 0.0
    rhs = right_hand_sides(case, case.constants[scope], theory)[statement]
    return lhs / rhs if rhs > 0 else float("inf")


def mostly_rounding(case: Case, statement: str) -> bool:
    """Whether a left-hand side says nothing about tightness."""
    return bool(case.met[statement].lhs * ROUNDING_SHARE <= case.allowance(statement))


def ascend(
    design: Design,
    objective: Callable[[Case], float],
    *,
    evaluations: int,
    rng: np.random.Generator,
    enough: float = float("inf"),
) -> Best:
    """Return the best case found; stops early at a ratio of `enough`."""
    starts = [random_x(design, rng) for _ in range(STARTS)]
    found = [(_log(objective(design.case(x))), x) for x in starts]
    best, x = max(found, key=lambda pair: pair[0])
    step = 0.5
    for _ in range(evaluations):
        if best > np.log(enough) or step < SMALLEST_STEP:
            break
        some = rng.random(design.size) < max(0.2, 2 / design.size)
        tried = np.clip(x + step * some * rng.normal(size=design.size), -LIMIT, LIMIT)
        value = _log(objective(design.case(tried)))
        if value >= best:
            step *= np.exp(0.5) if value > best else 1.0
            best, x = value, tried
        else:
            step *= np.exp(-0.125)
    return Best(float(np.exp(best)), design.case(x))


def _log(value: float) -> Any:
    return np.log(value) if value > 0 else LEAST
