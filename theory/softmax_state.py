"""Constants of one softmax state, and of the actions of n steps (derived here).

For real X with range w (1 below), X̃ = X − E X, v = E X̃², m_k = E X̃^k, and Y with range y,

    κ(X,Y) = E X̃Y,  κ(X,X,Y) = E (X̃² − v)Y,  κ(X,X,X,Y) = E (X̃³ − 3vX̃)Y,
    κ(X,X,X,X,Y) = E (X̃⁴ − 6vX̃² − 4m₃X̃ + 6v² − m₄)Y

are at most K_k w^k y in absolute value; K₁, K₂, K₃ are sharp. With v <= 1/4, and E ZY <= y/2 E|Z|
for a mean-free Z:
K₁ = 1/4: Popoviciu. K₂ = 1/(6√3): κ is linear in Y, so Y may be taken as an indicator, which leaves
a function of two numbers. K₃ = 1/8: E X̃²(X̃² − 3v)² <= 1/16, piecewise in v. K₄: 2K₄ is the sum of
E|X̃⁴ − m₄| <= 2m₄ <= 1/6, 6v E|X̃² − v| <= 6v √(1/12 − v²) <= 1/4 and 4|m₃| E|X̃| <= 1/(3√3), because
m₄ <= 1/12 (X̃⁴ is convex in X: two points, p(1 − p)(1 − 3p(1 − p))) and |m₃| <= K₂.

Moving the logits of a state along u_s, ‖u_s‖ = 1, has w = √2 and ⟨π^(k), Y⟩ = κ(X, ..., X, Y) with
X = u_s(a), so that ‖π^(k)‖₁ <= C_k = 2 K_k w^k. Also b_k = π^(k)/π has E b_k² <= s_k (as above; for
k = 4 with m₈ <= m₄ and Minkowski's inequality) and, up to a constant, |b_k| <= η_k, half its range:
on an interval [−c, d] of length one, where v <= cd, that of X̃³ − 3vX̃ is at most the largest of
c³ + d³, 4v^{3/2} and (x − √v)²(x + 2√v) <= max(x³, 2v^{3/2}) for x = c, d (between its ends, its
turns ±√v, one of each), so at most one; that of X̃⁴ − 6vX̃² at most max(9v², (1 − 3v)²) <= 1, and
that of 4m₃X̃ at most 4K₂.

If Y of range y is a function of a trajectory with n independent actions at each state, its mean
changes by |D^k E Y| <= p_k(n) y: the k-th derivative of the density, relative to the density, is a
sum over sets of m of the sites (t, s) of products of b_j, with different sets orthogonal. One state
a time meets Y, so that sets with two sites of one time do not count, and

    p_k(n)² = ¼ Σ_m binom(n, m) a_{k,m}²,    a_{k,m} = k! [x^k] (Σ_{j>=1} √s_j x^j/j!)^m.
"""

from __future__ import annotations

from math import factorial, sqrt

import numpy as np

from tabular.transitions import Array

#: K_k, k = 0, ..., 4 (the first is not used).
CUMULANT = (1.0, 1 / 4, 1 / (6 * sqrt(3)), 1 / 8, (1 / 6 + 1 / 4 + 1 / (3 * sqrt(3))) / 2)
#: C_k >= ‖π^(k)‖₁.
L1 = tuple(2 * K * 2 ** (k / 2) for k, K in enumerate(CUMULANT))
#: s_k >= E (π^(k)/π)².
SQUARE = (1.0, 1 / 2, 1 / 3, 1 / 2, 16 * (sqrt(1 / 12) + 1 / 4 + 1 / (3 * sqrt(3))) ** 2)
#: η_k, half the range of X̃, X̃², X̃³ − 3vX̃ and X̃⁴ − 6vX̃² − 4m₃X̃ over the actions.
HALF_RANGE = (0.0, 1 / sqrt(2), 1.0, sqrt(2), 2 + 4 / (3 * sqrt(3)))


def _coefficients() -> Array:
    """a_{k,m}² for k, m = 1, ..., 4, and of the pairs (m = 2) of a_{2,m} alone: (5, 4)."""
    series = np.array([0.0] + [sqrt(SQUARE[j]) / factorial(j) for j in range(1, 5)])
    table, power = np.zeros((5, 4)), np.array([1.0])
    for m in range(1, 5):
        power = np.convolve(power, series)[:5]
        table[:4, m - 1] = [(factorial(k) * power[k]) ** 2 for k in range(1, 5)]
    table[4, 1] = table[1, 1]
    return table


#: a_{k,m}², rows k = 1, ..., 4 and the part of k = 2 with two different times.
SETS = _coefficients()


def products(most: int) -> Array:
    """p_k(n), k = 1, ..., 4, and the part of p_2 with two different times, n = 1, ..., most."""
    n = np.arange(1.0, most + 1)
    sets = np.array([np.prod([(n - i) / (i + 1) for i in range(m)], axis=0) for m in range(1, 5)])
    return np.sqrt(np.maximum(SETS @ sets, 0.0).T) / 2
