"""PyTorch as a researcher writes it: one trajectory after the other, and autograd for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.decomposition import CHOICES, TERMS, Cell, recorded
from benchmarks.sides import Prepared, Problem
from benchmarks.with_gmrl import SHARED, first_trial, shared_trajectories
from benchmarks.with_torch import objective, state_value
from tabular import TabularMDP
from tabular.sampling import Trajectories

#: States, actions and rewards of one trajectory.
Trajectory = tuple[list[int], list[int], list[float]]
#: (term, θ) -> trajectories and the z of the noisy baseline.
Draw = Callable[[str, Any], tuple[list[Trajectory], Any]]


def estimate(problem: Problem) -> Prepared:
    """Sample, build the Loaded-DiCE surrogates, differentiate twice."""
    theta, v, V = first_trial(problem)
    rng = np.random.default_rng(problem.seed)
    mdp, baseline = problem.mdp, V.tolist()

    def draw() -> list[Trajectory]:
        return draw_trajectories(mdp, torch.tensor(theta), problem.horizon, SHARED, rng)

    def derivatives(trajectories: list[Trajectory]) -> Any:
        parameter = torch.tensor(theta, requires_grad=True)
        mean = mean_surrogate("loaded_dice", parameter, baseline, mdp.gamma, trajectories)
        (slope,) = torch.autograd.grad(mean, parameter, create_graph=True)
        product = torch.autograd.grad((slope * torch.tensor(v)).sum(), parameter)[0]
        return torch.stack([slope.detach(), product])

    return Prepared(
        lambda: derivatives(draw()),
        lambda: derivatives(one_by_one(shared_trajectories(problem))),
        work=SHARED * problem.horizon,
        note=f"timed on {SHARED} trajectories",
    )


def decomposition(cell: Cell) -> Prepared:
    """The eight meta-gradients of a cell by the paper's trick, differentiated through."""
    mdp = cell.mdp
    J, V = objective(mdp), state_value(mdp)
    rng = np.random.default_rng(cell.seed)

    def live(term: str, theta: Any) -> tuple[list[Trajectory], Any]:
        trajectories = draw_trajectories(mdp, theta, cell.horizon, cell.num_trajectories, rng)
        return trajectories, rng.standard_normal(mdp.num_states)

    def surrogate(term: str, letters: Mapping[str, str], theta: Any, draw: Draw) -> Any:
        """J(θ), or the surrogate that automatic differentiation makes the estimates of."""
        if letters[term] == "E":
            return J(theta)
        here = theta.detach()
        trajectories, z = draw(term, here)
        value = V(here)
        baseline = value + value.norm() / mdp.num_states * torch.tensor(z)
        return mean_surrogate(cell.estimator, theta, baseline.tolist(), mdp.gamma, trajectories)

    def meta_gradient(choice: str, draw: Draw) -> Any:
        """θ' = ⊥(θ'_c) + θ'_h − ⊥(θ'_h): moved by I, differentiated through II."""
        letters = dict(zip(TERMS, choice, strict=True))
        theta = torch.tensor(cell.phi, requires_grad=True)
        (moving,) = torch.autograd.grad(surrogate("path", letters, theta, draw), theta)
        (curved,) = torch.autograd.grad(
            surrogate("curvature", letters, theta, draw), theta, create_graph=True
        )
        theta_c = theta + cell.step_size * moving
        theta_h = theta + cell.step_size * curved
        adapted = theta_c.detach() + theta_h - theta_h.detach()
        return torch.autograd.grad(surrogate("outer", letters, adapted, draw), theta)[0]

    def meta_gradients(draw: Draw) -> Any:
        return torch.stack([meta_gradient(choice, draw) for choice in CHOICES])

    def result() -> Any:
        kept = {term: (one_by_one(drawn), z) for term, (drawn, z) in recorded(cell).items()}
        return meta_gradients(lambda term, _: kept[term])

    return Prepared(lambda: meta_gradients(live), result)


def draw_trajectories(
    mdp: TabularMDP, theta: Any, horizon: int, count: int, rng: np.random.Generator
) -> list[Trajectory]:
    """Trajectories of π_θ, step by step."""
    pi = torch.softmax(theta, dim=-1).numpy()
    drawn = []
    for _ in range(count):
        states = [int(rng.choice(mdp.num_states, p=mdp.initial))]
        actions, rewards = [], []
        for _ in range(horizon):
            actions.append(int(rng.choice(mdp.num_actions, p=pi[states[-1]])))
            x = states[-1], actions[-1]
            rewards.append(float(mdp.R[x]))
            states.append(int(rng.choice(mdp.num_states, p=mdp.P[x])))
        drawn.append((states, actions, rewards))
    return drawn


def one_by_one(trajectories: Trajectories) -> list[Trajectory]:
    """The trajectories (T, N) as N lists."""
    return [
        tuple(x[:, n].tolist() for x in trajectories) for n in range(trajectories.num_trajectories)
    ]


def mean_surrogate(
    estimator: str, theta: Any, V: list[float], gamma: float, trajectories: list[Trajectory]
) -> Any:
    """Mean over trajectories of Σ_t γ^t Â_t l_t: l_t = π_t/π_old,t (lvc), □_t − □_{t−1} (DiCE)."""
    log_pi = torch.log_softmax(theta, dim=-1)
    loaded = {"lvc": _local, "loaded_dice": _loaded_dice}[estimator]
    total = sum(
        (_weights(V, gamma, *drawn) * loaded(log_pi[drawn[0][:-1], drawn[1]])).sum()
        for drawn in trajectories
    )
    return total / len(trajectories)


def _weights(
    V: list[float], gamma: float, states: list[int], actions: list[int], rewards: list[float]
) -> Any:
    """γ^t Â_t of one trajectory, (T,)."""
    weights, tail = [], 0.0
    for t in reversed(range(len(actions))):
        tail = rewards[t] + gamma * V[states[t + 1]] - V[states[t]] + gamma * tail
        weights.append(gamma**t * tail)
    return torch.tensor(weights[::-1], dtype=torch.float64)


def _local(log_pi: Any) -> Any:
    """π_t/π_old,t, (T,)."""
    return torch.exp(log_pi - log_pi.detach())


def _loaded_dice(log_pi: Any) -> Any:
    """□_t − □_{t−1}, (T,)."""
    box = torch.exp(torch.cumsum(log_pi - log_pi.detach(), dim=0))
    return box - torch.cat([torch.ones_like(box[:1]), box[:-1]])
