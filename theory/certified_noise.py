"""Assumption 4.3 ([Liu2022]) for tabular softmax problems: constants that hold for every θ.

The variances are at most the second moments of `theory.trajectory_bounds`. The biases compare the
mean of Ĥ with H, whose bound is D₂ and whose part at two different times is at most X
(`theory.softmax`):

    objective J_T with end V_b, the source at the same T, with the same fixed V_b and λ = 1
        loaded_dice, dice  0          lvc  X          ad  D₂ + the bound of Ĥ
    objective J, the source with V_b = V^π, any λ; D_k(γ^T E V(s_T)) from `softmax_horizon.tail`
        loaded_dice, dice  D₂ of γ^T E V(s_T) less what moves s_T twice, for V_b stands still
        lvc                X + γ^T L/2               ad  D₂, because its mean is zero
    anything else          D₂ + the bound of Ĥ

(derived here). For reward parameters E Ĝ is, whatever V_b, the cross derivative over T steps less
what λ < 1 takes off the later rewards: rewards of norm one have a span of at most √2, so that this
is at most C₁/√2 = 1/2 times `trajectory_bounds.lost_weight`. To it comes nothing for an objective
J_T of the same T; for J, D₁ of γ^T E V(s_T) for rewards of norm one; and for another T, the bounds
of both gradients. Averages of N trajectories divide variances by N. For large T all of these are
loose.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from tabular.problems import Lirpg, Problem
from tabular.registry import find_estimator
from tabular.sources import Sampled
from theory.certified_constants import reward_bounds
from theory.constants import Noise
from theory.objectives import Objective, checked_phi, inner_objective, outer_objective
from theory.softmax_horizon import tail
from theory.softmax_state import L1
from theory.trajectory_bounds import Critic, critic_of, lost_weight, trajectory_bounds


def certified_noise(
    problem: Problem, phi: Any, source: Sampled, outer: Sampled | None = None
) -> Noise:
    """Return the constants of Assumption 4.3 at one φ, proved for every θ, of one trajectory.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)
    source : Sampled
        The inner estimator; its N does not matter. Its baseline is `exact_baseline`,
        `zero_baseline` or a `FixedBaseline`.
    outer : Sampled, optional
        The outer estimator; exact if None.

    Raises
    ------
    ValueError, TypeError
        If φ does not fit or is a batch, the problem has no proved constants, or a baseline is not
        known for every θ.
    """
    phi = checked_phi(problem, phi)
    for name, given in (("source", source), ("outer", outer)):
        if not (isinstance(given, Sampled) or (name == "outer" and given is None)):
            raise TypeError(f"{name} must be a Sampled(...), received {given!r}")
    objective = inner_objective(problem, phi)
    inner = trajectory_bounds(objective, source)
    rewards = isinstance(problem, Lirpg)
    last = trajectory_bounds(outer_objective(problem), outer) if outer else None
    return Noise(
        sigma_in=inner.gradient,
        sigma_p=last.gradient if last else 0.0,
        sigma_q=0.0,
        sigma_H=inner.hessian,
        sigma_J=inner.cross if rewards else 0.0,
        sigma_HF=inner.hessian_frobenius,
        sigma_JF=inner.cross_frobenius if rewards else 0.0,
        Delta_H=hessian_bias(objective, source),
        Delta_J=reward_bias(objective, source) if rewards else 0.0,
        scope="every θ",
    )


def same_objective(objective: Objective, source: Sampled, critic: Critic) -> bool:
    """Whether the source's mean gradient is that of the objective, at every θ."""
    if objective.horizon != source.horizon or critic.table is None or critic.gae_lambda != 1:
        return False
    end = objective.terminal_value
    return np.array_equal(critic.table, np.zeros_like(critic.table) if end is None else end)


def hessian_bias(objective: Objective, source: Sampled) -> float:
    """Bound ‖E Ĥ − H‖ for every θ."""
    kind, horizon = find_estimator(source.estimator), source.horizon
    critic = critic_of(source, objective.mdp.num_states)
    bounds = objective.bounds
    if kind.local and same_objective(objective, source, critic):
        return 0.0 if kind.cross else bounds.cross
    if objective.horizon is None and critic.table is None:
        if kind.cross:
            return float(tail(objective.gamma, horizon, 0.0, np.array(bounds))[1])
        if kind.local:
            return bounds.cross + objective.gamma**horizon * objective.value_span / 2
        return bounds.second
    return bounds.second + trajectory_bounds(objective, source).hessian


def reward_bias(objective: Objective, source: Sampled) -> float:
    """Bound ‖E Ĝ − G‖ for every θ, φ being rewards."""
    gamma, horizon = objective.gamma, source.horizon
    gae_lambda = critic_of(source, objective.mdp.num_states).gae_lambda
    lost = L1[1] / sqrt(2) * lost_weight(gamma, gae_lambda, horizon)
    if objective.horizon == horizon:
        return lost
    bounds = reward_bounds(objective)
    if objective.horizon is None:
        return lost + float(tail(gamma, horizon, sqrt(2) / (1 - gamma), np.array(bounds))[0])
    return lost + bounds.first + reward_bounds(Objective(objective.mdp, horizon)).first
