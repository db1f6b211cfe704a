"""Proposition 3.1 ([Liu2022]): the exact K-step meta-gradient.

With Z_0 = ∂θ⁰/∂φ, H_i, G_i the derivatives of the inner update at θ^i, p and q those of J_out at
θ^K (largest index on the left; general θ⁰ and q, which the paper leaves out),

    ∇J^K = q + Z_Kᵀ p,    Z_K = Π_{j=K−1}^{0} (I + αH_j) Z_0
                                 + α Σ_{i<K} Π_{j=K−1}^{i+1} (I + αH_j) G_i.

Checked against differences of the values J^K(φ) = J_out(φ, θ^K(φ)) along one direction u, which no
derivative enters:

    D_h = [8 (J(h) − J(−h)) − (J(2h) − J(−2h))]/(12 h),    J(t) = J^K(φ + t u),

with an error of O(h⁴). Of two steps h and 2h the smaller one's error is about a fifteenth of their
difference; the check allows the whole of it, and the rounding of J over h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Problem
from theory.bounds import BoundCheck

#: Step of the differences, in units of φ, and rounding of J^K as a share of it.
STEP, ROUNDING = 1e-3, 1e-14


def check(problem: Problem, phi: Any, *, step_size: float, num_steps: int) -> BoundCheck:
    """Compare the backward pass with differences of values: |⟨∇J^K, u⟩ − D_h| <= 0.

    Parameters
    ----------
    problem : Problem
        Any of `tabular`'s, on an MDP of any size.
    phi : array_like
        One φ, with room of 4·10⁻³ about it for γ and λ.
    step_size, num_steps : float, int
        α and K.

    Returns
    -------
    BoundCheck
        Its `rounding` is the error of the differences.
    """
    phi = problem.check(phi)
    gradient = meta_gradient(problem, phi, step_size=step_size, num_steps=num_steps)
    # Not along the gradient alone: other components are to count.
    u = np.cos(np.arange(phi.size)).reshape(phi.shape) / np.sqrt(phi.size)
    size = np.linalg.norm(gradient)
    u = u + gradient / size if size > 0 else u
    u = u / np.linalg.norm(u)
    at = np.array([-4, -2, -1, 1, 2, 4]) * STEP
    points = phi + at.reshape(-1, *(1,) * phi.ndim) * u
    ends = adapt(problem, points, step_size=step_size, num_steps=num_steps)[-1]
    J = problem.outer(points, ends).exact().value
    fine = (8 * (J[3] - J[2]) - (J[4] - J[1])) / (12 * STEP)
    coarse = (8 * (J[4] - J[1]) - (J[5] - J[0])) / (24 * STEP)
    along = float((gradient * u).sum())
    return BoundCheck(
        "Proposition 3.1",
        abs(along - float(fine)),
        0.0,
        obtained="exact",
        rounding=abs(float(fine - coarse)) + ROUNDING * float(np.abs(J).max()) / STEP,
        setting={"K": num_steps, "α": step_size, "along u": along},
    )
