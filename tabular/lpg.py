"""LPG: the inner update is produced by a network with weights φ (a learned policy gradient).

The expected update of a policy whose actions are scored by y_φ instead of an advantage is

    g(φ, θ) = Σ_s d(s) Σ_a π(a|s) y_φ(x(s, a)) ψ(s, a) = project(π, d π y),
    x(s, a) = (R(s,a), π(a|s), V(s), γ (P V)(s,a)),

the quantities that LPG's network reads at a step (reward, probability of the action, prediction of
this state and of the next), with V^π for the predictions. With y = R + γ P V it is ∇J. In general
it is the gradient of nothing, so its Jacobian H = ∂g/∂θ is not symmetric, and products are with Hᵀ.
Backwards, with c_u = u − ⟨π, u⟩ and ȳ = d π c_u of ⟨g, u⟩ = Σ d π y c_u,

    x̄ = ȳ ∂y/∂x,                          Gᵀu = ȳ ∂y/∂φ,
    V̄ = Σ_a x̄_V + Pᵀ(γ x̄_{PV}),           V = (I − γP_π)⁻¹ r_π  gives  π̄ += visit(V̄) Q,
    d̄ = Σ_a π y c_u,                      d = (I − γP_πᵀ)⁻¹ ρ   gives  π̄ += d γ P evaluate(d̄),
    π̄ += d (y c_u − u Σ_b π y) + x̄_π,      Hᵀu = π (π̄ − ⟨π, π̄⟩).

Sources: [Oh2020]; [Liu2022], A.4; the Jacobians are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks
from tabular.compiled_evaluation import evaluation_of
from tabular.mdp import TabularMDP
from tabular.policy import center, project
from tabular.problems import repeated
from tabular.sources import Differential, Update
from tabular.transitions import Array
from tabular.update_network import UpdateNetwork

#: R(s,a), π(a|s), V(s) and γ (P V)(s,a).
NUM_FEATURES = 4


class LearnedUpdate:
    """g at one (φ, θ), or a batch, and the products with its Jacobians; unchecked."""

    def __init__(self, mdp: TabularMDP, theta: Array, network: UpdateNetwork, phi: Array) -> None:
        self._network = network
        self._weights = network.unpack(phi)
        self._here = evaluation_of(mdp, theta)
        self._shape = theta.shape[-2:]
        self._gamma = np.asarray(mdp.gamma)[..., None, None]
        self._R = mdp.R

    @cached_property
    def _pi(self) -> Array:
        return self._here.pi[..., 0, :, :]

    @cached_property
    def _d(self) -> Array:
        return self._here.occupancy[..., 0, :, None]

    def _next(self, v: Array) -> Array:
        """γ P v for v (..., 1, S), (..., S, A)."""
        return self._gamma * self._here.chain.expect_next(v)[..., 0, :, :]

    @cached_property
    def _features(self) -> Array:
        """x, (..., S·A, F)."""
        V = self._here.V
        parts = (self._R, self._pi, np.swapaxes(V, -1, -2), self._next(V))
        x = np.stack(np.broadcast_arrays(*parts), axis=-1)
        return x.reshape(*x.shape[:-3], -1, NUM_FEATURES)

    @cached_property
    def _scores(self) -> tuple[Array, Array]:
        """y (..., S, A) and the hidden activations (..., S·A, H)."""
        y, h = self._network.scores(self._weights, self._features)
        return y.reshape(*y.shape[:-1], *self._shape), h

    @cached_property
    def gradient(self) -> Array:
        """g, (..., S, A)."""
        y, _ = self._scores
        return project(self._pi, self._d * self._pi * y)

    def _score_weight(self, u: Array) -> Array:
        """ȳ, (..., S·A)."""
        y_bar = self._d * self._pi * center(self._pi, u)
        return y_bar.reshape(*y_bar.shape[:-2], -1)

    def cross(self, u: Array) -> Array:
        """Gᵀu = ∂_φ⟨g, u⟩, (..., num_weights)."""
        _, h = self._scores
        return self._network.by_weights(self._weights, self._features, h, self._score_weight(u))

    def vjp(self, u: Array) -> Array:
        """Hᵀu, (..., S, A)."""
        here, pi, d = self._here, self._pi, self._d
        y, h = self._scores
        x_bar = self._network.by_features(self._weights, h, self._score_weight(u))
        _, by_pi, by_V, by_next = np.moveaxis(
            x_bar.reshape(*x_bar.shape[:-2], *self._shape, -1), -1, 0
        )
        score = center(pi, u)
        weighted = (pi * y).sum(axis=-1, keepdims=True)
        of_V = by_V.sum(axis=-1)[..., None, :]
        of_V = of_V + here.chain.push_next((self._gamma * by_next)[..., None, :, :])
        of_d = (pi * y * score).sum(axis=-1)[..., None, :]
        visits = here.discounted.visit(of_V)[..., 0, :, None]
        later = self._next(here.discounted.evaluate(of_d))
        by_pi = by_pi + d * (y * score - u * weighted + later) + visits * here.Q[..., 0, :, :]
        return pi * center(pi, by_pi)


@dataclass(frozen=True, eq=False)
class Lpg:
    """φ = weights of `network`: K of its updates from θ⁰, a lifetime, then the value J.

    A batch of MDPs is as many lifetimes. The inner update is exact only; sampled sources may stand
    for the outer gradient. `Lpg.network_of(H)` makes a network with the right features.
    """

    mdp: TabularMDP
    theta0: Any
    network: UpdateNetwork

    def __post_init__(self) -> None:
        if not isinstance(self.mdp, TabularMDP):
            raise TypeError(f"mdp must be a TabularMDP, received {type(self.mdp).__name__}")
        if not isinstance(self.network, UpdateNetwork):
            raise TypeError(
                f"network must be an UpdateNetwork, received {type(self.network).__name__}"
            )
        if self.network.num_features != NUM_FEATURES:
            raise ValueError(
                f"the network must read {NUM_FEATURES} features (R, pi, V and the next V), "
                f"received one for {self.network.num_features}; make it with Lpg.network_of(H)"
            )
        shape = (self.mdp.num_states, self.mdp.num_actions)
        object.__setattr__(self, "theta0", _checks.table(self.theta0, "theta0", shape))

    @staticmethod
    def network_of(num_hidden: int) -> UpdateNetwork:
        """A network with H hidden units that reads the features."""
        return UpdateNetwork(NUM_FEATURES, num_hidden)

    def check(self, phi: Any) -> Array:
        """φ is a vector of weights (..., num_weights)."""
        return _checks.table(phi, "phi", (self.network.num_weights,))

    def start(self, phi: Array) -> Array:
        """The fixed θ⁰, repeated over the batch of φ."""
        return repeated(self.theta0, phi.shape[:-1])

    def inner(self, phi: Array, theta: Array) -> Update:
        """The learned update at (φ, θ)."""
        return Update(None, theta, exact=lambda: LearnedUpdate(self.mdp, theta, self.network, phi))

    def outer(self, phi: Array, theta: Array) -> Update:
        """∇J."""
        return Update(self.mdp, theta, exact=lambda: evaluation_of(self.mdp, theta))

    def cross(self, differential: Any, u: Array) -> Array:
        """∂_φ⟨g, u⟩."""
        return differential.cross(u)

    def direct(self, differential: Differential) -> None:
        """J does not depend on φ but through θ."""

    def start_vjp(self, u: Array) -> None:
        """θ⁰ is fixed."""
