"""The full Hessian of J over an infinite horizon: local + cross + crossᵀ.

With M = (I − γ P_π)⁻¹, w = π A and x = (s, a), x' = (s', a'),

    local(x, x')  = [s = s'] d(s) (δ_aa' w(x) − π(x) w(x') − w(x) π(x'))
    cross(x, x')  = d(s) π(x) (γ (P M)(x, s') − (M − I)(s, s')) w(x').

`local` is Σ_s d(s) Σ_a Q(s,a) ∇²π(a|s), what LVC estimates; `cross` moves Q with the
later policy, since ∂Q(x)/∂x' = γ (P M)(x, s') w(x') and γ P_π M = M − I.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from tabular.transitions import Array

#: The table is filled in pieces of about this many numbers, which stay in the cache.
PIECE = 2**14


class HessianParts(NamedTuple):
    """The Hessian and its parts, each (..., S, A, S, A); `total` = local + cross + crossᵀ."""

    local: Array
    cross: Array

    @property
    def total(self) -> Array:
        """∇²J."""
        return self.cross + np.einsum("...ijkl->...klij", self.cross) + self.local


def local_blocks(d: Array, pi: Array, advantage: Array) -> Array:
    """The diagonal blocks of `local`, (..., S, A, A), from d (..., S) and tables (..., S, A)."""
    weighted = d[..., None] * pi * advantage
    product = weighted[..., :, None] * pi[..., None, :]
    blocks = -product - np.swapaxes(product, -1, -2)
    diagonal = np.einsum("...ii->...i", blocks)
    diagonal += weighted
    return blocks


def block_diagonal(blocks: Array) -> Array:
    """Blocks (..., S, A, A) as a table (..., S, A, S, A)."""
    *batch, num_states, num_actions, _ = blocks.shape
    table = np.zeros((*batch, num_states, num_actions, num_states, num_actions))
    states = np.arange(num_states)
    table[..., states, :, states, :] = np.moveaxis(blocks, -3, 0)
    return table


def cross_factor(d: Array, pi: Array, M: Array, PM: Array, gamma: Array) -> Array:
    """d π (γ P M − (M − I)): the factor (..., S, A, S') of cross = factor · w."""
    factor = gamma[..., None, None, None] * PM
    factor -= (M - np.eye(d.shape[-1]))[..., :, None, :]
    return factor * (d[..., None] * pi)[..., None]


def assemble(blocks: Array, factor: Array, w: Array) -> Array:
    """The (..., S, A, S, A) Hessian from local blocks, cross factor and w = π A."""
    num_states, num_actions = w.shape[-2:]
    size = num_states * num_actions
    batch = np.broadcast_shapes(blocks.shape[:-3], factor.shape[:-3], w.shape[:-2])
    flat = factor.reshape(*factor.shape[:-3], size, num_states)
    transposed = np.ascontiguousarray(np.swapaxes(flat, -1, -2))[..., :, None, :]
    column = w.reshape(*w.shape[:-2], 1, 1, size)
    table = np.empty((*batch, num_states, num_actions, size))
    step = max(1, PIECE // (prod(batch) * num_actions * size))
    for start in range(0, num_states, step):
        rows = slice(start, start + step)
        piece = table[..., rows, :, :]
        np.multiply(w[..., rows, :, None], transposed[..., rows, :, :], out=piece)
        cross = np.repeat(factor[..., rows, :, :], num_actions, axis=-1)
        piece += np.multiply(cross, column, out=cross if cross.shape == piece.shape else None)
    table = table.reshape(*batch, num_states, num_actions, num_states, num_actions)
    diagonal = np.einsum("...iaib->...iab", table)
    diagonal += blocks
    return table
