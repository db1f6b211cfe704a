"""Covariance of the derivative by an intrinsic reward, alone and jointly with a Hessian product.

For rewards R + φ and a vector u, one trajectory gives Ĥu and N = ∂_φ⟨ĝ,u⟩ (`tabular.estimators`).
With q(x) = ψ(x)·u, primes for time t + 1, and tails measured from t on,

    U = ∂_φ Â = e_x + κ U'        N = q U + γ N'        g = r Â + γ g'
    G = Â ψ + γ G'                y = Â φ + γ g' ψ + γ (y' + r G')

where y is the tail of Ĥu with φ(x) = −F u [+ q ψ]_local and r = q for `loaded_dice` and `dice`; for
`ad` and `lvc`, r and the terms in ψ are left out. A past p_t = Σ_{j<t} r_j adds p G to y, and a
past a_t = Σ_{j<t} λ^{t−j} q_j adds a U to N, so that

    N = Σ_t γ^t (a_t + q_t) e_{x_t}        Ĥu = Σ_t γ^t Y_t,  Y_t = Â (φ + p ψ) + γ g' ψ.

A second moment is a sum over pairs of times: the past enters through E[p^i a^j; s_t], carried
forwards, the future through the S × D tables E[m U], E[m N] with m = 1, Â, g, and E[G], E[y]:

    E[N Nᵀ]  = Σ_t γ^{2t} E[b² e eᵀ + e (γ b N' + κ b² U')ᵀ + transpose]        b = a + q
    E[Ĥu Nᵀ] = Σ_t γ^{2t} E[Y (b e + γ N' + κ b U')ᵀ + γ b (y' + (p + r) G') eᵀ].

The tables close because E[m_t T'|x] follows from E[m' T'], δ and q alone. N depends on an estimator
only through its λ. Cost: O(T nnz(P) D) for either.
"""

from __future__ import annotations

import numpy as np

from tabular.policy import center
from tabular.registry import Estimator
from tabular.trajectory_law import TrajectoryLaw, add_block, own_vectors
from tabular.transitions import Array


def own_covariance(law: TrajectoryLaw, kind: Estimator, u: Array) -> Array:
    """Cov N of one trajectory for a vector u (S, A): (D, D)."""
    q, pi = center(law.pi, u), law.pi
    past = _pasts(law, q, np.zeros_like(q))
    U, N = np.zeros((2, law.shape[0], law.size))
    diagonal, later = np.zeros(law.shape), np.zeros((*law.shape, law.size))
    for t in range(law.horizon - 1, -1, -1):
        w = law.gamma ** (2 * t) * pi
        d, _, a, _, aa = past[t]
        b, bb = w * (a + q * d), w * (aa + 2 * q * a + q**2 * d)
        next_U, next_N = law.expect(0, U), law.expect(0, N)
        diagonal += bb
        later += law.gamma * b[..., None] * next_N + law.kappa * bb[..., None] * next_U
        U, N = _reward_tails(law, q, np.ones((1, *law.shape)), next_U[None], next_N[None])[:, 0]
    second = later.reshape(law.size, law.size)
    second = second + second.T
    second[np.diag_indices(law.size)] += diagonal.ravel()
    mean = law.initial @ N
    return second - np.outer(mean, mean)


def joint_covariance(law: TrajectoryLaw, kind: Estimator, u: Array) -> Array:
    """Cov(Ĥu, N) of one trajectory for a vector u (S, A): (D, D), Ĥu first."""
    q, pi, gamma, kappa = center(law.pi, u), law.pi, law.gamma, law.kappa
    r = q * kind.cross
    phi, psi = own_vectors(law, u, local=kind.local)
    psi = psi * kind.cross
    past = _pasts(law, q, r)
    U, N = np.zeros((2, 3, law.shape[0], law.size))
    G, y = np.zeros((2, law.shape[0], law.size))
    phi_now, psi_now = np.zeros((2, *law.shape))
    phi_later, psi_later, reverse = np.zeros((3, *law.shape, law.size))
    for t in range(law.horizon - 1, -1, -1):
        w = gamma ** (2 * t) * pi
        d, p, a, pa, _ = past[t]
        b, pb = w * (a + q * d), w * (pa + q * p)
        d, p = w * d, w * p
        A = law.advantages.mean[t]
        next_G, next_y = law.expect(0, G), law.expect(0, y)
        z = gamma * next_G @ u.ravel()
        next_U, AU, zU = _multiplied(law, U)
        next_N, AN, zN = _multiplied(law, N)

        phi_now += b * A
        psi_now += pb * A + b * z
        phi_later += _rows(gamma * d, AN) + _rows(kappa * b, AU)
        psi_later += _rows(gamma * p, AN) + _rows(kappa * pb, AU)
        psi_later += _rows(gamma * d, zN) + _rows(kappa * b, zU)
        reverse += _rows(gamma * b, next_y) + _rows(gamma * (pb + r * b), next_G)

        m = np.stack([np.ones(law.shape), A, r * A + z])
        U, N = _reward_tails(
            law,
            q,
            m,
            np.stack([next_U, AU, _rows(r, AU) + zU]),
            np.stack([next_N, AN, _rows(r, AN) + zN]),
        )
        G, y = gamma * _average(law, next_G), gamma * _average(law, next_y + _rows(r, next_G))
        add_block(G, np.einsum("sa,sab->sb", pi * A, psi))
        add_block(y, np.einsum("sa,sab->sb", pi * A, phi) + np.einsum("sa,sab->sb", pi * z, psi))
    pairs = np.einsum("sab,saX->sbX", phi, phi_later) + np.einsum("sab,saX->sbX", psi, psi_later)
    second = pairs.reshape(law.size, law.size) + reverse.reshape(law.size, law.size).T
    each = np.arange(law.shape[0])
    now = np.einsum("sa,sab->sba", phi_now, phi) + np.einsum("sa,sab->sba", psi_now, psi)
    second.reshape(*law.shape, *law.shape)[each, :, each, :] += now
    return second - np.outer(law.initial @ y, law.initial @ N[0])


def _pasts(law: TrajectoryLaw, q: Array, r: Array) -> Array:
    """E[f; s_t] for f = 1, p, a, p a, a², (T, 5, S, 1)."""
    past = np.zeros((law.horizon, 5, law.shape[0], 1))
    past[0, 0, :, 0] = law.initial
    decay = law.gae_lambda
    for t in range(1, law.horizon):
        d, p, a, pa, aa = past[t - 1]
        b = a + q * d
        after = (d + 0 * q, p + r * d, decay * b, decay * (pa + q * p + r * b))
        square = decay**2 * (aa + 2 * q * a + q**2 * d)
        past[t, ..., 0] = law.push(0, law.pi * np.stack([*after, square]))
    return past


def _multiplied(law: TrajectoryLaw, tails: Array) -> tuple[Array, Array, Array]:
    """E[T'|x], E[Â T'|x], γ E[g' T'|x] from E[m T], m = 1, Â, g: (3, S, D) -> (S, A, D) each."""
    T, AT, gT = tails
    both = law.expect(1, T) + law.kappa * law.expect(0, AT)
    return law.expect(0, T), both, law.gamma * law.expect(0, gT)


def _reward_tails(law: TrajectoryLaw, q: Array, m: Array, later_U: Array, later_N: Array) -> Array:
    """E[m U], E[m N] at t from E[m|x] (k, S, A) and E[m U'|x], E[m N'|x] (k, S, A, D)."""
    U = law.kappa * _average(law, later_U)
    N = _average(law, law.kappa * _rows(q, later_U) + law.gamma * later_N)
    for i, weight in enumerate(law.pi * m):
        add_block(U[i], weight)
        add_block(N[i], q * weight)
    return np.stack([U, N])


def _rows(weight: Array, tables: Array) -> Array:
    """weight(x) · tables(..., x, ·)."""
    return weight[..., None] * tables


def _average(law: TrajectoryLaw, tables: Array) -> Array:
    """Σ_a π tables: (..., S, A, D) -> (..., S, D)."""
    return np.einsum("sa,...saX->...sX", law.pi, tables)
