"""The K-step meta-gradient (Proposition 3.1), exact, sampled or anything between.

Inner updates θ^{i+1} = θ^i + α g(φ, θ^i), i < K, with G_i = ∂g/∂φ and H_i = ∂g/∂θ at θ^i; then
with λ_K = p = ∇_θ J_Out(φ, θ^K) and Φ_K = q = ∇_φ J_Out(φ, θ^K) at fixed θ^K, backwards,

    Φ_i = Φ_{i+1} + α G_iᵀ λ_{i+1},      λ_i = λ_{i+1} + α H_iᵀ λ_{i+1},      i = K−1, ..., 0

and the meta-gradient is Φ_0 + (∂θ⁰/∂φ)ᵀ λ_0. (These λ_i are adjoints; q is zero where J_Out depends
on φ through θ^K only.) One forward and one backward pass; the last H_0 is skipped where θ⁰ does not
depend on φ. Source: [Liu2022], Proposition 3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.problems import Problem
from tabular.sources import Exact, Sampled, Source
from tabular.transitions import Array

EXACT = Exact()


def meta_gradient(
    problem: Problem,
    phi: Any,
    *,
    step_size: float,
    num_steps: int,
    path: Source = EXACT,
    curvature: Source = EXACT,
    outer: Source = EXACT,
    shared: bool = False,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return ∇_φ J_Out(φ, θ^K(φ)), or an estimate of it, in the shape of φ.

    Parameters
    ----------
    problem : Problem
        `Maml`, `Lirpg` or `Mgrl` (`tabular.problems`), `tabular.lola.Lola` or `tabular.lpg.Lpg`.
    phi : array_like
        Meta-parameters; leading dimensions are independent trials.
    step_size : float
        α > 0.
    num_steps : int
        K >= 1.
    path, curvature, outer : Source
        Where I (moves θ), II (is differentiated) and III (outer gradient, p and q) come from
        (`tabular.sources`).
    shared : bool
        Use the path's trajectories for the curvature too, as plain automatic differentiation does;
        needs `path` and `curvature` to be the same `Sampled`.
    rng : numpy.random.Generator, optional
        Needed by sampled sources; drawn from in order path, curvature, ..., outer.

    Raises
    ------
    ValueError, TypeError
        If φ does not fit the problem, α or K is not positive, `shared` has nothing to share, or
        the inner steps leave the floating-point range; if a source samples an update that has no
        estimator.
    """
    for name, source in (("path", path), ("curvature", curvature), ("outer", outer)):
        if isinstance(source, type) or not callable(source):
            raise TypeError(
                f"{name} must be a source such as Exact(), Sampled(...) or Mean(Sampled(...)), "
                f"received {source!r}"
            )
    phi = _checked_phi(problem, phi)
    step_size = positive_number(step_size, "step_size")
    num_steps = _checks.positive_integer(num_steps, "num_steps")
    if shared and not (isinstance(path, Sampled) and path == curvature):
        raise ValueError(
            "shared=True needs path and curvature to be the same Sampled source, received "
            f"{path} and {curvature}"
        )
    together = shared or (isinstance(path, Exact) and isinstance(curvature, Exact))
    theta = problem.start(phi)
    differentials = []
    for _ in range(num_steps):
        update = problem.inner(phi, theta)
        moved_by = path(update, rng)
        differentials.append(moved_by if together else curvature(update, rng))
        theta = theta + step_size * moved_by.gradient
    if not np.isfinite(theta).all():
        raise ValueError(
            f"theta must stay finite, received NaN or infinity within {num_steps} inner steps; "
            "take a smaller step_size"
        )
    last = outer(problem.outer(phi, theta), rng)
    adjoint, direct = last.gradient, problem.direct(last)
    total = np.zeros(phi.shape) if direct is None else direct
    start_moves = problem.start_vjp(adjoint) is not None
    for i in reversed(range(num_steps)):
        moved = problem.cross(differentials[i], adjoint)
        if moved is not None:
            total = total + step_size * moved
        if i > 0 or start_moves:
            adjoint = adjoint + step_size * differentials[i].vjp(adjoint)
    from_start = problem.start_vjp(adjoint)
    return total if from_start is None else total + from_start


def adapt(
    problem: Problem, phi: Any, *, step_size: float, num_steps: int, path: Source = EXACT
) -> tuple[Array, ...]:
    """Return the iterates θ⁰, ..., θ^K, each (..., S, A), of a path without randomness."""
    phi = _checked_phi(problem, phi)
    step_size = positive_number(step_size, "step_size")
    iterates = [problem.start(phi)]
    for _ in range(_checks.positive_integer(num_steps, "num_steps")):
        here = problem.inner(phi, iterates[-1])
        iterates.append(iterates[-1] + step_size * path(here, None).gradient)
    return tuple(iterates)


def _checked_phi(problem: Problem, phi: Any) -> Array:
    if not hasattr(problem, "inner"):
        raise TypeError(
            f"problem must be a Maml, Lirpg, Mgrl, Lola or Lpg, received {type(problem).__name__}"
        )
    return problem.check(phi)


def positive_number(value: Any, name: str) -> float:
    """Return `value` as a float > 0, or raise."""
    number = _checks.finite_array(value, name)
    if number.ndim or number <= 0:
        raise ValueError(f"{name} must be one positive number, received {value}")
    return float(number)
