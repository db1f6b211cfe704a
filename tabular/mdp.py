"""The tabular Markov decision process (S, A, P, R, γ, ρ).

A policy is a table of logits θ (S, A), read as the softmax π(a|s) = exp θ(s,a) / Σ_b exp θ(s,b).
Its objective is J(θ) = E Σ_t γ^t R(s_t, a_t) with s_0 ~ ρ (docs/notation.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular._checks import finite_array
from tabular.transitions import Array, DenseTransitions, SparseTransitions, Transitions

#: How far a probability row may be from summing to one: float32 tables pass, typos do not.
ROW_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class TabularMDP:
    """A finite MDP, validated once, immutable afterwards.

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
    successor_reward: Any = field(init=False, default=None)
    bonus: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731 (frozen)
        put("P", _transition_table(self.P))
        transitions = _wrap(self.P)
        self.__dict__["transitions"] = transitions
        reward, by_successor = _reward_table(self.R, transitions)
        put("R", reward)
        put("successor_reward", by_successor)
        put("gamma", check_discount(self.gamma, transitions.batch_shape))
        put("initial", _initial_distribution(self.initial, transitions))
        for key, size in (("state_labels", self.num_states), ("action_labels", self.num_actions)):
            put(key, _labels(getattr(self, key), size, key))

    @cached_property
    def transitions(self) -> Transitions:
        """The kernel P with its products (`tabular.transitions`)."""
        return _wrap(self.P)

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

    def __getitem__(self, index: Any) -> TabularMDP:
        """One MDP of a batch."""
        if not self.batch_shape:
            raise ValueError("a single MDP cannot be indexed; stack several with TabularMDP.stack")
        batches = {self.batch_shape, self.R.shape[:-2], np.shape(self.gamma) or self.batch_shape}
        if len(batches) > 1:
            raise ValueError(
                "an index needs rewards and discounts in the shape of the batch of P, received "
                f"batch shapes {sorted(batches)}; index first, then use with_reward or with_gamma"
            )
        rewards = self.R if self.successor_reward is None else self.successor_reward
        gamma = self.gamma if np.ndim(self.gamma) == 0 else self.gamma[index]
        return TabularMDP(
            self.P[index],
            rewards[index],
            gamma,
            self.initial[index],
            self.state_labels,
            self.action_labels,
            f"{self.name}[{index}]",
        )

    def with_reward(self, R: Any) -> TabularMDP:
        """The same MDP with reward table R (..., S, A); leading dimensions may be a batch."""
        reward = finite_array(R, "R")
        if reward.shape[-2:] != (self.num_states, self.num_actions):
            raise ValueError(
                f"R must have shape (..., {self.num_states}, {self.num_actions}), "
                f"received {reward.shape}"
            )
        _check_batch("R", reward.shape[:-2], self.batch_shape)
        return self._replace(R=_frozen(reward), successor_reward=None, bonus=None)

    def add_reward(self, phi: Any) -> TabularMDP:
        """The same MDP with R + φ for φ (..., S, A); rewards R(s,a,s') keep their randomness."""
        phi = finite_array(phi, "phi")
        total = self.with_reward(self.R + phi)
        if self.successor_reward is None:
            return total
        bonus = phi if self.bonus is None else self.bonus + phi
        return total._replace(successor_reward=self.successor_reward, bonus=bonus)

    def with_gamma(self, gamma: Any) -> TabularMDP:
        """The same MDP with another discount; an array makes a batch of discounts."""
        return self._replace(gamma=check_discount(gamma, self.batch_shape))

    def _replace(self, **changes: Any) -> TabularMDP:
        other = object.__new__(TabularMDP)
        other.__dict__.update(self.__dict__ | changes)
        return other

    def sparse(self) -> TabularMDP:
        """The same MDP with P as a sparse matrix."""
        rewards = self.R
        if self.successor_reward is not None:
            rewards = sp.csr_array(self.successor_reward.reshape(-1, self.num_states))
        return TabularMDP(
            self.transitions.rows,
            rewards,
            self.gamma,
            self.initial,
            self.state_labels,
            self.action_labels,
            self.name,
        )

    @classmethod
    def stack(cls, mdps: Iterable[TabularMDP]) -> TabularMDP:
        """Make a batch of dense MDPs of equal S and A; discounts may differ."""
        members = list(mdps)
        shapes = {(m.num_states, m.num_actions, m.is_sparse, m.batch_shape) for m in members}
        if len(shapes) != 1 or members[0].is_sparse:
            raise ValueError(
                "stack needs at least one dense MDP, all of equal (S, A), received "
                f"{[repr(m) for m in members]}"
            )
        by_successor = all(m.successor_reward is not None for m in members)
        rewards = [m.successor_reward if by_successor else m.R for m in members]
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


def check_discount(gamma: Any, batch: tuple[int, ...] = ()) -> Any:
    """Return γ as a float, or an array that broadcasts with `batch`, after 0 <= γ < 1."""
    value = finite_array(gamma, "gamma")
    if np.any(value < 0) or np.any(value >= 1):
        raise ValueError(
            f"gamma must satisfy 0 <= gamma < 1, received {gamma}; "
            "for an undiscounted episode use a horizon and gamma close to 1"
        )
    _check_batch("gamma", value.shape, batch)
    return float(value) if value.ndim == 0 else _frozen(value)


def _check_batch(name: str, shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    try:
        np.broadcast_shapes(shape, batch)
    except ValueError:
        raise ValueError(
            f"the leading dimensions of {name} must broadcast with those of P, {batch}, "
            f"received {shape}"
        ) from None


def _transition_table(P: Any) -> Any:
    """Validate P and return it as a read-only array, or as CSR."""
    if sp.issparse(P):
        table = _csr(P, "P")
        table.sum_duplicates()
        rows, num_states = table.shape
        if num_states == 0 or rows == 0 or rows % num_states:
            raise ValueError(
                f"a sparse P must have shape (S*A, S) with S, A >= 1, received {table.shape}"
            )
        _check_rows(table.data, table.sum(axis=1).reshape(num_states, -1), table)
        return table
    table = finite_array(P, "P")
    if table.ndim < 3 or table.shape[-1] != table.shape[-3] or 0 in table.shape:
        raise ValueError(
            f"P must have shape (..., S, A, S) with S, A >= 1, received {table.shape}; "
            "for arrays (A, S, S) use tabular.interchange.from_pymdptoolbox"
        )
    _check_rows(table, table.sum(axis=-1), None)
    return _frozen(table)


def _check_rows(entries: Any, sums: Any, sparse: Any) -> None:
    if not np.all(np.isfinite(entries)):
        raise ValueError("P must be finite, received NaN or infinity")
    if np.any(entries < 0):
        if sparse is None:
            where = np.argwhere(entries < 0)[0]
            state_action = tuple(int(i) for i in where[:-1])
        else:
            coo = sparse.tocoo()
            row = int(coo.row[np.flatnonzero(coo.data < 0)[0]])
            state_action = divmod(row, sums.shape[-1])
        raise ValueError(
            f"P must not be negative, received {np.min(entries)} in {_at(state_action)}"
        )
    wrong = np.abs(sums - 1) > ROW_SUM_TOLERANCE
    if np.any(wrong):
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"each row P(.|s,a) must sum to 1, received {float(sums[where]):.10g} at "
            f"{_at(where)}; divide by P.sum(-1, keepdims=True) if that is what you mean"
        )


def _at(index: tuple[int, ...]) -> str:
    batch = f"batch index {index[:-2]}, " if len(index) > 2 else ""
    return f"{batch}state {index[-2]}, action {index[-1]}"


def _reward_table(R: Any, transitions: Transitions) -> tuple[Array, Any]:
    """Return (R(s,a), R(s,a,s') or None)."""
    num_states, num_actions = transitions.num_states, transitions.num_actions
    if sp.issparse(R):
        table = _csr(R, "R")
        if not transitions.is_sparse or table.shape != transitions.rows.shape:
            raise ValueError(
                f"a sparse R must have the shape (S*A, S) of a sparse P, received {table.shape}"
            )
        if not np.all(np.isfinite(table.data)):
            raise ValueError("R must be finite, received NaN or infinity")
        mean = np.asarray(transitions.rows.multiply(table).sum(axis=1))
        return _frozen(mean.reshape(num_states, num_actions)), table
    table = finite_array(R, "R")
    expected = (*transitions.batch_shape, num_states, num_actions)
    if table.shape == expected:
        return _frozen(table), None
    if isinstance(transitions, DenseTransitions) and table.shape == (*expected, num_states):
        return _frozen(np.einsum("...j,...j->...", transitions.P, table)), _frozen(table)
    by_successor = "be a sparse (S*A, S)" if transitions.is_sparse else (*expected, num_states)
    raise ValueError(f"R must have shape {expected} or {by_successor}, received {table.shape}")


def _initial_distribution(initial: Any, transitions: Transitions) -> Array:
    num_states = transitions.num_states
    if isinstance(initial, int | np.integer) and not isinstance(initial, bool):
        if not 0 <= initial < num_states:
            raise ValueError(f"the start state must lie in 0..{num_states - 1}, got {initial}")
        table = np.zeros(num_states)
        table[initial] = 1.0
    else:
        table = finite_array(initial, "initial")
    shape = (*transitions.batch_shape, num_states)
    if table.shape not in {(num_states,), shape}:
        raise ValueError(f"initial must have shape {shape}, received {table.shape}")
    sums = table.sum(axis=-1)
    if np.any(table < 0) or np.any(np.abs(sums - 1) > ROW_SUM_TOLERANCE):
        worst = float(np.ravel(sums)[np.abs(np.ravel(sums) - 1).argmax()])
        raise ValueError(
            "initial must be a probability distribution over states, received sum "
            f"{worst:.10g} and smallest entry {table.min():.3g}"
        )
    return _frozen(np.broadcast_to(table, shape))


def _labels(labels: Any, size: int, what: str) -> tuple[str, ...] | None:
    if labels is None:
        return None
    names = tuple(str(label) for label in labels)
    if len(names) != size:
        raise ValueError(f"{what} must hold {size} names, received {len(names)}")
    return names


def _csr(matrix: Any, name: str) -> sp.csr_array:
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, received a sparse {matrix.dtype} matrix")
    return sp.csr_array(matrix).astype(np.float64)


def _frozen(table: Array) -> Array:
    copy = np.array(table, dtype=np.float64)
    copy.flags.writeable = False
    return copy


def _wrap(P: Any) -> Transitions:
    return SparseTransitions(P) if sp.issparse(P) else DenseTransitions(P)
