"""Transition kernels P(s'|s,a), dense or sparse, behind one interface.

For a table v over states and a table c over state-actions,

    expect(v)(s, a) = Σ_s' P(s'|s,a) v(s')            (P v)
    push(c)(s')     = Σ_{s,a} c(s,a) P(s'|s,a)         (Pᵀ c)
    under(π)(s, s') = Σ_a π(a|s) P(s'|s,a)             (P_π)
    times(M)(s, a, s'') = Σ_s' P(s'|s,a) M(s', s'')     (P M)

`DenseTransitions` holds P as (..., S, A, S) with leading batch dimensions; `SparseTransitions`
holds one kernel as a CSR matrix of shape (S·A, S), row s·A + a, and never makes it dense. Their
tables are read-only.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tabular._frozen import freeze

Array = NDArray[np.float64]

#: Below this share of nonzero entries a kernel is worth keeping sparse in the moment recursions.
SPARSE_BELOW = 0.2


class DenseTransitions:
    """P as an array of shape (..., S, A, S)."""

    is_sparse = False

    def __init__(self, P: Array) -> None:
        self.P = P
        *batch, self.num_states, self.num_actions, _ = P.shape
        self.batch_shape: tuple[int, ...] = tuple(batch)
        self._rows = P.reshape(*batch, self.num_states * self.num_actions, self.num_states)

    def expect(self, v: Array) -> Array:
        """P v: (..., H, S) -> (..., H, S, A)."""
        flat = _multiply(v, np.swapaxes(self._rows, -1, -2))
        return flat.reshape(*flat.shape[:-1], self.num_states, self.num_actions)

    def push(self, c: Array) -> Array:
        """Pᵀ c: (..., H, S, A) -> (..., H, S)."""
        return _multiply(c.reshape(*c.shape[:-2], self._rows.shape[-2]), self._rows)

    def under(self, pi: Array) -> Array:
        """P_π for a policy table (..., S, A): an array (..., S, S)."""
        return np.matmul(pi[..., None, :], self.P)[..., 0, :]

    def times(self, M: Array) -> Array:
        """P M: (..., S, S) -> (..., S, A, S)."""
        flat = np.matmul(self._rows, M)
        return flat.reshape(*flat.shape[:-2], self.num_states, self.num_actions, M.shape[-1])

    @cached_property
    def rows(self) -> sp.csr_array:
        """The kernel of a single MDP as CSR (S·A, S); row s·A + a."""
        if self.batch_shape:
            raise ValueError(
                f"this needs one MDP, received a batch of shape {self.batch_shape}; "
                "take one with mdp[i]"
            )
        return freeze(sp.csr_array(self._rows))


class SparseTransitions:
    """P of one MDP as a CSR matrix of shape (S·A, S)."""

    is_sparse = True
    batch_shape: tuple[int, ...] = ()

    def __init__(self, P: Any) -> None:
        self.rows = sp.csr_array(P)
        self.num_states = self.rows.shape[1]
        self.num_actions = self.rows.shape[0] // self.num_states
        self._columns = freeze(sp.csr_array(self.rows.T))

    def expect(self, v: Array) -> Array:
        """P v: (..., S) -> (..., S, A)."""
        flat = (self.rows @ v.reshape(-1, self.num_states).T).T
        return flat.reshape(*v.shape, self.num_actions)

    def push(self, c: Array) -> Array:
        """Pᵀ c: (..., S, A) -> (..., S)."""
        flat = self._columns @ c.reshape(-1, self.num_states * self.num_actions).T
        return flat.T.reshape(c.shape[:-1])

    def under(self, pi: Array) -> sp.csr_array:
        """P_π of every policy in (..., S, A), as one block-diagonal CSR matrix (B·S, B·S)."""
        blocks = [state_average(self.rows, p) for p in pi.reshape(-1, *pi.shape[-2:])]
        return blocks[0] if len(blocks) == 1 else sp.block_diag(blocks, format="csr")

    def times(self, M: Array) -> Array:
        """P M: (..., S, S) -> (..., S, A, S)."""
        flat = np.stack([self.rows @ m for m in M.reshape(-1, *M.shape[-2:])])
        return flat.reshape(*M.shape[:-1], self.num_actions, M.shape[-1])


Transitions = DenseTransitions | SparseTransitions


def state_average(rows: sp.csr_array, pi: Array) -> sp.csr_array:
    """Σ_a π(a|s) M(s·A + a, ·) for a CSR matrix M of shape (S·A, m) and a policy (S, A)."""
    num_states, num_actions = pi.shape
    index = np.arange(num_states * num_actions)
    start = np.arange(0, num_states * num_actions + 1, num_actions)
    return sp.csr_array((pi.ravel(), index, start), shape=(num_states, index.size)) @ rows


def _multiply(x: Array, matrix: Array) -> Array:
    """Row vectors x (..., H, m) times a matrix (..., m, n), in one product if unbatched."""
    if matrix.ndim == 2:
        return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[-1])
    return np.matmul(x, matrix)
