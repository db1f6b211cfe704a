"""Second moments of the Loaded/DiCE Hessian-vector product, in closed form.

With κ = γλ, q(x) = ψ(x)·v, φ(x) = q(x) ψ(x) − F(s) v, primes for time t + 1, and tails measured
from t on,

    Â = δ + κ Â'        G = Â ψ + γ G'        z = v·G',

the product adds to LVC's Â φ pairs with the past, p_t = Σ_{j<t} q_j, and with the future, z. Its
tail from an empty past obeys y = Â φ + γ z ψ + γ q G' + γ y', and a past p adds p G, so that

    Ĥv = Σ_t γ^t Y_t,   Y_t = Â (φ + p ψ) + γ z ψ
    E[Ĥv (Ĥv)ᵀ] = Σ_t γ^{2t} (E[Y_t Y_tᵀ] + γ E[Y_t (y' + (p + q) G')ᵀ] + transpose).

The past enters through E[p^k; s_t], k = 0, 1, 2, carried forwards. The future enters through six
S × D tables, E[G], E[ÂG], E[y], E[Ây], E[(v·G)G] and E[(v·G)y]: multiplying the tails out, each is
a combination of the six at t + 1, always the same one, plus a term in the state's own block.
Cost: O(T nnz(P) D) for a covariance, O(T nnz(P_π) D) for its trace, O(T nnz(P)) along a direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from tabular.estimators import curvature
from tabular.policy import center, project
from tabular.trajectory_law import TrajectoryLaw, add_block, as_table, own_vectors, scaled
from tabular.transitions import Array


class Reader(Protocol):
    """Which part of the S × D tables is carried and read."""

    columns: int

    def add(self, tails: Array, block: Array) -> None:
        """Add a block (S, A) to the states' own entries."""
        ...

    def along_v(self, tails: Array) -> Array:
        """The tables times v, (S,)."""
        ...

    def later(self, power: int, tails: Array) -> Array:
        """E[δ^power tails'|x], (S, A, ...)."""
        ...


class Whole:
    """All of the tables; the later ones in full or, for a trace, the state's own block."""

    def __init__(self, law: TrajectoryLaw, v: Array, *, own_block: bool) -> None:
        self.columns = law.size
        self._law, self._v = law, v.ravel()
        self._expect = law.expect_own_block if own_block else law.expect

    def add(self, tails: Array, block: Array) -> None:
        """Add to the diagonal blocks."""
        add_block(tails, block)

    def along_v(self, tails: Array) -> Array:
        """Multiply by v."""
        return tails @ self._v

    def later(self, power: int, tails: Array) -> Array:
        """(S, A, S, A), or (S, A, A) of the own block."""
        return self._expect(power, as_table(self._law, tails))


class Along:
    """The tables times v and u only: enough for the variance along u."""

    columns = 2

    def __init__(self, law: TrajectoryLaw, v: Array, u: Array) -> None:
        self._law, self._directions = law, np.stack([v, u], axis=-1)

    def add(self, tails: Array, block: Array) -> None:
        """Add the block's products with v and u."""
        tails += np.einsum("sa,sak->sk", block, self._directions)

    def along_v(self, tails: Array) -> Array:
        """The first column."""
        return tails[:, 0]

    def later(self, power: int, tails: Array) -> Array:
        """(S, A), contracted with u."""
        return self._law.expect(power, tails[:, 1])


@dataclass
class CrossMoments:
    """E[Ĥv] and the weights on φφᵀ, φψᵀ, ψψᵀ and on φ ⊗, ψ ⊗ (later tables)."""

    v: Array
    mean: Array
    phi_phi: Array
    phi_psi: Array
    psi_psi: Array
    phi_later: Array
    psi_later: Array

    def covariance(self, law: TrajectoryLaw) -> Array:
        """Cov Ĥv, (S, A, S, A)."""
        phi, psi = own_vectors(law, self.v)
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
        mean = self.mean.reshape(law.shape)
        return second - np.multiply.outer(mean, mean)

    def along(self, law: TrajectoryLaw, u: Array) -> float:
        """uᵀ Cov u, where the later tables are already contracted with u."""
        phi, psi = (np.einsum("sab,sb->sa", vectors, u) for vectors in own_vectors(law, self.v))
        total = 2 * np.sum(phi * self.phi_later + psi * self.psi_later)
        total += np.sum(self.phi_phi * phi**2 + 2 * self.phi_psi * phi * psi)
        total += np.sum(self.psi_psi * psi**2)
        return float(total - self.mean[1] ** 2)

    def trace(self, law: TrajectoryLaw) -> float:
        """tr Cov Ĥv, where the later tables hold their own state only."""
        phi, psi = own_vectors(law, self.v)
        total = 2 * np.sum(phi * self.phi_later) + 2 * np.sum(psi * self.psi_later)
        total += np.sum(self.phi_phi[..., None] * phi * phi)
        total += 2 * np.sum(self.phi_psi[..., None] * phi * psi)
        total += np.sum(self.psi_psi[..., None] * psi * psi)
        return float(total - np.sum(self.mean**2))


def cross_moments(law: TrajectoryLaw, v: Array, reader: Reader) -> CrossMoments:
    """Walk backwards once and collect what `CrossMoments` needs."""
    num_states, pi, kappa, gamma = law.shape[0], law.pi, law.kappa, law.gamma
    q = center(pi, v)
    past = law.carry_forward([law.under(0, q**k) for k in range(3)])[..., None] * pi
    one_step = _one_step(law, q)

    def psi(weight: Array) -> Array:
        return project(pi, pi * weight)

    def phi(weight: Array) -> Array:
        return curvature(pi, pi * weight, q, local=True)

    tails = np.zeros((6, num_states, reader.columns))
    phi_phi, phi_psi, psi_psi = (np.zeros(law.shape) for _ in range(3))
    phi_later: Any = 0.0
    psi_later: Any = 0.0
    for t in range(law.horizon - 1, -1, -1):
        G, AG, y, Ay, vGG, vGy = tails
        A, AA = law.advantages.mean[t], law.advantages.square[t]
        e0, e1, e2 = gamma ** (2 * t) * past[:, t]
        z = gamma * law.expect(0, reader.along_v(G))
        Az = gamma * law.expect(1, reader.along_v(G))
        Az += gamma * kappa * law.expect(0, reader.along_v(AG))
        zz = gamma**2 * law.expect(0, reader.along_v(vGG))

        phi_phi += e0 * AA
        phi_psi += e1 * AA + e0 * Az
        psi_psi += e2 * AA + 2 * e1 * Az + e0 * zz
        later_AG = gamma * (reader.later(1, G) + kappa * reader.later(0, AG))
        later_Ay = gamma * (reader.later(1, y) + kappa * reader.later(0, Ay))
        phi_later += scaled(e0, later_Ay) + scaled(e1 + q * e0, later_AG)
        psi_later += scaled(e1, later_Ay) + scaled(e2 + q * e1, later_AG)
        psi_later += scaled(gamma**2 * e0, reader.later(0, vGy))
        psi_later += scaled(gamma**2 * (e1 + q * e0), reader.later(0, vGG))

        tails = (one_step @ tails.reshape(6 * num_states, -1)).reshape(tails.shape)
        blocks = (
            psi(A),
            psi(AA),
            phi(A) + psi(z),
            phi(AA) + psi(Az),
            psi(q * AA + Az),
            phi(q * AA + Az) + psi(q * Az + zz),
        )
        for table, block in zip(tails, blocks, strict=True):
            reader.add(table, block)
    mean = law.initial @ tails[2]
    return CrossMoments(v, mean, phi_phi, phi_psi, psi_psi, phi_later, psi_later)


def _one_step(law: TrajectoryLaw, q: Array) -> Any:
    """The (6 S, 6 S) matrix from the six tables at t + 1 to those at t, own blocks apart."""
    gamma, kappa = law.gamma, law.kappa
    P, Pq = gamma * law.under(0), gamma * law.under(0, q)
    kP, kPq, kPqq = kappa * P, kappa * Pq, gamma * kappa * law.under(0, q * q)
    Pd, Pqd, Pqqd = (gamma * law.under(1, q**k) for k in range(3))
    rows = [
        [P, None, None, None, None, None],  # G
        [Pd, kP, None, None, None, None],  # ÂG
        [Pq, None, P, None, None, None],  # y
        [Pqd, kPq, Pd, kP, None, None],  # Ây
        [Pqd, kPq, None, None, gamma * P, None],  # (v·G) G
        [Pqqd, kPqq, Pqd, kPq, gamma * Pq, gamma * P],  # (v·G) y
    ]
    if any(sp.issparse(block) for row in rows for block in row):
        return sp.block_array(rows, format="csr")
    zero = np.zeros_like(P)
    return np.block([[zero if block is None else block for block in row] for row in rows])
