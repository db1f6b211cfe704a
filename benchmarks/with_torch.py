"""PyTorch's side of the exact cases: automatic differentiation of ρᵀ(I − γ P_π)⁻¹ r_π."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.machine import available_memory
from benchmarks.sides import Prepared, Problem, Skipped
from tabular import TabularMDP

#: torch.func.hessian was seen to hold about seven tables (S·A, S, S) at once.
TABLES_HELD = 7


def hessian(problem: Problem) -> Prepared:
    """`torch.func.hessian` of ρᵀ(I − γ P_π)⁻¹ r_π."""
    J = objective(problem.mdp)
    num_states, num_actions = problem.theta.shape
    needed = TABLES_HELD * 8 * num_states**3 * num_actions
    if needed > 0.8 * available_memory() > 0:
        raise Skipped(
            f"needs about {needed / 2**30:.0f} GiB, {available_memory() / 2**30:.0f} GiB are free"
        )
    theta = torch.tensor(problem.theta)
    return Prepared(lambda: torch.func.hessian(J)(theta))


def meta(problem: Problem) -> Prepared:
    """Gradient through the unrolled inner steps."""
    J = objective(problem.mdp)

    def call() -> Any:
        start = theta = torch.tensor(problem.theta, requires_grad=True)
        for _ in range(problem.num_steps):
            (slope,) = torch.autograd.grad(J(theta), theta, create_graph=True)
            theta = theta + problem.step_size * slope
        return torch.autograd.grad(J(theta), start)[0]

    return Prepared(call)


def objective(mdp: TabularMDP) -> Callable[[Any], Any]:
    """J(θ) of one MDP."""
    V, rho = state_value(mdp), torch.tensor(mdp.initial)
    return lambda theta: rho @ V(theta)


def state_value(mdp: TabularMDP) -> Callable[[Any], Any]:
    """V^π (S,) as a function of θ, of one MDP."""
    P, R = (torch.tensor(np.asarray(x)) for x in (mdp.P, mdp.R))
    identity = torch.eye(mdp.num_states, dtype=torch.float64)

    def V(theta: Any) -> Any:
        pi = torch.softmax(theta, dim=-1)
        P_pi = torch.einsum("sa,sat->st", pi, P)
        r_pi = (pi * R).sum(-1)
        return torch.linalg.solve(identity - mdp.gamma * P_pi, r_pi)

    return V
