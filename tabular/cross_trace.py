"""Trace of the covariance of the Loaded/DiCE Hessian-vector product, without its S × D tables.

ψ and φ live in one state, so that a trace joins only times at which the trajectory is in the same
state, and `tabular.returns` applies to the six tables of `tabular.cross_covariance`. Of M^l the
columns of G are walked and, in the four rows that they reach, those of ÂG; with g = v·G the others
are the same numbers, because y takes from y' what G takes from G':

    M^l(y, y) = M^l(G, G)       M^l(Ây, y) = M^l(ÂG, G)      M^l(gy, y) = M^l(gG, G)
    M^l(Ây, Ây) = M^l(ÂG, ÂG)   M^l(gy, Ây) = M^l(gG, ÂG)
    M^l(gG, gG) = M^l(gy, gy) = γ^l M^l(G, G)                M^l(gy, gG) = γ^l M^l(y, G).

The products ψ(x)·B and φ(x)·B = q ψ·B − F v·B are taken last.
Cost: O(T nnz(P_π) S + T² D), where the S × D tables cost O(T nnz(P_π) D).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tabular.cross_covariance import one_step, pasts, scalars
from tabular.policy import center
from tabular.returns import Returns, returns
from tabular.trajectory_law import TrajectoryLaw, own_vectors
from tabular.transitions import Array

#: Rows of M that the columns of ÂG reach: ÂG, Ây, gG, gy.
BELOW = np.array([1, 3, 4, 5])


def cross_trace(law: TrajectoryLaw, v: Array) -> float:
    """tr Cov Ĥv of one trajectory for a direction v (S, A)."""
    q = center(law.pi, v)
    past, powers = pasts(law, q), law.gamma ** np.arange(law.horizon)
    discounted = powers[:, None] ** 2 * past
    blocks = np.zeros((law.horizon, 6, *law.shape))
    phi, psi = own_vectors(law, v)
    phi_phi, phi_psi, psi_psi = (
        law.pi * (x * y).sum(axis=-1) for x, y in ((phi, phi), (phi, psi), (psi, psi))
    )
    total = 0.0
    for t, here in zip(range(law.horizon - 1, -1, -1), scalars(law, q), strict=True):
        blocks[t] = here.blocks(law.pi, q)
        e0, e1, e2 = discounted[:, t, :, None]
        total += np.sum(phi_phi * e0 * here.AA)
        total += 2 * np.sum(phi_psi * (e1 * here.AA + e0 * here.Az))
        total += np.sum(psi_psi * (e2 * here.AA + 2 * e1 * here.Az + e0 * here.zz))
    M = one_step(law, q)
    for group in returns(law, M, discounted, blocks, walked=10):
        total += 2 * _later(law, M, q[group.own], group)
    e0, e1, _ = powers[:, None, None] * past[..., None]
    mean = (e0 * blocks[:, 2] + e1 * blocks[:, 0]).sum(axis=0)
    return float(total - np.sum(mean**2))


def _later(law: TrajectoryLaw, M: Any, q: Array, group: Returns) -> float:
    """The pairs t < k at the states of a group."""
    total = 0.0
    for lag, (AG, Ay, gG, gy) in enumerate(_tables(law, M, group)):
        B = group.sums(lag)
        psi = center(group.pi, B)
        phi = q * psi - (group.pi * q * B).sum(axis=-1, keepdims=True)
        now = phi[0] + psi[1]
        near = Ay * now + AG * (phi[1] + psi[2] + q * now)
        far = gy * psi[0] + gG * (psi[1] + q * psi[0])
        total += float(np.sum(group.pi * (law.gamma * near + law.gamma**2 * far)))
    return total


def _tables(law: TrajectoryLaw, M: Any, group: Returns) -> Iterator[Array]:
    """E[(ÂG', Ây', gG', gy')|x] from a unit in each of the six tables, lag by lag: (4, 6, c, A)."""
    num_states, kappa = law.shape[0], law.kappa
    rows = (BELOW[:, None] * num_states + np.arange(num_states)).ravel()
    walks = zip(group.powers(M), group.powers(M[rows][:, rows]), strict=True)
    for lag, (from_G, from_AG) in enumerate(walks):
        G, AG, y, Ay, gG, gy = group.expect(0, from_G)
        AG_AG, Ay_AG, gG_AG, gy_AG = group.expect(0, from_AG)
        delta_G, delta_y = group.expect(1, from_G[[0, 2]])
        out = np.zeros((4, 6, *G.shape))
        out[0, :2] = out[1, 2:4] = delta_G + kappa * AG, kappa * AG_AG
        out[1, :2] = delta_y + kappa * Ay, kappa * Ay_AG
        out[2, [0, 1, 4]] = out[3, [2, 3, 5]] = gG, gG_AG, law.gamma**lag * G
        out[3, [0, 1, 4]] = gy, gy_AG, law.gamma**lag * y
        yield out
