"""The iterated prisoner's dilemma for players with sigmoid policies: exact values and gradients.

Each player sees the last joint move from its own side: state 0 is the start, state 1 + 2 a + b
follows its own move a and the other's b, so that the other's state is `SWAPPED`[s]. Its parameters
x (..., 5) give P(a = 0|s) = sigmoid(x_s); action 0 defects (`tabular.games`). The game is the same
from both sides. With joint moves π(a, b|s), R_π(s) = Σ π r and the chain P_π of the five states,

    J(own, other) = e_0ᵀ (I − γ P_π)⁻¹ R_π,    P_π = [0 π],

a closed form that PyTorch differentiates as often as asked. The same through the tabular machine: x
is the difference of the softmax logits of the two actions, ∂J/∂x is ∂J/∂θ(·, 0), and as a
step α in x is one of α/2 in both logits, `truth` is `tabular.lola` at α/2.
Source: [Foerster2018a], [Foerster2018b]; [Liu2022], I.2.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from tabular.games import PRISONERS, iterated_prisoners_dilemma
from tabular.lola import Lola
from tabular.metagradient import meta_gradient
from tabular.transitions import Array

NUM_STATES, NUM_MOVES = 5, 4
#: What a player in state s calls the state that the other calls `SWAPPED`[s].
SWAPPED = (0, 1, 3, 2, 4)
#: Rewards of the joint moves 2 a + b, to oneself and to the other.
OWN = tuple(PRISONERS[a][b] for a in (0, 1) for b in (0, 1))
OTHER = tuple(PRISONERS[b][a] for a in (0, 1) for b in (0, 1))


def joint_logp(own: Tensor, other: Tensor) -> Tensor:
    """log π(a, b|s) (..., 5, 4) from the parameters (..., 5) of both, states of the first."""
    other = other[..., SWAPPED]
    first = torch.stack([logsigmoid(own), logsigmoid(-own)], dim=-1)
    second = torch.stack([logsigmoid(other), logsigmoid(-other)], dim=-1)
    return (first[..., :, None] + second[..., None, :]).flatten(-2)


def value(own: Tensor, other: Tensor, gamma: float) -> Tensor:
    """J of the first player over the infinite horizon, (...)."""
    moves = joint_logp(own, other).exp()
    rewards = moves @ moves.new_tensor(OWN)
    chain = torch.nn.functional.pad(moves, (1, 0))
    system = torch.eye(NUM_STATES, dtype=moves.dtype) - gamma * chain
    return torch.linalg.solve(system, rewards[..., None])[..., 0, 0]


def truth(own: Array, other: Array, *, gamma: float, step_size: float, num_steps: int) -> Array:
    """The exact meta-gradient ∂J(own, other after K steps)/∂own, (..., 5), by `tabular.lola`."""
    game = iterated_prisoners_dilemma(gamma=gamma)
    problem = Lola(game, logits(other[..., SWAPPED]))
    exact = meta_gradient(problem, logits(own), step_size=step_size / 2, num_steps=num_steps)
    return exact[..., 0]


def logits(x: Array) -> Array:
    """Softmax logits (..., 5, 2) whose difference is x (..., 5)."""
    return np.stack([x, np.zeros_like(x)], axis=-1)
