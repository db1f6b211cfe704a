"""LU factors of many small matrices, compiled: L of them side by side, one in each lane.

Tables (n, n, L) put the same entry of L matrices next to each other, so that each step of the
elimination is one run of vector instructions however small n is. The matrices are strictly
diagonally dominant, and so are their Schur complements: no pivot needs to be sought. The unit
lower factor lies below the diagonal, the upper one above it, and the reciprocal pivots on it.
"""

from __future__ import annotations

import numpy as np

from tabular.kernels import compiled
from tabular.transitions import Array


@compiled
def eliminate(matrix: Array, lu: Array) -> None:
    """Factorise matrices (B, n, n) into groups (G, n, n, L); identities fill the last group up."""
    groups, size, _, lanes = lu.shape
    for g in range(groups):
        table = lu[g]
        for i in range(size):
            for j in range(size):
                for l in range(lanes):
                    m = g * lanes + l
                    table[i, j, l] = matrix[m, i, j] if m < matrix.shape[0] else 1.0 * (i == j)
        for k in range(size):
            for l in range(lanes):
                table[k, k, l] = 1.0 / table[k, k, l]
            for i in range(k + 1, size):
                for l in range(lanes):
                    table[i, k, l] *= table[k, k, l]
                for j in range(k + 1, size):
                    for l in range(lanes):
                        table[i, j, l] -= table[i, k, l] * table[k, j, l]


@compiled
def solve_lanes(lu: Array, x: Array) -> None:
    """Replace b by the solution x of L U x = b, both (n, L)."""
    size, _, lanes = lu.shape
    for i in range(size):
        for j in range(i):
            for l in range(lanes):
                x[i, l] -= lu[i, j, l] * x[j, l]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            for l in range(lanes):
                x[i, l] -= lu[i, j, l] * x[j, l]
        for l in range(lanes):
            x[i, l] *= lu[i, i, l]


@compiled
def solve_lanes_transposed(lu: Array, x: Array) -> None:
    """Replace b by the solution x of Uᵀ Lᵀ x = b, both (n, L)."""
    size, _, lanes = lu.shape
    for i in range(size):
        for j in range(i):
            for l in range(lanes):
                x[i, l] -= lu[j, i, l] * x[j, l]
        for l in range(lanes):
            x[i, l] *= lu[i, i, l]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            for l in range(lanes):
                x[i, l] -= lu[j, i, l] * x[j, l]


@compiled
def solve(lu: Array, b: Array, transposed: bool, out: Array) -> None:
    """Solve for right-hand sides b (N, B, n), each matrix for its own, or its transpose."""
    groups, size, _, lanes = lu.shape
    x = np.empty((size, lanes))
    for n in range(b.shape[0]):
        for g in range(groups):
            first, count = g * lanes, min(lanes, b.shape[1] - g * lanes)
            x[:] = 0.0
            for l in range(count):
                for i in range(size):
                    x[i, l] = b[n, first + l, i]
            if transposed:
                solve_lanes_transposed(lu[g], x)
            else:
                solve_lanes(lu[g], x)
            for l in range(count):
                for i in range(size):
                    out[n, first + l, i] = x[i, l]
