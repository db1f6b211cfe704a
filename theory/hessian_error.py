"""The meta-gradient's bias against the error of its Hessians: a polynomial, exactly.

Steps and outer gradient are exact; the curvature is H_i + Δ E with a symmetric E of norm one. Then
the estimate is a polynomial in Δ, and so is its bias, with no constant term:

    MAML (∂θ⁰/∂φ = I)   Π_{i<K} (I + α H_i + αΔ E) p                                   degree K
    θ⁰ fixed            α Σ_i G_iᵀ Π_{i<j<K} (I + α H_j + αΔ E) p                       degree K − 1

against term (ii) of Theorem 4.5 ([Liu2022]) with a = 1 + α c₁, made explicit here:

    MAML    m₁ ((a + αΔ)^K − a^K)             θ⁰ fixed   m₁ α c₂ Σ_{0<j<K} ((a + αΔ)^j − a^j).

Both are linear in Δ while αΔ is below a, and of the full degree beyond. The abstract's
O((K − 1) Δ_H^{K−1}) is the largest power, for a fixed θ⁰; MAML has Δ_H^K, and a bias at K = 1.
E = u uᵀ/‖u‖² with u = p, the direction that the outer gradient has. The path is the only one there
is, so that constants taken along it prove the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polypow, polyval

from tabular import _checks
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Lirpg, Maml
from tabular.sources import Differential, Exact, Update
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.flat import residue
from theory.norms import spectral_norm

#: A D × n cross derivative is made whole up to this many entries.
MAX_ENTRIES = 4_000_000
#: Of a product of K matrices, relative to the vectors that are subtracted.
ROUNDING = 1e-13


@dataclass(frozen=True)
class HessianErrorCurve:
    """One K: the bias and term (ii) at each Δ.

    Attributes
    ----------
    step_size : float
        α.
    num_steps, degree : int
        K, and the degree of both polynomials.
    Delta, bias, bound : ndarray (n,)
        Δ, ‖bias‖ and term (ii).
    coefficients : ndarray (degree,)
        Of Δ, Δ², ... in term (ii).
    m1, c1, c2 : float
        Constants along the path.
    rounding : float
        What floating-point arithmetic may add to a bias.
    """

    step_size: float
    num_steps: int
    degree: int
    Delta: Array
    bias: Array
    bound: Array
    coefficients: Array
    m1: float
    c1: float
    c2: float
    rounding: float

    @property
    def checks(self) -> tuple[BoundCheck, ...]:
        """Bias against term (ii), one for each Δ."""
        return tuple(
            BoundCheck(
                "Theorem 4.5, estimation bias",
                float(bias),
                float(bound),
                obtained="exact",
                scope="every realisable θ",
                rounding=self.rounding + ROUNDING * float(bound),
                setting={"K": self.num_steps, "α": self.step_size, "Δ": float(Delta)},
            )
            for Delta, bias, bound in zip(self.Delta, self.bias, self.bound, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Shifted:
    """A differential whose Hessian is off by Δ u uᵀ, Δ (n, 1, 1) and u (S, A) of norm one."""

    of: Differential
    Delta: Array
    u: Array

    @property
    def gradient(self) -> Array:
        return self.of.gradient

    def vjp(self, v: Array) -> Array:
        along = (v * self.u).sum(axis=(-2, -1), keepdims=True)
        return self.of.vjp(v) + self.Delta * along * self.u

    def cross_reward(self, u: Array) -> Array:
        return self.of.cross_reward(u)

    def cross_gamma(self) -> Array:
        return self.of.cross_gamma()

    def cross_lambda(self) -> Array:
        return self.of.cross_lambda()


def biased_meta_gradients(
    problem: Maml | Lirpg, phi: Any, Delta: Any, *, step_size: float, num_steps: int
) -> Array:
    """Return the meta-gradients with curvature H_i + Δ E, one for each Δ (n,): (n, S, A).

    Raises TypeError if the problem is of another class; ValueError if φ is a batch, Δ is not (n,),
    or a result leaves the floating-point range.
    """
    if not isinstance(problem, Maml | Lirpg):
        raise TypeError(f"problem must be a Maml or a Lirpg, received {problem!r}")
    Delta = _errors(Delta)
    if np.ndim(phi) != 2:
        raise ValueError(
            f"a curve is that of one phi, received phi of shape {np.shape(phi)}; call once for each"
        )
    end = adapt(problem, phi, step_size=step_size, num_steps=num_steps)[-1]
    u = problem.outer(problem.check(phi), end).exact().gradient
    size = float(np.linalg.norm(u))
    u = u / size if size > 0 else u

    def curvature(update: Update, rng: np.random.Generator | None) -> Differential:
        return _Shifted(Exact()(update, rng), Delta[:, None, None], u)

    with np.errstate(over="ignore", invalid="ignore"):
        off = meta_gradient(
            problem, phi, step_size=step_size, num_steps=num_steps, curvature=curvature
        )
    if not np.isfinite(off).all():
        raise ValueError(
            f"meta-gradients must stay finite, received NaN or infinity over {num_steps} steps of "
            f"{step_size} with Delta up to {Delta.max()}; take a smaller step_size or Delta"
        )
    return np.broadcast_to(off, (len(Delta), *off.shape[-2:]))


def hessian_error_curve(
    problem: Maml | Lirpg, phi: Any, Delta: Any, *, step_size: float, num_steps: int
) -> HessianErrorCurve:
    """Return the exact bias and term (ii) at each Δ >= 0.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)
        One φ.
    Delta : array_like (n,)
        ‖error of the Hessian‖.
    step_size, num_steps : float, int
        α and K.

    Raises
    ------
    ValueError, TypeError
        If the problem is of another class, a Δ is negative, φ is a batch, or, with a fixed θ⁰, the
        cross derivative is too large.
    """
    Delta = _errors(Delta)
    if np.any(Delta < 0):
        raise ValueError(f"Delta is the size of an error, at least 0, received {Delta.min()}")
    options: dict[str, Any] = {"step_size": step_size, "num_steps": num_steps}
    off = biased_meta_gradients(problem, phi, np.append(Delta, 0.0), **options)
    phi = problem.check(phi)
    *path, end = adapt(problem, phi, **options)
    fixed = problem.start_vjp(phi) is None
    here = [problem.inner(phi, theta).exact() for theta in path]
    m1 = float(np.linalg.norm(problem.outer(phi, end).exact().gradient))
    c1 = max([spectral_norm(one) for one in here[1 if fixed else 0 :]], default=0.0)
    c2 = max(_cross_norm(one) for one in here) if fixed else 0.0
    factor = m1 * step_size * c2 if fixed else m1
    powers = range(1, num_steps) if fixed else [num_steps]
    degree = num_steps - 1 if fixed else num_steps
    coefficients = np.zeros(degree + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in powers:
            coefficients[: j + 1] += factor * polypow([1 + step_size * c1, step_size], j)
    if not np.isfinite(coefficients).all():
        raise ValueError(
            f"the bound must stay finite over {num_steps} steps of {step_size}; take a smaller "
            "step_size"
        )
    coefficients[0] = 0.0
    bias = np.linalg.norm((off[:-1] - off[-1]).reshape(len(Delta), -1), axis=1)
    bound = polyval(Delta, coefficients)
    factors = step_size * num_steps * c2 if fixed else 1.0
    rounding = factors * _rounding(problem, phi, m1, c1, **options)
    return HessianErrorCurve(
        step_size, num_steps, degree, Delta, bias, bound, coefficients[1:], m1, c1, c2, rounding
    )


def _errors(Delta: Any) -> Array:
    """Δ (n,), n >= 1."""
    Delta = _checks.finite_array(Delta, "Delta")
    if Delta.ndim != 1 or not Delta.size:
        raise ValueError(f"Delta must have shape (n,), n >= 1, received {Delta.shape}")
    return Delta


def _rounding(
    problem: Maml | Lirpg, phi: Array, m1: float, c1: float, *, step_size: float, num_steps: int
) -> float:
    """Rounding of Π_i (I + α H_i) p, of p itself and of the rewards that cancel in it and in H."""
    terminal = np.zeros(1) if problem.terminal_value is None else problem.terminal_value
    inner = problem.mdp if isinstance(problem, Maml) else problem.mdp.add_reward(phi)
    options: dict[str, Any] = {"step_size": step_size, "num_steps": num_steps, "curvature": c1}
    rewards = sum(residue(mdp, terminal, **options) for mdp in (problem.mdp, inner))
    return ROUNDING * m1 * (1 + step_size * c1) ** num_steps + rewards


def _cross_norm(here: Any) -> float:
    """‖∂_φ∇J‖ at one θ."""
    shape = here.gradient.shape
    D = int(np.prod(shape))
    if D**2 > MAX_ENTRIES:
        raise ValueError(
            f"the cross derivative has {D} x {D} entries, more than {MAX_ENTRIES}; take an MDP "
            "with fewer states or actions, or Maml, which has none"
        )
    return float(np.linalg.norm(here.cross_reward(np.eye(D).reshape(D, *shape)).reshape(D, D), 2))
