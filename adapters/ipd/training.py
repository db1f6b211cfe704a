"""Training both players with one setting, all seeds at once, and what is recorded on the way.

Each update moves both players at once by Adam along their meta-gradients, and, where there are
outer rollouts, each baseline towards the rewards (or the returns) that it met. Every `EVERY`
updates are recorded: parameters and baselines, the exact value a step (1 − γ) J of each player, the
accuracy (cosine with the exact meta-gradient) of the estimate, and that with an exact outer one.
Source: [Liu2022], I.2 and Table 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.ipd import game
from adapters.ipd.lookahead import Found, Lookahead, swap
from adapters.ipd.rollouts import Rollouts
from adapters.ipd.settings import Sources, Table3, find_setting
from tabular.transitions import Array

#: Updates between two records.
EVERY = 10


def generators(seed: int, first: int, count: int) -> list[np.random.Generator]:
    """One generator for each of the runs `first`, ..., the same whatever runs beside them."""
    keys = range(first, first + count)
    return [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,))) for k in keys]


class Training:
    """Both players of B runs.

    Parameters
    ----------
    sources : Sources
    table : Table3
    rngs : sequence of numpy.random.Generator
        One a run.

    Attributes
    ----------
    players, baselines : tensor (2 B, 5)
        The two of the first run, then those of the second, and so on.
    """

    def __init__(
        self, sources: Sources, table: Table3, rngs: Sequence[np.random.Generator]
    ) -> None:
        self.table = table
        starts = np.concatenate([rng.standard_normal((2, game.NUM_STATES)) for rng in rngs])
        start = sources.spread * torch.from_numpy(starts)
        self.players = start.requires_grad_()
        self.baselines = torch.zeros_like(start).requires_grad_()
        self.lookahead = Lookahead(sources, table, rngs)
        self._adam = torch.optim.Adam([self.players], lr=table.outer_rate)
        self._fit = torch.optim.Adam([self.baselines], lr=table.value_rate)

    def update(self, *, exact_outer_too: bool = False) -> Found:
        """Move both players of all runs once, and return the meta-gradients they moved along."""
        found = self.lookahead.meta_gradient(
            self.players.detach(), self.baselines.detach(), exact_outer_too=exact_outer_too
        )
        self.players.grad = -found.gradient
        self._adam.step()
        if found.rollouts is not None:
            self.baselines.grad = self._error_gradient(found.rollouts)
            self._fit.step()
        return found

    def _error_gradient(self, rollouts: Rollouts) -> Tensor:
        """∇ of the mean squared error of V_b(s_t) over all steps of each pair."""
        states = rollouts.index // game.NUM_MOVES
        target = self.baselines.new_tensor(game.OWN)[rollouts.index % game.NUM_MOVES]
        if self.table.target == "return":
            target = returns(target, self.table.gamma)
        with torch.no_grad():
            table = self.baselines[:, :, None].expand(-1, -1, game.NUM_MOVES)
            error = (rollouts.read(table) - target).flatten(1)
            gradient = torch.zeros_like(self.baselines)
            gradient.scatter_add_(1, states.flatten(1), error)
        return 2 * gradient / error.shape[1]


def returns(rewards: Tensor, gamma: float) -> Tensor:
    """Σ_{l≥0} γ^l r_{t+l} up to the end of the rollout, (..., T)."""
    total = torch.zeros_like(rewards[..., 0])
    found = []
    for reward in reversed(rewards.unbind(-1)):
        total = reward + gamma * total
        found.append(total)
    return torch.stack(found[::-1], dim=-1)


def train(settings: Mapping[str, Any]) -> dict[str, Array]:
    """Train a block of seeds with one setting.

    Parameters
    ----------
    settings : mapping
        "setting" (a name of `SETTINGS`), "seed", "first" and "count" (which runs), and what
        `Table3` has.

    Returns
    -------
    dict of ndarray
        By record r = 0, `EVERY`, ..., updates, seed and player: "players" and "baselines" (r, seed,
        2, 5), "value" (r, seed, 2), and, of the estimates made there (none after the last update),
        "accuracy" and "accuracy_inner" (r − 1, seed, 2).

    Raises
    ------
    ValueError, TypeError
        As `find_setting` and `Table3`.
    """
    sources, table = find_setting(settings["setting"]), Table3.of(settings)
    rngs = generators(settings["seed"], settings["first"], settings["count"])
    training = Training(sources, table, rngs)
    record: dict[str, list[Array]] = {}

    def note(**numbers: Array) -> None:
        for name, each in numbers.items():
            array = each.reshape(len(rngs), 2, *each.shape[1:])
            record.setdefault(name, []).append(array.copy())

    def note_state() -> None:
        players = training.players.detach()
        value = (1 - table.gamma) * game.value(players, swap(players), table.gamma)
        baselines = training.baselines.detach()
        note(players=players.numpy(), baselines=baselines.numpy(), value=value.numpy())

    for update in range(table.updates):
        recorded = update % EVERY == 0
        if recorded:
            note_state()
            players = training.players.detach().clone()
        found = training.update(exact_outer_too=recorded)
        if recorded:
            exact = training.lookahead.truth(players)
            note(
                accuracy=cosine(found.gradient.numpy(), exact),
                accuracy_inner=cosine(found.inner.numpy(), exact),
            )
    note_state()
    return {name: np.stack(each) for name, each in record.items()}


def cosine(x: Array, y: Array) -> Array:
    """xᵀy / (|x| |y|) over the last dimension (Eq. 68); NaN where one is zero."""
    norms = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.einsum("...i,...i->...", x, y) / norms
