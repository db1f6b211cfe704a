"""Assumption 4.1 ([Liu2022]) for tabular softmax problems: constants that hold for every θ.

What enters of an MDP are its discount, the span Δ of its rewards and the number S of its decision
states: states that can be reached, within the horizon, and where some action changes (R, P). With
D_k(S, Δ) the bounds of `theory.softmax`,

    Maml    c₁ = μ₁ = D₂,  ρ₁ = D₃,  m₁ = D₁,  c₂ = ρ₂ = μ₂ = 0
    Lirpg   c₁, ρ₁ as above for the rewards R + φ at this φ;  m₁, μ₁ for the rewards R;  μ₂ = 0;
            c₂ = D₁, ρ₂ = D₂ with Δ = √2, the largest span of a reward table of norm one, and S the
            reachable states with two actions or more.

Those of `Lirpg` grow with the span of φ: they are uniform on bounded sets of φ only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from tabular.mdp import TabularMDP
from tabular.problems import Lirpg, Maml, Problem
from tabular.transitions import Array
from theory.constants import Lipschitz
from theory.softmax import DerivativeBounds, derivative_bounds


@dataclass(frozen=True)
class Reach:
    """Which states an MDP can be in: (S,) at a step that acts, and at any step with the last."""

    acting: Array
    any: Array


def reachable(mdp: TabularMDP, horizon: int | None = None) -> Reach:
    """Find the states that some policy reaches within T steps (at all if None).

    Raises
    ------
    ValueError
        For a batch of MDPs, discounts or rewards.
    """
    if mdp.batch_shape or mdp.R.ndim > 2 or np.ndim(mdp.gamma):
        raise ValueError(
            f"certified constants are those of one MDP, received {mdp!r} with rewards "
            f"{mdp.R.shape}; take one with mdp[i]"
        )
    rows = mdp.transitions.rows != 0
    acting = np.zeros(mdp.num_states, dtype=bool)
    reached = mdp.initial > 0
    steps = 0
    while (horizon is None or steps < horizon) and not np.array_equal(acting, reached):
        acting = reached
        onward = np.repeat(acting, mdp.num_actions).astype(float) @ rows
        reached = acting | (onward > 0)
        steps += 1
    return Reach(acting, reached)


def decision_states(mdp: TabularMDP, horizon: int | None = None) -> int:
    """Count the reachable states at which some action changes (R, P)."""
    acts = np.ptp(mdp.R, axis=1) > 0
    rows = mdp.transitions.rows
    first = np.repeat(np.arange(mdp.num_states) * mdp.num_actions, mdp.num_actions)
    differs = abs(rows - rows[first]).sum(axis=1).reshape(mdp.R.shape) > 0
    return int(np.sum((acts | differs.any(axis=1)) & reachable(mdp, horizon).acting))


def objective_bounds(
    mdp: TabularMDP, horizon: int | None = None, terminal_value: Any = None
) -> DerivativeBounds:
    """Bound the derivatives of this MDP's J, or of its J_T with V_b (S,), for every θ.

    Raises
    ------
    ValueError
        For a batch of MDPs or of V_b.
    """
    reach = reachable(mdp, horizon)
    terminal = 0.0
    if terminal_value is not None:
        V_b = np.asarray(terminal_value, dtype=np.float64)
        if V_b.shape != (mdp.num_states,):
            raise ValueError(
                f"terminal_value must be one table ({mdp.num_states},), received {V_b.shape}"
            )
        terminal = float(np.ptp(V_b[reach.any]))
    return derivative_bounds(
        decision_states(mdp, horizon),
        float(mdp.gamma),
        float(np.ptp(mdp.R[reach.acting])),
        horizon=horizon,
        terminal_span=terminal,
    )


def reward_bounds(mdp: TabularMDP) -> DerivativeBounds:
    """Bound the derivatives of J for every reward table of Euclidean norm one."""
    states = int(reachable(mdp).acting.sum()) if mdp.num_actions > 1 else 0
    return derivative_bounds(states, float(mdp.gamma), sqrt(2))


def certified_lipschitz(problem: Problem, phi: Any) -> Lipschitz:
    """Return the constants of Assumption 4.1 at one φ, proved for every θ.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)

    Raises
    ------
    ValueError, TypeError
        If φ does not fit or is a batch, or the problem has no proved constants.
    """
    phi = checked_phi(problem, phi)
    if isinstance(problem, Maml):
        inner = outer = objective_bounds(problem.mdp, problem.horizon, problem.terminal_value)
        c2 = rho2 = 0.0
        zeta0 = 1.0
    elif isinstance(problem, Lirpg):
        inner = objective_bounds(problem.mdp.add_reward(phi))
        outer = objective_bounds(problem.mdp)
        cross = reward_bounds(problem.mdp)
        c2, rho2, zeta0 = cross.first, cross.second, 0.0
    return Lipschitz(
        c1=inner.second,
        c2=c2,
        rho1=inner.third,
        rho2=rho2,
        m1=outer.first,
        mu1=outer.second,
        mu2=0.0,
        zeta0=zeta0,
        scope="every θ",
    )


def checked_phi(problem: Problem, phi: Any) -> Array:
    """Return φ, or raise unless it is one φ of a problem with proved constants."""
    if not isinstance(problem, Maml | Lirpg):
        raise TypeError(
            f"constants are proved for Maml and Lirpg, received a {type(problem).__name__}; "
            "for another problem measure them over the points that matter"
        )
    phi = problem.check(phi)
    if phi.ndim != 2:
        raise ValueError(
            f"constants are those of one phi (S, A), received shape {phi.shape}; call once for each"
        )
    return phi
