"""Bounds of the derivatives of J(θ) for a softmax policy, uniformly in θ.

J has discount γ, W = 1/(1 − γ), rewards R(s,a) in an interval of length Δ, values in one of length
L <= WΔ, and S *decision states* (reachable states at which some action changes (R, P)); nothing
else enters. D^k J is a symmetric form, so that its norm is the largest k-th derivative along one
direction u, ‖u‖ = 1. The bounds are joint cumulants of u and the values (`theory.softmax_state`);
those of an infinite horizon are in `theory.softmax_infinite`, those of
J_T = E[Σ_{t<T} γ^t r_t + γ^T V_b(s_T)] with a constant table V_b in `theory.softmax_horizon`. Of
several that hold, the least is taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tabular import _checks
from theory import softmax_horizon, softmax_infinite

#: Spans and numbers of states up to this have finite bounds.
LARGEST = 1e120


class DerivativeBounds(NamedTuple):
    """‖D^k J‖ <= these for every θ, and the part of D²J that `lvc` does not see.

    Attributes
    ----------
    first, second, third, fourth : float
        k = 1, ..., 4. A bound of D^{k+1} J is a Lipschitz constant of D^k J.
    cross : float
        The part of D²J in which π moves at two different times, Σ_t d_t ⟨π′, Q′⟩ twice.
    """

    first: float
    second: float
    third: float
    fourth: float
    cross: float


def derivative_bounds(
    num_decision_states: int,
    gamma: float,
    reward_span: float,
    *,
    horizon: int | None = None,
    terminal_span: float = 0.0,
    value_span: float | None = None,
) -> DerivativeBounds:
    """Bound the derivatives of J, or of J_T, for every θ.

    Parameters
    ----------
    num_decision_states : int
        S >= 0.
    gamma : float
        γ in [0, 1).
    reward_span : float
        Δ >= 0, largest less smallest R(s, a).
    horizon : int, optional
        T; infinite if None.
    terminal_span : float
        Largest less smallest V_b.
    value_span : float, optional
        L, largest less smallest value of any policy at any state over an infinite horizon
        (`theory.value_range`), where S and Δ are also those of an infinite horizon; Δ/(1 − γ) if
        None, and never more.

    Returns
    -------
    DerivativeBounds

    Raises
    ------
    ValueError, TypeError
        If a number is negative or above `LARGEST`, γ is not below one, or a terminal table lacks a
        horizon.
    """
    number = _checks.one_number(num_decision_states, "num_decision_states")
    S, gamma = int(number), _checks.one_number(gamma, "gamma")
    if S < 0 or number != S:
        raise ValueError(f"num_decision_states must be an integer >= 0, received {number}")
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma must lie in [0, 1), received {gamma}")
    _length(number, "num_decision_states")
    span = _length(reward_span, "reward_span")
    terminal = _length(terminal_span, "terminal_span")
    most = span / (1 - gamma)
    value = most if value_span is None else min(most, _length(value_span, "value_span"))
    if horizon is not None:
        horizon = _checks.positive_integer(horizon, "horizon")
        found = softmax_horizon.bounds(S, gamma, span, horizon, terminal, value)
    elif terminal:
        raise ValueError("terminal_span needs a horizon; the infinite horizon has no end")
    else:
        found = softmax_infinite.bounds(S, gamma, span, value)
    return DerivativeBounds(*(float(x) for x in found))


def _length(value: Any, name: str) -> float:
    number = _checks.one_number(value, name)
    if number < 0:
        raise ValueError(f"{name} must not be negative, received {number}")
    if number > LARGEST:
        raise ValueError(
            f"{name} must be at most {LARGEST:g}, so that its powers are finite, received {number}"
        )
    return number
