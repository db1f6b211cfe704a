"""All trajectories of a tiny MDP once, their probabilities and estimates at many policies.

    p(τ) = ρ(s_0) Π_t π(a_t|s_t) P(s_{t+1}|s_t, a_t)

is a factor of the MDP's times one of the policy's. Of the last state an estimate sees V_b only, so
trajectories that end in states with the same V_b are one outcome.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.policy import softmax
from tabular.registry import find_estimator
from tabular.sampling import Trajectories
from tabular.sources import Sampled, Update
from tabular.transitions import Array

#: Most trajectories times policies estimated at once.
MAX_ESTIMATES = 4_000_000


class Support:
    """The trajectories that a sampled source draws for an update.

    Raises ValueError if they are too many (`tabular.enumeration`), and TypeError if the update has
    no estimator.
    """

    def __init__(self, update: Update, source: Sampled) -> None:
        update.require_estimator(source)
        mdp = update.mdp
        self._source = source
        self._num_actions = mdp.num_actions
        uniform = np.zeros((mdp.num_states, mdp.num_actions))
        trajectories, probability = enumerate_trajectories(mdp, uniform, horizon=source.horizon)
        self._trajectories = trajectories
        self._environment = probability * float(mdp.num_actions) ** source.horizon
        self._merged: dict[bytes, tuple[Trajectories, Array]] = {}

    def estimates(self, update: Update) -> tuple[Array, Any]:
        """Probabilities (B, M), and estimates with trials (B, M), at logits (B, 1, S, A).

        Raises
        ------
        ValueError
            If B·M is more than `MAX_ESTIMATES`.
        """
        num_states = update.mdp.num_states
        options = self._source.advantage_options(update, None)
        kind = find_estimator(self._source.estimator)
        end, _ = kind.advantage_inputs(num_states, options["baseline"], 1.0)
        trajectories, environment = self._outcomes(np.reshape(end, (-1, num_states)))
        policies, count = len(update.theta), len(environment)
        if policies * count > MAX_ESTIMATES:
            raise ValueError(
                f"{count} trajectories at {policies} policies are {policies * count} estimates, "
                f"more than the {MAX_ESTIMATES} that fit; take a shorter horizon, fewer steps or "
                "fewer trajectories"
            )
        pairs = trajectories.states[:-1, :, 0] * self._num_actions + trajectories.actions[..., 0]
        chosen = softmax(update.theta).reshape(policies, -1)[:, pairs]
        states, actions, rewards = trajectories
        repeated = Trajectories(
            np.repeat(states[:, None], policies, axis=1),
            np.repeat(actions[:, None], policies, axis=1),
            np.repeat(rewards[:, None], policies, axis=1),
        )
        estimate = Estimate(
            update.mdp, update.theta, repeated, estimator=self._source.estimator, **options
        )
        return chosen.prod(axis=1) * environment, estimate

    def _outcomes(self, end: Array) -> tuple[Trajectories, Array]:
        """Trajectories (T + 1, M, 1) and ρ Π P (M,), merged where V_b (B, S) agrees at the end."""
        _, kinds = np.unique(end, axis=1, return_inverse=True)
        label = kinds.tobytes()
        if label not in self._merged:
            states, actions, rewards = self._trajectories
            last = kinds.ravel()[states[-1:]]
            seen = np.concatenate([states[:-1], last, actions, rewards])[..., 0]
            _, first, outcome = np.unique(seen, axis=1, return_index=True, return_inverse=True)
            total = np.bincount(outcome.ravel(), self._environment).astype(np.float64)
            kept = Trajectories(states[:, first], actions[:, first], rewards[:, first])
            self._merged[label] = kept, total
        return self._merged[label]
