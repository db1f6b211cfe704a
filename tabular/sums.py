"""Sums along trajectories, by state-action: what the estimates are projected from.

With δ_t = r_t + γ V_b(s_{t+1}) − V_b(s_t), κ = γλ, W_t = γ^t Â_t and q_t = (ψ·v)(x_t), each of

    weighted   Σ_t W_t [x_t = ·],              Â_t = δ_t + κ Â_{t+1}
    coupled    Σ_t (W_t p_t + z_t) [x_t = ·],  p_t = Σ_{j<t} q_j,  z_t = Σ_{k>t} W_k q_k
    traced     Σ_t c_t [x_t = ·],              c_t = κ c_{t−1} + γ^t q_t
    by_gamma   Σ_t (t γ^{t−1} Â_t + γ^t ∂_γÂ_t) [x_t = ·]
    by_lambda  Σ_t γ^t ∂_λÂ_t [x_t = ·]

is averaged over the N trajectories of each trial, (..., S, A).
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from tabular.alias import Index
from tabular.sampling import Trajectories
from tabular.transitions import Array


class Sums:
    """The sums of one set of trajectories (or one per trial), by NumPy.

    The trajectories are taken as checked; V_b (..., S), γ and λ (...) broadcast to the trials.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        shape: tuple[int, int],
        baseline: Array,
        gamma: Array,
        gae_lambda: Array,
    ) -> None:
        self._trajectories = trajectories
        self._batch, self._shape = trajectories.batch_shape, shape
        self._trials = prod(self._batch)
        self._baseline = baseline
        self._gamma, self._lambda = _trialwise(gamma), _trialwise(gae_lambda)
        self._kappa = self._gamma * self._lambda

    @cached_property
    def _rows(self) -> Index:
        """States of all trials counted through, (T + 1, ..., N)."""
        trial = np.arange(self._trials).reshape(*self._batch, 1)
        return self._trajectories.states + trial * self._shape[0]

    @cached_property
    def _x(self) -> Index:
        """State-actions of all trials counted through, (T, ..., N)."""
        x = self._rows[:-1] * self._shape[1]
        x += self._trajectories.actions
        return x

    @cached_property
    def _V(self) -> Array:
        """V_b(s_t), (T + 1, ..., N)."""
        table = np.broadcast_to(self._baseline, (*self._batch, self._shape[0]))
        return table.ravel().take(self._rows)

    @cached_property
    def advantage(self) -> Array:
        """Â_t, (T, ..., N)."""
        delta = self._gamma * self._V[1:]
        delta += self._trajectories.rewards
        delta -= self._V[:-1]
        return _discounted_tail(delta, self._kappa)

    @cached_property
    def _powers(self) -> Array:
        """γ^t, (T, ..., 1) or (T, 1...)."""
        return self._gamma**self._steps

    @property
    def _steps(self) -> Index:
        """t, (T, 1...)."""
        steps = np.arange(self._trajectories.horizon)
        return steps.reshape(-1, *(1,) * (len(self._batch) + 1))

    @cached_property
    def _weights(self) -> Array:
        """W_t, (T, ..., N)."""
        return self._powers * self.advantage

    def _tabulate(self, weights: Array) -> Array:
        """Mean over trajectories of Σ_t weights_t [x_t = ·], (..., S, A)."""
        size = self._trials * self._shape[0] * self._shape[1]
        return self._mean(np.bincount(self._x.ravel(), weights.ravel(), minlength=size))

    def _mean(self, total: Any) -> Array:
        table = total.reshape(*self._batch, *self._shape)
        return table / self._trajectories.num_trajectories

    def weighted(self) -> Array:
        """Σ_t W_t [x_t = ·]."""
        return self._tabulate(self._weights)

    def coupled(self, score: Array) -> Array:
        """Σ_t (W_t p_t + z_t) [x_t = ·] for scores ψ·v (..., S, A)."""
        return self._tabulate(_coupled(self._weights, score.ravel().take(self._x)))

    def traced(self, score: Array) -> Array:
        """Σ_t c_t [x_t = ·] for scores ψ·v (..., S, A)."""
        q = score.ravel().take(self._x)
        return self._tabulate(_discounted_head(self._powers * q, self._kappa))

    def by_gamma(self) -> Array:
        """Σ_t ∂_γ W_t [x_t = ·]."""
        change = _discounted_tail(self._V[1:] + self._lambda * _next(self.advantage), self._kappa)
        power_change = self._steps * self._gamma ** np.maximum(self._steps - 1, 0)
        return self._tabulate(power_change * self.advantage + self._powers * change)

    def by_lambda(self) -> Array:
        """Σ_t ∂_λ W_t [x_t = ·]."""
        change = _discounted_tail(self._gamma * _next(self.advantage), self._kappa)
        return self._tabulate(self._powers * change)


def _trialwise(x: Array) -> Array:
    """Make an array over trials (...) broadcast against (T, ..., N)."""
    return x[..., None] if x.ndim else x


def _next(x: Array) -> Array:
    """x_{t+1}, zero at the end, time first."""
    return np.concatenate([x[1:], np.zeros_like(x[:1])])


def _coupled(weights: Array, q: Array) -> Array:
    """W_t p_t + z_t with p_t = Σ_{j<t} q_j and z_t = Σ_{k>t} W_k q_k, time first.

    Step by step, so that sums over all trajectories stay in the cache.
    """
    out, p, z = np.empty_like(q), np.zeros_like(q[0]), np.zeros_like(q[0])
    for t in range(len(q)):
        np.multiply(weights[t], p, out=out[t])
        p += q[t]
    for t in reversed(range(len(q))):
        out[t] += z
        z += weights[t] * q[t]
    return out


def _discounted_tail(x: Array, kappa: Array) -> Array:
    """y_t = x_t + κ y_{t+1}, time first, in the place of x."""
    for t in range(len(x) - 2, -1, -1):
        x[t] += kappa * x[t + 1]
    return x


def _discounted_head(x: Array, kappa: Array) -> Array:
    """y_t = x_t + κ y_{t−1}, time first, in the place of x."""
    for t in range(1, len(x)):
        x[t] += kappa * x[t - 1]
    return x
