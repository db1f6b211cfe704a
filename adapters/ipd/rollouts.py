"""Rollouts of the game, for many pairs of players at once, and the ring that keeps the newest.

A rollout is known by the index x_t = 4 s_t + 2 a_t + b_t of its state, own and other's move:
rewards, log-probabilities and baselines are tables read at x_t. Every run draws its uniform numbers
from a generator of its own, so that its rollouts do not depend on which runs are beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adapters.ipd.game import NUM_MOVES, NUM_STATES, joint_logp
from adapters.ipd.settings import check_ring


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
        return table.flatten(1).gather(1, self.index.flatten(1)).view(self.index.shape)


def roll_out(
    own: Tensor, other: Tensor, rngs: Sequence[np.random.Generator], length: int, count: int
) -> Rollouts:
    """Play the game: `count` rollouts of `length` steps for each pair.

    Parameters
    ----------
    own, other : tensor (M, 5)
        Parameters of both players of each pair.
    rngs : sequence of numpy.random.Generator
        One for every M / B neighbouring pairs, which draws for them in every step the uniform
        numbers (M / B, 2, N) of the first and the second player; a move is 0 where its number is
        below its probability.
    """
    logp = joint_logp(own, other).detach()
    moves = logp.exp().numpy().reshape(-1, NUM_STATES, 2, 2)
    # Probabilities of move 0 of each player, (M · 5,).
    first, second = moves[..., 0, :].sum(-1).ravel(), moves[..., :, 0].sum(-1).ravel()
    pairs = len(moves)
    rows = np.arange(pairs)[:, None] * NUM_STATES
    state = np.zeros((pairs, count), dtype=np.int64)
    uniforms = np.empty((len(rngs), pairs // len(rngs), 2, count))
    index = np.empty((length, pairs, count), dtype=np.uint8)
    for t in range(length):
        for rng, each in zip(rngs, uniforms, strict=True):
            rng.random(out=each)
        drawn = uniforms.reshape(pairs, 2, count)
        where = state + rows
        move = 2 * (drawn[:, 0] >= first.take(where)) + (drawn[:, 1] >= second.take(where))
        index[t] = NUM_MOVES * state + move
        state = 1 + move
    played = np.ascontiguousarray(np.moveaxis(index, 0, -1)).astype(np.int64)
    rollouts = Rollouts(torch.from_numpy(played), logp)
    return rollouts._replace(old_logp=rollouts.read(logp))


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
