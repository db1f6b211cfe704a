"""(I − γ P_π)⁻¹ and its transpose, factorised once.

Three representations of the same operator: a batched inverse for small tables, LU factors
for larger ones, and for sparse P_π either sparse LU (where a band ordering promises little fill)
or GMRES (where it does not).  I − γ P_π is strictly diagonally dominant, with condition number
at most (1 + γ)/(1 − γ) in the maximum norm, so all three are accurate to about that times 1e-16.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.linalg import lapack
from scipy.sparse.csgraph import reverse_cuthill_mckee

from tabular.transitions import Array

#: Up to this S one batched inverse beats a loop over LU factorisations.
INVERSE_UP_TO = 48
#: Sparse LU is tried where (bandwidth)² · S, an upper bound on its work, stays below this.
DIRECT_WORK = 2e10
#: Relative residual asked of GMRES.
KRYLOV_TOLERANCE = 1e-12


class Resolvent(Protocol):
    """Solves (I − γ P_π) x = b, or (I − γ P_π)ᵀ x = b."""

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        """Return x for b, both (..., S)."""
        ...


def resolvent(P_pi: Any, gamma: Array | float) -> Resolvent:
    """Choose a representation for P_π (..., S, S) or a CSR matrix; γ broadcasts over the batch."""
    if sp.issparse(P_pi):
        return _Sparse(P_pi, gamma)
    matrix = np.eye(P_pi.shape[-1]) - np.asarray(gamma)[..., None, None] * P_pi
    return _Inverse(matrix) if matrix.shape[-1] <= INVERSE_UP_TO else _LU(matrix)


def over_batch(solve: Callable[[Array], Array], x: Array, batch: tuple[int, ...]) -> Array:
    """Apply a map of tables (n, prod(batch), S) to x (..., S) broadcast against `batch`.

    The dimensions in which `batch` has length one are repeated right-hand sides: they join n.
    """
    shape = np.broadcast_shapes(x.shape[:-1], batch)
    padded = (1,) * (len(shape) - len(batch)) + batch
    repeated = [axis for axis, length in enumerate(padded) if length == 1]
    front = range(len(repeated))
    tables = np.moveaxis(np.broadcast_to(x, (*shape, x.shape[-1])), repeated, front)
    count = prod(tables.shape[: len(repeated)])
    out = solve(tables.reshape(count, prod(batch), x.shape[-1]))
    return np.moveaxis(out.reshape(tables.shape), front, repeated)


class _Inverse:
    def __init__(self, matrix: Array) -> None:
        self._inverse = np.linalg.inv(matrix)

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        inverse = self._inverse
        if inverse.ndim == 2:
            return b @ (inverse if transposed else inverse.T)
        factor = np.swapaxes(inverse, -1, -2) if transposed else inverse
        return np.matmul(factor, b[..., None])[..., 0]


class _LU:
    """LAPACK getrf of each matrix of the batch; getrs with either orientation."""

    def __init__(self, matrix: Array) -> None:
        self._batch = matrix.shape[:-2]
        # The transposed view is Fortran-contiguous, so LAPACK factorises it without a copy.
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        self._factors = [lapack.dgetrf(m.T, overwrite_a=True)[:2] for m in flat]

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        trans = 0 if transposed else 1

        def solve_each(columns: Array) -> Array:
            out = np.empty_like(columns)
            for i, (lu, pivots) in enumerate(self._factors):
                out[:, i] = lapack.dgetrs(lu, pivots, columns[:, i].T, trans=trans)[0].T
            return out

        return over_batch(solve_each, b, self._batch)


class _Sparse:
    """Sparse LU or GMRES on one (block-diagonal) matrix; b is (..., n) with n its size."""

    def __init__(self, P_pi: Any, gamma: Array | float) -> None:
        size = P_pi.shape[0]
        scale = np.repeat(np.ravel(gamma), size // np.size(gamma))
        self._matrix = sp.csr_array(
            sp.eye_array(size) - sp.dia_array((scale[None], [0]), shape=(size, size)) @ P_pi
        )
        self._lu = spla.splu(self._matrix.tocsc()) if _band_work(P_pi) < DIRECT_WORK else None

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        columns = b.reshape(-1, self._matrix.shape[0])
        if self._lu is None:
            out = np.stack([self._krylov(column, transposed) for column in columns])
        else:
            out = self._lu.solve(np.ascontiguousarray(columns.T), "T" if transposed else "N").T
        return out.reshape(b.shape)

    def _krylov(self, b: Array, transposed: bool) -> Array:
        matrix = self._matrix.T if transposed else self._matrix
        if not np.any(b):
            return np.zeros_like(b)
        x, failed = spla.gmres(matrix, b, rtol=KRYLOV_TOLERANCE, atol=0.0, restart=60, maxiter=40)
        if failed:
            self._lu = self._lu or spla.splu(self._matrix.tocsc())
            return self._lu.solve(b, "T" if transposed else "N")
        return x


def _band_work(P_pi: Any) -> float:
    """S · (bandwidth after reverse Cuthill–McKee)²: bounds the work of a banded LU."""
    pattern = sp.csr_matrix(P_pi)
    pattern = pattern + pattern.T
    order = reverse_cuthill_mckee(pattern, symmetric_mode=True)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    coo = pattern.tocoo()
    width = np.abs(rank[coo.row] - rank[coo.col]).max(initial=0)
    return float(order.size) * float(width) ** 2
