"""autograd's side: the objective written down, differentiated as it stands (no compilation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from benchmarks.sides import Prepared, Problem
from tabular import TabularMDP


def hessian(problem: Problem) -> Prepared:
    """Hessian of ρᵀ(I − γ P_π)⁻¹ r_π, one reverse pass a row."""
    J = _objective(problem.mdp)
    return Prepared(lambda: autograd.hessian(J)(problem.theta))


def meta(problem: Problem) -> Prepared:
    """Gradient through the unrolled inner steps."""
    J = _objective(problem.mdp)

    def unrolled(theta: Any) -> Any:
        for _ in range(problem.num_steps):
            theta = theta + problem.step_size * autograd.grad(J)(theta)
        return J(theta)

    return Prepared(lambda: autograd.grad(unrolled)(problem.theta))


def _objective(mdp: TabularMDP) -> Callable[[Any], Any]:
    """J(θ) of one MDP."""
    P, R, rho, identity = mdp.P, mdp.R, mdp.initial, np.eye(mdp.num_states)

    def J(theta: Any) -> Any:
        weights = anp.exp(theta)
        pi = weights / anp.sum(weights, axis=-1, keepdims=True)
        P_pi = anp.einsum("sa,sat->st", pi, P)
        r_pi = anp.sum(pi * R, axis=-1)
        return anp.dot(rho, anp.linalg.solve(identity - mdp.gamma * P_pi, r_pi))

    return J
