"""The compositional bias on one MDP: Lemma 4.4's bound of it, Proposition 5.2 and Theorem 5.3.

For f = p = ∇J, whose constants are C₀ = μ₁ and C₁ = ρ₁ (`theory.statements.compositional_bias`).
Beside the sampled left-hand side stands its *leading order*, the coefficient of `second_order` or
`meta_second_order` over N, in closed form. It obeys the same bounds: N times a bound of order 1/N
does not depend on N, and N times the left-hand side tends to the coefficient.

Theorem 5.3 is checked for the estimators with an unbiased Hessian; of the others, the Lipschitz
constants of E Ĥ and of its derivative are not known for every θ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tabular.registry import find_estimator
from theory.bounds import BoundCheck
from theory.constants import Constants
from theory.curves import LARGEST
from theory.meta_second_order import SECOND, STEP, meta_coefficient
from theory.objectives import inner_objective
from theory.second_order import SampledLoop
from theory.shared_objective import SharedObjective
from theory.statements.compositional_bias import (
    SecondLipschitz,
    Smoothness,
    compositional_bias,
    meta_gradient_bias,
)


def outer_gradient_bias(
    lhs: float, objective: SharedObjective, constants: Constants
) -> tuple[BoundCheck, BoundCheck]:
    """Lemma 4.4 and Proposition 5.2 for ‖E p(θ̂^K) − p(θ^K)‖."""
    f = Smoothness(constants[0].mu1, constants[0].rho1)
    return compositional_bias(lhs, f, *constants, objective.loop, name="p")


def theorem_5_3(
    lhs: float, objective: SharedObjective, constants: Constants, *, shared: bool
) -> BoundCheck:
    """Theorem 5.3 for ‖E Ĝ^K − ∇J^K‖ and an unbiased Hessian, with constants for every θ."""
    lipschitz, noise = constants
    nu1 = inner_objective(objective.problem, objective.start).bounds.fourth
    second = SecondLipschitz.unbiased_maml(lipschitz, nu1)
    check = meta_gradient_bias(lhs, lipschitz, second, noise, objective.loop, shared=shared)
    samples = "shared" if shared else "separate"
    return replace(check, name=f"{check.name}, {samples}")


def leading_orders(
    objective: SharedObjective, constants: list[Constants], name: str, *, first: bool, left: float
) -> Iterator[BoundCheck]:
    """Yield the checks of the leading orders of one estimator; nothing where tables are too large.

    Parameters
    ----------
    objective : SharedObjective
    constants : list of (Lipschitz, Noise)
        Proved ones first; Proposition 5.2 is checked with all of them.
    name : str
        The estimator.
    first : bool
        Whether Proposition 5.2, the same for all estimators of the objective, is among them.
    left : float
        What rounding leaves of a gradient that is zero.
    """
    if objective.start.size > LARGEST:
        return
    alpha, K, N = objective.loop
    loop = SampledLoop(
        objective.mdp, objective.start, alpha, K, objective.horizon, objective.baseline.table
    )
    if first:
        size = float(np.linalg.norm(loop.gradient_coefficient)) / N
        for pair in constants:
            check = outer_gradient_bias(size, objective, pair)[1]
            yield _over_n(check, left * (1 + _spread(loop) / N))
    if find_estimator(name).cross:
        size = float(np.linalg.norm(meta_coefficient(loop, name))) / N
        check = theorem_5_3(size, objective, constants[0], shared=False)
        yield _over_n(check, left * (1 + _spread(loop) / N + _magnified(loop) / N))


def _over_n(check: BoundCheck, rounding: float) -> BoundCheck:
    return replace(check, name=f"{check.name}, 1/N", obtained="leading order", rounding=rounding)


def _spread(loop: SampledLoop) -> float:
    """tr S_K, by which ∇³J, and so its rounding, is multiplied."""
    return float(np.trace(loop.covariances[-1]))


def _magnified(loop: SampledLoop) -> float:
    """How much the second differences of `meta_second_order` magnify rounding, for K > 1."""
    growth = np.prod([np.linalg.norm(factor, 2) for factor in loop.factors[1:]])
    spread = loop.step_size**2 * sum(float(np.trace(noise)) for noise in loop.noises[:-1])
    weights = 49 / 18 + 2 * float(np.abs(SECOND).sum())
    return float(weights * spread * (growth / STEP) ** 2)
