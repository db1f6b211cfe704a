"""Sums over pairs of times at which a trajectory is in the same state, one lag after the other.

Many tails obey τ_t = M τ_{t+1} + B_t, where τ_t holds n tables E[·|s_t = s'] with a column for each
own state s, M (n S, n S) does not depend on time, and B_t, what x_t adds, is zero unless s' = s.
A sum over t of a past e_t(s) times E[τ_{t+1}|x_t = (s, a)] at the column of s is then

    Σ_l Σ_j (P M^l)_j(x, s) Σ_t e_t(s) B_{j,t+1+l}(s),

so that M^l needs one column for each s and j, however many numbers an entry of B_t has. States that
are never visited have no columns; with a sparse M a few columns at a time are walked through
all lags, so that they stay in the cache. Cost: O(T nnz(M) S) for each j.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: Numbers in the tables that are walked together: two megabytes.
TOGETHER = 262_144


class Returns:
    """A group of own states (c,), with their pasts and what their visits add.

    Parameters
    ----------
    law : TrajectoryLaw
    own : array (c,)
        Indices of the states.
    past : array (k, T, S)
        e_t for several pasts.
    blocks : array (T, n, S, A)
        B_t of every table at its own state.
    """

    def __init__(
        self, law: TrajectoryLaw, own: NDArray[np.intp], past: Array, blocks: Array
    ) -> None:
        self.own, self.pi = own, law.pi[own]
        self._law, self._tables = law, blocks.shape[1]
        self._past = np.moveaxis(past[:, :, own], -1, 0)
        self._blocks = np.moveaxis(blocks[:, :, own], 2, 0).reshape(len(own), law.horizon, -1)
        weighted = law.weighted_rows(own)
        self._successor = weighted[0].indices
        self._column = (
            np.repeat(np.arange(self.pi.size), np.diff(weighted[0].indptr)) // law.shape[1]
        )
        self._sums = [
            sp.csr_array((each.data, np.arange(each.nnz), each.indptr), (self.pi.size, each.nnz))
            for each in weighted
        ]

    def powers(self, M: Any) -> Iterator[Array]:
        """The columns of the first table of M^l for l = 0, ..., T − 2: (n, S, c)."""
        num_states, count = self._law.shape[0], len(self.own)
        tables = np.zeros((M.shape[0], count))
        tables[self.own, np.arange(count)] = 1.0
        for _ in range(self._law.horizon - 1):
            yield tables.reshape(-1, num_states, count)
            tables = M @ tables

    def expect(self, power: int, tables: Array) -> Array:
        """E[δ^power tables|x] at (s, a) and the column of s: (n, S, c) -> (n, c, A)."""
        gathered = tables[:, self._successor, self._column]
        return (self._sums[power] @ gathered.T).T.reshape(len(tables), *self.pi.shape)

    def sums(self, lag: int) -> Array:
        """Σ_t e_t B_{t+1+lag}, (k, n, c, A)."""
        ahead = self._law.horizon - 1 - lag
        total = self._past[..., :ahead] @ self._blocks[:, lag + 1 :]
        pasts = self._past.shape[1]
        return np.moveaxis(total.reshape(len(self.own), pasts, self._tables, -1), 0, 2)


def returns(
    law: TrajectoryLaw, M: Any, past: Array, blocks: Array, *, walked: int
) -> Iterator[Returns]:
    """Yield the visited states in groups, small enough for `walked` tables if M is sparse."""
    visited = np.flatnonzero(law.state_distribution.any(axis=0))
    most = TOGETHER // (walked * law.shape[0]) if sp.issparse(M) else len(visited)
    for first in range(0, len(visited), max(1, most)):
        yield Returns(law, visited[first : first + max(1, most)], past, blocks)
