"""Meta-learning problems: what the meta-parameters φ are and where they enter the inner update.

    Maml   φ = θ⁰                  inner and outer objective J; ∂θ⁰/∂φ = I
    Lirpg  φ = intrinsic reward    inner rewards R + φ, outer rewards R
    Mgrl   φ = (γ, λ)              inner update with generalised advantages of a fixed critic
                                   at (γ, λ), outer objective J at the MDP's own γ

and, each in a file of its own,

    Lola   φ = own policy          inner objective the other player's, outer one's own
    Lpg    φ = network weights     inner update produced by the network, outer objective J

Each says how θ⁰ depends on φ, what the inner update at (φ, θ) is, how its derivative with
respect to φ pairs with a vector, and how the outer objective depends on φ at a fixed θ (Finn et
al. 2017; Zheng et al. 2018; Xu et al. 2018).
The K steps themselves are `tabular.metagradient`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tabular import _checks
from tabular._frozen import frozen
from tabular.compiled_evaluation import evaluation_of
from tabular.gae import UpdateField
from tabular.mdp import TabularMDP
from tabular.sources import Differential, Update
from tabular.transitions import Array


class Problem(Protocol):
    """φ -> θ⁰, inner update, outer objective."""

    def check(self, phi: Any) -> Array:
        """Return φ as an array after checking its shape."""
        ...

    def start(self, phi: Array) -> Array:
        """θ⁰(φ), (..., S, A)."""
        ...

    def inner(self, phi: Array, theta: Array) -> Update:
        """The inner update at (φ, θ)."""
        ...

    def outer(self, phi: Array, theta: Array) -> Update:
        """The outer objective, whose gradient is ∇_θ J_Out."""
        ...

    def cross(self, differential: Differential, u: Array) -> Array | None:
        """∂_φ⟨g, u⟩, in the shape of φ, or None where g does not depend on φ."""
        ...

    def direct(self, differential: Differential) -> Array | None:
        """q = ∂_φ J_Out at a fixed θ, from the differential of `outer`, in the shape of φ.

        None where J_Out depends on φ only through θ.
        """
        ...

    def start_vjp(self, u: Array) -> Array | None:
        """(∂θ⁰/∂φ)ᵀ u, or None where θ⁰ does not depend on φ."""
        ...


def _objective(
    mdp: TabularMDP, theta: Array, horizon: int | None = None, terminal: Array | None = None
) -> Update:
    """∇J at a θ that needs no check: it comes from φ by finite steps."""
    return Update(
        mdp,
        theta,
        exact=lambda: evaluation_of(mdp, theta, horizon=horizon, terminal_value=terminal),
    )


@dataclass(frozen=True, eq=False)
class Maml:
    """φ = θ⁰: adapt from φ by K gradient steps on J, then maximise J.

    `horizon` and `terminal_value` choose the exact objective J_T instead of the infinite one.
    """

    mdp: TabularMDP
    horizon: int | None = None
    terminal_value: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "terminal_value", _end(self))

    def check(self, phi: Any) -> Array:
        """φ is a table of logits (..., S, A)."""
        return _checks.table(phi, "phi", (self.mdp.num_states, self.mdp.num_actions))

    def start(self, phi: Array) -> Array:
        """θ⁰ = φ."""
        return phi

    def inner(self, phi: Array, theta: Array) -> Update:
        """∇J at θ."""
        return _objective(self.mdp, theta, self.horizon, self.terminal_value)

    outer = inner

    def cross(self, differential: Differential, u: Array) -> None:
        """∇J does not depend on φ but through θ."""

    def direct(self, differential: Differential) -> None:
        """J does not depend on φ but through θ."""

    def start_vjp(self, u: Array) -> Array:
        """The identity."""
        return u


@dataclass(frozen=True, eq=False)
class Lirpg:
    """φ = intrinsic reward (S, A): K steps on rewards R + φ from θ⁰, then the value under R.

    `horizon` and `terminal_value` choose the objectives J_T instead of the infinite ones.
    """

    mdp: TabularMDP
    theta0: Any
    horizon: int | None = None
    terminal_value: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta0", frozen(_logits(self.mdp, self.theta0)))
        object.__setattr__(self, "terminal_value", _end(self))

    def check(self, phi: Any) -> Array:
        """φ is a reward table (..., S, A)."""
        return _checks.table(phi, "phi", (self.mdp.num_states, self.mdp.num_actions))

    def start(self, phi: Array) -> Array:
        """The fixed θ⁰, repeated over the batch of φ."""
        return _repeat(self.mdp, self.theta0, phi.shape[:-2])

    def inner(self, phi: Array, theta: Array) -> Update:
        """∇J for rewards R + φ."""
        return _objective(self.mdp.add_reward(phi), theta, self.horizon, self.terminal_value)

    def outer(self, phi: Array, theta: Array) -> Update:
        """∇J for rewards R."""
        return _objective(self.mdp, theta, self.horizon, self.terminal_value)

    def cross(self, differential: Differential, u: Array) -> Array:
        """∂_φ⟨g, u⟩."""
        return differential.cross_reward(u)

    def direct(self, differential: Differential) -> None:
        """The outer objective does not contain φ."""

    def start_vjp(self, u: Array) -> None:
        """θ⁰ is fixed."""


@dataclass(frozen=True, eq=False)
class Mgrl:
    """φ = (γ, λ) of the inner advantages; the critic V_b (S,) is fixed.

    The inner update is the expected actor-critic update of `tabular.gae`, over `horizon` steps (the
    infinite horizon if None). With V_b = V^π at φ's γ the derivative by λ vanishes.
    """

    mdp: TabularMDP
    theta0: Any
    critic: Any
    horizon: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta0", frozen(_logits(self.mdp, self.theta0)))
        critic = _checks.table(self.critic, "critic", (self.mdp.num_states,))
        object.__setattr__(self, "critic", frozen(critic))
        if self.horizon is not None:
            _checks.positive_integer(self.horizon, "horizon")

    def check(self, phi: Any) -> Array:
        """φ is (..., 2) with 0 <= γ < 1 and 0 <= λ <= 1."""
        phi = _checks.table(phi, "phi", (2,))
        if np.any(phi < 0) or np.any(phi[..., 0] >= 1) or np.any(phi[..., 1] > 1):
            raise ValueError(
                f"phi = (gamma, lambda) needs 0 <= gamma < 1 and 0 <= lambda <= 1, received {phi}"
            )
        return phi

    def start(self, phi: Array) -> Array:
        """The fixed θ⁰, repeated over the batch of φ."""
        return _repeat(self.mdp, self.theta0, phi.shape[:-1])

    def inner(self, phi: Array, theta: Array) -> Update:
        """The expected update at (γ, λ)."""
        mdp, gae_lambda = self.mdp.with_gamma(phi[..., 0]), phi[..., 1]
        return Update(
            mdp,
            theta,
            gae_lambda=gae_lambda,
            critic=self.critic,
            exact=lambda: UpdateField(
                mdp, theta, gae_lambda=gae_lambda, baseline=self.critic, horizon=self.horizon
            ),
        )

    def outer(self, phi: Array, theta: Array) -> Update:
        """∇J at the MDP's own γ."""
        return _objective(self.mdp, theta)

    def cross(self, differential: Differential, u: Array) -> Array:
        """(⟨∂_γ g, u⟩, ⟨∂_λ g, u⟩)."""
        by_gamma = (differential.cross_gamma() * u).sum(axis=(-2, -1))
        by_lambda = (differential.cross_lambda() * u).sum(axis=(-2, -1))
        return np.stack([by_gamma, by_lambda], axis=-1)

    def direct(self, differential: Differential) -> None:
        """The outer objective does not contain φ."""

    def start_vjp(self, u: Array) -> None:
        """θ⁰ is fixed."""


def _end(problem: Maml | Lirpg) -> Array | None:
    """The terminal table of a problem after checking it and the horizon."""
    if problem.horizon is not None:
        _checks.positive_integer(problem.horizon, "horizon")
    if problem.terminal_value is None:
        return None
    if problem.horizon is None:
        raise ValueError("terminal_value needs a horizon; the infinite horizon has no end")
    return _checks.table(problem.terminal_value, "terminal_value", (problem.mdp.num_states,))


def _logits(mdp: TabularMDP, theta: Any) -> Array:
    return _checks.table(theta, "theta0", (mdp.num_states, mdp.num_actions))


def _repeat(mdp: TabularMDP, theta: Any, batch: tuple[int, ...]) -> Array:
    return repeated(_logits(mdp, theta), batch)


def repeated(theta0: Array, batch: tuple[int, ...]) -> Array:
    """A checked θ⁰ (..., S, A) repeated over a batch of φ."""
    return np.broadcast_to(theta0, np.broadcast_shapes((*batch, 1, 1), theta0.shape))
