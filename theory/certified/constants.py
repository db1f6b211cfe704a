"""Assumption 4.1 for J_T in balls: bounds of its derivatives for every θ (derived here).

With h steps to go, rewards of span Δ and a terminal table V_b of span B, half the range of V_h is
at most v_0(h) = (Δ W_h + γ^h B)/2, W_h = Σ_{j<h} γ^j. Along u with ‖u‖ = 1 the derivatives of one
state's softmax policy have ‖π^(k)‖₁ <= C_k = 1/√2, 2/(3√3), 1/√2 for k = 1, 2, 3, and sum to zero,
so that ⟨π^(j), Q⟩ is at most ‖π^(j)‖₁ times half the range of Q: the k-th derivative of V_h is at
most

    v_k(h) = C_k v_0(h) + γ Σ_{0<j<k} binom(k,j) C_j v_{k−j}(h−1) + γ v_k(h−1),    v_k(0) = 0.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

from theory.certified.balls import Ball, arb
from theory.certified.enumeration import Enumeration


class Lipschitz(NamedTuple):
    """m₁, c₁ = μ₁ and ρ₁ of MAML: bounds of ∇J_T, ∇²J_T and of its Lipschitz constant."""

    m1: Ball
    c1: Ball
    rho1: Ball


def lipschitz(enumeration: Enumeration) -> Lipschitz:
    """v_1(T), v_2(T), v_3(T) at the working precision."""
    L1 = [arb(0), arb(1) / arb(2).sqrt(), arb(2) / (3 * arb(3).sqrt()), arb(1) / arb(2).sqrt()]
    gamma, half = enumeration.gamma, enumeration.terminal_span / 2
    before = [arb(0)] * 4
    for _ in range(enumeration.horizon):
        half = enumeration.reward_span / 2 + gamma * half
        now = [arb(0)] * 4
        for k in (1, 2, 3):
            later = sum((comb(k, j) * L1[j] * before[k - j] for j in range(1, k)), before[k])
            now[k] = L1[k] * half + gamma * later
        before = now
    return Lipschitz(*before[1:])
