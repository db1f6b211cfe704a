"""LOLA as a K-step meta-gradient: φ = own policy, θ = the other player's.

In a two-player game (`tabular.games`) player 1 expects player 2 to take K gradient steps on J²,

    θ^{i+1} = θ^i + α ∇_θ J²(φ, θ^i),        maximise J¹(φ, θ^K) over φ,

so that p = ∇_θ J¹, q = ∇_φ J¹ (the independent learner's gradient), and with the joint logits
Θ = φ ⊕ θ, summing over the other player's actions,

    ∇_θ J^k = Σ_{a₁} ∇_Θ J^k,    Hᵀu = Σ_{a₁} ∇²_Θ J² ũ,    Gᵀu = Σ_{a₂} ∇²_Θ J² ũ,
    q       = Σ_{a₂} ∇_Θ J¹,     ũ(s, a₁, a₂) = u(s, a₂).

The same sums make a sampled source's estimates those of the game: trajectories of joint actions, a
surrogate in the joint policy π¹π² differentiated in φ and θ. As Σ_{a₁} and Σ_{a₂} of
∇² log π¹π² have no mixed part, `ad` has Gᵀu = 0 and falls back to q, whatever is sampled; `dice` is
LOLA-DiCE. Sources: [Foerster2018b]; [Foerster2018a]; [Liu2022], A.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tabular import _checks
from tabular.compiled_evaluation import evaluation_of
from tabular.games import MarkovGame
from tabular.mdp import TabularMDP
from tabular.problems import repeated
from tabular.sources import Differential, Update
from tabular.transitions import Array


class Shares:
    """The derivatives in φ and θ that a differential in the joint logits gives."""

    def __init__(self, joint: Differential, num_actions: tuple[int, int]) -> None:
        self._joint = joint
        self._num_actions = num_actions

    def _table(self, x: Array) -> Array:
        """(..., S, A₁·A₂) as (..., S, A₁, A₂)."""
        return x.reshape(*x.shape[:-1], *self._num_actions)

    def _product(self, u: Array) -> Array:
        """∇²_Θ J ũ for u (..., S, A₂)."""
        own, other = self._num_actions
        spread = u[..., None, :].repeat(own, axis=-2)
        return self._table(self._joint.vjp(spread.reshape(*u.shape[:-1], own * other)))

    @property
    def gradient(self) -> Array:
        """∇_θ J, (..., S, A₂)."""
        return self._table(self._joint.gradient).sum(axis=-2)

    @property
    def direct(self) -> Array:
        """∇_φ J, (..., S, A₁)."""
        return self._table(self._joint.gradient).sum(axis=-1)

    def vjp(self, u: Array) -> Array:
        """∇²_θθ J u, (..., S, A₂)."""
        return self._product(u).sum(axis=-2)

    def cross(self, u: Array) -> Array:
        """∂_φ⟨∇_θ J, u⟩, (..., S, A₁)."""
        return self._product(u).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class Lola:
    """φ = own logits (S, A₁): player 2 takes K steps on J² from θ⁰ (S, A₂), then J¹.

    Sampled sources take trajectories of joint actions; the baseline is a table for joint policies.
    """

    game: MarkovGame
    theta0: Any

    def __post_init__(self) -> None:
        if not isinstance(self.game, MarkovGame):
            raise TypeError(f"game must be a MarkovGame, received {type(self.game).__name__}")
        shape = (self.game.num_states, self.game.num_actions[1])
        object.__setattr__(self, "theta0", _checks.table(self.theta0, "theta0", shape))

    def check(self, phi: Any) -> Array:
        """φ is a table of logits (..., S, A₁)."""
        return _checks.table(phi, "phi", (self.game.num_states, self.game.num_actions[0]))

    def start(self, phi: Array) -> Array:
        """The fixed θ⁰, repeated over the batch of φ."""
        return repeated(self.theta0, phi.shape[:-2])

    def _objective(self, mdp: TabularMDP, phi: Array, theta: Array) -> Update:
        joint = self.game.joint_logits(phi, theta)

        def view(differential: Differential) -> Shares:
            return Shares(differential, self.game.num_actions)

        return Update(mdp, joint, exact=lambda: view(evaluation_of(mdp, joint)), view=view)

    def inner(self, phi: Array, theta: Array) -> Update:
        """∇_θ J²."""
        return self._objective(self.game.second, phi, theta)

    def outer(self, phi: Array, theta: Array) -> Update:
        """∇_θ J¹."""
        return self._objective(self.game.first, phi, theta)

    def cross(self, differential: Any, u: Array) -> Array:
        """∂_φ⟨∇_θ J², u⟩."""
        return differential.cross(u)

    def direct(self, differential: Any) -> Array:
        """∇_φ J¹ at a fixed θ."""
        return differential.direct

    def start_vjp(self, u: Array) -> None:
        """θ⁰ is fixed."""
