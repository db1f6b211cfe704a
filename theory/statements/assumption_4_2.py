"""Assumption 4.2 ([Liu2022]): first-order estimates have no bias, and for which objective.

The mean E ĝ of every estimator over T steps is ∇J_T with end V_b, where V_b is held fixed and
λ = 1. So the assumption holds *exactly* for the objective J_T whose terminal table is the
estimator's own V_b, the same at every θ (`Maml(mdp, horizon=T, terminal_value=V_b)` with a
`FixedBaseline`; for `dice` V_b = 0). Otherwise (derived here), with p₁(T) = √(T/8), D₁ a bound of
‖∇J‖ and C₁ = 1/√2, ‖E ĝ − ∇J‖ is for every θ at most the sum of

    truncation   γ^T D₁: an infinite objective, whose V^π(s_T) moves with θ too. With V_b = V^π
                 this is all, at any λ: even a perfect critic shows T steps of the gradient only.
    bootstrap    γ^T p₁(T) times the span of what the objective has after T steps (V^π, or its own
                 table) less V_b: a wrong critic rewards the policy for where it ends.
    lambda       C₁/2 span(δ̄) Σ_{t<T} γ^t Σ_{l<T−t} (γ^l − κ^l), with δ̄ = R + γPV_b − V_b the
                 mean temporal difference: with a fixed V_b and λ < 1, the critic's errors within
                 the trajectory are not summed in full. Zero for V_b = V^π, whose δ̄ has no mean.

Who truncates rollouts therefore either takes J_T as the truth, or T so long that γ^T is small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular._checks import instance
from tabular.problems import Problem
from tabular.sources import Mean, Sampled, Update
from theory.bounds import BoundCheck
from theory.norms import lengths
from theory.objectives import Objective, checked_phi, inner_objective, outer_objective
from theory.softmax_state import L1, products
from theory.statements.assumption_4_1 import evaluation, points
from theory.trajectory_bounds import critic_of, lost_weight

#: Rounding of a gradient, in units of W² (max|R| + max|V_b|/W).
ROUNDING = 1e-14


def check(
    problem: Problem, phi: Any, thetas: Any, source: Sampled, outer: Sampled | None = None
) -> tuple[BoundCheck, ...]:
    """Compare ‖E ĝ − ∇J_in‖ and ‖E p̂ − ∇J_out‖ with their bounds, which are zero where 4.2 holds.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)
    thetas : array_like (N, S, A)
        Points; the left-hand side is the largest value met.
    source, outer : Sampled
        The inner and, if given, the outer estimator, with a baseline that is known for every θ
        (`theory.trajectory_bounds.critic_of`).

    Raises
    ------
    ValueError, TypeError
        If φ or θ does not fit, the problem is another, a baseline is not known for every θ, or the
        horizons of a finite objective and its estimator differ.
    """
    phi = checked_phi(problem, phi)
    checks = [_check("inner", inner_objective(problem, phi), source, thetas)]
    if outer is not None:
        checks.append(_check("outer", outer_objective(problem), outer, thetas))
    return tuple(checks)


def _check(name: str, objective: Objective, source: Sampled, thetas: Any) -> BoundCheck:
    terms = bias_bound(objective, source)
    worst = 0.0
    for group in points(thetas, objective):
        mean = Mean(source)(Update(objective.mdp, group), None).gradient
        worst = max(worst, float(lengths(mean - evaluation(objective, group).gradient).max()))
    W, R = 1 / (1 - objective.gamma), float(np.abs(objective.mdp.R).max())
    table = critic_of(source, objective.mdp.num_states).table
    tables = [x for x in (table, objective.terminal_value) if x is not None]
    ends = max((float(np.abs(x).max()) for x in tables), default=0.0)
    return BoundCheck(
        f"Assumption 4.2, {name} gradient",
        worst,
        sum(terms.values()),
        terms=terms,
        obtained="exact moments",
        scope="every θ",
        rounding=ROUNDING * W * (W * R + ends),
        setting={
            "estimator": source.estimator,
            "horizon": source.horizon,
            "gae_lambda": source.gae_lambda,
            "objective horizon": objective.horizon,
            "mdp": objective.mdp.name,
        },
    )


def bias_bound(objective: Objective, source: Sampled) -> dict[str, float]:
    """Bound ‖E ĝ − ∇J‖ for every θ: what it is the sum of; all zero where Assumption 4.2 holds.

    Raises
    ------
    ValueError
        If the horizons differ, or the baseline is not known for every θ.
    """
    instance(source, Sampled, "source")
    mdp, gamma, horizon = objective.mdp, objective.gamma, source.horizon
    if objective.horizon not in (None, horizon):
        raise ValueError(
            f"an objective over {objective.horizon} steps needs an estimator over as many, "
            f"received horizon {horizon}"
        )
    critic = critic_of(source, mdp.num_states)
    whole, discount = Objective(mdp), gamma**horizon
    follows, infinite = critic.table is None, objective.horizon is None
    terms = {"truncation": discount * whole.bounds.first if infinite else 0.0}

    table = np.zeros(mdp.num_states) if critic.table is None else critic.table
    end = np.zeros(mdp.num_states)
    if objective.terminal_value is not None:
        end = objective.terminal_value
    error = whole.span(end - table) + (0.0 if follows == infinite else whole.value_span)
    terms["bootstrap"] = discount * float(products(horizon)[-1, 0]) * error

    weight = lost_weight(gamma, critic.gae_lambda, horizon)
    delta = mdp.R + gamma * mdp.transitions.expect(table) - table[:, None]
    span = 0.0 if follows else float(np.ptp(delta[whole.acting]))
    terms["lambda"] = L1[1] / 2 * span * weight
    return terms
