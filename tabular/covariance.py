"""Second moments of one trajectory's gradient and Hessian-vector product, in closed form.

With w = γ^t, κ = γλ, x = (s, a), q(x) = ψ(x)·v, φ(x) = q(x) ψ(x) − F(s) v, primes for time t + 1,
and the tails of a trajectory from t on

    Â = δ + κ Â'        C = w Â e_x + C'        G = w Â ψ + G',

every quadratic moment closes backwards in time. The gradient of all estimators and the Hessian
products of `ad` and `lvc` are linear in the table C:

    Z(x, ·)  = E[Â C'|x] = Σ P (δ E[C'] + κ E[Â'C'])
    E[C Cᵀ]  = Σ_t Σ_x p_t(x) (w² E[Â²|x] e_x e_xᵀ + w e_x Z(x)ᵀ + w Z(x) e_xᵀ).

The Loaded/DiCE product adds pairs with the past, p_t = Σ_{j<t} q_j, and the future, z = v·G'. Its
tail from an empty past obeys y = w Â φ + z ψ + q G' + y', and a past p adds p G, so that

    Ĥv = Σ_t Y_t,   Y_t = w Â (φ + p ψ) + z ψ
    E[Ĥv (Ĥv)ᵀ] = Σ_t E[Y_t Y_tᵀ] + E[Y_t (y' + (p + q) G')ᵀ] + transpose.

The past enters through E[p^k; s_t], k = 0, 1, 2, carried forwards; the future through the S × D
tables E[G], E[ÂG], E[y], E[Ây], E[(v·G)G], E[(v·G)y] carried backwards. Cost: O(T nnz(P) D) for a
covariance, O(T nnz(P_π) D) for its trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import _checks
from tabular.estimators import curvature
from tabular.policy import center, project
from tabular.registry import ESTIMATORS, Estimator
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array


def table_covariance(law: TrajectoryLaw) -> Array:
    """Cov C of one trajectory, (S, A, S, A)."""
    pairs, diagonal, mean = _table_moments(law, law.expect)
    second = pairs + pairs.transpose(2, 3, 0, 1)
    matrix = second.reshape(law.size, law.size)
    matrix[np.diag_indices(law.size)] += diagonal.ravel()
    return second - np.multiply.outer(mean, mean)


def table_covariance_blocks(law: TrajectoryLaw) -> Array:
    """The blocks Cov(C(s, ·), C(s, ·)) of `table_covariance`, (S, A, A), without the rest."""
    pairs, diagonal, mean = _table_moments(law, law.expect_own_block)
    blocks = pairs + pairs.transpose(0, 2, 1) - mean[:, :, None] * mean[:, None, :]
    each = np.arange(law.shape[1])
    blocks[:, each, each] += diagonal
    return blocks


def _table_moments(law: TrajectoryLaw, expect: Any) -> tuple[Array, Array, Array]:
    """Σ_t w p_t(x) Z(x, ·), the diagonal term, and E C; `expect` says how much of Z to form."""
    num_states, pi, moments = law.shape[0], law.pi, law.advantages
    P, P_delta = law.under(0), law.under(1)
    occupied = law.state_distribution[:, :, None] * pi
    mean_tail = np.zeros((num_states, law.size))
    advantage_tail = np.zeros((num_states, law.size))
    pairs: Any = 0.0
    diagonal, mean = np.zeros(law.shape), np.zeros(law.shape)
    for t in range(law.horizon - 1, -1, -1):
        w = law.gamma**t
        later = expect(1, _as_table(law, mean_tail))
        later = later + law.kappa * expect(0, _as_table(law, advantage_tail))
        pairs += _scaled(w * occupied[t], later)
        diagonal += w**2 * occupied[t] * moments.square[t]
        mean += w * occupied[t] * moments.mean[t]
        advantage_tail = P_delta @ mean_tail + law.kappa * (P @ advantage_tail)
        mean_tail = P @ mean_tail
        _add_block(mean_tail, w * pi * moments.mean[t])
        _add_block(advantage_tail, w * pi * moments.square[t])
    return pairs, diagonal, mean


def gradient_covariance(law: TrajectoryLaw) -> Array:
    """Cov ĝ of one trajectory, (S, A, S, A)."""
    return _both_sides(table_covariance(law), lambda X: project(law.pi, X))


def gradient_variance(law: TrajectoryLaw) -> float:
    """tr Cov ĝ of one trajectory."""
    psi = np.eye(law.shape[1]) - law.pi[:, None, :]
    return float(np.einsum("sxb,syb,sxy->", psi, psi, table_covariance_blocks(law)))


def hvp_covariance(law: TrajectoryLaw, kind: Estimator, v: Any) -> Array:
    """Cov Ĥv of one trajectory, (S, A, S, A)."""
    v = _checks.table(v, "v", law.shape)
    if kind.cross:
        return _cross_moments(law, v, law.expect).covariance(law)
    score = center(law.pi, v)
    return _both_sides(table_covariance(law), lambda X: curvature(kind, law.pi, X, score))


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
    return functional_variance(law, center(law.pi, _checks.table(u, "u", law.shape)))


def hvp_variance_along(law: TrajectoryLaw, kind: Estimator, v: Any, u: Any) -> float:
    """uᵀ Cov(Ĥv) u of one trajectory."""
    v, u = _checks.table(v, "v", law.shape), _checks.table(u, "u", law.shape)
    q = center(law.pi, v)
    if not kind.cross:
        weight = -np.broadcast_to((law.pi * q * u).sum(axis=1, keepdims=True), law.shape)
        return functional_variance(law, weight + q * center(law.pi, u) * kind.local)

    def expect(power: int, tails: Array) -> Array:
        return law.expect(power, np.tensordot(tails, u, 2))

    return _cross_moments(law, v, expect).along(law, u)


def hvp_variance(law: TrajectoryLaw, kind: Estimator, v: Any) -> float:
    """tr Cov Ĥv of one trajectory."""
    v = _checks.table(v, "v", law.shape)
    if not kind.cross:
        phi = _own_vectors(law, v)[0] if kind.local else _fisher_product(law, v)
        return float(np.einsum("sxb,syb,sxy->", phi, phi, table_covariance_blocks(law)))
    return _cross_moments(law, v, law.expect_own_block).trace(law)


def _both_sides(table: Array, linear: Any) -> Array:
    """L X Lᵀ for a linear map of (..., S, A) tables and X (S, A, S, A)."""
    return np.moveaxis(linear(np.moveaxis(linear(table), (2, 3), (0, 1))), (0, 1), (2, 3))


def _add_block(tails: Array, block: Array) -> None:
    """Add block (S, A) to the own-state entries of tails (S, D), in place."""
    num_states, num_actions = block.shape
    each = np.arange(num_states)
    tails.reshape(num_states, num_states, num_actions)[each, each] += block


def _as_table(law: TrajectoryLaw, tails: Array) -> Array:
    """Tails (S, D) as (S, S, A)."""
    return tails.reshape(law.shape[0], *law.shape)


def _own_vectors(law: TrajectoryLaw, v: Array) -> tuple[Array, Array]:
    """φ and ψ of every (s, a) within their own state, (S, A, A)."""
    psi = np.eye(law.shape[1]) - law.pi[:, None, :]
    return center(law.pi, v)[..., None] * psi + _fisher_product(law, v), psi


def _fisher_product(law: TrajectoryLaw, v: Array) -> Array:
    """− F(s) v for every (s, a), (S, A, A)."""
    product = -(law.pi * center(law.pi, v))
    return np.repeat(product[:, None, :], law.shape[1], axis=1)


@dataclass
class _CrossMoments:
    """E[Ĥv] and the weights on φφᵀ, φψᵀ, ψψᵀ and on φ ⊗, ψ ⊗ (later tables)."""

    v: Array
    mean: Array
    phi_phi: Array
    phi_psi: Array
    psi_psi: Array
    phi_later: Array
    psi_later: Array

    def covariance(self, law: TrajectoryLaw) -> Array:
        phi, psi = _own_vectors(law, self.v)
        pairs = np.einsum("sab,saxc->sbxc", phi, self.phi_later)
        pairs += np.einsum("sab,saxc->sbxc", psi, self.psi_later)
        second = pairs + pairs.transpose(2, 3, 0, 1)
        mixed = np.einsum("sa,sab,sac->sbc", self.phi_psi, phi, psi)
        each = np.arange(law.shape[0])
        second[each, :, each, :] += (
            np.einsum("sa,sab,sac->sbc", self.phi_phi, phi, phi)
            + np.einsum("sa,sab,sac->sbc", self.psi_psi, psi, psi)
            + mixed
            + mixed.transpose(0, 2, 1)
        )
        return second - np.multiply.outer(self.mean, self.mean)

    def along(self, law: TrajectoryLaw, u: Array) -> float:
        """uᵀ Cov u, where the later tables are already contracted with u."""
        phi, psi = (np.einsum("sab,sb->sa", vectors, u) for vectors in _own_vectors(law, self.v))
        total = 2 * np.sum(phi * self.phi_later + psi * self.psi_later)
        total += np.sum(self.phi_phi * phi**2 + 2 * self.phi_psi * phi * psi)
        total += np.sum(self.psi_psi * psi**2)
        return float(total - np.sum(self.mean * u) ** 2)

    def trace(self, law: TrajectoryLaw) -> float:
        phi, psi = _own_vectors(law, self.v)
        total = 2 * np.sum(phi * self.phi_later) + 2 * np.sum(psi * self.psi_later)
        total += np.sum(self.phi_phi[..., None] * phi * phi)
        total += 2 * np.sum(self.phi_psi[..., None] * phi * psi)
        total += np.sum(self.psi_psi[..., None] * psi * psi)
        return float(total - np.sum(self.mean**2))


def _cross_moments(law: TrajectoryLaw, v: Array, expect: Any) -> _CrossMoments:
    """Walk backwards once; `expect` gives full tables or only those of the own state."""
    num_states, size, pi, kappa = law.shape[0], law.size, law.pi, law.kappa
    q = center(pi, v)
    lvc = ESTIMATORS["lvc"]
    P, Pq, Pqq = law.under(0), law.under(0, q), law.under(0, q * q)
    Pd, Pqd, Pqqd = law.under(1), law.under(1, q), law.under(1, q * q)
    past = law.carry_forward([P, Pq, Pqq])[..., None] * pi

    def psi(weight: Array) -> Array:
        return project(pi, pi * weight)

    def phi(weight: Array) -> Array:
        return curvature(lvc, pi, pi * weight, q)

    def table(tails: Array) -> Array:
        return _as_table(law, tails)

    G, AG, y, Ay, vGG, vGy = (np.zeros((num_states, size)) for _ in range(6))
    phi_phi, phi_psi, psi_psi = (np.zeros(law.shape) for _ in range(3))
    phi_later: Any = 0.0
    psi_later: Any = 0.0
    direction = v.ravel()
    for t in range(law.horizon - 1, -1, -1):
        w, A, AA = law.gamma**t, law.advantages.mean[t], law.advantages.square[t]
        e0, e1, e2 = past[:, t]
        z = law.expect(0, G @ direction)
        Az = law.expect(1, G @ direction) + kappa * law.expect(0, AG @ direction)
        zz = law.expect(0, vGG @ direction)

        phi_phi += w**2 * e0 * AA
        phi_psi += w**2 * e1 * AA + w * e0 * Az
        psi_psi += w**2 * e2 * AA + 2 * w * e1 * Az + e0 * zz
        later_AG = expect(1, table(G)) + kappa * expect(0, table(AG))
        later_Ay = expect(1, table(y)) + kappa * expect(0, table(Ay))
        phi_later += _scaled(w * e0, later_Ay) + _scaled(w * (e1 + q * e0), later_AG)
        psi_later += _scaled(w * e1, later_Ay) + _scaled(w * (e2 + q * e1), later_AG)
        psi_later += _scaled(e0, expect(0, table(vGy)))
        psi_later += _scaled(e1 + q * e0, expect(0, table(vGG)))

        vGy = w * (Pqqd @ G + kappa * (Pqq @ AG) + Pqd @ y + kappa * (Pq @ Ay)) + Pq @ vGG + P @ vGy
        vGG = w * (Pqd @ G + kappa * (Pq @ AG)) + P @ vGG
        Ay = Pqd @ G + kappa * (Pq @ AG) + Pd @ y + kappa * (P @ Ay)
        y = Pq @ G + P @ y
        AG = Pd @ G + kappa * (P @ AG)
        G = P @ G
        _add_block(vGy, phi(w**2 * q * AA + w * Az) + psi(w * q * Az + zz))
        _add_block(vGG, psi(w**2 * q * AA + w * Az))
        _add_block(Ay, phi(w * AA) + psi(Az))
        _add_block(y, phi(w * A) + psi(z))
        _add_block(AG, psi(w * AA))
        _add_block(G, psi(w * A))
    mean = (law.initial @ y).reshape(law.shape)
    return _CrossMoments(v, mean, phi_phi, phi_psi, psi_psi, phi_later, psi_later)


def _scaled(weight: Array, later: Array) -> Array:
    """weight(x) · later(x, ...)."""
    return weight.reshape(*weight.shape, *(1,) * (later.ndim - weight.ndim)) * later
