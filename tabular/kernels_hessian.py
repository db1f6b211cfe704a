"""The whole Hessian of a small dense MDP, compiled: from θ to the (S, A, S, A) table in one pass.

The formulas of `tabular.hessian`, with M = (I − γP_π)⁻¹ by elimination and one policy at a time, so
that everything but the result stays in the cache.
"""

from __future__ import annotations

import numpy as np

from tabular.kernels import compiled, discounted_chain, dot, softmax
from tabular.transitions import Array


@compiled
def invert_dominant(matrix: Array) -> None:
    """Replace a strictly diagonally dominant matrix by its inverse: Gauss–Jordan, no pivoting."""
    for k in range(matrix.shape[0]):
        pivot = 1.0 / matrix[k, k]
        matrix[k, k] = 1.0
        for j in range(matrix.shape[0]):
            matrix[k, j] *= pivot
        for i in range(matrix.shape[0]):
            if i != k:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(matrix.shape[0]):
                    matrix[i, j] -= factor * matrix[k, j]


@compiled
def cross_factor(P: Array, pi: Array, gamma: float, d: Array, M: Array, factor: Array) -> None:
    """d π (γPM − (M − I)), (S, A, S); see `tabular.hessian.cross_factor`."""
    num_states, num_actions = pi.shape
    np.dot(P.reshape(-1, num_states), M, factor.reshape(-1, num_states))
    for s in range(num_states):
        for a in range(num_actions):
            weight = d[s] * pi[s, a]
            for z in range(num_states):
                factor[s, a, z] = weight * (gamma * factor[s, a, z] - M[s, z])
            factor[s, a, s] += weight


@compiled
def assemble(factor: Array, w: Array, pi: Array, d: Array, out: Array) -> None:
    """local + cross + crossᵀ of one policy, (S, A, S, A)."""
    num_states, num_actions = pi.shape
    arriving = np.empty((num_states, num_actions))
    for s in range(num_states):
        for z in range(num_states):
            for b in range(num_actions):
                arriving[z, b] = factor[z, b, s]
        for a in range(num_actions):
            for z in range(num_states):
                leaving = factor[s, a, z]
                for b in range(num_actions):
                    out[s, a, z, b] = leaving * w[z, b] + arriving[z, b] * w[s, a]
            for b in range(num_actions):
                out[s, a, s, b] -= d[s] * (w[s, a] * pi[s, b] + pi[s, a] * w[s, b])
            out[s, a, s, a] += d[s] * w[s, a]


@compiled
def hessian(theta: Array, P: Array, R: Array, gamma: Array, initial: Array, out: Array) -> None:
    """Write ∇²J (B, S, A, S, A) of every policy."""
    num_states, num_actions = theta.shape[1:]
    pi, w = np.empty((num_states, num_actions)), np.empty((num_states, num_actions))
    M, V, d = np.empty((num_states, num_states)), np.empty(num_states), np.empty(num_states)
    factor = np.empty((num_states, num_actions, num_states))
    for i in range(theta.shape[0]):
        rows, rewards, discount = P[i % P.shape[0]], R[i % R.shape[0]], gamma[i % gamma.size]
        softmax(theta[i], pi)
        discounted_chain(rows, pi, discount, M)
        invert_dominant(M)
        V[:] = d[:] = 0.0
        for s in range(num_states):
            mean = dot(pi[s], rewards[s])
            start = initial[i % initial.shape[0], s]
            for z in range(num_states):
                V[z] += mean * M[z, s]
                d[z] += start * M[s, z]
        for s in range(num_states):
            for a in range(num_actions):
                w[s, a] = rewards[s, a] + discount * dot(rows[s, a], V)
            value = dot(pi[s], w[s])
            for a in range(num_actions):
                w[s, a] = pi[s, a] * (w[s, a] - value)
        cross_factor(rows, pi, discount, d, M, factor)
        assemble(factor, w, pi, d, out[i])
