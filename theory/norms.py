"""The norm of a Hessian, from its products where it is large."""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as spla

from tabular import exact
from theory.report import norm


def spectral_norm(evaluation: exact.Evaluation, rounding: float = 0.0) -> float:
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
    if norm(operator.matvec(start)) <= rounding * norm(start):
        return 0.0
    values = spla.eigsh(operator, k=1, which="LM", v0=start, tol=1e-9, return_eigenvectors=False)
    return float(np.abs(values).max())
