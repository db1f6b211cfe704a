"""The meta-gradient of a player that looks K steps ahead of the other, exact or from rollouts.

    θ^{i+1} = θ^i + α ∇_θ J_other(own, θ^i),      maximise J_own(own, θ^K),

by the recursion of Proposition 3.1, as `tabular.metagradient`: with G_i, H_i the derivatives of the
inner gradient in own and θ, λ_K = ∂J_own/∂θ^K and Φ_K = ∂J_own/∂own,

    Φ_i = Φ_{i+1} + α G_iᵀ λ_{i+1},      λ_i = λ_{i+1} + α H_iᵀ λ_{i+1},      i = K−1, ..., 0.

I (the path) moves θ, II (the curvature) gives G and H, III λ_K and Φ_K, each from a source of its
own; Φ_0 is the meta-gradient, Φ_K that of learners who do not look ahead.
Both players of B runs are M = 2 B pairs of one batch: `own` holds the two of the first run, then
those of the second, and so on.
Source: [Foerster2018b] for LOLA-DiCE; [Liu2022], Proposition 3.1, I.1.2 and I.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adapters.ipd import game
from adapters.ipd.objectives import ExactValue, Objective, Sampled, gradient, products
from adapters.ipd.rollouts import Ring, Rollouts, roll_out
from adapters.ipd.settings import Sources, Table3
from tabular.transitions import Array


class Found(NamedTuple):
    """A meta-gradient and what it was made with.

    Attributes
    ----------
    gradient : tensor (M, 5)
    inner : tensor (M, 5)
        The same with an exact outer gradient, where that was asked for.
    rollouts : Rollouts or None
        Those of the outer gradient.
    """

    gradient: Tensor
    inner: Tensor
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
        self.num_steps = table.lookahead if sources.look_ahead else 0
        self.ring = Ring(table.ring)

    def truth(self, own: Tensor) -> Array:
        """The exact meta-gradient of players who look ahead, (M, 5), by `tabular.lola`."""
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
        theta = swap(own)
        steps = []
        for _ in range(self.num_steps):
            path, curvature = self._inner(own, theta, swap(baseline))
            steps.append((curvature, theta))
            theta = theta + self.table.inner_rate * gradient(path, own, theta)[1]
        exact = ExactValue(own=True, gamma=self.table.gamma)
        if self.sources.outer == "exact":
            found = self._backwards(own, theta, steps, exact)
            return Found(found, found, None)
        outer = self._fresh(own, theta, baseline, self.sources.outer, own_rewards=True)
        found = self._backwards(own, theta, steps, outer)
        inner = self._backwards(own, theta, steps, exact) if exact_outer_too else found
        return Found(found, inner, outer.rollouts)

    def remember(self, own: Tensor, baseline: Tensor) -> None:
        """Fill the ring as a meta-gradient at these parameters would; nothing without a ring."""
        if "ring" not in (self.sources.path, self.sources.curvature):
            return
        theta = swap(own)
        for i in range(self.num_steps):
            path, _ = self._inner(own, theta, swap(baseline))
            if i + 1 < self.num_steps:
                theta = theta + self.table.inner_rate * gradient(path, own, theta)[1]

    def _backwards(
        self, own: Tensor, last: Tensor, steps: Sequence[tuple[Objective, Tensor]], outer: Objective
    ) -> Tensor:
        """Φ_0 from the outer gradient at θ^K and the curvatures at θ^i."""
        total, adjoint = gradient(outer, own, last)
        for curvature, theta in reversed(steps):
            cross, second = products(curvature, own, theta, adjoint)
            total = total + self.table.inner_rate * cross
            adjoint = adjoint + self.table.inner_rate * second
        return total

    def _inner(self, own: Tensor, theta: Tensor, baseline: Tensor) -> tuple[Objective, Objective]:
        """J_other for the path and for the curvature: the same one if they share their source."""
        sources = self.sources
        if sources.path == sources.curvature and not sources.separate:
            both = self._objective(own, theta, baseline, sources.path)
            return both, both
        path, curvature = (
            self._objective(own, theta, baseline, source)
            for source in (sources.path, sources.curvature)
        )
        return path, curvature

    def _objective(self, own: Tensor, theta: Tensor, baseline: Tensor, source: str) -> Objective:
        """J_other from a source."""
        if source == "exact":
            return ExactValue(own=False, gamma=self.table.gamma)
        if source == "ring":
            self.ring.add(self._rollouts(own, theta, "batch"))
            kept = self.ring.rollouts()
            return Sampled(False, kept, baseline, "off_policy_dice", self.table.gamma)
        if not self.sources.fresh_baseline:
            baseline = torch.zeros_like(baseline)
        return self._fresh(own, theta, baseline, source, own_rewards=False)

    def _fresh(
        self, own: Tensor, theta: Tensor, baseline: Tensor, source: str, *, own_rewards: bool
    ) -> Sampled:
        """A surrogate on new rollouts."""
        rollouts = self._rollouts(own, theta, source)
        surrogate = self.sources.surrogate
        return Sampled(own_rewards, rollouts, baseline, surrogate, self.table.gamma)

    def _rollouts(self, own: Tensor, theta: Tensor, source: str) -> Rollouts:
        count = self.table.batch if source == "batch" else self.table.large
        return roll_out(own, theta, self.rngs, self.table.rollout, count)


def swap(players: Tensor) -> Tensor:
    """Exchange the two players of each run: everyone's opponent."""
    return players.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
