"""Exact quantities of a softmax policy, one call each.

Every function takes an MDP and logits θ (..., S, A); leading dimensions of either are a batch.
With `horizon=None` the horizon is infinite; with `horizon=T` it has T steps and ends with the
constant table `terminal_value` (..., S), zero if None. Several quantities of one policy
share a factorisation through `evaluate`; formulas and sources are in `tabular.evaluation`.

All raise ValueError or TypeError if θ, a direction, the horizon or the terminal table has a
wrong shape or is not finite. `cross_lambda`, which belongs to an actor-critic update with a
baseline V_b, takes `gae_lambda` and `baseline` instead of a terminal table.
"""

from __future__ import annotations

from typing import Any

from tabular import _checks
from tabular.compiled_evaluation import evaluation_of
from tabular.evaluation import Evaluation
from tabular.gae import cross_lambda
from tabular.mdp import TabularMDP
from tabular.transitions import Array

__all__ = [
    "Evaluation",
    "action_value",
    "advantage",
    "cross_gamma",
    "cross_lambda",
    "cross_reward",
    "evaluate",
    "gradient",
    "hessian",
    "hvp",
    "occupancy",
    "state_value",
    "third",
    "value",
]


def evaluate(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Evaluation:
    """Evaluate π_θ on `mdp`: an object whose attributes are the quantities below.

    Parameters
    ----------
    mdp : TabularMDP
    theta : array_like (..., S, A)
    horizon : int, optional
        T; the infinite horizon if None.
    terminal_value : array_like (..., S), optional
        V_b, the constant table that ends a finite horizon; zero if None.

    Raises
    ------
    ValueError, TypeError
        If θ, the horizon or the terminal table has a wrong shape or is not finite.
    """
    if not isinstance(mdp, TabularMDP):
        raise TypeError(f"mdp must be a TabularMDP, received {type(mdp).__name__}")
    theta = _checks.logits(theta, (mdp.num_states, mdp.num_actions))
    if horizon is not None:
        horizon = _checks.positive_integer(horizon, "horizon")
    elif terminal_value is not None:
        raise ValueError("terminal_value needs a horizon; the infinite horizon has no end")
    if terminal_value is not None:
        terminal_value = _checks.table(terminal_value, "terminal_value", (mdp.num_states,))
    return evaluation_of(mdp, theta, horizon=horizon, terminal_value=terminal_value)


def value(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """J(θ) = E Σ_t γ^t r_t, (...)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.value


def state_value(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """V(s), (..., S), with the whole horizon to go."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.V[..., 0, :].copy()


def action_value(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """Q(s,a), (..., S, A), with the whole horizon to go."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.Q[..., 0, :, :].copy()


def advantage(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """A(s,a) = Q − V, (..., S, A), with the whole horizon to go."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.advantage[..., 0, :, :].copy()


def occupancy(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """d(s) = Σ_t γ^t P(s_t = s), (..., S), not normalised."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.occupancy.sum(axis=-2)


def gradient(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """∇J(θ), (..., S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.gradient.copy()


def hessian(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """∇²J(θ), (..., S, A, S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.hessian


def hvp(
    mdp: TabularMDP, theta: Any, v: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """∇²J(θ) v, (..., S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.hvp(v)


def third(
    mdp: TabularMDP,
    theta: Any,
    u: Any,
    v: Any,
    *,
    horizon: int | None = None,
    terminal_value: Any = None,
) -> Array:
    """∇³J(θ)[u, v, ·], (..., S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.third(u, v)


def cross_reward(
    mdp: TabularMDP, theta: Any, u: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """∂/∂φ ⟨∇_θ J, u⟩ for an intrinsic reward φ (S, A) added to R, (..., S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.cross_reward(u)


def cross_gamma(
    mdp: TabularMDP, theta: Any, *, horizon: int | None = None, terminal_value: Any = None
) -> Array:
    """∂_γ ∇_θ J, (..., S, A)."""
    here = evaluate(mdp, theta, horizon=horizon, terminal_value=terminal_value)
    return here.cross_gamma()
