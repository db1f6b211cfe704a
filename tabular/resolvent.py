"""(I − γ P_π)⁻¹ and its transpose, factorised once.

Representations of the same operator: for a batch of small tables LU factors side by side, by
compiled loops, or inverses without them; LAPACK's LU factors of any other table; and for sparse P_π
either sparse LU (where a band ordering promises little fill) or GMRES (where it does not).
I − γ P_π is strictly diagonally dominant, with condition number at most (1 + γ)/(1 − γ) in the
maximum norm: direct solutions are accurate to about that times 1e-16, GMRES to that times its
residual, 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from math import prod
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.linalg import lapack
from scipy.sparse.csgraph import reverse_cuthill_mckee

from tabular import compiled
from tabular.transitions import Array

#: Up to this S the inverses of a batch beat a loop over LU factorisations.
INVERSE_UP_TO = 48
#: From this many matrices on they are inverted side by side, not one by one.
SIDE_BY_SIDE = 64
#: As many matrices share the lanes of a compiled elimination.
LANES = 64
#: Down to this size `invert_dominant` halves a matrix.
PIVOTS = 6
#: Sparse LU is taken up to this S, and beyond it where the bandwidth is at most BAND_ROOTS √S (a
#: grid's) or BAND_ENTRIES times the nonzero entries of a row: the fill is then far below S².
DIRECT_UP_TO = 256
BAND_ROOTS = 2.0
BAND_ENTRIES = 10.0
#: GMRES that does not converge gives way to sparse LU up to this S, and to an error beyond it.
LAST_RESORT_UP_TO = 5000
#: Relative residual asked of GMRES.
KRYLOV_TOLERANCE = 1e-12


def resolvent(P_pi: Any, gamma: Array | float, num_states: int | None = None) -> Resolvent:
    """Choose a representation for P_π (..., S, S), or a CSR matrix of blocks of `num_states`.

    γ broadcasts over the batch.
    """
    if sp.issparse(P_pi):
        return SparseResolvent(P_pi, gamma, num_states or P_pi.shape[0])
    matrix = -np.asarray(gamma)[..., None, None] * P_pi
    diagonal = np.einsum("...ii->...i", matrix)  # a view, whatever the memory layout
    diagonal += 1.0
    return factorise(matrix)


def factorise(matrix: Array) -> SideBySideResolvent | InverseResolvent | LUResolvent:
    """Choose a representation for the matrix I − γP_π itself, (..., S, S)."""
    if matrix.ndim == 2 or matrix.shape[-1] > INVERSE_UP_TO:
        return LUResolvent(matrix)
    loops = compiled.kernels("kernels_elimination") is not None
    return SideBySideResolvent(matrix) if loops else InverseResolvent(matrix)


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


def invert_dominant(matrix: Array) -> Array:
    """Inverses of strictly diagonally dominant matrices (B, n, n), all at the same time.

    By halves, with the inverse s of the Schur complement,

        [a b]⁻¹   [a⁻¹ − f c a⁻¹   f]
        [c d]   = [    −s c a⁻¹    s],    s = (d − c a⁻¹ b)⁻¹,  f = −a⁻¹ b s,

    which is dominant in its turn, so that no pivot needs to be sought.
    """
    size = matrix.shape[-1]
    if size <= PIVOTS:
        return _gauss_jordan(matrix)
    upper, lower = slice(size // 2), slice(size // 2, size)
    a, b = matrix[..., upper, upper], matrix[..., upper, lower]
    c, d = matrix[..., lower, upper], matrix[..., lower, lower]
    a = invert_dominant(a)
    ab, ca = a @ b, c @ a
    s = invert_dominant(d - c @ ab)
    out = np.empty_like(matrix)
    f = np.matmul(-ab, s, out=out[..., upper, lower])
    np.subtract(a, f @ ca, out=out[..., upper, upper])
    np.matmul(-s, ca, out=out[..., lower, upper])
    out[..., lower, lower] = s
    return out


def _gauss_jordan(matrix: Array) -> Array:
    """Inverses of (B, n, n) by elimination without pivoting, each step over the whole batch."""
    table = np.moveaxis(matrix, 0, -1).copy()
    for k in range(len(table)):
        row = table[k] / table[k, k]
        row[k] = 1.0 / table[k, k]
        column = table[:, k].copy()
        table[:, k] = column[k] = 0.0
        table -= column[:, None] * row
        table[k] = row
    return np.moveaxis(table, -1, 0)


class InverseResolvent:
    """The inverse itself, (..., S, S)."""

    def __init__(self, matrix: Array) -> None:
        if prod(matrix.shape[:-2]) >= SIDE_BY_SIDE:
            flat = invert_dominant(matrix.reshape(-1, *matrix.shape[-2:]))
            self.inverse: Array = flat.reshape(matrix.shape)
        else:
            self.inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)

    def repeated(self, batch: tuple[int, ...]) -> InverseResolvent:
        """The inverse of one matrix for a batch of the same."""
        out = copy(self)
        out.inverse = np.broadcast_to(self.inverse, (*batch, *self.inverse.shape[-2:]))
        return out

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        """Return x with (I − γ P_π) x = b, or its transpose, for b (..., S)."""
        inverse = self.inverse
        factor = np.swapaxes(inverse, -1, -2) if transposed else inverse
        return np.matmul(factor, b[..., None])[..., 0]


class SideBySideResolvent:
    """LU factors of a batch of small matrices, by `tabular.kernels_elimination`."""

    def __init__(self, matrix: Array) -> None:
        *batch, size, _ = matrix.shape
        self._batch = tuple(batch)
        flat = np.ascontiguousarray(matrix.reshape(-1, size, size))
        lanes = max(1, min(LANES, len(flat)))
        self._lu = np.empty((-(-len(flat) // lanes), size, size, lanes))
        compiled.kernels("kernels_elimination").eliminate(flat, self._lu)

    def repeated(self, batch: tuple[int, ...]) -> SideBySideResolvent:
        """The factors of one matrix for a batch of the same."""
        out = copy(self)
        lanes = min(LANES, prod(batch))
        out._batch = batch
        out._lu = np.empty((-(-prod(batch) // lanes), *self._lu.shape[1:-1], lanes))
        out._lu[:] = self._lu
        return out

    @property
    def inverse(self) -> Array:
        """(I − γ P_π)⁻¹, (..., S, S)."""
        size = self._lu.shape[1]
        columns = self.solve(np.eye(size).reshape(size, *(1 for _ in self._batch), size))
        return np.moveaxis(columns, 0, -1)

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        """Return x with (I − γ P_π) x = b, or its transpose, for b (..., S)."""

        def solve_each(columns: Array) -> Array:
            out = np.empty(columns.shape)
            b = columns if columns.flags.carray else columns.copy()  # one kind: compiled once
            compiled.kernels("kernels_elimination").solve(self._lu, b, transposed, out)
            return out

        if b.shape[:-1] == self._batch:
            return solve_each(b.reshape(1, -1, b.shape[-1])).reshape(b.shape)
        return over_batch(solve_each, b, self._batch)


class LUResolvent:
    """LAPACK getrf of each matrix of the batch; getrs with either orientation."""

    def __init__(self, matrix: Array) -> None:
        self._batch = matrix.shape[:-2]
        # The transposed view is Fortran-contiguous, so LAPACK factorises it without a copy.
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        self._factors = [lapack.dgetrf(m.T, overwrite_a=True)[:2] for m in flat]

    def repeated(self, batch: tuple[int, ...]) -> LUResolvent:
        """The factors of one matrix for a batch of the same."""
        out = copy(self)
        out._batch, out._factors = batch, self._factors * prod(batch)
        return out

    @property
    def inverse(self) -> Array:
        """(I − γ P_π)⁻¹, (..., S, S)."""
        size = len(self._factors[0][1])
        work = int(lapack.dgetri_lwork(size)[0])
        inverses = [lapack.dgetri(*factors, lwork=work)[0].T for factors in self._factors]
        return np.stack(inverses).reshape(*self._batch, size, size) if self._batch else inverses[0]

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        """Return x with (I − γ P_π) x = b, or its transpose, for b (..., S)."""
        trans = 0 if transposed else 1
        if not self._batch:
            if b.ndim == 1:
                return lapack.dgetrs(*self._factors[0], b, trans=trans)[0]
            columns = b.reshape(-1, b.shape[-1]).T
            return lapack.dgetrs(*self._factors[0], columns, trans=trans)[0].T.reshape(b.shape)

        def solve_each(columns: Array) -> Array:
            out = np.empty_like(columns)
            for i, (lu, pivots) in enumerate(self._factors):
                out[:, i] = lapack.dgetrs(lu, pivots, columns[:, i].T, trans=trans)[0].T
            return out

        return over_batch(solve_each, b, self._batch)


class SparseResolvent:
    """Sparse LU or GMRES on one (block-diagonal) matrix; b is (..., n) with n its size."""

    def __init__(self, P_pi: Any, gamma: Array | float, block: int) -> None:
        size = P_pi.shape[0]
        scale = np.repeat(np.ravel(gamma), size // np.size(gamma))
        self._matrix = sp.csr_array(
            sp.eye_array(size) - sp.dia_array((scale[None], [0]), shape=(size, size)) @ P_pi
        )
        self._lu = spla.splu(self._matrix.tocsc()) if _is_banded(P_pi, block) else None

    def solve(self, b: Array, *, transposed: bool = False) -> Array:
        """Return x with (I − γ P_π) x = b, or its transpose, for b (..., S)."""
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
            if b.size > LAST_RESORT_UP_TO:
                raise np.linalg.LinAlgError(
                    f"GMRES did not reach a relative residual of {KRYLOV_TOLERANCE:g} on {b.size} "
                    "states, and they have no band for a direct solution; take a smaller gamma"
                )
            self._lu = self._lu or spla.splu(self._matrix.tocsc())
            return self._lu.solve(b, "T" if transposed else "N")
        return x


def _is_banded(P_pi: Any, block: int) -> bool:
    """Whether the blocks, laid over each other, have a narrow reverse Cuthill–McKee band."""
    if block <= DIRECT_UP_TO:
        return True
    entries = P_pi.tocoo()
    place = entries.row % block, entries.col % block
    pattern = sp.csr_matrix((np.ones(entries.nnz), place), shape=(block, block))
    pattern = pattern + pattern.T
    order = reverse_cuthill_mckee(pattern, symmetric_mode=True)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    coo = pattern.tocoo()
    width = np.abs(rank[coo.row] - rank[coo.col]).max(initial=0)
    per_row = P_pi.nnz / P_pi.shape[0]
    return bool(width <= max(BAND_ROOTS * block**0.5, BAND_ENTRIES * per_row))


Resolvent = SideBySideResolvent | InverseResolvent | LUResolvent | SparseResolvent
