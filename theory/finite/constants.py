"""The constants of Assumptions 4.1 and 4.3 where the proofs use them: at every realisable θ.

With N_i the realisable θ̂^i, θ^i and θ̂^i in N_i, the proofs of Lemma 4.4 and Theorem 4.5 need

    c₁      ‖H(θ^i)‖, ‖H(θ̂^i)‖, and ‖g(θ̂^i) − g(θ^i)‖ / ‖θ̂^i − θ^i‖         i < K
    c₂      ‖G(θ^i)‖, ‖G(θ̂^i)‖                                               i < K
    ρ₁, ρ₂  ‖H(θ̂^i) − H(θ^i)‖ and ‖G(θ̂^i) − G(θ^i)‖ over ‖θ̂^i − θ^i‖        i < K
    σ, Δ    of ĝ, Ĥ, Ĝ at θ̂^i                                                i < K
    m₁      ‖p(θ^K)‖, ‖p(θ̂^K)‖
    μ₁, μ₂  ‖p(θ̂^K) − p(θ^K)‖ and ‖q(θ̂^K) − q(θ^K)‖ over ‖θ̂^K − θ^K‖
    σ       of p̂, q̂ at θ̂^K

and nothing else, so that the largest of these values make the bounds theorems. (Step errors need
the chord of g only; ‖Z_i‖ needs H, G at θ^i; B >= ‖I + αE Ĥ‖ needs H at θ̂^i, and κ at θ^i.)
"""

from __future__ import annotations

import numpy as np

from tabular._checks import instance, one_number
from tabular.transitions import Array
from theory.constants import Constants, Lipschitz, Noise
from theory.finite.paths import Level, Paths

#: Nodes closer than this, of the farthest's distance, are the same point: their chord is rounding.
SAME_POINT = 1e-12
#: By how much E ĝ may miss g, relative to the estimates, before Assumption 4.2 is said to fail.
UNBIASED = 1e-9


def realisable_constants(
    paths: Paths, *, sampled_outer: bool = True, rounding: float = 0.0
) -> Constants:
    """Return the largest values over all nodes of the tree of inner paths.

    Parameters
    ----------
    paths : Paths
        Where they are exact, σ_in is zero.
    sampled_outer : bool
        False where p and q are exact: σ_p and σ_q are zero.
    rounding : float
        By how much rounding may make the mean of a gradient miss, where what it is a sum of is much
        larger than the estimates (rewards far from zero).

    Raises
    ------
    ValueError
        If E ĝ, E p̂ or E q̂ is not the exact one at a node (Assumption 4.2).
    """
    alongside = instance(paths, Paths, "paths").exact
    rounding = one_number(rounding, "rounding")
    c1, c2, rho1, rho2 = [_norm(alongside.hessian)], [_norm(alongside.cross)], [0.0], [0.0]
    spreads = []
    for i, level in enumerate(paths.levels):
        there = (paths.iterates[i], *(table[i] for table in alongside))
        theta, g, H, G = (x[None] for x in there)
        nodes = level.exact
        c1 += [_norm(nodes.hessian), chord(level.theta - theta, nodes.gradient - g)]
        c2.append(_norm(nodes.cross))
        rho1.append(chord(level.theta - theta, nodes.hessian - H))
        rho2.append(chord(level.theta - theta, nodes.cross - G))
        spreads.append(_spread(level, paths.num_trajectories is not None, rounding))
    end, ends = paths.exact_outer, paths.outer
    moved = paths.ends - paths.iterates[-1]
    lipschitz = Lipschitz(
        c1=max(c1),
        c2=max(c2),
        rho1=max(rho1),
        rho2=max(rho2),
        m1=max(_length(end.gradient), _length(ends.gradient)),
        mu1=chord(moved, ends.gradient - end.gradient),
        mu2=chord(moved, ends.direct - end.direct),
        zeta0=_norm(paths.problem.start_jacobian),
        scope="every realisable θ",
    )
    sigma_p = sigma_q = 0.0
    if sampled_outer:
        probability, p, q = paths.outer_outcomes
        sigma_p = _root_variance(probability, p, ends.gradient, "p̂", rounding)
        sigma_q = _root_variance(probability, q, ends.direct, "q̂", rounding)
    sigma_in, sigma_H, sigma_J, sigma_HF, sigma_JF, Delta_H, Delta_J = map(
        float, np.max(spreads, axis=0)
    )
    noise = Noise(
        sigma_in=sigma_in,
        sigma_p=sigma_p,
        sigma_q=sigma_q,
        sigma_H=sigma_H,
        sigma_J=sigma_J,
        sigma_HF=sigma_HF,
        sigma_JF=sigma_JF,
        Delta_H=Delta_H,
        Delta_J=Delta_J,
        scope="every realisable θ",
    )
    return lipschitz, noise


def _spread(level: Level, moves: bool, rounding: float) -> tuple[float, ...]:
    """σ_in, σ_H, σ_J, σ_HF, σ_JF, Δ_H and Δ_J, the largest of a level."""
    weight, gradient, hessian, cross = level.outcomes
    sigma_in = 0.0
    if moves:
        sigma_in = _root_variance(weight, gradient, level.exact.gradient, "ĝ", rounding)
    weak, full, bias = zip(
        *(
            _matrix_spread(weight, each, exact)
            for each, exact in ((hessian, level.exact.hessian), (cross, level.exact.cross))
        ),
        strict=True,
    )
    return sigma_in, *weak, *full, *bias


def _matrix_spread(weight: Array, each: Array, exact: Array) -> tuple[float, float, float]:
    """Weak and Frobenius standard deviation and bias of matrices (B, M, d, n)."""
    mean = np.einsum("bm,bmij->bij", weight, each)
    noise = each - mean[:, None]
    weighted = weight[..., None, None] * noise
    right = (weighted.swapaxes(-1, -2) @ noise).sum(axis=1)
    left = (weighted @ noise.swapaxes(-1, -2)).sum(axis=1)
    weak = max(np.linalg.eigvalsh(right).max(), np.linalg.eigvalsh(left).max(), 0.0)
    full = np.trace(right, axis1=-2, axis2=-1).max()
    return float(np.sqrt(weak)), float(np.sqrt(full)), _norm(mean - exact)


def _root_variance(weight: Array, each: Array, exact: Array, name: str, rounding: float) -> float:
    """The largest √E‖x̂ − x‖² of estimates (B, M, n) of x (B, n), once E x̂ = x is checked."""
    missed = np.abs(np.einsum("bm,bmi->bi", weight, each) - exact).max()
    if missed > UNBIASED * max(1.0, np.abs(each).max()) + rounding:
        raise ValueError(
            f"Assumption 4.2 asks for an unbiased {name} at every realisable θ; its mean is off by "
            f"{missed:.3g}. Take the objective that is sampled: the problem's horizon T and "
            "terminal_value equal to a fixed V_b, and λ = 1, or the exact quantity instead"
        )
    return float(np.sqrt(np.einsum("bm,bmi->b", weight, (each - exact[:, None]) ** 2).max()))


def chord(moved: Array, change: Array) -> float:
    """The largest ‖change‖/‖moved‖ over (B, d) moves, zero where nothing moved."""
    distance = np.linalg.norm(moved, axis=-1)
    apart = distance > SAME_POINT * distance.max()
    if not apart.any():
        return 0.0
    size = np.linalg.norm(change, axis=-1) if change.ndim == 2 else _norms(change)
    return float((size[apart] / distance[apart]).max())


def _norms(matrices: Array) -> Array:
    """Operator norms."""
    return np.linalg.norm(matrices, ord=2, axis=(-2, -1))


def _norm(matrices: Array) -> float:
    """The largest operator norm."""
    return float(_norms(matrices).max())


def _length(vectors: Array) -> float:
    """The largest Euclidean norm."""
    return float(np.linalg.norm(vectors, axis=-1).max())
