"""The meta-gradient of a player that looks K steps ahead of the other, exact or from rollouts.

    θ^{i+1} = θ^i + α ∇_θ J_other(own, θ^i),    ∂/∂own J_own(own, θ^K),    K = 0: no look-ahead,

with I (the path: the value of each step) and II (the curvature: what is differentiated) from
sources of their own by θ^{i+1} = p(θ_I) + θ_II − p(θ_II), p = stop gradient, and III from a third.
Both players of B seeds are M = 2 B pairs of one batch: `own` holds first all first players, then all
second ones, `other` the same with the halves exchanged.
Source: [Foerster2018b] for LOLA-DiCE; [Liu2022], I.1.2 and I.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from adapters.ipd import game
from adapters.ipd.game import joint_logp
from adapters.ipd.rollouts import Ring, Rollouts, roll_out, uniforms
from adapters.ipd.settings import Sources, Table3
from adapters.surrogates import SURROGATES
from tabular.transitions import Array

#: Steps of rollouts that are differentiated together: their tensors stay in the cache.
TOGETHER = 1 << 18


class Found(NamedTuple):
    """A meta-gradient and what it was made with.

    Attributes
    ----------
    gradient : tensor (M, 5)
    inner : tensor (M, 5) or None
        The same with an exact outer gradient, if asked for.
    rollouts : Rollouts or None
        Those of the outer gradient.
    """

    gradient: Tensor
    inner: Tensor | None
    rollouts: Rollouts | None


class Lookahead:
    """Meta-gradients of one setting; holds the ring.

    Parameters
    ----------
    sources : Sources
    table : Table3
    rngs : sequence of numpy.random.Generator
        One a seed.
    """

    def __init__(
        self, sources: Sources, table: Table3, rngs: Sequence[np.random.Generator]
    ) -> None:
        self.sources, self.table, self.rngs = sources, table, rngs
        self.ring = Ring(table.ring)

    def truth(self, own: Tensor) -> Array:
        """The exact meta-gradient of every player who looks ahead, (M, 5), by `tabular.lola`."""
        return game.truth(
            own.numpy(),
            swap(own).numpy(),
            gamma=self.table.gamma,
            step_size=self.table.inner_rate,
            num_steps=self.table.lookahead,
        )

    def meta_gradient(
        self, own: Tensor, baseline: Tensor, *, exact_outer_too: bool = False
    ) -> Found:
        """Estimate the meta-gradient of every player.

        Parameters
        ----------
        own, baseline : tensor (M, 5)
            Parameters, and V_b by state, of all players.
        exact_outer_too : bool
            Also give it with the exact outer gradient.
        """
        own = own.detach().requires_grad_()
        other, others_baseline = swap(own).detach(), swap(baseline)
        theta = other.requires_grad_()
        for _ in range(self.table.lookahead if self.sources.look_ahead else 0):
            theta = self._step(own, theta, others_baseline)
        inner = None
        if exact_outer_too:
            exact = game.value(own, theta, self.table.gamma).sum()
            (inner,) = torch.autograd.grad(exact, own, retain_graph=True)
        if self.sources.outer == "exact":
            objective, rollouts = game.value(own, theta, self.table.gamma).sum(), None
        else:
            rollouts = self._fresh(own, theta, self.sources.outer)
            logp, surrogate = joint_logp(own, theta), self.sources.surrogate
            objective = self._objective(logp, rollouts, game.OWN, baseline, surrogate)
        (gradient,) = torch.autograd.grad(objective, own)
        return Found(gradient, inner, rollouts)

    def _step(self, own: Tensor, theta: Tensor, baseline: Tensor) -> Tensor:
        """θ^{i+1}, whose value is the path's and whose derivative the curvature's."""
        sources = self.sources
        fresh = {
            name: self._fresh(own, theta, name)
            for name in ("batch", "large")
            if name in (sources.path, sources.curvature)
        }
        if "ring" in (sources.path, sources.curvature):
            self.ring.add(fresh.get("batch") or self._fresh(own, theta, "batch"))
        curvature = self._slope(own, theta, baseline, sources.curvature, fresh, keep=True)
        if sources.path == sources.curvature and not sources.separate:
            path = curvature.detach()
        else:
            if sources.separate:
                fresh = {sources.path: self._fresh(own, theta, sources.path)}
            path = self._slope(own, theta, baseline, sources.path, fresh, keep=False)
        moved = theta + self.table.inner_rate * curvature
        return (theta + self.table.inner_rate * path - moved).detach() + moved

    def _slope(
        self,
        own: Tensor,
        theta: Tensor,
        baseline: Tensor,
        source: str,
        fresh: dict[str, Rollouts],
        *,
        keep: bool,
    ) -> Tensor:
        """∇_θ J_other from a source; differentiable again if it is kept."""
        if not keep:
            own, theta = own.detach(), theta.detach().requires_grad_()
        if source == "exact":
            objective = game.value(theta, own, self.table.gamma).sum()
        else:
            ring = source == "ring"
            if not (ring or self.sources.fresh_baseline):
                baseline = torch.zeros_like(baseline)
            objective = self._objective(
                joint_logp(own, theta),
                self.ring.rollouts() if ring else fresh[source],
                game.OTHER,
                baseline[:, game.SWAPPED],
                "off_policy_dice" if ring else self.sources.surrogate,
            )
        return torch.autograd.grad(objective, theta, create_graph=keep)[0]

    def _objective(
        self,
        logp: Tensor,
        rollouts: Rollouts,
        rewards: tuple[float, ...],
        baseline: Tensor,
        surrogate: str,
    ) -> Tensor:
        """The surrogate's mean over each pair's rollouts, summed over the pairs.

        Joint log-probabilities (M, 5, 4), rewards of the joint moves (4,), V_b by state (M, 5).
        """
        states, moves = game.NUM_STATES, game.NUM_MOVES
        pairs, count, length = rollouts.index.shape
        total = logp.new_zeros(())
        together = max(1, TOGETHER // (count * length))
        for first in range(0, pairs, together):
            rows = slice(first, first + together)
            some = Rollouts(rollouts.index[rows], rollouts.old_logp[rows])
            values = some.read(baseline[rows, :, None].expand(-1, states, moves))
            each = SURROGATES[surrogate](
                some.read(logp[rows]),
                some.old_logp,
                logp.new_tensor(rewards)[some.index % moves],
                pad(values, (0, 1)),
                gamma=self.table.gamma,
            )
            total = total + each.sum() / count
        return total

    def _fresh(self, own: Tensor, theta: Tensor, source: str) -> Rollouts:
        """Rollouts of the present policies."""
        count = self.table.batch if source == "batch" else self.table.large
        with torch.no_grad():
            return roll_out(own, theta, uniforms(self.rngs, self.table.rollout, count))


def swap(players: Tensor) -> Tensor:
    """Exchange the halves: each player's opponent."""
    return players.roll(len(players) // 2, 0)
