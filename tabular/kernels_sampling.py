"""Compiled loops of sampling: the sweep that completes alias tables, and steps of trajectories.

The algorithms are those of `tabular.alias` and `tabular.walk`, one row and one trajectory after the
other; every operation is rounded as there, so that the same uniform numbers give the same bits.
Rows are unsigned, because with signed numbers every access asks whether it counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.alias import Index
from tabular.kernels import as_written
from tabular.transitions import Array


@as_written
def sweep(mass: Array, order: Index, names: Index, threshold: Array, alias: Index) -> None:
    """Write thresholds and aliases of rows (n, K), as `tabular.alias` does."""
    rows, slots = mass.shape
    for i in range(rows):
        row, at = mass[i], order[i]
        heavy = 0
        while heavy < slots and row[at[heavy]] <= 1:
            heavy += 1
        if heavy == slots:
            continue
        light, first_heavy, residual = 0, heavy, row[at[heavy]]
        for _ in range(slots):
            if light < first_heavy and residual > 1:
                threshold[i, light] = row[at[light]]
                alias[i, light] = names[i, heavy]
                residual -= 1 - row[at[light]]
                light += 1
            elif heavy + 1 < slots:
                threshold[i, heavy] = min(residual, 1.0)
                alias[i, heavy] = names[i, heavy + 1]
                residual += row[at[heavy + 1]] - 1
                heavy += 1


@as_written
def draw(
    slots: int, threshold: Array, outcome: Index, alias: Index, row: Any, uniform: float
) -> Any:
    """One draw from a row of an `AliasTable`."""
    scaled = uniform * slots
    slot = np.uint64(scaled)
    bucket = row * np.uint64(slots) + slot
    kept, other = outcome[bucket], alias[bucket]
    return np.uint64(kept if scaled - slot < threshold[bucket] else other)


@as_written
def walk(
    uniforms: Array,
    slots: int,
    threshold: Array,
    outcome: Index,
    alias: Index,
    successor_slots: int,
    successor_threshold: Array,
    successor_outcome: Index,
    successor_alias: Index,
    columns: Index,
    entry_reward: Array,
    pair_reward: Array,
    policy_stride: int,
    reward_stride: int,
    num_actions: int,
    num: int,
    states: Index,
    actions: Index,
    rewards: Array,
) -> None:
    """Write n steps from uniform numbers (n, 2, B·N); see `tabular.walk.Walk`."""
    steps, _, count = uniforms.shape
    for t in range(steps):
        for trial in range(count // num):
            policy_row = np.uint64(trial * policy_stride)
            reward_row = np.uint64(trial * reward_stride)
            for i in range(trial * num, trial * num + num):
                s = np.uint64(states[t, i])
                row, uniform = policy_row + s, uniforms[t, 0, i]
                a = draw(slots, threshold, outcome, alias, row, uniform)
                row, uniform = s * np.uint64(num_actions) + a, uniforms[t, 1, i]
                entry = draw(
                    successor_slots,
                    successor_threshold,
                    successor_outcome,
                    successor_alias,
                    row,
                    uniform,
                )
                collected = entry_reward[entry] if entry_reward.size else 0.0
                if pair_reward.size:
                    collected += pair_reward[reward_row + row]
                actions[t, i] = a
                states[t + 1, i] = columns[entry]
                rewards[t, i] = collected
