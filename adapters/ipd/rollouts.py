"""Rollouts of the game, for many pairs of players at once, and the ring that keeps the newest.

A rollout is known by the index x_t = 4 s_t + 2 a_t + b_t of its state, own and other's move: rewards,
log-probabilities and baselines are tables read at x_t. Every seed draws its uniform numbers from a
generator of its own, so that a seed's rollouts do not depend on which seeds run beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adapters.ipd.game import NUM_MOVES, NUM_STATES, joint_logp
from tabular.transitions import Array


class Rollouts(NamedTuple):
    """Rollouts of M pairs of players.

    Attributes
    ----------
    index : int64 tensor (M, N, T)
        x_t.
    old_logp : tensor (M, N, T)
        log π(a_t, b_t|s_t) of the policies that drew them.
    """

    index: Tensor
    old_logp: Tensor

    def read(self, table: Tensor) -> Tensor:
        """Entries (M, N, T) of a table (M, 5, 4) along the rollouts."""
        flat = self.index.flatten(1)
        return table.flatten(1).gather(1, flat).view(self.index.shape)


def roll_out(own: Tensor, other: Tensor, uniforms: Array) -> Rollouts:
    """Play the game with given uniform numbers.

    Parameters
    ----------
    own, other : tensor (M, 5)
        Parameters of both players of each pair.
    uniforms : ndarray (T, 2, M, N)
        For the moves of the first and the second player; a move is 0 below its probability.
    """
    logp = joint_logp(own, other).detach()
    moves = logp.exp().numpy().reshape(-1, NUM_STATES, 2, 2)
    # Probabilities of move 0 of each player, (2, M · 5).
    zero = np.stack([moves[..., 0, :].sum(-1), moves[..., :, 0].sum(-1)]).reshape(2, -1)
    rows = np.arange(len(moves))[:, None] * NUM_STATES
    length, _, pairs, count = uniforms.shape
    state = np.zeros((pairs, count), dtype=np.int64)
    index = np.empty((length, pairs, count), dtype=np.int64)
    for t in range(length):
        where = state + rows
        move = 2 * (uniforms[t, 0] >= zero[0].take(where))
        move += uniforms[t, 1] >= zero[1].take(where)
        index[t] = NUM_MOVES * state + move
        state = 1 + move
    drawn = torch.from_numpy(np.ascontiguousarray(np.moveaxis(index, 0, -1)))
    rollouts = Rollouts(drawn, logp)
    return rollouts._replace(old_logp=rollouts.read(logp))


def uniforms(rngs: Sequence[np.random.Generator], length: int, count: int) -> Array:
    """Uniform numbers (T, 2, 2 B, N) for both players' rollouts, each seed from its generator."""
    each = [rng.random((length, 2, 2, 1, count)) for rng in rngs]
    return np.concatenate(each, axis=3).reshape(length, 2, 2 * len(rngs), count)


class Ring:
    """The newest rollouts, at most `size` a pair.

    Parameters
    ----------
    size : int
        How many are kept; rollouts are added in batches that `size` is a multiple of.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._batches: list[Rollouts] = []

    def add(self, rollouts: Rollouts) -> None:
        """Put a batch in; the oldest goes where there is no room.

        Raises
        ------
        ValueError
            If the ring is not filled by a whole number of such batches.
        """
        batch = rollouts.index.shape[1]
        check_ring(self.size, batch)
        self._batches = [*self._batches, rollouts][-(self.size // batch) :]

    def rollouts(self) -> Rollouts:
        """All that is in the ring, the oldest first."""
        return Rollouts(*(torch.cat(each, dim=1) for each in zip(*self._batches, strict=True)))


def check_ring(size: int, batch: int) -> None:
    """Raise a ValueError unless a whole number of batches fills the ring."""
    if size % batch:
        raise ValueError(
            f"the ring must hold a whole number of batches, received ring = {size} and batch = "
            f"{batch}; give a multiple of {batch}"
        )
