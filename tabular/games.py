"""Two-player Markov games with simultaneous moves: (S, A₁, A₂, P, R¹, R², γ, ρ).

Player 1 has logits φ (S, A₁), player 2 logits θ (S, A₂), and they draw their actions independently:
π(a₁, a₂|s) = π¹(a₁|s) π²(a₂|s). This is the softmax of the joint logits

    Θ(s, a₁, a₂) = φ(s, a₁) + θ(s, a₂),

so that the game is, for each player, an MDP over joint actions with that player's rewards,
J^k(φ, θ) = J(Θ), and since Θ is linear in φ and θ every derivative of J^k, exact or estimated, is
one of J summed over the actions of the other player. The joint action (a₁, a₂) has the number
a₁ A₂ + a₂.
Source: [Foerster2018b] for the games; the reduction is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabular import _checks, exact
from tabular.mdp import TabularMDP
from tabular.mdp_checks import transition_table
from tabular.transitions import Array

#: A prisoner's payoffs by (own action, other's action); action 0 defects, action 1 cooperates.
PRISONERS = ((-2.0, 0.0), (-3.0, -1.0))


@dataclass(frozen=True, eq=False, repr=False)
class MarkovGame:
    """A two-player Markov game, validated once, immutable afterwards.

    Parameters
    ----------
    P : array_like (S, A1, A2, S)
        Transition probabilities P(s'|s, a1, a2).
    R1, R2 : array_like (S, A1, A2)
        Rewards of players 1 and 2.
    gamma : float
        Discount, 0 <= γ < 1.
    initial : array_like (S,) or int
        Initial distribution ρ, or one start state.
    name : str, optional
        What reports call this game.

    Raises
    ------
    ValueError, TypeError
        If a shape, a probability row, the discount or the initial distribution is not that of a
        game, or an entry is not finite.
    """

    P: Any
    R1: Any
    R2: Any
    gamma: Any
    initial: Any
    name: str = "game"
    #: The game as each player sees it: an MDP over joint actions with the player's rewards.
    first: TabularMDP = field(init=False)
    second: TabularMDP = field(init=False)

    def __post_init__(self) -> None:
        P = _checks.finite_array(self.P, "P")
        if P.ndim != 4 or P.shape[0] != P.shape[-1] or 0 in P.shape:
            raise ValueError(
                "P must have shape (S, A1, A2, S) with S, A1, A2 >= 1 and one table for both "
                f"players, received {P.shape}"
            )
        rewards = [_checks.finite_array(self.R1, "R1"), _checks.finite_array(self.R2, "R2")]
        for name, R in zip(("R1", "R2"), rewards, strict=True):
            if R.shape != P.shape[:-1]:
                raise ValueError(f"{name} must have shape {P.shape[:-1]}, received {R.shape}")
        if np.ndim(self.gamma):
            raise ValueError(f"gamma must be one number, received {self.gamma}")
        num_states, *actions = P.shape[:-1]
        joint = (num_states, actions[0] * actions[1])
        try:
            rows = transition_table(P.reshape(*joint, num_states))
        except ValueError as error:
            raise ValueError(
                f"{error} (action a1 * {actions[1]} + a2 is the joint action (a1, a2))"
            ) from None
        first, second = (
            TabularMDP(rows, R.reshape(joint), self.gamma, self.initial, name=f"{self.name}, {who}")
            for R, who in zip(rewards, ("player 1", "player 2"), strict=True)
        )
        self.__dict__.update(  # a frozen dataclass takes its checked values this way
            P=first.P.reshape(P.shape),
            R1=first.R.reshape(P.shape[:-1]),
            R2=second.R.reshape(P.shape[:-1]),
            gamma=first.gamma,
            initial=first.initial,
            first=first,
            second=second,
        )

    @property
    def num_states(self) -> int:
        """S."""
        return self.first.num_states

    @property
    def num_actions(self) -> tuple[int, int]:
        """(A₁, A₂)."""
        return self.P.shape[1:3]

    def __repr__(self) -> str:
        return (
            f"MarkovGame({self.name!r}, num_states={self.num_states}, "
            f"num_actions={self.num_actions}, gamma={self.gamma})"
        )

    def __reduce__(self) -> Any:
        """Copies and pickles are made anew, and so are read-only too."""
        return MarkovGame, (self.P, self.R1, self.R2, self.gamma, self.initial, self.name)

    def swapped(self) -> MarkovGame:
        """The same game with the players' numbers exchanged; states keep theirs."""
        return MarkovGame(
            np.swapaxes(self.P, 1, 2),
            np.swapaxes(self.R2, 1, 2),
            np.swapaxes(self.R1, 1, 2),
            self.gamma,
            self.initial,
            self.name,
        )

    def joint_logits(self, phi: Array, theta: Array) -> Array:
        """Θ (..., S, A₁·A₂) from φ (..., S, A₁) and θ (..., S, A₂), unchecked."""
        joint = phi[..., :, None] + theta[..., None, :]
        return joint.reshape(*joint.shape[:-2], -1)

    def values(self, phi: Any, theta: Any) -> tuple[Array, Array]:
        """J¹ and J², each (...).

        Raises
        ------
        ValueError, TypeError
            If φ or θ does not have the shape (..., S, A) of its player's logits or is not finite.
        """
        own, other = self.num_actions
        phi = _checks.table(phi, "phi", (self.num_states, own))
        theta = _checks.table(theta, "theta", (self.num_states, other))
        joint = self.joint_logits(phi, theta)
        return exact.value(self.first, joint), exact.value(self.second, joint)


def iterated_prisoners_dilemma(*, payoffs: Any = PRISONERS, gamma: float = 0.96) -> MarkovGame:
    """Two prisoners who remember the last joint move: five states, two actions each.

    State 0 is the start; state 1 + 2 a₁ + a₂ follows the joint move (a₁, a₂). With the default
    payoffs action 0 defects and action 1 cooperates: both defecting gives −2 a step to each, both
    cooperating −1, and a defector against a cooperator 0 against −3. States are numbered from
    player 1's side; from player 2's side states 2 and 3 change places.

    Parameters
    ----------
    payoffs : array_like (2, 2)
        What a player gets in a step, by (own action, other's action).
    gamma : float
        Discount, 0 <= γ < 1.

    Raises
    ------
    ValueError, TypeError
        If the payoffs are not a finite (2, 2) table or γ is out of its range.

    Notes
    -----
    Source: [Liu2022], the iterated prisoner's dilemma experiments; [Foerster2018b].
    """
    own = _checks.finite_array(payoffs, "payoffs")
    if own.shape != (2, 2):
        raise ValueError(f"payoffs must have shape (2, 2), received {own.shape}")
    P = np.broadcast_to(np.eye(5)[1:].reshape(2, 2, 5), (5, 2, 2, 5))
    R1, R2 = (np.broadcast_to(R, (5, 2, 2)) for R in (own, own.T))
    return MarkovGame(P, R1, R2, gamma, 0, "iterated prisoner's dilemma")
