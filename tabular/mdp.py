"""The tabular Markov decision process (S, A, P, R, γ, ρ).

A policy is a table of logits θ (S, A), read as the softmax π(a|s) = exp θ(s,a) / Σ_b exp θ(s,b).
Its objective is J(θ) = E Σ_t γ^t R(s_t, a_t) with s_0 ~ ρ (docs/notation.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular._checks import table
from tabular._frozen import freeze, frozen
from tabular.mdp_checks import (
    check_batch,
    check_discount,
    checked_labels,
    initial_distribution,
    reward_table,
    transition_table,
    wrap,
)
from tabular.transitions import Transitions


@dataclass(frozen=True, eq=False, repr=False)
class TabularMDP:
    """A finite MDP, validated once, immutable afterwards.

    Change it with `with_reward`, `add_reward`, `with_gamma` and `sparse`; `dataclasses.replace`
    would pass on the mean of R(s,a,s') only.

    Parameters
    ----------
    P : array_like (..., S, A, S), or scipy.sparse matrix (S·A, S)
        Transition probabilities P(s'|s,a); leading dimensions are a batch of MDPs.
        The row of a sparse matrix is s·A + a.
    R : array_like (..., S, A) or (..., S, A, S)
        Rewards R(s,a), or R(s,a,s') (a sparse (S·A, S) matrix when P is sparse). The latter is
        kept in `successor_reward` for sampling and moments; `R` is then its mean over s'.
        What `add_reward` adds to such an MDP is kept in `bonus` (..., S, A).
    gamma : float
        Discount, 0 <= γ < 1.
    initial : array_like (..., S) or int
        Initial distribution ρ, or one start state.
    state_labels, action_labels : sequence of str, optional
        Names for tables and pictures.
    name : str, optional
        What reports call this MDP.

    Raises
    ------
    ValueError
        If a shape, a probability row, a sign, the discount or the initial distribution is not
        that of an MDP; the message names the first offending state and action.
    """

    P: Any
    R: Any
    gamma: Any
    initial: Any
    state_labels: Sequence[str] | None = None
    action_labels: Sequence[str] | None = None
    name: str = "mdp"
    #: The kernel P with its products.
    transitions: Transitions = field(init=False)
    successor_reward: Any = field(init=False, default=None)
    bonus: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        P = transition_table(self.P)
        transitions = wrap(P)
        R, successor_reward = reward_table(self.R, transitions)
        self.__dict__.update(  # a frozen dataclass takes its checked values this way
            P=P,
            transitions=transitions,
            R=R,
            successor_reward=successor_reward,
            gamma=check_discount(self.gamma, transitions.batch_shape),
            initial=initial_distribution(self.initial, transitions),
            state_labels=checked_labels(self.state_labels, transitions.num_states, "state_labels"),
            action_labels=checked_labels(
                self.action_labels, transitions.num_actions, "action_labels"
            ),
        )

    @property
    def num_states(self) -> int:
        """S."""
        return self.transitions.num_states

    @property
    def num_actions(self) -> int:
        """A."""
        return self.transitions.num_actions

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading dimensions: () for a single MDP."""
        return self.transitions.batch_shape

    @property
    def is_sparse(self) -> bool:
        """Whether P is kept as a sparse matrix."""
        return self.transitions.is_sparse

    def __repr__(self) -> str:
        batch = f", batch={self.batch_shape}" if self.batch_shape else ""
        kind = ", sparse" if self.is_sparse else ""
        return (
            f"TabularMDP({self.name!r}, num_states={self.num_states}, "
            f"num_actions={self.num_actions}, gamma={self.gamma}{batch}{kind})"
        )

    @property
    def rewards(self) -> Any:
        """What the constructor takes as R: R(s,a), or R(s,a,s') with what `add_reward` added.

        Raises
        ------
        ValueError
            If a batch of tables was added to R(s,a,s').
        """
        if self.successor_reward is None:
            return self.R
        if self.bonus is None:
            return self.successor_reward
        if self.bonus.ndim > len(self.batch_shape) + 2:
            raise ValueError(
                f"this needs one reward table for each MDP, received {self.bonus.shape[:-2]} of "
                f"them for a batch {self.batch_shape}"
            )
        if not self.is_sparse:
            return self.successor_reward + self.bonus[..., None]
        pattern = self.transitions.rows.copy()
        pattern.data = np.ones_like(pattern.data)
        return self.successor_reward + pattern.multiply(self.bonus.reshape(-1, 1)).tocsr()

    def __getitem__(self, index: Any) -> TabularMDP:
        """One MDP of a batch, or a smaller batch.

        Raises
        ------
        ValueError
            For a single MDP, or if rewards or discounts have a batch of their own.
        IndexError
            If there is no such member.
        """
        if not self.batch_shape:
            raise ValueError("a single MDP cannot be indexed; stack several with TabularMDP.stack")
        batches = {self.batch_shape, self.R.shape[:-2], np.shape(self.gamma) or self.batch_shape}
        if len(batches) > 1:
            raise ValueError(
                "an index needs rewards and discounts in the shape of the batch of P, received "
                f"batch shapes {sorted(batches)}; index first, then use with_reward or with_gamma"
            )
        np.empty(self.batch_shape)[index]  # an index error, not a slice through the states
        return TabularMDP(
            self.P[index],
            self.rewards[index],
            self.gamma if np.ndim(self.gamma) == 0 else self.gamma[index],
            self.initial[index],
            self.state_labels,
            self.action_labels,
            f"{self.name}[{index}]",
        )

    def with_reward(self, R: Any) -> TabularMDP:
        """The same MDP with reward table R (..., S, A); leading dimensions may be a batch.

        Raises
        ------
        ValueError, TypeError
            If R has another shape, its batch does not broadcast with P's, or it is not finite.
        """
        reward = table(R, "R", (self.num_states, self.num_actions))
        check_batch("R", reward.shape[:-2], self.batch_shape)
        return self._replace(R=frozen(reward), successor_reward=None, bonus=None)

    def add_reward(self, phi: Any) -> TabularMDP:
        """The same MDP with R + φ for φ (..., S, A); rewards R(s,a,s') keep their randomness.

        Raises
        ------
        ValueError, TypeError
            If φ has another shape, its batch does not broadcast, or it is not finite.
        """
        phi = frozen(table(phi, "phi", (self.num_states, self.num_actions)))
        total = self.with_reward(self.R + phi)
        if self.successor_reward is None:
            return total
        bonus = phi if self.bonus is None else frozen(self.bonus + phi)
        return total._replace(successor_reward=self.successor_reward, bonus=bonus)

    def with_gamma(self, gamma: Any) -> TabularMDP:
        """The same MDP with another discount; an array makes a batch of discounts.

        Raises
        ------
        ValueError, TypeError
            Unless 0 <= γ < 1, or if the batch of γ does not broadcast with P's.
        """
        return self._replace(gamma=check_discount(gamma, self.batch_shape))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "transitions"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():  # arrays come out of a pickle or a deep copy writable
            if isinstance(value, np.ndarray) or sp.issparse(value):
                freeze(value)
        self.__dict__.update(state, transitions=wrap(state["P"]))

    def _replace(self, **changes: Any) -> TabularMDP:
        other = object.__new__(TabularMDP)
        other.__dict__.update(self.__dict__ | changes)
        return other

    def sparse(self) -> TabularMDP:
        """The same MDP with P as a sparse matrix; batches of rewards and discounts stay.

        Raises
        ------
        ValueError
            For a batch of kernels, which have no sparse form.
        """
        if self.is_sparse:
            return self
        other = self._replace(P=self.transitions.rows, transitions=wrap(self.transitions.rows))
        if self.successor_reward is None:
            return other
        full = sp.csr_array(self.successor_reward.reshape(-1, self.num_states))
        mean, full = reward_table(full, other.transitions)
        R = mean if self.bonus is None else frozen(mean + self.bonus)
        return other._replace(R=R, successor_reward=full)

    @classmethod
    def stack(cls, mdps: Iterable[TabularMDP]) -> TabularMDP:
        """Make a batch of dense MDPs of equal S and A; discounts may differ.

        Raises
        ------
        ValueError
            If there is none, one is sparse or itself a batch, or the sizes differ.
        """
        members = list(mdps)
        single = all(not (m.is_sparse or m.R.ndim > 2 or np.ndim(m.gamma)) for m in members)
        if len({m.P.shape for m in members}) != 1 or not single:
            raise ValueError(
                "stack needs at least one dense MDP, all of equal (S, A), each with one reward "
                f"table and one discount, received {[repr(m) for m in members]}"
            )
        rewards = [m.rewards for m in members]
        if any(m.successor_reward is not None for m in members):
            full = members[0].P.shape
            rewards = [r if r.ndim == 3 else np.broadcast_to(r[..., None], full) for r in rewards]
        gammas = np.array([m.gamma for m in members])
        return cls(
            np.stack([m.P for m in members]),
            np.stack(rewards),
            float(gammas[0]) if np.ptp(gammas) == 0 else gammas,
            np.stack([m.initial for m in members]),
            members[0].state_labels,
            members[0].action_labels,
            f"{members[0].name} (batch of {len(members)})",
        )

    @classmethod
    def random(
        cls,
        num_states: int,
        num_actions: int,
        *,
        gamma: float = 0.8,
        concentration: float = 1e-3,
        rng: np.random.Generator,
    ) -> TabularMDP:
        """The paper's random MDP; see `tabular.zoo.random_mdp`."""
        from tabular import zoo

        return zoo.random_mdp(
            num_states, num_actions, gamma=gamma, concentration=concentration, rng=rng
        )

    @classmethod
    def from_gymnasium(cls, env: Any, *, gamma: float = 0.99, **kwargs: Any) -> TabularMDP:
        """The MDP of a gymnasium environment with a table; see `tabular.interchange`."""
        from tabular import interchange

        return interchange.from_gymnasium(env, gamma=gamma, **kwargs)
