"""Assumption 4.1 for J_T in balls: bounds for every θ, two of those of `theory.softmax_horizon`.

J_T is linear in the rewards, of span Δ, and in the terminal table V_b, of span B, and each has two
bounds of its k-th derivative along any u with ‖u‖ = 1, k = 1, 2, 3, of which the least counts:

recursion  half the range of V_h, h steps to go, is at most v_0(h) = (Δ Σ_{j<h} γ^j + γ^h B)/2, and
           v_k(h) = C_k v_0(h) + γ Σ_{0<j<k} binom(k,j) C_j v_{k−j}(h−1) + γ v_k(h−1),  v_k(0) = 0,
           because one state's ‖π^(k)‖₁ <= C_k = 1/√2, 2/(3√3), 1/√2.
product    a function of range y of n actions changes by at most p_k(n) y, so that J_T changes by
           Σ_t γ^t p_k(t+1) Δ + γ^T p_k(T) B, with (sets of sites, `theory.softmax_state`)
           4 p_1² = n/2,                   4 p_2² = n/3 + (n choose 2),
           4 p_3² = n/2 + 6 (n choose 2) + 9/2 (n choose 3).
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

from theory.certified.balls import Ball, Rational, arb, fmpq, root
from theory.certified.enumeration import Enumeration


class Lipschitz(NamedTuple):
    """m₁, c₁, μ₁ and ρ₁ of MAML: ‖∇J_T‖, ‖∇²J_T‖, Lipschitz constants of ∇J_T and ∇²J_T."""

    m1: Ball
    c1: Ball
    mu1: Ball
    rho1: Ball


def lipschitz(enumeration: Enumeration) -> Lipschitz:
    """Bound the first, second and third derivative at the working precision."""
    gamma, T = enumeration.gamma, enumeration.horizon
    powers = [gamma**t for t in range(T + 1)]
    lengths = [sum(powers[:h], fmpq(0)) for h in range(T + 1)]
    steps = [_product(n) for n in range(1, T + 1)]
    moved = [[power * x for x in p] for power, p in zip(powers, steps, strict=False)]
    by_reward = zip(_recursion(gamma, lengths), map(sum, zip(*moved, strict=True)), strict=True)
    by_end = zip(_recursion(gamma, powers), (powers[T] * p for p in steps[-1]), strict=True)
    first, second, third = (
        enumeration.reward_span * x.min(y) + enumeration.terminal_span * z.min(w)
        for (x, y), (z, w) in zip(by_reward, by_end, strict=True)
    )
    return Lipschitz(first, second, second, third)


def _recursion(gamma: Rational, ranges: list[Rational]) -> list[Ball]:
    """v_1(T), v_2(T), v_3(T) for V_h of these ranges, h = 0, ..., T."""
    L1 = [arb(0), 1 / arb(2).sqrt(), 2 / (3 * arb(3).sqrt()), 1 / arb(2).sqrt()]
    before = [arb(0)] * 4
    for length in ranges[1:]:
        now = [arb(0)] * 4
        for k in (1, 2, 3):
            later = sum((comb(k, j) * L1[j] * before[k - j] for j in range(1, k)), before[k])
            now[k] = L1[k] * (length / 2) + gamma * later
        before = now
    return before[1:]


def _product(n: int) -> list[Ball]:
    """p_1(n), p_2(n), p_3(n)."""
    squares = (
        fmpq(n, 2),
        fmpq(n, 3) + comb(n, 2),
        fmpq(n, 2) + 6 * comb(n, 2) + fmpq(9, 2) * comb(n, 3),
    )
    return [root(arb(square)) / 2 for square in squares]
