"""Assumption 4.1 ([Liu2022]) for tabular softmax problems: constants that hold for every θ.

With D_k the bounds of `theory.softmax` for S decision states, rewards of span Δ and their values,

    Maml    c₁ = μ₁ = D₂,  ρ₁ = D₃,  m₁ = D₁,  c₂ = ρ₂ = μ₂ = 0
    Lirpg   c₁ = D₂, ρ₁ = D₃ for the rewards R + φ at this φ;  m₁ = D₁, μ₁ = D₂ for R;  μ₂ = 0;
            c₂ = D₁, ρ₂ = D₂ for Δ = √2, the largest span of a reward table of norm one, and S all
            reachable states: J is linear in the rewards, so ‖G‖ is the largest ‖∇J‖ of such tables.

Those of `Lirpg` grow with the span of φ: they are uniform on bounded sets of φ only. `Mgrl` is in
`theory.certified_mgrl`.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from tabular.problems import Lirpg, Mgrl, Problem
from theory.certified_mgrl import mgrl_lipschitz
from theory.constants import Lipschitz
from theory.objectives import Objective, checked_phi, inner_objective, outer_objective
from theory.softmax import DerivativeBounds, derivative_bounds


def certified_lipschitz(problem: Problem, phi: Any) -> Lipschitz:
    """Return the constants of Assumption 4.1 at one φ, proved for every θ.

    Parameters
    ----------
    problem : Maml, Lirpg or Mgrl
    phi : array_like (S, A), or (2,) for `Mgrl`

    Raises
    ------
    ValueError, TypeError
        If φ does not fit or is a batch, or the problem has no proved constants.
    """
    if isinstance(problem, Mgrl):
        return mgrl_lipschitz(problem, phi)
    phi = checked_phi(problem, phi)
    inner, outer = inner_objective(problem, phi).bounds, outer_objective(problem)
    rewards = isinstance(problem, Lirpg)
    cross = reward_bounds(outer) if rewards else None
    return Lipschitz(
        c1=inner.second,
        c2=cross.first if cross else 0.0,
        rho1=inner.third,
        rho2=cross.second if cross else 0.0,
        m1=outer.bounds.first,
        mu1=outer.bounds.second,
        mu2=0.0,
        zeta0=0.0 if rewards else 1.0,
        scope="every θ",
    )


def reward_bounds(objective: Objective) -> DerivativeBounds:
    """Bound the derivatives of J for every reward table of Euclidean norm one."""
    states = int(objective.acting.sum()) if objective.mdp.num_actions > 1 else 0
    return derivative_bounds(states, objective.gamma, sqrt(2), horizon=objective.horizon)
