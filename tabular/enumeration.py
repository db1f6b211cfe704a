"""All trajectories of a tiny MDP with their probabilities: exact expectations by brute force.

E f(τ) = Σ_τ p(τ) f(τ) with p(τ) = ρ(s_0) Π_t π(a_t|s_t) P(s_{t+1}|s_t, a_t). Branches of zero
probability are dropped, so a deterministic MDP has at most |supp ρ| A^T trajectories and a dense
one |supp ρ| (S A)^T.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.mdp import TabularMDP
from tabular.mdp_checks import require_one
from tabular.policy import softmax
from tabular.sampling import Trajectories, successor_rewards
from tabular.transitions import Array

#: Most trajectories made at once: about 1 GiB at T = 20.
MAX_TRAJECTORIES = 2_000_000


def enumerate_trajectories(
    mdp: TabularMDP, theta: Any, *, horizon: int
) -> tuple[Trajectories, Array]:
    """Make every trajectory of positive probability.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP with one reward table.
    theta : array_like (S, A)
    horizon : int
        T.

    Returns
    -------
    trajectories : Trajectories
        M trials of one trajectory each, so that `estimators.Estimate` gives one estimate for each.
    probability : ndarray (M,)
        p(τ).

    Raises
    ------
    ValueError, TypeError
        If there are more than `MAX_TRAJECTORIES` (the message gives their number), the MDP or the
        logits are a batch, or T is not a positive integer.
    """
    horizon = _checks.positive_integer(horizon, "horizon")
    require_one(mdp, "enumeration", discounts=False)
    theta = _checks.logits(theta, (mdp.num_states, mdp.num_actions))
    if theta.ndim != 2:
        raise ValueError(f"enumeration needs one table of logits, received shape {theta.shape}")
    policy = softmax(theta)
    count = count_trajectories(mdp, theta, horizon=horizon)
    if count > MAX_TRAJECTORIES:
        raise ValueError(
            f"this MDP has {count:.3g} trajectories of length {horizon}, more than the "
            f"{MAX_TRAJECTORIES} that fit; take a shorter horizon or fewer states and actions, "
            "or use tabular.moments, which needs no enumeration"
        )
    rows = mdp.transitions.rows
    entry_reward = successor_rewards(mdp)
    states = [np.flatnonzero(mdp.initial)]
    probability = mdp.initial[states[0]]
    actions: list[Any] = []
    rewards: list[Any] = []
    for _ in range(horizon):
        now = states[-1]
        parent, action = np.nonzero(policy[now] > 0)
        row = now[parent] * mdp.num_actions + action
        fan = np.diff(rows.indptr)[row]
        branch = np.repeat(np.arange(row.size), fan)
        first = np.repeat(np.cumsum(fan) - fan, fan)
        entry = rows.indptr[row][branch] + (np.arange(branch.size) - first)
        possible = rows.data[entry] > 0
        branch, entry = branch[possible], entry[possible]
        ancestor = parent[branch]
        probability = (
            probability[ancestor] * policy[now[ancestor], action[branch]] * rows.data[entry]
        )
        states = [s[ancestor] for s in states] + [rows.indices[entry].astype(np.intp)]
        actions = [a[ancestor] for a in actions] + [action[branch]]
        rewards = [r[ancestor] for r in rewards] + [entry_reward[entry]]
    trajectories = Trajectories(
        np.stack(states)[..., None], np.stack(actions)[..., None], np.stack(rewards)[..., None]
    )
    return trajectories, probability


def count_trajectories(mdp: TabularMDP, theta: Any, *, horizon: int) -> float:
    """Count the trajectories of positive probability, without making them.

    The arguments are those of `enumerate_trajectories`; infinite beyond the range of a float.
    """
    support = mdp.transitions.rows.copy()
    support.eliminate_zeros()
    support.data = np.ones_like(support.data)
    possible = (softmax(np.asarray(theta, dtype=np.float64)) > 0).ravel()
    count = (mdp.initial > 0).astype(np.float64)
    for _ in range(horizon):
        # Not a product with `possible`: an infinite count times False would be NaN.
        count = support.T @ np.where(possible, np.repeat(count, mdp.num_actions), 0.0)
    return float(count.sum())
