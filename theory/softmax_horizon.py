"""Bounds of the derivatives of J_T(θ) = E[Σ_{t<T} γ^t r_t + γ^T V_b(s_T)], uniformly in θ.

The policy is the same at every step, so that J_T is not a mixture over stationary policies.
W_h = (1 − γ^h)/(1 − γ), rewards have span Δ, V_b has span B. J_T is linear in rewards and V_b: each
has its own bounds, of which the least counts (all derived here; names in `theory.softmax_state`).

recursion   with h steps to go, half the range of V_h is at most v_0(h) = (Δ W_h + γ^h B)/2, and
            v_k(h) = C_k v_0(h) + γ Σ_{0<j<k} binom(k,j) C_j v_{k−j}(h−1) + γ v_k(h−1),  v_k(0) = 0.
product     r_{n−1} and V_b(s_n) depend on n actions: Σ_t γ^t p_k(t+1) Δ + γ^T p_k(T) B.
difference  (rewards) J_T = J − γ^T E V(s_T) with the infinite horizon's J and V, see `tail`.
excursion   (rewards) as over an infinite horizon, with |A_h(s,a)| <= Δ E W_{min(τ,h)}, τ the
            return time to s: G_s <= W_T Δ, Σ_s G_s <= W_T^{3/2} Δ/2, E Σ γ^t A_t² <= W_T² Δ²/4, and
              β  = W_T Δ min(√(S/2), W_T^{1/4}/2, √(W_T/8)),   ω = √W_T,
              H₂ = W_T Δ + 2ωβ,   H₃ = √2 W_T Δ + 3√2 ωβ + 3ωH₂,
              H₄ = η₄ W_T Δ + 8 ωβ + 6√2 ωH₂ + 4ωH₃.

For T = 1 the recursion is sharp.
"""

from __future__ import annotations

from math import comb, sqrt

import numpy as np

from tabular.transitions import Array
from theory import softmax_infinite
from theory.softmax_state import HALF_RANGE, L1, products


def bounds(
    S: int, gamma: float, span: float, horizon: int, terminal: float, value_span: float
) -> Array:
    """‖D^k J_T‖ for k = 1, ..., 4, and the part of D²J_T at two different times."""
    if not S:
        return np.zeros(5)
    powers = gamma ** np.arange(horizon + 1)
    lengths = np.concatenate([[0.0], np.cumsum(powers[:-1])])
    steps = products(horizon)
    value = softmax_infinite.bounds(S, gamma, span, value_span)
    rewards = [
        span * _recursion(gamma, lengths / 2),
        span * powers[:-1] @ steps,
        value + tail(gamma, horizon, value_span, value),
        span * _excursion(S, lengths[-1]),
    ]
    end = [_recursion(gamma, powers / 2), powers[-1] * steps[-1]]
    return np.min(rewards, axis=0) + terminal * np.min(end, axis=0)


def tail(gamma: float, horizon: int, value_span: float, value: Array) -> Array:
    """Bound the derivatives of γ^T E f(s_T) for a function f of state and θ.

    f has a span of at most `value_span`, and derivatives from every start of at most `value` (5,).
    The k-th is Σ_j binom(k,j) D^j[law of s_T] D^{k−j} f: p_j(T) times the span of D^{k−j} f, which
    is at most twice its bound.
    """
    p = products(horizon)[-1]
    found = value.copy()
    for k in range(1, 5):
        found[k - 1] += p[k - 1] * value_span
        found[k - 1] += sum(comb(k, j) * p[j - 1] * 2 * value[k - j - 1] for j in range(1, k))
    found[4] += p[4] * value_span + 4 * p[0] * value[0]
    return gamma**horizon * found


def _recursion(gamma: float, half_range: Array) -> Array:
    """v_k(T), k = 1, ..., 4, and the part 2⟨π′, Q′⟩ of v_2(T); `half_range` is v_0 (T + 1,)."""
    before = np.zeros(6)
    for half in half_range[1:]:
        now = gamma * before
        for k in range(1, 5):
            now[k] += L1[k] * half
            now[k] += gamma * sum(comb(k, j) * L1[j] * before[k - j] for j in range(1, k))
        now[5] += 2 * gamma * L1[1] * before[1]
        before = now
    return before[1:]


def _excursion(S: int, W: float) -> Array:
    omega = sqrt(W)
    beta = W * min(sqrt(S / 2), W**0.25 / 2, sqrt(W / 8))
    second = W + 2 * omega * beta
    third = HALF_RANGE[3] * W + 3 * sqrt(2) * omega * beta + 3 * omega * second
    fourth = HALF_RANGE[4] * W + 8 * omega * beta + 6 * sqrt(2) * omega * second
    return np.array([beta, second, third, fourth + 4 * omega * third, 2 * omega * beta])
