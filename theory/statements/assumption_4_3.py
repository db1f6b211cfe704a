"""Assumption 4.3 ([Liu2022]): one trajectory's estimates have bounded variance, Ĥ bounded bias.

One check a constant: the largest exact value at given points, from the closed-form moments of
`tabular`, against the constant that holds for every θ (`theory.certified_noise`), or any others.

    σ_in² tr Cov ĝ     σ_HF² E‖Ξ‖_F²    σ_H² sup_u E‖Ξu‖²    Δ_H ‖E Ĥ − H‖      Ξ = Ĥ − E Ĥ
    σ_p²  tr Cov p̂     σ_JF², σ_J² the same of Υ = Ĝ − E Ĝ and Υᵀ, Δ_J ‖E Ĝ − G‖

sup_u E‖Ξu‖² is the largest eigenvalue of E Ξ². For σ_J the units of θ and of φ stand in for all u.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import covariance, reward_covariance
from tabular._checks import instance
from tabular.baselines import FixedBaseline
from tabular.estimate_law import sandwich, trajectory_law
from tabular.mdp import TabularMDP
from tabular.problems import Lirpg, Problem
from tabular.registry import Estimator, find_estimator
from tabular.sources import Mean, Sampled, Update
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.certified_noise import certified_noise
from theory.constants import Noise
from theory.norms import DENSE, operator_norm, unit
from theory.objectives import Objective, checked_phi, inner_objective, outer_objective
from theory.statements.assumption_4_1 import ROUNDING, evaluation, points


def check(
    problem: Problem,
    phi: Any,
    thetas: Any,
    source: Sampled,
    outer: Sampled | None = None,
    constants: Noise | None = None,
    ends: Any = None,
) -> tuple[BoundCheck, ...]:
    """Compare the constants of Assumption 4.3 with exact values at points θ.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)
    thetas : array_like (N, S, A)
        Points. A point costs up to S·A covariances with `loaded_dice` and `dice`; above S·A = 64,
        σ_H is left to σ_HF, and both to the gradient's direction for those two.
    source, outer : Sampled
        The inner and, if given, the outer estimator.
    constants : Noise, optional
        The certified ones if None.
    ends : array_like (M, S, A), optional
        Points of the outer estimator, if they are others.

    Returns
    -------
    tuple of BoundCheck
        For sigma_in, sigma_H, sigma_HF, Delta_H; sigma_p with `outer`; sigma_J, sigma_JF and
        Delta_J for `Lirpg`.

    Raises
    ------
    ValueError, TypeError
        As `theory.certified_noise.certified_noise`, and if θ does not fit.
    """
    phi = checked_phi(problem, phi)
    if constants is None:
        constants = certified_noise(problem, phi, source, outer)
    instance(constants, Noise, "constants")
    objective, last = inner_objective(problem, phi), outer_objective(problem)
    met: dict[str, float] = {}
    for group in points(thetas, objective):
        for theta in group:
            found = noise_at(objective, theta, source)
            if isinstance(problem, Lirpg):
                found |= reward_noise_at(objective, theta, source)
            met |= {name: max(value, met.get(name, 0.0)) for name, value in found.items()}
    if outer is not None:
        met["sigma_p"] = max(
            _gradient_noise(last, theta, outer)
            for group in points(thetas if ends is None else ends, last)
            for theta in group
        )
    W = objective.weight
    table = source.baseline.table if isinstance(source.baseline, FixedBaseline) else np.zeros(1)
    size = objective.size + float(np.abs(table).max())
    sizes = dict.fromkeys(("sigma_J", "sigma_JF", "Delta_J"), 1.0)  # of rewards of norm one
    return tuple(
        BoundCheck(
            f"Assumption 4.3, {name}",
            lhs,
            getattr(constants, name),
            obtained="exact moments",
            scope=constants.scope,
            rounding=ROUNDING * W**3 * sizes.get(name, size),
            setting={"estimator": source.estimator, "horizon": source.horizon},
        )
        for name, lhs in met.items()
    )


def noise_at(objective: Objective, theta: Array, source: Sampled) -> dict[str, float]:
    """σ_in, σ_H, σ_HF and Δ_H at one θ (S, A)."""
    law, kind = _law(objective.mdp, theta, source)
    here = evaluation(objective, theta[None])
    mean = Mean(source)(Update(objective.mdp, theta), None)
    found = {"sigma_in": _root(covariance.gradient_variance(law))}
    if law.size <= DENSE:
        square = sandwich(law, kind, np.eye(law.size).reshape(*law.shape, *law.shape))
        values = np.linalg.eigvalsh(square.reshape(law.size, law.size))
        found |= {"sigma_H": _root(values[-1]), "sigma_HF": _root(values.sum())}
    elif kind.cross:
        direction = unit(here.gradient)[0]
        found["sigma_H"] = _root(covariance.hvp_variance(law, kind, direction))
    else:
        found["sigma_HF"] = _root(covariance.hessian_variance(law, kind))

    def difference(u: Array) -> Array:
        return mean.vjp(u) - here.vjp(u)

    found["Delta_H"] = float(operator_norm(difference, difference, here.gradient)[0])
    return found


def reward_noise_at(objective: Objective, theta: Array, source: Sampled) -> dict[str, float]:
    """σ_J, σ_JF and Δ_J at one θ (S, A), of reward parameters with S·A <= 64.

    E‖Υᵀu‖² is a trace of `tabular.reward_covariance`; E‖Υw‖² is the variance of ĝ for the rewards w
    and V_b = 0.
    """
    law, kind = _law(objective.mdp, theta, source)
    if law.size > DENSE:
        return {}
    units = np.eye(law.size).reshape(-1, *law.shape)
    by_theta = [
        np.trace(reward_covariance.own_covariance(law, kind, u).reshape(law.size, -1))
        for u in units
    ]
    by_reward = [
        covariance.gradient_variance(
            TrajectoryLaw(
                objective.mdp.with_reward(w),
                theta,
                horizon=source.horizon,
                baseline=np.zeros(law.shape[0]),
                gae_lambda=source.gae_lambda if kind.baseline else 1.0,
            )
        )
        for w in units
    ]
    exact = evaluation(objective, theta)
    mean = Mean(source)(Update(objective.mdp, theta), None)
    bias = np.reshape(mean.cross_reward(units) - exact.cross_reward(units), (law.size, -1))
    return {
        "sigma_J": _root(max(*by_theta, *by_reward)),
        "sigma_JF": _root(max(sum(by_theta), sum(by_reward))),
        "Delta_J": float(np.linalg.norm(bias, 2)),
    }


def _gradient_noise(objective: Objective, theta: Array, source: Sampled) -> float:
    law, _ = _law(objective.mdp, theta, source)
    return _root(covariance.gradient_variance(law))


def _root(variance: float) -> float:
    """√, of a variance that rounding may have made negative."""
    return float(np.sqrt(max(variance, 0.0)))


def _law(mdp: TabularMDP, theta: Array, source: Sampled) -> tuple[TrajectoryLaw, Estimator]:
    return trajectory_law(Update(mdp, theta), source)[0], find_estimator(source.estimator)
