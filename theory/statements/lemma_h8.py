"""Lemma H.8 ([Liu2022]): centred noise stays centred between independent factors.

    E[ψ(η) (φ(ζ) − E φ(ζ)) ϕ(η)] = 0    for independent ζ and η, and matrices ψ, φ, ϕ,

because given η the middle factor has mean zero. (The paper's proof has ψ(ζ) where φ(ζ) is meant.)
It is what lets the proof of Theorem 4.5 replace each sampled derivative by its expectation, one
after the other, and so what that theorem needs separate samples for. Without independence only

    ‖E[ψ(η) (φ(ζ) − E φ(ζ)) ϕ(η)]‖_F <= √E‖φ(ζ) − E φ(ζ)‖_F² · √E(‖ψ(η)‖ ‖ϕ(η)‖)²

is left (Cauchy–Schwarz), the source of the coupling term of shared samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.transitions import Array
from theory.bounds import BoundCheck, law_check
from theory.finite.vectors import EPSILON, SMALLEST, FiniteLaw, bounded


def independent(zeta: Any, eta: Any) -> Array:
    """Return the joint probabilities (Z, Y) of independent ζ and η, from theirs (Z,) and (Y,).

    Raises
    ------
    ValueError, TypeError
        If either is not a law.
    """
    return np.outer(FiniteLaw(zeta).probability, FiniteLaw(eta).probability)


def lemma_h8(joint: Any, psi: Any, phi: Any, varphi: Any) -> BoundCheck:
    """Check Lemma H.8.

    Parameters
    ----------
    joint : array_like (Z, Y)
        Probabilities of the outcomes of (ζ, η); see `independent`.
    psi : array_like (Y, m, n)
    phi : array_like (Z, n, p)
    varphi : array_like (Y, p, q)

    Returns
    -------
    BoundCheck
        `setting` says whether ζ and η are `independent`: then rhs = 0, otherwise the general bound.

    Raises
    ------
    ValueError, TypeError
        If the probabilities are not those of a law, or shapes do not fit.
    """
    table = _checks.finite_array(joint, "joint")
    if table.ndim != 2:
        raise ValueError(f"joint must have shape (Z, Y), received {table.shape}")
    law = FiniteLaw(table.ravel())
    table = law.probability.reshape(table.shape)
    zeta, eta = table.sum(axis=1), table.sum(axis=0)
    psi, phi, varphi = (
        _matrices(value, name, count)
        for value, name, count in (
            (psi, "psi", len(eta)),
            (phi, "phi", len(zeta)),
            (varphi, "varphi", len(eta)),
        )
    )
    if psi.shape[2] != phi.shape[1] or phi.shape[2] != varphi.shape[1]:
        raise ValueError(
            "psi phi varphi must be a product of matrices, received shapes "
            f"{psi.shape[1:]}, {phi.shape[1:]} and {varphi.shape[1:]}"
        )
    noise = phi - np.tensordot(zeta, phi, axes=1)
    mean = np.einsum("ze,emn,znp,epq->mq", table, psi, noise, varphi, optimize=True)
    norms = [_length(part.reshape(len(part), -1)) for part in (psi, phi, noise, varphi)]
    outer, size, spread = norms[0] * norms[3], norms[1], norms[2]
    # Each entry is a sum of Z·Y·n·p products, and the noise carries the rounding of the mean.
    magnitude = float((eta @ outer) * (size.max() + zeta @ size)) + float(spread @ table @ outer)
    # What underflows in a product may be multiplied by the other factors.
    reach = float(np.prod([max(1.0, x.max()) for x in (norms[0], size, norms[3])]))
    rounding = law.rounding(phi[0].size, magnitude, smallest=SMALLEST * reach)
    product = np.outer(zeta, eta)
    gap = (2 * law.num_outcomes + 8) * (EPSILON * product + SMALLEST)
    apart = bool(np.all(np.abs(table - product) <= gap))
    bound = 0.0 if apart else float(_length(zeta**0.5 * spread) * _length(eta**0.5 * outer))
    return law_check(
        "Lemma H.8",
        float(_length(mean.ravel())),
        bound,
        rounding=rounding,
        setting={"independent": apart},
    )


def _length(vectors: Array) -> Any:
    """Euclidean norms, also where squares are out of the range of floats."""
    return np.hypot.reduce(vectors, axis=-1)


def _matrices(value: Any, name: str, count: int) -> Array:
    array = _checks.finite_array(value, name)
    if array.ndim != 3 or len(array) != count or not array.size:
        raise ValueError(
            f"{name} must have shape ({count}, rows, columns), a matrix for each outcome, "
            f"received {array.shape}"
        )
    return bounded(array, name)
