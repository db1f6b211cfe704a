"""Bounds of the derivatives of J over an infinite horizon (derived here; see `theory.softmax`).

All values Q(s,a) of all policies lie in an interval of length L <= WΔ.

mixture     J is the mean of its values J_δ at deterministic policies δ, under a law proportional to
            exp⟨θ, e_δ⟩ det(I − γP_δ): the numerator and the denominator of Cramer's rule are linear
            in every row of π. So D^k J[u, ..., u] = κ(X, ..., X, J_δ), where X = Σ_s u(s, δ_s)
            has a range of at most √(2S), and ‖D^k J‖ <= K_k (2S)^{k/2} L: sharp as γ → 1.
recursion   V^(k) = (I − γP_π)⁻¹ Σ_{j>=1} binom(k,j) ⟨π^(j), Q^(k−j)⟩ with
            |⟨π^(j), Q⟩| <= C_j span(Q)/2.
product     E r_t depends on t + 1 actions: ‖D^k J‖ <= Σ_t γ^t p_k(t + 1) Δ.
excursion   Let G_s = d(s) Σ_a π|A|. Then G_s <= L/2 (mixture with X = ±1), and Σ_s G_s <= √(W E)
            with E = E Σ γ^t A_t² <= min(W²Δ²/4, WΔL) (Jensen: Q² <= W r² + γ P V²; or, with values
            and rewards about their middle, Q² − γ P V² <= 2|Q r|). So E Σ γ^t |⟨π′, Q⟩| <= β.
            If h is the value of a state reward b with E Σ γ^t |b| <= B from every start, then
            E Σ γ^t |⟨π′, γPh⟩| <= ωB, and d(s) E_π|γPh − γP_πh| <= 4B (excursions from s).
            With the state rewards that V″, V‴, V⁗ are the values of:
              β  = √(min(S L²/4, √(WE) L/2)/2),   ω = min(√W, 2^{3/4} W^{1/4}),
              H₂ = L/2 + 2ωβ,   H₃ = L/√2 + 12β + 3ωH₂,
              H₄ = η₄L/2 + 16√2 β + 24H₂ + 4ωH₃.

The excursion bounds do not grow with S, and with L = WΔ their orders W^{5/4}, W^{3/2}, W^{7/4}
cannot be improved. The part of D²J at one time is at most L/2: its state reward is E_π (ψ·u)² A.
"""

from __future__ import annotations

from math import comb, sqrt

import numpy as np

from tabular.transitions import Array
from theory.softmax_state import CUMULANT, HALF_RANGE, L1, SETS, products

#: Terms of the series Σ γ^t p_k(t + 1) that are summed; the rest is bounded.
MOST_TERMS = 100_000


def bounds(S: int, gamma: float, span: float, value_span: float) -> Array:
    """‖D^k J‖ for k = 1, ..., 4, and the part of D²J at two different times."""
    if not S:
        return np.zeros(5)
    W = 1 / (1 - gamma)
    ways = [
        _mixture(S, value_span),
        _recursion(W, gamma, value_span),
        span * _product(W, gamma),
        _excursion(S, W, span, value_span),
    ]
    least = np.min(ways, axis=0)
    least[4] = min(least[4], least[1] + value_span / 2)
    return least


def _mixture(S: int, value_span: float) -> Array:
    return np.array([CUMULANT[k] * (2 * S) ** (k / 2) * value_span for k in range(1, 5)] + [np.inf])


def _recursion(W: float, gamma: float, value_span: float) -> Array:
    v = [value_span / 2]
    for k in range(1, 5):
        lower = sum(comb(k, j) * L1[j] * gamma * v[k - j] for j in range(1, k))
        v.append(W * (L1[k] * v[0] + lower))
    return np.array([*v[1:], 2 * W * L1[1] * gamma * v[1]])


def _product(W: float, gamma: float) -> Array:
    """The series' first terms, and Cauchy and Schwarz with Σ_n γ^{n−1} binom(n, m) for the rest."""
    terms = min(MOST_TERMS, int(np.ceil(80 * W)))
    first = gamma ** np.arange(terms) @ products(terms)
    m = np.arange(1, 5)
    squares = SETS @ (gamma ** (m - 1) * W ** (m + 1)) / 4
    return first + np.sqrt(gamma**terms * W * squares)


def _excursion(S: int, W: float, span: float, value_span: float) -> Array:
    square = min((W * span) ** 2 / 4, W * span * value_span)
    beta = sqrt(min(S * value_span**2 / 4, value_span / 2 * sqrt(W * square)) / 2)
    omega = min(sqrt(W), 2**0.75 * W**0.25)
    second = value_span / 2 + 2 * omega * beta
    third = HALF_RANGE[3] * value_span / 2 + 12 * beta + 3 * omega * second
    fourth = HALF_RANGE[4] * value_span / 2 + 16 * sqrt(2) * beta + 24 * second + 4 * omega * third
    return np.array([beta, second, third, fourth, 2 * omega * beta])
