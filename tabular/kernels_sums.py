"""Compiled loops of `tabular.sums`, one trial after the other, so that its steps stay in the cache.

Every operation is rounded as NumPy does it there, and terms are added in the same order, to the
same bits. Of B trials, states are (T + 1, B, N), actions and rewards (T, B, N), V_b (B, S),
γ and κ (B,) and γ^t (T, B), all C-contiguous, the last four with one trial where all share them;
results are added to or written into the last argument.
States and actions are made unsigned, because with signed numbers every access asks whether it
counts from the end.
"""

from __future__ import annotations

import numpy as np

from tabular.alias import Index
from tabular.kernels import as_written
from tabular.transitions import Array


@as_written
def trial_advantages(
    trial: int, states: Index, rewards: Array, V: Array, gamma: Array, kappa: Array, out: Array
) -> None:
    """Â of one trial, (T, N): δ_t + κ Â_{t+1}."""
    horizon, _, num = rewards.shape
    discount, decay = gamma[trial % gamma.size], kappa[trial % kappa.size]
    values = V[trial % len(V)]
    for t in range(horizon - 1, -1, -1):
        for i in range(num):
            here, ahead = np.uint64(states[t, trial, i]), np.uint64(states[t + 1, trial, i])
            delta = discount * values[ahead] + rewards[t, trial, i] - values[here]
            out[t, i] = delta if t == horizon - 1 else delta + decay * out[t + 1, i]


@as_written
def advantages(
    states: Index, rewards: Array, V: Array, gamma: Array, kappa: Array, out: Array
) -> None:
    """Â, (T, B, N)."""
    for trial in range(rewards.shape[1]):
        trial_advantages(trial, states, rewards, V, gamma, kappa, out[:, trial])


@as_written
def weighted(
    states: Index,
    actions: Index,
    rewards: Array,
    V: Array,
    gamma: Array,
    kappa: Array,
    powers: Array,
    out: Array,
) -> None:
    """Σ W_t [x_t = ·], (B, S, A)."""
    horizon, trials, num = rewards.shape
    advantage = np.empty((horizon, num))
    for trial in range(trials):
        trial_advantages(trial, states, rewards, V, gamma, kappa, advantage)
        for t in range(horizon):
            power = powers[t, trial % powers.shape[1]]
            for i in range(num):
                s, a = np.uint64(states[t, trial, i]), np.uint64(actions[t, trial, i])
                out[trial, s, a] += power * advantage[t, i]


@as_written
def coupled(
    states: Index,
    actions: Index,
    rewards: Array,
    V: Array,
    gamma: Array,
    kappa: Array,
    powers: Array,
    score: Array,
    out: Array,
) -> None:
    """Σ (W_t p_t + z_t) [x_t = ·], (B, S, A), of scores ψ·v (B, S, A)."""
    horizon, trials, num = rewards.shape
    W, z = np.empty((horizon, num)), np.empty((horizon + 1, num))
    p = np.empty(num)
    for trial in range(trials):
        trial_advantages(trial, states, rewards, V, gamma, kappa, W)
        z[horizon] = 0.0
        for t in range(horizon - 1, -1, -1):
            power = powers[t, trial % powers.shape[1]]
            for i in range(num):
                s, a = np.uint64(states[t, trial, i]), np.uint64(actions[t, trial, i])
                W[t, i] = power * W[t, i]
                z[t, i] = z[t + 1, i] + W[t, i] * score[trial, s, a]
        p[:] = 0.0
        for t in range(horizon):
            for i in range(num):
                s, a = np.uint64(states[t, trial, i]), np.uint64(actions[t, trial, i])
                out[trial, s, a] += W[t, i] * p[i] + z[t + 1, i]
                p[i] += score[trial, s, a]


@as_written
def traced(
    states: Index, actions: Index, kappa: Array, powers: Array, score: Array, out: Array
) -> None:
    """Σ c_t [x_t = ·], (B, S, A), of scores ψ·v (B, S, A)."""
    horizon, trials, num = actions.shape
    c = np.empty(num)
    for trial in range(trials):
        decay = kappa[trial % kappa.size]
        for t in range(horizon):
            power = powers[t, trial % powers.shape[1]]
            for i in range(num):
                s, a = np.uint64(states[t, trial, i]), np.uint64(actions[t, trial, i])
                q = power * score[trial, s, a]
                c[i] = q if t == 0 else q + decay * c[i]
                out[trial, s, a] += c[i]
