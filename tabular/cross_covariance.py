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
Cost: O(T nnz(P) D) for a covariance, O(T nnz(P)) along a direction; the trace is
`tabular.cross_trace`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from tabular.estimators import curvature
from tabular.policy import center, project
from tabular.trajectory_law import (
    TrajectoryLaw,
    add_block,
    as_table,
    own_vectors,
    scaled,
    stack_blocks,
)
from tabular.transitions import Array


class Reader(Protocol):
    """Which part of the S × D tables is carried and read."""

    columns: int

    def add(self, tails: Array, block: Array) -> None:
        """Add a block (S, A) to the states' own entries."""
        ...

    def later(self, power: int, tails: Array) -> Array:
        """E[δ^power tails'|x], (S, A, ...)."""
        ...


class Whole:
    """All of the tables."""

    def __init__(self, law: TrajectoryLaw) -> None:
        self.columns = law.size
        self._law = law

    def add(self, tails: Array, block: Array) -> None:
        """Add to the diagonal blocks."""
        add_block(tails, block)

    def later(self, power: int, tails: Array) -> Array:
        """(S, A, S, A)."""
        return self._law.expect(power, as_table(self._law, tails))


class Along:
    """The tables times u only: enough for the variance along u."""

    columns = 1

    def __init__(self, law: TrajectoryLaw, u: Array) -> None:
        self._law, self._direction = law, u

    def add(self, tails: Array, block: Array) -> None:
        """Add the block's product with u."""
        tails[:, 0] += (block * self._direction).sum(axis=1)

    def later(self, power: int, tails: Array) -> Array:
        """(S, A), contracted with u."""
        return self._law.expect(power, tails[:, 0])


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
        return float(total - self.mean[0] ** 2)


class Scalars(NamedTuple):
    """Given x_t: E[Â], E[Â²], E[z], E[Âz], E[z²] with z = γ v·G', each (S, A)."""

    A: Array
    AA: Array
    z: Array
    Az: Array
    zz: Array

    def blocks(self, pi: Array, q: Array) -> Array:
        """What x_t itself adds to the six tables, averaged over actions: (6, S, A)."""
        A, AA, z, Az, zz = self

        def psi(weight: Array) -> Array:
            return project(pi, pi * weight)

        def phi(weight: Array) -> Array:
            return curvature(pi, pi * weight, q, local=True)

        return np.stack(
            [
                psi(A),
                psi(AA),
                phi(A) + psi(z),
                phi(AA) + psi(Az),
                psi(q * AA + Az),
                phi(q * AA + Az) + psi(q * Az + zz),
            ]
        )


def scalars(law: TrajectoryLaw, q: Array) -> Iterator[Scalars]:
    """The scalar moments for t = T − 1, ..., 0, from the tails g = v·G, Âg and g²."""
    g, Ag, gg = np.zeros((3, law.shape[0]))
    for A, AA in zip(law.advantages.mean[::-1], law.advantages.square[::-1], strict=True):
        z = law.gamma * law.expect(0, g)
        Az = law.gamma * (law.expect(1, g) + law.kappa * law.expect(0, Ag))
        zz = law.gamma**2 * law.expect(0, gg)
        yield Scalars(A, AA, z, Az, zz)
        here = (q * A + z, q * AA + Az, q**2 * AA + 2 * q * Az + zz)
        g, Ag, gg = ((law.pi * weight).sum(axis=1) for weight in here)


def pasts(law: TrajectoryLaw, q: Array) -> Array:
    """E[p^k; s_t] for k = 0, 1, 2, (3, T, S)."""
    return law.carry_forward([law.under(0, q**k) for k in range(3)])


def cross_moments(law: TrajectoryLaw, v: Array, reader: Reader) -> CrossMoments:
    """Walk backwards once and collect what `CrossMoments` needs."""
    num_states, kappa, gamma = law.shape[0], law.kappa, law.gamma
    q = center(law.pi, v)
    past, step = pasts(law, q)[..., None] * law.pi, one_step(law, q)
    tails = np.zeros((6, num_states, reader.columns))
    phi_phi, phi_psi, psi_psi = (np.zeros(law.shape) for _ in range(3))
    phi_later: Any = 0.0
    psi_later: Any = 0.0
    for t, here in zip(range(law.horizon - 1, -1, -1), scalars(law, q), strict=True):
        G, AG, y, Ay, vGG, vGy = tails
        e0, e1, e2 = gamma ** (2 * t) * past[:, t]
        phi_phi += e0 * here.AA
        phi_psi += e1 * here.AA + e0 * here.Az
        psi_psi += e2 * here.AA + 2 * e1 * here.Az + e0 * here.zz
        later_AG = gamma * (reader.later(1, G) + kappa * reader.later(0, AG))
        later_Ay = gamma * (reader.later(1, y) + kappa * reader.later(0, Ay))
        phi_later += scaled(e0, later_Ay) + scaled(e1 + q * e0, later_AG)
        psi_later += scaled(e1, later_Ay) + scaled(e2 + q * e1, later_AG)
        psi_later += scaled(gamma**2 * e0, reader.later(0, vGy))
        psi_later += scaled(gamma**2 * (e1 + q * e0), reader.later(0, vGG))

        tails = (step @ tails.reshape(6 * num_states, -1)).reshape(tails.shape)
        for table, block in zip(tails, here.blocks(law.pi, q), strict=True):
            reader.add(table, block)
    mean = law.initial @ tails[2]
    return CrossMoments(v, mean, phi_phi, phi_psi, psi_psi, phi_later, psi_later)


def one_step(law: TrajectoryLaw, q: Array) -> Any:
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
    return stack_blocks(rows)
