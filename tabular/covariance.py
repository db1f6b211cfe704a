"""Second moments of one trajectory's gradient and Hessian-vector product, in closed form.

With w = γ^t, κ = γλ, x = (s, a) and primes for time t + 1, the tails of a trajectory from t on,

    Â = δ + κ Â'        C = w Â e_x + C',

have quadratic moments that close backwards in time. The gradient of all estimators and the Hessian
products of `ad` and `lvc` are linear in the table C:

    Z(x, ·)  = E[Â C'|x] = Σ P (δ E[C'] + κ E[Â'C'])
    E[C Cᵀ]  = Σ_t Σ_x P(x_t = x) (w² E[Â²|x] e_x e_xᵀ + w e_x Z(x)ᵀ + w Z(x) e_xᵀ).

The products of `loaded_dice` and `dice` are `tabular.cross_covariance`'s, and their traces
`tabular.cross_trace`'s. A trace needs only the blocks Cov(C(s, ·), C(s, ·)), because ψ, φ and F
live in one state each; a variance along one direction needs only scalars per state.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tabular import _checks
from tabular.cross_covariance import Along, Whole, cross_moments
from tabular.cross_trace import cross_trace
from tabular.estimators import curvature
from tabular.policy import center, project
from tabular.registry import Estimator
from tabular.returns import returns
from tabular.trajectory_law import (
    TrajectoryLaw,
    add_block,
    as_table,
    own_vectors,
    scaled,
    stack_blocks,
)
from tabular.transitions import Array

#: The blocks of Cov C of a law, with which every trace of `ad` and `lvc` begins, while it lives.
_BLOCKS: WeakKeyDictionary[TrajectoryLaw, Array] = WeakKeyDictionary()


def table_covariance(law: TrajectoryLaw) -> Array:
    """Cov C of one trajectory, (S, A, S, A)."""
    weight, blocks, diagonal, mean = _table_terms(law)
    P, P_delta = law.under(0), law.under(1)
    pairs = np.zeros((*law.shape, *law.shape))
    mean_tail, advantage_tail = np.zeros((2, law.shape[0], law.size))
    for t in range(law.horizon - 1, -1, -1):
        later = law.expect(1, as_table(law, mean_tail))
        later = later + law.kappa * law.expect(0, as_table(law, advantage_tail))
        pairs += scaled(weight[t, :, None] * law.pi, later)
        advantage_tail = P_delta @ mean_tail + law.kappa * (P @ advantage_tail)
        mean_tail = P @ mean_tail
        add_block(mean_tail, blocks[t, 0])
        add_block(advantage_tail, blocks[t, 1])
    second = pairs + pairs.transpose(2, 3, 0, 1)
    matrix = second.reshape(law.size, law.size)
    matrix[np.diag_indices(law.size)] += diagonal.ravel()
    return second - np.multiply.outer(mean, mean)


def table_covariance_blocks(law: TrajectoryLaw) -> Array:
    """The blocks Cov(C(s, ·), C(s, ·)) of `table_covariance`, (S, A, A), without the rest.

    By `tabular.returns`, with the tables E[C] and E[ÂC]; what M^l takes to E[ÂC] from itself is κ^l
    times what it takes to E[C] from itself.
    """
    if law in _BLOCKS:
        return _BLOCKS[law]
    weight, blocks, diagonal, mean = _table_terms(law)
    P, P_delta = law.under(0), law.under(1)
    M = stack_blocks([[P, None], [P_delta, law.kappa * P]])
    pairs = np.zeros((*law.shape, law.shape[1]))
    for group in returns(law, M, weight[None], blocks, walked=2):
        for lag, tables in enumerate(group.powers(M)):
            C, AC = group.expect(0, tables)
            (delta_C,) = group.expect(1, tables[:1])
            from_C, from_AC = group.sums(lag)[0, :, :, None, :]
            decay = law.kappa ** (lag + 1)
            pairs[group.own] += (delta_C + law.kappa * AC)[..., None] * from_C
            pairs[group.own] += (decay * C)[..., None] * from_AC
    pairs *= law.pi[..., None]
    covariance = pairs + pairs.transpose(0, 2, 1) - mean[:, :, None] * mean[:, None, :]
    each = np.arange(law.shape[1])
    covariance[:, each, each] += diagonal
    covariance.flags.writeable = False
    _BLOCKS[law] = covariance
    return covariance


def _table_terms(law: TrajectoryLaw) -> tuple[Array, Array, Array, Array]:
    """w P(s_t = s), what x_t adds to E[C] and E[ÂC] on average, Σ w² E[Â²] at x, and E C."""
    w = (law.gamma ** np.arange(law.horizon))[:, None, None, None]
    weight = w[:, :, 0, 0] * law.state_distribution
    blocks = w * law.pi * np.stack([law.advantages.mean, law.advantages.square], axis=1)
    mean, diagonal = np.einsum("kts,tksa->ksa", np.stack([law.state_distribution, weight]), blocks)
    return weight, blocks, diagonal, mean


def gradient_covariance(law: TrajectoryLaw) -> Array:
    """Cov ĝ of one trajectory, (S, A, S, A)."""
    return _both_sides(table_covariance(law), lambda X: project(law.pi, X))


def gradient_variance(law: TrajectoryLaw) -> float:
    """tr Cov ĝ of one trajectory."""
    psi = np.eye(law.shape[1]) - law.pi[:, None, :]
    return float(np.einsum("sxb,syb,sxy->", psi, psi, table_covariance_blocks(law)))


def hvp_covariance(law: TrajectoryLaw, kind: Estimator, v: Any) -> Array:
    """Cov Ĥv of one trajectory, (S, A, S, A)."""
    v = _direction(v, "v", law)
    if kind.cross:
        return cross_moments(law, v, Whole(law)).covariance(law)
    score = center(law.pi, v)
    return _both_sides(
        table_covariance(law), lambda X: curvature(law.pi, X, score, local=kind.local)
    )


def functional_variance(law: TrajectoryLaw, weight: Array) -> float:
    """Var Σ_t γ^t Â_t weight(x_t), a linear functional of C, in O(T nnz(P))."""
    moments, pi = law.advantages, law.pi
    mean_tail, advantage_tail = np.zeros(law.shape[0]), np.zeros(law.shape[0])
    second = 0.0
    for t in range(law.horizon - 1, -1, -1):
        w = law.gamma**t
        later = law.expect(1, mean_tail) + law.kappa * law.expect(0, advantage_tail)
        occupied = law.state_distribution[t, :, None] * pi
        here = w * weight * moments.square[t]
        second += np.sum(occupied * w * weight * (here + 2 * later))
        mean_tail = (pi * (w * weight * moments.mean[t] + law.expect(0, mean_tail))).sum(axis=1)
        advantage_tail = (pi * (here + later)).sum(axis=1)
    return float(second - (law.initial @ mean_tail) ** 2)


def gradient_variance_along(law: TrajectoryLaw, u: Any) -> float:
    """uᵀ Cov(ĝ) u of one trajectory."""
    return functional_variance(law, center(law.pi, _direction(u, "u", law)))


def hvp_variance_along(law: TrajectoryLaw, kind: Estimator, v: Any, u: Any) -> float:
    """uᵀ Cov(Ĥv) u of one trajectory."""
    v, u = _direction(v, "v", law), _direction(u, "u", law)
    q = center(law.pi, v)
    if not kind.cross:
        weight = -np.broadcast_to((law.pi * q * u).sum(axis=1, keepdims=True), law.shape)
        return functional_variance(law, weight + q * center(law.pi, u) * kind.local)
    return cross_moments(law, v, Along(law, u)).along(law, u)


def hvp_variance(law: TrajectoryLaw, kind: Estimator, v: Any) -> float:
    """tr Cov Ĥv of one trajectory."""
    v = _direction(v, "v", law)
    if not kind.cross:
        phi, _ = own_vectors(law, v, local=kind.local)
        return float(np.einsum("sxb,syb,sxy->", phi, phi, table_covariance_blocks(law)))
    return cross_trace(law, v)


def hessian_variance(law: TrajectoryLaw, kind: Estimator) -> float:
    """E‖Ĥ − E Ĥ‖_F² of one trajectory, the sum of `hvp_variance` over a basis."""
    if kind.cross:
        basis = np.eye(law.size).reshape(-1, *law.shape)
        return sum(hvp_variance(law, kind, v) for v in basis)
    psi, fisher = own_scores(law)
    products = (fisher**2).sum(axis=(-2, -1), keepdims=True)  # ⟨Φ(s, a), Φ(s, b)⟩_F
    if kind.local:
        transposed = psi.swapaxes(-1, -2)
        with_fisher = ((psi @ fisher) * psi).sum(axis=-1)
        products = products - with_fisher[:, :, None] - with_fisher[:, None, :]
        products = products + (psi @ transposed) ** 2
    return float((products * table_covariance_blocks(law)).sum())


def own_scores(law: TrajectoryLaw) -> tuple[Array, Array]:
    """ψ(s, a) = ∇log π(a|s), (S, A, A), and F(s) = Σ_a π ψψᵀ = −∇²log π, within each state.

    For `ad` and `lvc`, Ĥ = Σ_x C(x) Φ(x) with Φ = −F for `ad` and ψψᵀ − F for `lvc`.
    """
    psi = np.eye(law.shape[1]) - law.pi[:, None, :]
    return psi, law.pi[:, :, None] * psi


def own_functional(law: TrajectoryLaw, kind: Estimator, B: Array) -> Array:
    """⟨Φ(s, a), B(s)⟩_F for B (S, A, A), (S, A)."""
    psi, fisher = own_scores(law)
    fixed = np.broadcast_to(-(fisher * B).sum(axis=-1).sum(axis=-1, keepdims=True), law.shape)
    return fixed + ((psi @ B) * psi).sum(axis=-1) if kind.local else fixed


def own_products(law: TrajectoryLaw, kind: Estimator, vectors: Array) -> Array:
    """Σ_a Φ(s, a) v(s, a) for vectors v (S, A, A), (S, A)."""
    psi, fisher = own_scores(law)
    fixed = -np.einsum("sxb,sb->sx", fisher, vectors.sum(axis=1))
    along = (psi * vectors).sum(axis=-1)
    return fixed + np.einsum("sax,sa->sx", psi, along) if kind.local else fixed


def _direction(v: Any, name: str, law: TrajectoryLaw) -> Array:
    """Return one direction (S, A)."""
    direction = _checks.table(v, name, law.shape)
    if direction.ndim != 2:
        raise ValueError(f"{name} must be one direction {law.shape}, received {direction.shape}")
    return direction


def _both_sides(table: Array, linear: Any) -> Array:
    """L X Lᵀ for a linear map of (..., S, A) tables and X (S, A, S, A)."""
    return np.moveaxis(linear(np.moveaxis(linear(table), (2, 3), (0, 1))), (0, 1), (2, 3))
