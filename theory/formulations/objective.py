"""The K-sample objective and its gradient by complex steps: no score, no Hessian, no rounding.

    J_S^K(φ) = F_0(φ),   F_K = J_out,   F_i(θ) = Σ_τ p(τ; θ) F_{i+1}(θ + α ĝ(θ; τ)),
    ∂_k J_S^K(φ) = Im J_S^K(φ + i h e_k)/h + O(h²).

With h = 1e-30 nothing cancels and the error is that of the sum itself. This knows nothing of the
formulas that `sampling_correction` differentiates by hand, and so checks them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.metagradient import positive_number
from tabular.transitions import Array
from theory.formulations.maml import TinyMaml
from theory.formulations.samples import Samples

#: h: its square is nothing in float64.
STEP = 1e-30


def sampled_objective(
    problem: TinyMaml,
    start: Any,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
) -> Any:
    """J_S^K at θ⁰ = `start` (..., d), real or complex: (...).

    The arguments and errors are those of `sampling_correction.law`.
    """
    alpha = positive_number(step_size, "step_size")
    num_steps = _checks.positive_integer(num_steps, "num_steps")
    theta = np.asarray(start)
    if theta.dtype.kind not in "biufc" or not np.isfinite(theta).all():
        raise TypeError(f"start must be finite real or complex numbers, received {start!r}")
    if theta.shape[-1:] != problem.start.shape:
        raise ValueError(
            f"start must have shape (..., {problem.start.size}), received {theta.shape}"
        )
    theta = theta[..., None, :]
    outcomes = problem.probability(problem.start).size
    samples = Samples.of(outcomes, num_trajectories, num_steps)
    probability = np.ones(theta.shape[:-1])
    batch, size = theta.shape[:-2], theta.shape[-1]
    for _ in range(num_steps):
        each = samples.probability(problem.probability(theta))
        moves = samples.counts / samples.num @ problem.gradients(theta)
        probability = (probability[..., None] * each).reshape(*batch, -1)
        theta = (theta[..., None, :] + alpha * moves).reshape(*batch, -1, size)
    return (probability * problem.outer_value(theta)).sum(axis=-1)


def sampled_gradient(
    problem: TinyMaml, *, step_size: float, num_steps: int, num_trajectories: int
) -> Array:
    """∇J_S^K at the problem's φ, (m,); the arguments are those of `sampling_correction.law`."""
    moved = problem.start + 1j * STEP * np.eye(problem.start.size)
    value = sampled_objective(
        problem,
        moved,
        step_size=step_size,
        num_steps=num_steps,
        num_trajectories=num_trajectories,
    )
    return value.imag / STEP
