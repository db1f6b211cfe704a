"""Covariance of the derivatives by γ and λ, alone and jointly with a Hessian product.

For a vector u, one trajectory gives Ĥu and B = (⟨∂_γ ĝ,u⟩, ⟨∂_λ ĝ,u⟩) (`tabular.estimators`). With
q(x) = ψ(x)·u and primes for time t + 1, the tail of ⟨ĝ,u⟩ is g = q Â + γ g'; B = (∂_γg_0, ∂_λg_0).
Each of the tails m = (1, Â, g, ∂_γÂ, ∂_γg, ∂_λÂ, ∂_λg) is linear in those at t + 1,

    Â    = δ + κ Â'                    g    = q Â + γ g'
    ∂_γÂ = V_b(s') + λ Â' + κ ∂_γÂ'     ∂_γg = q ∂_γÂ + g' + γ ∂_γg'
    ∂_λÂ = γ Â' + κ ∂_λÂ'               ∂_λg = q ∂_λÂ + γ ∂_λg',

so that E[m mᵀ|x] closes backwards in time, and E[B Bᵀ] is a part of it at s_0. A past before t
enters by a_t = Σ_{j<t} λ^{t−j} q_j, because g_0 = Σ_{k<t} γ^k (a_k + q_k) δ_k + γ^t (a Â + g):

    B_γ = c_γ + t γ^{t−1} (a Â + g) + γ^t (a ∂_γÂ + ∂_γg)
    B_λ = c_λ + γ^t (∂_λa Â + a ∂_λÂ + ∂_λg)

with c the derivatives of the sum up to t − 1. Past and future are independent given x_t, and
Ĥu = Σ_t γ^t (Â φ + (p Â + γ g') ψ) (`tabular.reward_covariance`), so that

    E[Ĥu Bᵀ] = Σ_t γ^t Σ_x (φ E[Â Bᵀ; x] + ψ E[(p Â + g − q Â) Bᵀ; x])

needs scalars only: the means of 1, a, ∂_λa, c_γ, c_λ and their products with p, carried forwards.
Cost: O(T nnz(P)) for either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tabular.policy import center
from tabular.registry import Estimator
from tabular.trajectory_law import TrajectoryLaw, own_vectors
from tabular.transitions import Array

#: Places in m.
ONE, ADVANTAGE, SCORE, ADVANTAGE_GAMMA, SCORE_GAMMA, ADVANTAGE_LAMBDA, SCORE_LAMBDA = range(7)


def own_covariance(law: TrajectoryLaw, kind: Estimator, u: Array) -> Array:
    """Cov B of one trajectory for a vector u (S, A): (2, 2)."""
    for moments in _tail_moments(law, center(law.pi, u)):
        first = moments
    second = np.einsum("s,sa,saij->ij", law.initial, law.pi, first)
    picked = [SCORE_GAMMA, SCORE_LAMBDA]
    mean = second[ONE, picked]
    return _used(kind) * (second[np.ix_(picked, picked)] - np.outer(mean, mean)) * _used(kind).T


def joint_covariance(law: TrajectoryLaw, kind: Estimator, u: Array) -> Array:
    """Cov(Ĥu, B) of one trajectory for a vector u (S, A): (D, 2)."""
    q = center(law.pi, u)
    r = q * kind.cross
    phi, psi = own_vectors(law, u, local=kind.local)
    psi = psi * kind.cross
    past = _pasts(law, q, r)
    second = np.zeros((*law.shape, 3))
    steps = range(law.horizon - 1, -1, -1)
    for t, moments in zip(steps, _tail_moments(law, q), strict=True):
        one, p = np.einsum("kfs,cfj->kscj", past[t], _coefficients(law.gamma, t))
        with_A, with_g = moments[..., ADVANTAGE], moments[..., SCORE]
        with_z = with_g - q[..., None] * with_A
        of_phi = np.einsum("scj,saj->sac", one, with_A)
        of_psi = np.einsum("scj,saj->sac", p, with_A) + np.einsum("scj,saj->sac", one, with_z)
        w = law.gamma**t * law.pi
        second += np.einsum("sa,sab,sac->sbc", w, phi, of_phi)
        second += np.einsum("sa,sab,sac->sbc", w, psi, of_psi)
    mean_score = np.einsum("s,sa,saj->j", law.initial, law.pi, moments[:, :, ONE])
    mean = mean_score[[SCORE_GAMMA, SCORE_LAMBDA]]
    product, both = second[..., 0], second[..., 1:]
    return (both - product[..., None] * mean).reshape(law.size, 2) * _used(kind).T


def _used(kind: Estimator) -> Array:
    """`dice` has no λ: (2, 1)."""
    return np.array([[1.0], [float(kind.baseline)]])


def _tail_moments(law: TrajectoryLaw, q: Array) -> Iterator[Array]:
    """E[m_t m_tᵀ|x] for t = T − 1, ..., 0, (S, A, 7, 7)."""
    gamma, kappa = law.gamma, law.kappa
    # m = step (m', V_b(s'), δ), before q enters; then g, ∂_γ g, ∂_λ g add q times their Â.
    step = np.zeros((7, 9))
    step[ONE, ONE] = step[ADVANTAGE, 8] = step[ADVANTAGE_GAMMA, 7] = step[SCORE_GAMMA, SCORE] = 1.0
    for each in (ADVANTAGE, ADVANTAGE_GAMMA, ADVANTAGE_LAMBDA):
        step[each, each], step[each + 1, each + 1] = kappa, gamma
    step[ADVANTAGE_GAMMA, ADVANTAGE] = law.gae_lambda
    step[ADVANTAGE_LAMBDA, ADVANTAGE] = gamma
    linear = np.broadcast_to(step, (*law.shape, 7, 9)).copy()
    for each in (ADVANTAGE, ADVANTAGE_GAMMA, ADVANTAGE_LAMBDA):
        linear[:, :, each + 1] += q[..., None] * step[each]

    later = np.zeros((law.shape[0], 7, 7))
    later[:, ONE, ONE] = 1.0
    baseline = law.baseline[:, None]
    ahead = np.zeros((*law.shape, 9, 9))
    for _ in range(law.horizon):
        mean = later[:, ONE]
        ahead[:, :, :7, :7] = law.expect(0, later)
        ahead[:, :, 7, :7] = ahead[:, :, :7, 7] = law.expect(0, baseline * mean)
        ahead[:, :, 8, :7] = ahead[:, :, :7, 8] = law.expect(1, mean)
        ahead[:, :, 7, 7] = law.expect(0, baseline**2)[..., 0]
        ahead[:, :, 7, 8] = ahead[:, :, 8, 7] = law.expect(1, baseline)[..., 0]
        ahead[:, :, 8, 8] = law.delta_square
        moments = linear @ ahead @ np.swapaxes(linear, -1, -2)
        yield moments
        later = np.einsum("sa,saij->sij", law.pi, moments)


def _coefficients(gamma: float, t: int) -> Array:
    """1, B_γ, B_λ as bilinear in the past (1, a, ∂_λ a, c_γ, c_λ) and m: (3, 5, 7)."""
    w, slope = gamma**t, t * gamma ** max(t - 1, 0)
    table = np.zeros((3, 5, 7))
    table[0, 0, ONE] = table[1, 3, ONE] = table[2, 4, ONE] = 1.0
    table[1, 0, SCORE] = table[1, 1, ADVANTAGE] = slope
    table[1, 0, SCORE_GAMMA] = table[1, 1, ADVANTAGE_GAMMA] = w
    table[2, 0, SCORE_LAMBDA] = table[2, 1, ADVANTAGE_LAMBDA] = table[2, 2, ADVANTAGE] = w
    return table


def _pasts(law: TrajectoryLaw, q: Array, r: Array) -> Array:
    """E[f; s_t] and E[f p; s_t] for f = 1, a, ∂_λ a, c_γ, c_λ: (T, 2, 5, S)."""
    past = np.zeros((law.horizon, 2, 5, law.shape[0]))
    past[0, 0, 0] = law.initial
    for t in range(1, law.horizon):
        w, slope = law.gamma ** (t - 1), (t - 1) * law.gamma ** max(t - 2, 0)
        one, p = past[t - 1, ..., None]
        here = law.pi * np.stack([one + 0 * q, p + r * one])
        d, a, a_lambda, c_gamma, c_lambda = np.moveaxis(here, 1, 0)
        b = a + q * d
        decayed = (law.gae_lambda * b, b + law.gae_lambda * a_lambda)
        past[t] = law.push(0, np.stack([d, *decayed, c_gamma, c_lambda], axis=1))
        past[t, :, 3] += slope * law.push(1, b) + w * law.baseline * law.push(0, b)
        past[t, :, 4] += w * law.push(1, a_lambda)
    return past
