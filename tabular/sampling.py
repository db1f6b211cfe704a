"""Trajectories of a softmax policy, many at once.

A trajectory is s_0 ~ ρ, a_t ~ π(·|s_t), s_{t+1} ~ P(·|s_t, a_t), t < T, with reward R(s_t, a_t),
or R(s_t, a_t, s_{t+1}) where the MDP has one. All trajectories of all trials advance together
(`tabular.walk`). Logits may differ from trial to trial.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from tabular import _checks
from tabular.alias import AliasTable, Index, alias_table, sparse_alias_table
from tabular.mdp import TabularMDP
from tabular.mdp_checks import require_one
from tabular.policy import softmax
from tabular.transitions import Array, Transitions
from tabular.walk import Lookups, Walk

#: About as many uniform numbers are drawn at a time: they stay in the cache.
UNIFORMS = 1 << 14
#: Alias tables of kernels, each for as long as its kernel lives.
_SUCCESSORS: WeakKeyDictionary[Transitions, tuple[AliasTable, Index]] = WeakKeyDictionary()


class Trajectories(NamedTuple):
    """N trajectories of T steps for each trial; time-major in memory.

    Attributes
    ----------
    states : int array (T + 1, ..., N)
    actions : int array (T, ..., N)
    rewards : float array (T, ..., N)
    """

    states: Index
    actions: Index
    rewards: Array

    @property
    def horizon(self) -> int:
        """T."""
        return self.actions.shape[0]

    @property
    def num_trajectories(self) -> int:
        """N."""
        return self.actions.shape[-1]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The trials' dimensions."""
        return self.actions.shape[1:-1]

    def check(self, num_states: int, num_actions: int, **batches: tuple[int, ...]) -> None:
        """Raise unless these may be trajectories of an MDP with so many states and actions.

        Parameters
        ----------
        num_states, num_actions : int
            S and A.
        **batches : tuple of int
            By name, leading dimensions that have to broadcast to the trials'.

        Raises
        ------
        ValueError
            If the arrays do not fit each other, a state or an action is out of range, or a batch
            does not fit the trials. Reads all states and actions, but not the rewards.
        """
        steps, *trials = np.shape(self.actions)
        expected = {"states": (steps + 1, *trials), "rewards": (steps, *trials)}
        found = {name: np.shape(getattr(self, name)) for name in expected}
        if found != expected or len(trials) < 1 or 0 in (steps, *trials):
            raise ValueError(
                "trajectories must hold states (T + 1, ..., N), actions and rewards (T, ..., N) "
                f"with T, N >= 1, received {found} and actions {(steps, *trials)}"
            )
        for name, table, bound in (
            ("states", self.states, num_states),
            ("actions", self.actions, num_actions),
        ):
            if table.dtype.kind not in "iu":
                raise ValueError(f"{name} must be integers, received dtype {table.dtype}")
            # Unsigned, a negative number is a huge one: one pass finds both.
            unsigned = np.dtype(f"u{table.itemsize}").newbyteorder(table.dtype.byteorder)
            if table.view(unsigned).max() >= bound:
                raise ValueError(
                    f"{name} must lie in 0..{bound - 1} for this MDP, received {table.min()} to "
                    f"{table.max()}; give the MDP that the trajectories were drawn from"
                )
        for name, batch in batches.items():
            if not _broadcasts_to(batch, self.batch_shape):
                raise ValueError(
                    f"the leading dimensions of {name}, {batch}, must broadcast to the trials' "
                    f"dimensions {self.batch_shape}"
                )


def sample(
    mdp: TabularMDP,
    theta: Any,
    *,
    horizon: int,
    num_trajectories: int,
    rng: np.random.Generator,
) -> Trajectories:
    """Draw trajectories of π_θ.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP; its reward table may carry the trials' dimensions (`TabularMDP.with_reward`).
    theta : array_like (..., S, A)
        Logits of each trial.
    horizon, num_trajectories : int
        T and N.
    rng : numpy.random.Generator
        Two uniform numbers a step, and one for the start where that is random.

    Returns
    -------
    Trajectories
        The same for the same seed.

    Raises
    ------
    ValueError, TypeError
        If the MDP is a batch, θ has a wrong shape, T or N is not a positive integer, or `rng` is
        not a Generator.
    """
    horizon = _checks.positive_integer(horizon, "horizon")
    num = _checks.positive_integer(num_trajectories, "num_trajectories")
    theta = _checks.logits(theta, (mdp.num_states, mdp.num_actions))
    require_one(mdp, "sampling", rewards=False, discounts=False)
    rng = _checks.generator(rng)
    num_states, num_actions = mdp.num_states, mdp.num_actions
    batch = np.broadcast_shapes(theta.shape[:-2], mdp.R.shape[:-2])
    policy = softmax(np.broadcast_to(theta, (*batch, num_states, num_actions)))
    successors, columns = _successors(mdp.transitions)
    lookups = Lookups(_actions(policy), successors, columns, *_rewards(mdp, batch))

    trials = prod(batch)
    walk = Walk(lookups, (num_states, num_actions), trials, num)
    count = trials * num
    states = np.empty((horizon + 1, count), dtype=np.intp)
    actions = np.empty((horizon, count), dtype=np.intp)
    rewards = np.empty((horizon, count))
    states[0] = _starts(mdp.initial, count, rng)
    block = max(1, UNIFORMS // (2 * count))
    uniforms = np.empty((min(block, horizon), 2, count))
    for t in range(0, horizon, block):
        numbers = rng.random(out=uniforms[: horizon - t])
        end = t + len(numbers)
        walk(numbers, states[t : end + 1], actions[t:end], rewards[t:end])
    shape = (*batch, num)
    return Trajectories(
        states.reshape(horizon + 1, *shape),
        actions.reshape(horizon, *shape),
        rewards.reshape(horizon, *shape),
    )


def _broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    fitting = all(n in (1, m) for n, m in zip(shape[::-1], target[::-1], strict=False))
    return fitting and len(shape) <= len(target)


def _successors(transitions: Transitions) -> tuple[AliasTable, Index]:
    """Alias table of P(·|s,a) over the nonzero entries, and their columns."""
    tables = _SUCCESSORS.get(transitions)
    if tables is None:
        tables = _SUCCESSORS[transitions] = sparse_alias_table(transitions.rows)
    return tables


def _actions(policy: Array) -> AliasTable:
    """Alias table of π(·|s): one for all trials if their policies are the same."""
    tables = policy.reshape(-1, *policy.shape[-2:])
    if np.array_equal(tables[1:], tables[:-1]):
        tables = tables[:1]
    return alias_table(tables.reshape(-1, policy.shape[-1]))


def _rewards(mdp: TabularMDP, batch: tuple[int, ...]) -> tuple[Array, Array]:
    """Rewards per nonzero transition (nnz,), and per (trial and) state-action; empty if none."""
    table = mdp.R if mdp.successor_reward is None else mdp.bonus
    if table is not None and table.ndim > 2:
        table = np.broadcast_to(table, (*batch, *table.shape[-2:]))
    entries = np.empty(0) if mdp.successor_reward is None else _transition_rewards(mdp)
    return entries, np.empty(0) if table is None else np.ascontiguousarray(table).ravel()


def successor_rewards(mdp: TabularMDP) -> Array:
    """R(s,a,s') on the nonzero entries of P in CSR order, (nnz,); one reward table only."""
    rows = mdp.transitions.rows
    state_action = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    if mdp.successor_reward is None:
        return mdp.R.ravel()[state_action]
    rewards = _transition_rewards(mdp)
    return rewards if mdp.bonus is None else rewards + mdp.bonus.ravel()[state_action]


def _transition_rewards(mdp: TabularMDP) -> Array:
    """`successor_reward` on the nonzero entries of P in CSR order, (nnz,)."""
    rows = mdp.transitions.rows
    state_action = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    if sp.issparse(mdp.successor_reward):
        return np.asarray(mdp.successor_reward[state_action, rows.indices]).ravel()
    return mdp.successor_reward.reshape(-1, mdp.num_states)[state_action, rows.indices]


def _starts(initial: Array, count: int, rng: np.random.Generator) -> Index:
    """s_0 ~ ρ; a certain start state uses no random numbers."""
    support = np.flatnonzero(initial)
    if support.size == 1:
        return np.full(count, support[0])
    table = alias_table(initial[support][None])
    return support[table.outcomes(np.zeros(count, dtype=np.intp), rng.random(count))]
