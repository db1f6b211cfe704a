"""PyTorch's side: torch.func on the objective, and the usual loop over trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.machine import available_memory
from benchmarks.sides import Prepared, Problem, Skipped
from benchmarks.with_gmrl import SHARED, first_trial, shared_trajectories
from tabular import TabularMDP

#: torch.func.hessian was seen to hold about seven tables (S·A, S, S) at once.
TABLES_HELD = 7


def hessian(problem: Problem) -> Prepared:
    """`torch.func.hessian` of ρᵀ(I − γ P_π)⁻¹ r_π."""
    J = _objective(problem.mdp)
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
    J = _objective(problem.mdp)

    def call() -> Any:
        start = theta = torch.tensor(problem.theta, requires_grad=True)
        for _ in range(problem.num_steps):
            (slope,) = torch.autograd.grad(J(theta), theta, create_graph=True)
            theta = theta + problem.step_size * slope
        return torch.autograd.grad(J(theta), start)[0]

    return Prepared(call)


def estimate(problem: Problem) -> Prepared:
    """One trajectory after the other: sample, build the Loaded-DiCE surrogate, differentiate."""
    theta, v, V = first_trial(problem)
    rng = np.random.default_rng(problem.seed)
    mdp, horizon = problem.mdp, problem.horizon

    def draw() -> tuple[list[int], list[int], list[float]]:
        pi = torch.softmax(torch.tensor(theta), dim=-1).numpy()
        states = [int(rng.choice(mdp.num_states, p=mdp.initial))]
        actions, rewards = [], []
        for _ in range(horizon):
            actions.append(int(rng.choice(mdp.num_actions, p=pi[states[-1]])))
            x = states[-1], actions[-1]
            rewards.append(float(mdp.R[x]))
            states.append(int(rng.choice(mdp.num_states, p=mdp.P[x])))
        return states, actions, rewards

    def derivatives(trajectories: Any) -> Any:
        parameter = torch.tensor(theta, requires_grad=True)
        total = sum(_loaded_dice(parameter, V, mdp.gamma, *drawn) for drawn in trajectories)
        (slope,) = torch.autograd.grad(total / len(trajectories), parameter, create_graph=True)
        product = torch.autograd.grad((slope * torch.tensor(v)).sum(), parameter)[0]
        return torch.stack([slope.detach(), product])

    def result() -> Any:
        drawn = shared_trajectories(problem)
        return derivatives([tuple(x[:, n].tolist() for x in drawn) for n in range(SHARED)])

    return Prepared(
        lambda: derivatives([draw() for _ in range(SHARED)]),
        result,
        work=SHARED * horizon,
        note=f"timed on {SHARED} trajectories",
    )


def _loaded_dice(theta: Any, V: Any, gamma: float, states: Any, actions: Any, rewards: Any) -> Any:
    """Σ_t γ^t Â_t (□_t − □_{t−1}) of one trajectory."""
    advantages, tail = [], 0.0
    for t in reversed(range(len(actions))):
        tail = rewards[t] + gamma * V[states[t + 1]] - V[states[t]] + gamma * tail
        advantages.append(gamma**t * tail)
    log_pi = torch.log_softmax(theta, dim=-1)[states[:-1], actions]
    box = torch.exp(torch.cumsum(log_pi - log_pi.detach(), dim=0))
    loaded = box - torch.cat([torch.ones_like(box[:1]), box[:-1]])
    return (torch.tensor(advantages[::-1]) * loaded).sum()


def _objective(mdp: TabularMDP) -> Callable[[Any], Any]:
    """J(θ) of one MDP."""
    P, R, rho = (torch.tensor(np.asarray(x)) for x in (mdp.P, mdp.R, mdp.initial))
    identity = torch.eye(mdp.num_states, dtype=torch.float64)

    def J(theta: Any) -> Any:
        pi = torch.softmax(theta, dim=-1)
        P_pi = torch.einsum("sa,sat->st", pi, P)
        r_pi = (pi * R).sum(-1)
        return rho @ torch.linalg.solve(identity - mdp.gamma * P_pi, r_pi)

    return J
