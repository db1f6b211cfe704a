"""Steps of many trajectories together, from uniform numbers and look-up tables.

At every step and for every trajectory: a ~ π(·|s) of its trial, s' ~ P(·|s, a), and the reward of
(s, a) or of (s, a, s'). By compiled loops where numba is installed, else by NumPy, which makes a
pass over all trajectories for every operation: both give the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tabular import compiled
from tabular._frozen import read_only
from tabular.alias import AliasTable, Index
from tabular.transitions import Array


class Lookups(NamedTuple):
    """Tables of an MDP and of the policies.

    Attributes
    ----------
    policy : AliasTable
        Of π(·|s), a row for each state, or for each trial and state.
    successors : AliasTable
        Of P(·|s,a) over the nonzero entries, a row for each state-action.
    columns : int ndarray (nnz,)
        The entries' columns: what s' is.
    entry_reward : ndarray (nnz,)
        Rewards of the nonzero transitions; empty if there are none.
    pair_reward : ndarray (S·A,) or (B·S·A,)
        Rewards of state-actions, of all trials or of each; empty if there are none.
    """

    policy: AliasTable
    successors: AliasTable
    columns: Index
    entry_reward: Array
    pair_reward: Array


class Walk:
    """Advances B trials of N trajectories, in a row of B·N, on an MDP of S states and A actions."""

    def __init__(self, lookups: Lookups, shape: tuple[int, int], trials: int, num: int) -> None:
        self._lookups = lookups
        self._num_actions = shape[1]
        # From one trial's rows to the next one's; zero where all trials share them.
        per_trial = lookups.policy.num_rows > shape[0]
        self._policy_stride = shape[0] if per_trial else 0
        per_trial = lookups.pair_reward.size > shape[0] * shape[1]
        self._reward_stride = shape[0] * shape[1] if per_trial else 0
        self._trials, self._num = trials, num

    def __call__(self, uniforms: Array, states: Index, actions: Index, rewards: Array) -> None:
        """Write n steps.

        Parameters
        ----------
        uniforms : ndarray (n, 2, B·N)
            In [0, 1), for the actions and the successors.
        states : int ndarray (n + 1, B·N)
            The first row is where to start.
        actions, rewards : int ndarray and ndarray (n, B·N)
        """
        loops = compiled.kernels("kernels_sampling")
        if loops is None:
            self._by_numpy(uniforms, states, actions, rewards)
            return
        policy, successors, columns, entry_reward, pair_reward = self._lookups
        loops.walk(
            uniforms,
            *policy,
            *successors,
            columns,
            read_only(entry_reward),
            read_only(pair_reward),
            self._policy_stride,
            self._reward_stride,
            self._num_actions,
            self._num,
            states,
            actions,
            rewards,
        )

    def _by_numpy(self, uniforms: Array, states: Index, actions: Index, rewards: Array) -> None:
        policy, successors, columns, entry_reward, pair_reward = self._lookups
        trial = np.repeat(np.arange(self._trials), self._num)
        policy_row, reward_row = trial * self._policy_stride, trial * self._reward_stride
        for t in range(len(uniforms)):
            actions[t] = policy.outcomes(states[t] + policy_row, uniforms[t, 0])
            row = states[t] * self._num_actions + actions[t]
            entry = successors.outcomes(row, uniforms[t, 1])
            states[t + 1] = columns.take(entry)
            rewards[t] = entry_reward.take(entry) if entry_reward.size else 0.0
            if pair_reward.size:
                rewards[t] += pair_reward.take(row + reward_row)
