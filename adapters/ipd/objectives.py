"""What a player's gradients are taken of: its exact value, or a surrogate on rollouts.

An objective is a function of the parameters of both players, summed over some pairs. `gradient` and
`products` differentiate it a few pairs at a time, so that PyTorch's graph stays in the cache:

    gradient   ∂J/∂own, ∂J/∂θ
    products   ∂/∂own ⟨∂J/∂θ, u⟩ = Gᵀu,    ∂/∂θ ⟨∂J/∂θ, u⟩ = Hᵀu
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from adapters.ipd import game
from adapters.ipd.rollouts import Rollouts
from adapters.surrogates import SURROGATES

#: Steps of rollouts that are differentiated together, unless one pair has more.
TOGETHER = 1 << 18


class Objective(Protocol):
    """J of one of the players, as a function of both players' parameters."""

    def pieces(self, pairs: int) -> Iterator[slice]:
        """Cut the pairs into those that are differentiated together."""
        ...

    def __call__(self, own: Tensor, theta: Tensor, rows: slice, /) -> Tensor:
        """The sum over these pairs; `own` and `theta` (m, 5) are theirs."""
        ...


@dataclass(frozen=True)
class ExactValue:
    """J of the first player ("own"), or of the second one, in closed form."""

    own: bool
    gamma: float

    def pieces(self, pairs: int) -> Iterator[slice]:
        """All pairs."""
        yield slice(pairs)

    def __call__(self, own: Tensor, theta: Tensor, rows: slice) -> Tensor:
        """The sum of J."""
        players = (own, theta) if self.own else (theta, own)
        return game.value(*players, self.gamma).sum()


class Sampled:
    """A surrogate of J, averaged over each pair's rollouts.

    Parameters
    ----------
    own : bool
        Whose rewards: the first player's, or the second one's.
    rollouts : Rollouts
        Of M pairs, seen by the first players.
    baseline : tensor (M, 5)
        V_b of the player whose rewards they are, by its own states; zero at the end.
    surrogate : str
        See `adapters.surrogates`.
    gamma : float
    """

    def __init__(
        self, own: bool, rollouts: Rollouts, baseline: Tensor, surrogate: str, gamma: float
    ) -> None:
        self.rollouts, self.gamma, self._surrogate = rollouts, gamma, SURROGATES[surrogate]
        shape = (len(baseline), game.NUM_STATES, game.NUM_MOVES)
        rewards = baseline.new_tensor(game.OWN if own else game.OTHER)
        states = baseline if own else baseline[:, game.SWAPPED]
        self._rewards = rollouts.read(rewards.expand(shape))
        self._values = pad(rollouts.read(states[..., None].expand(shape)), (0, 1))

    def pieces(self, pairs: int) -> Iterator[slice]:
        """As many pairs as stay in the cache."""
        together = max(1, TOGETHER // self.rollouts.index[0].numel())
        for first in range(0, pairs, together):
            yield slice(first, first + together)

    def __call__(self, own: Tensor, theta: Tensor, rows: slice) -> Tensor:
        """The sum over pairs of the mean surrogate."""
        rollouts = Rollouts(*(each[rows] for each in self.rollouts))
        each = self._surrogate(
            rollouts.read(game.joint_logp(own, theta)),
            rollouts.old_logp,
            self._rewards[rows],
            self._values[rows],
            gamma=self.gamma,
        )
        return each.mean(dim=1).sum()


def gradient(objective: Objective, own: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """∂J/∂own and ∂J/∂θ, each (M, 5)."""
    return _by_pieces(objective, own, theta, None)


def products(objective: Objective, own: Tensor, theta: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Gᵀu and Hᵀu, each (M, 5)."""
    return _by_pieces(objective, own, theta, u)


def _by_pieces(
    objective: Objective, own: Tensor, theta: Tensor, u: Tensor | None
) -> tuple[Tensor, Tensor]:
    parts = []
    for rows in objective.pieces(len(own)):
        leaves = [x[rows].detach().clone().requires_grad_() for x in (own, theta)]
        scalar = objective(leaves[0], leaves[1], rows)
        if u is not None:
            (slope,) = torch.autograd.grad(scalar, leaves[1], create_graph=True)
            scalar = (slope * u[rows]).sum()
        parts.append(torch.autograd.grad(scalar, leaves, materialize_grads=True))
    first, second = (torch.cat(each) for each in zip(*parts, strict=True))
    return first, second
