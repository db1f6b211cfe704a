"""Compiled loops over the states and actions of dense tables, infinite horizon.

The formulas are those of `tabular.evaluation` and `tabular.hessian`, one policy after the other:
each is read once from memory, with no table in between. `prepare` and `finish` surround the two
solutions of an evaluation, `sources` and `product` those of a Hessian-vector product:

    prepare   π, I − γP_π, r_π                    | V = (I − γP_π)⁻¹ r_π,  d = (I − γP_πᵀ)⁻¹ ρ
    finish    Q = R + γPV,  A = Q − ⟨π, Q⟩,  ∇J = d π A
    sources   dπ = π (ψ·v),  Σ_a dπ Q,  γPᵀ(d dπ) | dV, dd = the solutions with these
    product   ∇²J v = dd π A + d (dπ A + π (γP dV − dV))

⟨π, Q⟩ is V up to rounding, and makes A exactly zero where only one action has a probability.
Tables are C-contiguous float64 with a leading axis for the policies, whose length is one for what
they share; results are written into the last arguments. This module imports numba: it is loaded
by `tabular.compiled` where that is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba

from tabular.transitions import Array

#: Sums may be reordered and products fused, as vector instructions need. NaN, infinities and
#: division by zero keep their meaning.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"reassoc", "contract"}}


#: Every operation is rounded by itself, as NumPy does it.
AS_WRITTEN: dict[str, Any] = {"error_model": "numpy"}


def compiled(function: Callable[..., Any], options: dict[str, Any] = OPTIONS) -> Any:
    """Compile at the first call; keep the code on disk where a folder for it can be written."""
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no such folder
        return numba.njit(**options)(function)


def as_written(function: Callable[..., Any]) -> Any:
    """Compile a loop whose sums keep their order: the bits of the same operations in NumPy."""
    return compiled(function, AS_WRITTEN)


@compiled
def softmax(theta: Array, pi: Array) -> None:
    """π of logits (S, A)."""
    for s in range(theta.shape[0]):
        largest = theta[s, 0]
        for a in range(1, theta.shape[1]):
            largest = max(largest, theta[s, a])
        total = 0.0
        for a in range(theta.shape[1]):
            pi[s, a] = math.exp(theta[s, a] - largest)
            total += pi[s, a]
        share = 1.0 / total
        for a in range(theta.shape[1]):
            pi[s, a] *= share


@compiled
def discounted_chain(P: Array, pi: Array, gamma: float, matrix: Array) -> None:
    """I − γP_π."""
    for s in range(pi.shape[0]):
        row = matrix[s]
        row[:] = 0.0
        for a in range(pi.shape[1]):
            weight = gamma * pi[s, a]
            for z in range(row.size):
                row[z] -= weight * P[s, a, z]
        row[s] += 1.0


@compiled
def dot(x: Array, y: Array) -> float:
    """Σ x y."""
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@compiled
def prepare(
    theta: Array, P: Array, R: Array, gamma: Array, pi: Array, matrix: Array, reward: Array
) -> None:
    """Write π, I − γP_π and r_π."""
    for i in range(theta.shape[0]):
        softmax(theta[i], pi[i])
        discounted_chain(P[i % P.shape[0]], pi[i], gamma[i % gamma.size], matrix[i])
        rewards = R[i % R.shape[0]]
        for s in range(theta.shape[1]):
            reward[i, s] = dot(pi[i, s], rewards[s])


@compiled
def finish(
    P: Array,
    R: Array,
    gamma: Array,
    pi: Array,
    V: Array,
    d: Array,
    Q: Array,
    advantage: Array,
    gradient: Array,
) -> None:
    """Write Q, A and ∇J."""
    for i in range(pi.shape[0]):
        rows, rewards, discount = P[i % P.shape[0]], R[i % R.shape[0]], gamma[i % gamma.size]
        for s in range(pi.shape[1]):
            for a in range(pi.shape[2]):
                Q[i, s, a] = rewards[s, a] + discount * dot(rows[s, a], V[i])
            value = dot(pi[i, s], Q[i, s])
            for a in range(pi.shape[2]):
                advantage[i, s, a] = Q[i, s, a] - value
                gradient[i, s, a] = d[i, s] * pi[i, s, a] * advantage[i, s, a]


@compiled
def sources(
    v: Array,
    P: Array,
    gamma: Array,
    pi: Array,
    Q: Array,
    d: Array,
    change: Array,
    of_V: Array,
    of_d: Array,
) -> None:
    """Write dπ, Σ_a dπ Q and γPᵀ(d dπ) along v."""
    for i in range(v.shape[0]):
        rows, discount = P[i % P.shape[0]], gamma[i % gamma.size]
        n = i % pi.shape[0]
        of_d[i] = 0.0
        for s in range(v.shape[1]):
            mean = dot(pi[n, s], v[i, s])
            for a in range(v.shape[2]):
                change[i, s, a] = pi[n, s, a] * (v[i, s, a] - mean)
                weight = discount * d[n, s] * change[i, s, a]
                for z in range(v.shape[1]):
                    of_d[i, z] += weight * rows[s, a, z]
            of_V[i, s] = dot(change[i, s], Q[n, s])


@compiled
def product(
    P: Array,
    gamma: Array,
    pi: Array,
    advantage: Array,
    d: Array,
    change: Array,
    dV: Array,
    dd: Array,
    out: Array,
) -> None:
    """Write ∇²J v from dπ, dV and dd."""
    for i in range(out.shape[0]):
        rows, discount = P[i % P.shape[0]], gamma[i % gamma.size]
        n = i % pi.shape[0]
        for s in range(pi.shape[1]):
            for a in range(pi.shape[2]):
                dA = discount * dot(rows[s, a], dV[i]) - dV[i, s]
                dw = change[i, s, a] * advantage[n, s, a] + pi[n, s, a] * dA
                out[i, s, a] = dd[i, s] * pi[n, s, a] * advantage[n, s, a] + d[n, s] * dw
