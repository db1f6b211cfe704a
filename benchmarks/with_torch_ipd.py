"""LOLA-DiCE as it is written down first: one seed, one player and one step after the other.

Differentiates through the whole look-ahead. Where path and curvature differ they are put together
by θ' = p(θ_I) + θ_II − p(θ_II), p = stop gradient ([Liu2022], I.1.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tabular.games import PRISONERS
from tabular.transitions import Array

#: States, own moves and the other's of one batch, each (T, N).
Played = tuple[list[Any], list[Any], list[Any]]


def other_state(state: Any) -> Any:
    """The same state from the other side."""
    return torch.where(state == 0, 0, 1 + 2 * ((state - 1) % 2) + (state - 1) // 2)


def log_move(x: Tensor, state: Any, move: Any) -> Tensor:
    """log P(move|state)."""
    p = torch.sigmoid(x[state])
    return torch.log(torch.where(move == 0, p, 1 - p))


def play(own: Tensor, other: Tensor, uniforms: Sequence[Array]) -> Played:
    """Play with the uniform numbers (2, N) of each step."""
    state = torch.zeros(uniforms[0].shape[-1], dtype=torch.int64)
    states, first, second = [], [], []
    for u in uniforms:
        a = (torch.from_numpy(u[0]) >= torch.sigmoid(own)[state]).long()
        b = (torch.from_numpy(u[1]) >= torch.sigmoid(other)[other_state(state)]).long()
        states.append(state)
        first.append(a)
        second.append(b)
        state = 1 + 2 * a + b
    return states, first, second


def dice(
    own: Tensor, other: Tensor, played: Played, gamma: float, baseline: Tensor, *, mine: bool
) -> Tensor:
    """The mean DiCE objective with baseline, of the first player's rewards or the second one's."""
    payoffs = own.new_tensor(PRISONERS)
    log_past: Any = 0.0
    total: Any = 0.0
    for t, (state, a, b) in enumerate(zip(*played, strict=True)):
        swapped = other_state(state)
        node = log_move(own, state, a) + log_move(other, swapped, b)
        log_past = log_past + node
        reward = payoffs[a, b] if mine else payoffs[b, a]
        value = baseline[state] if mine else baseline[swapped]
        box, single = (torch.exp(x - x.detach()) for x in (log_past, node))
        total = total + gamma**t * (box * reward + (1 - single) * value)
    return total.mean()


def meta_gradient(
    own: Array,
    other: Array,
    uniforms: dict[str, Sequence[Array]],
    *,
    gamma: float,
    step_size: float,
    baselines: tuple[Array, Array],
) -> Array:
    """One player's estimate; `uniforms` for "curvature", "outer" and, if of its own, "path"."""
    mine, theirs = (torch.from_numpy(np.array(each)) for each in baselines)
    phi = torch.tensor(own, requires_grad=True)
    theta = torch.tensor(other, requires_grad=True)

    def slope(name: str) -> Tensor:
        played = play(phi.detach(), theta.detach(), uniforms[name])
        objective = dice(phi, theta, played, gamma, theirs, mine=False)
        return torch.autograd.grad(objective, theta, create_graph=True)[0]

    if "path" in uniforms:
        value = theta + step_size * slope("path")
        differentiated = theta + step_size * slope("curvature")
        moved = value.detach() + differentiated - differentiated.detach()
    else:
        moved = theta + step_size * slope("curvature")
    played = play(phi.detach(), moved.detach(), uniforms["outer"])
    objective = dice(phi, moved, played, gamma, mine, mine=True)
    return torch.autograd.grad(objective, phi)[0].numpy()
