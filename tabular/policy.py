"""The softmax policy π(a|s) = exp θ(s,a) / Σ_b exp θ(s,b) and the projections that belong to it.

With ψ(x) = ∇_θ log π(a|s) = e_{sa} − Σ_b π(b|s) e_{sb} for x = (s, a):

    center(π, v)(s,a)  = v(s,a) − Σ_b π(b|s) v(s,b)  = ψ(x)·v
    project(π, X)(s,a) = X(s,a) − π(a|s) Σ_b X(s,b)   = Σ_x X(x) ψ(x)

so that dπ = π center(π, v) along a direction v, and a table X of weights on ψ becomes a gradient.
"""

from __future__ import annotations

import numpy as np

from tabular.transitions import Array


def softmax(theta: Array) -> Array:
    """π (..., S, A) of logits θ (..., S, A); safe for logits of any finite size."""
    with np.errstate(over="ignore", under="ignore"):  # a difference of −∞ is a probability of zero
        shifted = np.exp(theta - theta.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def center(pi: Array, v: Array) -> Array:
    """v − ⟨π, v⟩ per state: the score-weighted direction ψ·v, (..., S, A)."""
    return v - (pi * v).sum(axis=-1, keepdims=True)


def project(pi: Array, X: Array) -> Array:
    """Σ_x X(x) ψ(x) = X − π Σ_b X, (..., S, A)."""
    return X - pi * X.sum(axis=-1, keepdims=True)
