"""Bounds of one trajectory's estimates, uniformly in θ (derived here).

Rewards lie in [r₋, r₊] and V_b in [b₋, b₊] wherever T steps can lead; with h = T − t steps to go
and K_h = Σ_{l<h} κ^l, κ = γλ, the advantage estimate is the λ-mean of h n-step ones, so that

    Â_t >= r₋ K_h + b₋ (1 − (1 − γ) K_h) − b₊,   and <= the same with the ends exchanged.

Let w_t be γ^t times the larger absolute value, e = 1 − 1/A. Given the past E‖ψ_t‖² <= e,
E(ψ_t·u)² <= 1/2 and E ψ_t = 0; also ‖F‖, ‖F‖_F <= 1/2. For M_t = ψ_tψ_tᵀ − F(s_t), whose mean is
zero, E‖M_t‖_F² = 1 − 3p₂ − 4p₂² + 6p₃ with p_k = Σ_a π^k; p₃ <= p₂^{3/2} makes this at most
m = 1 − 3/A + 6A^{−3/2} − 4/A², and m = 1/4 for A = 2. It is the trace of E M_t² = (1 + p₂)F − 3F²,
and E‖M_t u‖² <= 1/4: an eigenvalue f of F is at most 1 − p₂, its trace, so that (1 + p₂)f − 3f² is
at most (1 + p₂)²/12 < 1/4 for p₂ <= 5/7, and (1 − p₂)(4p₂ − 2) <= 1/4 beyond. Scores of different
times are orthogonal: E‖Ψ_{t−1}‖² <= te, E(Ψ_{t−1}·u)² <= t/2. Each step weighs at most
w_t, whatever it depends on, and Minkowski's inequality sums the steps: √E‖·‖² is at most

    ĝ              Σ w_t √e
    Ĥ, Ĥu   ad     Σ w_t/2
            lvc    Σ w_t √m,   Σ w_t/2
            loaded Σ w_t (√m + √(te(1 + 2e))),   Σ w_t (1/2 + √(2te))

A variance is no larger than a second moment, nor a mean.

For reward parameters Ĝᵀ = Σ_j e(x_j) c_jᵀ with c_j = Σ_{t<=j} γ^t κ^{j−t} ψ_t, x_j = (s_j, a_j) and
its unit table e(x_j). The scores in c_j are orthogonal, E(ψ_t·u)² <= e, and the entries of a w of
norm one are at most one, so that with r_j² = Σ_{t<j} γ^{2t} κ^{2(j−t)} the standard deviations are

    Ĝ              Σ_j √(e (γ^{2j} + r_j²))
    Ĝw, Ĝᵀu        Σ_j min(√(e (γ^{2j} + r_j²)), γ^j √(8/27) + r_j √e)

The second, because those of (ψ_j·u) e(x_j) and w(x_j) ψ_j are at most 1/2 and √(8/27): with P the
law of s_j, E(ψ_j·u)² less the squared length of the mean, (P F(s) u_s)_s, is at most
max_s (f − f²) <= 1/4 for f = P‖F(s)‖ <= 1/2; and π_a ‖ψ‖² <= 2π_a(1 − π_a)² <= 8/27.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from tabular import _checks
from tabular.baselines import FixedBaseline, exact_baseline, zero_baseline
from tabular.registry import Estimator, find_estimator
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.objectives import Objective


@dataclass(frozen=True, eq=False)
class Critic:
    """What an estimator's advantages are made of: V_b (S,), or V^π at every θ if None, and λ."""

    table: Array | None
    gae_lambda: float


def critic_of(source: Sampled, num_states: int) -> Critic:
    """Return V_b and λ as a source's estimator uses them at every θ.

    Raises
    ------
    ValueError
        If the baseline is not one whose tables are known for every θ.
    """
    _checks.instance(source, Sampled, "source")
    if not find_estimator(source.estimator).baseline:
        return Critic(np.zeros(num_states), 1.0)
    if source.baseline is exact_baseline:
        return Critic(None, source.gae_lambda)
    if source.baseline is zero_baseline:
        return Critic(np.zeros(num_states), source.gae_lambda)
    if isinstance(source.baseline, FixedBaseline) and source.baseline.table.shape == (num_states,):
        return Critic(source.baseline.table, source.gae_lambda)
    raise ValueError(
        "what holds for every theta needs exact_baseline, zero_baseline or a FixedBaseline of "
        f"shape ({num_states},), received baseline {source.baseline!r}"
    )


@dataclass(frozen=True)
class TrajectoryBounds:
    """√E‖·‖² of one trajectory's ĝ, of Ĥu and Ĥ, and, less means, of Ĝu and Ĝ for rewards."""

    gradient: float
    hessian: float
    hessian_frobenius: float
    cross: float
    cross_frobenius: float


def trajectory_bounds(objective: Objective, source: Sampled) -> TrajectoryBounds:
    """Bound one trajectory's estimates for every θ.

    Parameters
    ----------
    objective : Objective
        Gives the MDP; its own horizon does not matter here.
    source : Sampled
        Estimator, T, λ, and a baseline that `critic_of` knows.
    """
    mdp, horizon, kind = objective.mdp, source.horizon, find_estimator(source.estimator)
    critic = critic_of(source, mdp.num_states)
    here = Objective(mdp, horizon)
    powers = objective.gamma ** np.arange(horizon)
    kept = np.cumsum((objective.gamma * critic.gae_lambda) ** np.arange(horizon))[::-1]
    steps = powers * _largest_advantage(here, critic, kept)
    t = np.arange(horizon)
    A = mdp.num_actions
    e = 1 - 1 / A
    second = 1 / 4 if A == 2 else 1 - 3 / A + 6 / A**1.5 - 4 / A**2
    kappa = objective.gamma * critic.gae_lambda
    squares = np.convolve(powers**2, kappa ** (2 * t))[:horizon]
    whole, earlier = np.sqrt(e * squares), np.sqrt(e * np.maximum(squares - powers**2, 0.0))
    own = powers * sqrt(min(e, 8 / 27))
    return TrajectoryBounds(
        gradient=float(steps.sum() * sqrt(e)),
        hessian=float(steps @ _curvature(kind, A, 1 / 4, np.sqrt(2 * t * e))),
        hessian_frobenius=float(steps @ _curvature(kind, A, second, np.sqrt(t * e * (1 + 2 * e)))),
        cross=float(np.minimum(whole, own + earlier).sum()),
        cross_frobenius=float(whole.sum()),
    )


def _curvature(kind: Estimator, num_actions: int, local: float, cross: Array) -> Array:
    """Each step's Hessian, in units of w_t."""
    if num_actions == 1:
        return np.zeros_like(cross)
    own = sqrt(local) if kind.local else 0.5
    return own + cross * kind.cross


def _largest_advantage(here: Objective, critic: Critic, kept: Array) -> Array:
    """The bound of |Â_t|, (T,)."""
    low, high = reward_range(here)
    b_low, b_high = here.value_range
    if critic.table is not None:
        seen = critic.table[here.visited]
        b_low, b_high = seen.min(), seen.max()
    end = 1 - (1 - here.gamma) * kept
    least = low * kept + b_low * end - b_high
    most = high * kept + b_high * end - b_low
    return np.maximum(np.abs(least), np.abs(most))


def lost_weight(gamma: float, gae_lambda: float, horizon: int) -> float:
    """Σ_{t<T} γ^t Σ_{l<T−t} (γ^l − κ^l): what λ < 1 takes off what T steps sum."""
    steps = np.arange(horizon)
    lost = gamma**steps - (gamma * gae_lambda) ** steps
    return float(gamma**steps @ np.cumsum(lost)[::-1])


def reward_range(objective: Objective) -> tuple[float, float]:
    """Return the least and the largest reward that a trajectory can show."""
    mdp, acting = objective.mdp, objective.acting
    if mdp.successor_reward is None:
        seen = mdp.R[acting]
        return float(seen.min()), float(seen.max())
    rows, successors = mdp.transitions.rows.nonzero()
    table = mdp.successor_reward
    table = table if mdp.is_sparse else table.reshape(-1, mdp.num_states)
    seen = np.asarray(table[rows, successors]).ravel()
    if mdp.bonus is not None:
        seen = seen + mdp.bonus.ravel()[rows]
    seen = seen[acting[rows // mdp.num_actions]]
    return float(seen.min()), float(seen.max())
