"""Proposition 3.1: the reverse recursion is the gradient of J^K(φ) = J_out(φ, θ^K(φ)).

    Z_{i+1} = (I + αH_i) Z_i + αG_i                                      Z_i = ∂θ^i/∂φ
    ∇J^K    = q + Z_Kᵀ p
            = q + Z_0ᵀ Π_{j=0}^{K−1} (I + αH_jᵀ) p + α Σ_i G_iᵀ Π_{j=i+1}^{K−1} (I + αH_jᵀ) p

with the smallest index on the left of both products. On a finite problem the recursion is compared
with the product formula; on a tabular one, of any size, its component along a direction u is
compared with central differences of t ↦ J^K(φ + tu), extrapolated to zero steps with an estimate
of their error. Source: [Liu2022], Proposition 3.1; [Ridders1982] for the differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular._checks import finite_array
from tabular.metagradient import adapt, meta_gradient, positive_number
from tabular.problems import Problem
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.finite.paths import Paths, inner_paths
from theory.finite.problem import FiniteProblem

#: Steps h, h/2, ..., h/2^5 of the central differences.
HALVINGS = 6
#: Rounding of J^K, relative to its size, and of the product formula.
ROUNDING = 1e-13
#: How many times its own error estimate a difference quotient may be wrong by.
SAFETY = 10.0


def check(
    problem: Problem,
    phi: Any,
    *,
    step_size: float,
    num_steps: int,
    direction: Any = None,
    difference: float = 1e-2,
) -> BoundCheck:
    """Compare ⟨∇J^K, u⟩ with differences of J^K.

    Parameters
    ----------
    problem : Problem
        Any tabular meta-problem.
    phi : array_like
        One φ.
    step_size, num_steps
        α > 0 and K >= 1.
    direction : array_like, optional
        u, in the shape of φ; the gradient's own direction if None.
    difference : float
        The largest step, for u of length one; φ ± difference·u has to be valid.

    Raises
    ------
    ValueError, TypeError
        If φ or u does not fit the problem, u is zero, or a number is not positive.
    """
    phi = problem.check(phi)
    gradient = meta_gradient(problem, phi, step_size=step_size, num_steps=num_steps)
    u = gradient if direction is None else finite_array(direction, "direction")
    if u.shape != phi.shape:
        raise ValueError(f"direction must have the shape {phi.shape} of phi, received {u.shape}")
    if not u.any():
        if direction is not None:
            raise ValueError("direction must not be zero")
        u = np.ones(phi.shape)
    u = u / np.abs(u).max()  # Its square is finite.
    u = u / np.linalg.norm(u)
    largest = positive_number(difference, "difference")
    steps = np.asarray(largest / 2.0 ** np.arange(HALVINGS), dtype=np.float64)
    if steps[-1] < np.finfo(np.float64).tiny:
        raise ValueError(f"difference must be well above the smallest float, received {largest}")
    around = np.concatenate([steps, -steps]).reshape(-1, *(1,) * phi.ndim)
    values = _values(problem, phi + around * u, step_size, num_steps)
    slope, error = _extrapolate(values, steps)
    return BoundCheck(
        name="Proposition 3.1",
        lhs=abs(float((gradient * u).sum()) - slope),
        rhs=0.0,
        obtained="exact",
        scope="every θ",
        rounding=SAFETY * error,
        setting={"K": num_steps, "α": step_size, "directional derivative": slope},
    )


def check_products(problem: FiniteProblem, *, step_size: float, num_steps: int) -> BoundCheck:
    """Compare the reverse recursion with the product formula.

    Raises ValueError or TypeError if α or K is not positive.
    """
    paths = inner_paths(problem, step_size=step_size, num_steps=num_steps, num_trajectories=None)
    products = product_formula(paths)
    growth = 1 + paths.step_size * np.linalg.norm(paths.exact.hessian, ord=2, axis=(-2, -1))
    size = np.abs(paths.exact_outer.gradient).max() * growth.prod()
    return BoundCheck(
        name="Proposition 3.1, products",
        lhs=float(np.linalg.norm(paths.truth - products)),
        rhs=0.0,
        obtained="exact",
        scope="every θ",
        rounding=ROUNDING * float(size + np.linalg.norm(products)),
        setting={"K": num_steps, "α": step_size},
    )


def product_formula(paths: Paths) -> Array:
    """q + Z_Kᵀ p (m,) along the exact path, with the products written out."""
    alpha, exact = paths.step_size, paths.exact
    identity = np.eye(paths.iterates.shape[1])
    factors = identity + alpha * exact.hessian
    total = paths.exact_outer.direct[0].copy()
    for i, jacobian in enumerate((paths.problem.start_jacobian, *(alpha * exact.cross))):
        product = identity
        for factor in factors[i:]:
            product = factor @ product
        total += (product @ jacobian).T @ paths.exact_outer.gradient[0]
    return total


def _values(problem: Problem, phi: Array, step_size: float, num_steps: int) -> Array:
    """J^K at a batch of φ."""
    end = adapt(problem, phi, step_size=step_size, num_steps=num_steps)[-1]
    return np.asarray(problem.outer(phi, end).exact().value, dtype=np.float64)


def _extrapolate(values: Array, steps: Array) -> tuple[float, float]:
    """The derivative at zero from f(h) and f(−h) at halved steps, and how far off it may be.

    Richardson's table removes h², h⁴, ...; the error of an entry is the larger distance to the two
    entries it is made of, and no less than the rounding of the values over the smallest step used.
    """
    plus, minus = np.split(values, 2)
    row = (plus - minus) / (2 * steps)
    noise = ROUNDING * np.abs(values).max() / steps
    best, error = float(row[0]), np.inf
    for order in range(1, len(steps)):
        factor = 4.0**order
        new = row[1:] + (row[1:] - row[:-1]) / (factor - 1)
        apart = np.maximum(np.abs(new - row[1:]), np.abs(new - row[:-1]))
        apart = np.maximum(apart, noise[order:])
        first = int(np.argmin(apart))
        if apart[first] < error:
            best, error = float(new[first]), float(apart[first])
        row = new
    return best, error
