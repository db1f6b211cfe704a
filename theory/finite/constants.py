"""The constants of Assumptions 4.1 and 4.3 on the points that a finite problem's samples reach.

The proofs use each constant at the exact iterates θ^i, at the sampled θ̂^i, or on the chord between
the two; the largest values there are the smallest constants for which they go through:

    c₁   ‖H‖ at θ^i and θ̂^i, and ‖g(θ̂^i) − g(θ^i)‖/‖θ̂^i − θ^i‖,  i < K
    c₂   ‖G‖ at θ^i and θ̂^i,  i < K
    ρ₁, ρ₂   ‖H(θ̂^i) − H(θ^i)‖ and ‖G(θ̂^i) − G(θ^i)‖ over ‖θ̂^i − θ^i‖,  i < K
    m₁   ‖p‖ at θ^K and θ̂^K;    μ₁, μ₂   chords of p and q at i = K
    σ, Δ   of one trajectory at θ̂^i, i < K, and for p̂ and q̂ at θ̂^K
"""

from __future__ import annotations

import numpy as np

from tabular.transitions import Array
from theory.constants import Lipschitz, Noise
from theory.finite.paths import Tree
from theory.finite.problem import FiniteProblem, InnerOutcomes

#: Chords shorter than this are rounding: their quotients say nothing.
SHORT = 1e-12


def realisable_lipschitz(problem: FiniteProblem, tree: Tree, exact: Tree) -> Lipschitz:
    """Return the constants of Assumption 4.1 on a tree of sampled paths and on the exact path."""
    c1 = c2 = rho1 = rho2 = 0.0
    for sampled, certain in zip(tree.levels, exact.levels, strict=True):
        here, there = problem.inner(certain.theta), problem.inner(sampled.theta)
        length = _lengths(sampled.theta - certain.theta)
        c1 = max(c1, _norm(here.hessian), _norm(there.hessian))
        c1 = max(c1, _slope(there.gradient - here.gradient, length))
        c2 = max(c2, _norm(here.cross), _norm(there.cross))
        rho1 = max(rho1, _slope(there.hessian - here.hessian, length))
        rho2 = max(rho2, _slope(there.cross - here.cross, length))
    here_out, there_out = problem.outer(exact.theta), problem.outer(tree.theta)
    length = _lengths(tree.theta - exact.theta)
    return Lipschitz(
        c1=c1,
        c2=c2,
        rho1=rho1,
        rho2=rho2,
        m1=max(_largest(here_out.gradient), _largest(there_out.gradient)),
        mu1=_slope(there_out.gradient - here_out.gradient, length),
        mu2=_slope(there_out.direct - here_out.direct, length),
        zeta0=_norm(problem.start_jacobian),
        scope="every realisable θ",
    )


def realisable_noise(problem: FiniteProblem, tree: Tree) -> Noise:
    """Return the constants of Assumption 4.3 on a tree of sampled paths, of one trajectory."""
    sigma = dict.fromkeys(("in", "H", "J", "HF", "JF"), 0.0)
    bias = {"H": 0.0, "J": 0.0}
    for level in tree.levels:
        here, drawn = problem.inner(level.theta), level.outcomes
        means = InnerOutcomes(drawn.probability, *(_mean(drawn, x) for x in drawn[1:]))
        off = means.gradient[:, None] - drawn.gradient
        sigma["in"] = max(sigma["in"], _rms(drawn.probability, off))
        for name, estimates, mean, truth in (
            ("H", drawn.hessian, means.hessian, here.hessian),
            ("J", drawn.cross, means.cross, here.cross),
        ):
            bias[name] = max(bias[name], _norm(mean - truth))
            off = estimates - mean[:, None]
            sigma[name] = max(sigma[name], _weak(drawn.probability, off))
            sigma[name + "F"] = max(sigma[name + "F"], _rms(drawn.probability, off))
    ends = problem.outer_outcomes(tree.theta)
    spreads = [
        _rms(ends.probability, x - np.einsum("bm,bmi->bi", ends.probability, x)[:, None])
        for x in (ends.gradient, ends.direct)
    ]
    return Noise(
        sigma_in=sigma["in"],
        sigma_p=spreads[0],
        sigma_q=spreads[1],
        sigma_H=sigma["H"],
        sigma_J=sigma["J"],
        sigma_HF=sigma["HF"],
        sigma_JF=sigma["JF"],
        Delta_H=bias["H"],
        Delta_J=bias["J"],
        scope="every realisable θ",
    )


def _mean(drawn: InnerOutcomes, x: Array) -> Array:
    """Σ_m p_m x_m, (B, ...)."""
    return np.asarray(np.einsum("bm,bm...->b...", drawn.probability, x))


def _lengths(x: Array) -> Array:
    """Euclidean norms of vectors, or operator norms of matrices, over the batch (B,)."""
    if x.ndim == 3:
        return np.asarray(np.linalg.norm(x, 2, axis=(-2, -1)))
    return np.asarray(np.linalg.norm(x, axis=-1))


def _largest(x: Array) -> float:
    return float(_lengths(x).max())


def _norm(x: Array) -> float:
    """The largest operator norm of matrices (..., a, b)."""
    return float(np.linalg.norm(x, 2, axis=(-2, -1)).max())


def _slope(change: Array, length: Array) -> float:
    """The largest ‖change‖/length of chords that are not rounding."""
    long = length > SHORT
    return float((_lengths(change)[long] / length[long]).max()) if long.any() else 0.0


def _rms(probability: Array, off: Array) -> float:
    """√E‖off‖² of vectors or, in the Frobenius norm, matrices; the largest over the batch."""
    squares = (off.reshape(*probability.shape, -1) ** 2).sum(axis=-1)
    return float(np.sqrt((probability * squares).sum(axis=-1).max()))


def _weak(probability: Array, off: Array) -> float:
    """√ of the largest eigenvalue of E XᵀX and of E XXᵀ."""
    pairs = (
        np.einsum("bm,bmij,bmik->bjk", probability, off, off, optimize=True),
        np.einsum("bm,bmji,bmki->bjk", probability, off, off, optimize=True),
    )
    return float(np.sqrt(max(0.0, *(np.linalg.eigvalsh(pair).max() for pair in pairs))))
