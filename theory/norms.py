"""Norms of linear maps and of third derivatives that are known through their products.

Small maps are formed and their norms are exact; of large ones, and of third derivatives always, the
power iteration gives lower bounds that do not decrease. Tables are (N, S, A), one map for each of
N points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse.linalg as spla

from tabular.evaluation import Evaluation
from tabular.transitions import Array

Product = Callable[[Array], Array]

#: Maps of tables with more entries are not formed.
DENSE = 64
#: Steps of the power iteration.
STEPS = 25


def operator_norm(product: Product, transposed: Product, start: Array) -> Array:
    """‖M‖ for u ↦ M u and u ↦ Mᵀu, (N,); `start` (N, S, A) is where the power iteration begins."""
    shape = start.shape[-2:]
    if start[0].size <= DENSE:
        basis = np.eye(start[0].size).reshape(-1, 1, *shape)
        columns = product(np.broadcast_to(basis, (len(basis), *start.shape)))
        return np.linalg.norm(columns.reshape(*columns.shape[:2], -1).swapaxes(0, 1), 2, (1, 2))
    u, best = unit(start), np.zeros(len(start))
    for _ in range(STEPS):
        image = product(u)
        best = np.maximum(best, lengths(image))
        u = unit(transposed(image))
    return best


def spectral_norm(evaluation: Evaluation, rounding: float = 0.0) -> float:
    """‖∇²J‖ from Hessian-vector products (Lanczos), or directly where S·A is small.

    A norm of at most `rounding` is a zero: Lanczos would look for directions in noise.
    """
    shape = evaluation.gradient.shape
    size = int(np.prod(shape))
    if size <= 50:
        largest = float(np.linalg.norm(evaluation.hessian.reshape(size, size), 2))
        return largest if largest > rounding else 0.0
    operator = spla.LinearOperator(
        (size, size), matvec=lambda v: evaluation.hvp(v.reshape(shape)).ravel(), dtype=float
    )
    start = evaluation.gradient.ravel() + 1e-3 * np.cos(np.arange(size))
    if np.linalg.norm(operator.matvec(start)) <= rounding * np.linalg.norm(start):
        return 0.0
    values = spla.eigsh(operator, k=1, which="LM", v0=start, tol=1e-9, return_eigenvectors=False)
    return float(np.abs(values).max())


def cubic_norm(product: Product, starts: Array) -> Array:
    """‖D³‖ from below for u ↦ D³[u, u, ·]: the largest ‖D³[u, u, ·]‖ met, (N,).

    Every start (K, N, S, A) climbs to a maximum of its own.
    """
    u, best = unit(starts), np.zeros(starts.shape[:2])
    for _ in range(STEPS):
        image = product(u)
        best = np.maximum(best, lengths(image))
        u = unit(image)
    return best.max(axis=0)


def lengths(x: Array) -> Array:
    """Frobenius norms of tables (..., S, A), (...)."""
    return np.linalg.norm(x, axis=(-2, -1))


def unit(x: Array) -> Array:
    """x/‖x‖ for each table (..., S, A); zero stays zero."""
    size = lengths(x)[..., None, None]
    return x / np.where(size > 0, size, 1.0)
