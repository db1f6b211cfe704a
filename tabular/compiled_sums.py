"""The sums along trajectories by compiled loops, where numba is installed: the bits of NumPy's.

A loop passes over the steps of one trial and writes nothing but the result, where NumPy writes a
table of all steps for every operation.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tabular import compiled
from tabular._frozen import read_only
from tabular.sampling import Trajectories
from tabular.sums import Sums
from tabular.transitions import Array


def sums_of(
    trajectories: Trajectories,
    shape: tuple[int, int],
    baseline: Array,
    gamma: Array,
    gae_lambda: Array,
) -> Sums:
    """Make the sums of trajectories on S states and A actions; the arguments are as checked."""
    kind = Sums if compiled.kernels("kernels_sums") is None else CompiledSums
    return kind(trajectories, shape, baseline, gamma, gae_lambda)


class CompiledSums(Sums):
    """`Sums` whose loops over trajectories and steps are compiled."""

    @cached_property
    def _paths(self) -> tuple[Array, Array, Array]:
        """States (T + 1, B, N), actions and rewards (T, B, N)."""
        states, actions, rewards = self._trajectories
        shape = (-1, self._trials, self._trajectories.num_trajectories)
        return (
            read_only(np.reshape(states, shape), np.intp),
            read_only(np.reshape(actions, shape), np.intp),
            read_only(np.reshape(rewards, shape)),
        )

    @cached_property
    def _values(self) -> tuple[Array, Array, Array]:
        """V_b (B, S), γ and κ (B,), of length one where the trials share them."""
        V, gamma, kappa = self._baseline, self._gamma, self._kappa
        if V.ndim > 1:
            V = np.broadcast_to(V, (*self._batch, *V.shape[-1:]))
        return read_only(V.reshape(-1, self._shape[0])), self._each(gamma), self._each(kappa)

    @cached_property
    def _discounts(self) -> Array:
        """γ^t, (T, B) or (T, 1)."""
        powers = self._powers
        if powers.size > len(powers):
            powers = np.broadcast_to(powers, (len(powers), *self._batch, 1))
        return read_only(powers.reshape(len(powers), -1))

    def _each(self, x: Array) -> Array:
        """The trials' numbers (..., 1) as (B,), or one number for all as (1,)."""
        return read_only(np.broadcast_to(x, (*self._batch, 1)).reshape(-1) if x.ndim else x)

    def _scores(self, score: Array) -> Array:
        """ψ·v, (B, S, A)."""
        return read_only(score.reshape(-1, *self._shape))

    def _zeros(self) -> Array:
        return np.zeros((self._trials, *self._shape))

    @cached_property
    def advantage(self) -> Array:
        """Â_t, (T, ..., N)."""
        states, _, rewards = self._paths
        out = np.empty(rewards.shape)
        compiled.kernels("kernels_sums").advantages(states, rewards, *self._values, out)
        return out.reshape(self._trajectories.actions.shape)

    def weighted(self) -> Array:
        """Σ_t W_t [x_t = ·]."""
        out = self._zeros()
        loops = compiled.kernels("kernels_sums")
        loops.weighted(*self._paths, *self._values, self._discounts, out)
        return self._mean(out)

    def coupled(self, score: Array) -> Array:
        """Σ_t (W_t p_t + z_t) [x_t = ·] for scores ψ·v (..., S, A)."""
        out, score = self._zeros(), self._scores(score)
        loops = compiled.kernels("kernels_sums")
        loops.coupled(*self._paths, *self._values, self._discounts, score, out)
        return self._mean(out)

    def traced(self, score: Array) -> Array:
        """Σ_t c_t [x_t = ·] for scores ψ·v (..., S, A)."""
        out, score = self._zeros(), self._scores(score)
        states, actions, _ = self._paths
        kappa = self._values[-1]
        loops = compiled.kernels("kernels_sums")
        loops.traced(states, actions, kappa, self._discounts, score, out)
        return self._mean(out)
