"""The mean of an estimator's Hessian as a whole, in one walk through time.

With d_t(s) = γ^t P(s_t = s), A_t(x) = E[Â_t|x] and the score's mean future Z_t, an S × D table,

    Z_t(s, ·) = Σ_a π A_t(s, a) ψ(s, a) + γ P_π Z_{t+1}(s, ·)
    Y         = Σ_t Σ_x d_t π(x) ψ(x) (γ P Z_{t+1})(x, ·)ᵀ
    E Ĥ       = local part [+ Y + Yᵀ]_loaded

in O(T nnz(P) D), where S·A products (`tabular.moments`) walk through time S·A times. The local
part, − c π (ψ·v) [+ project(π, C (ψ·v))]_lvc, needs no time.
"""

from __future__ import annotations

import numpy as np

from tabular.estimators import curvature
from tabular.moments import Expectation
from tabular.policy import center, project
from tabular.registry import Estimator
from tabular.transitions import Array


def mean_hessian(mean: Expectation, kind: Estimator) -> Array:
    """E Ĥ of an estimator over a finite horizon, (S, A, S, A)."""
    field, pi = mean.field, mean.field.policy
    (S, A), size, gamma = pi.shape, pi.size, float(field.gamma)
    basis = np.eye(size).reshape(size, S, A)
    columns = curvature(pi, field.table, center(pi, basis), local=kind.local)
    local = np.moveaxis(columns, 0, -1).reshape(S, A, S, A)
    if not kind.cross:
        return local
    weights, each = gamma * field.occupancy[..., None] * pi, np.arange(S)
    future, pairs = np.zeros((S, size)), np.zeros((S, A, size))
    for t in range(len(weights) - 1, -1, -1):
        pairs += weights[t, :, :, None] * field.chain.times(future)
        future = gamma * (field.chain.P_pi @ future)
        future.reshape(S, S, A)[each, each] += project(pi, pi * field.advantage[t])
    cross = pairs - pi[..., None] * pairs.sum(axis=1, keepdims=True)
    cross = cross.reshape(S, A, S, A)
    return local + cross + cross.transpose(2, 3, 0, 1)
