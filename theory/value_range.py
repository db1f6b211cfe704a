"""The least and the largest value of any policy at any reachable state.

Value iteration for the best and for the worst policy, v' = max_a (R + γPv), with the bounds that
hold after every step ([Puterman1994], Section 6.6.3):

    v' + γ/(1 − γ) min(v' − v) <= V* <= v' + γ/(1 − γ) max(v' − v).

The upper one is taken: stopping early widens the range and never narrows it. The rewards are taken
about their middle, so that those far from zero stop no earlier than others.
"""

from __future__ import annotations

import numpy as np

from tabular.mdp import TabularMDP
from tabular.transitions import Array

#: Steps at most, and the share of W span(R) at which the bounds are close.
MOST_STEPS = 10_000
CLOSE = 1e-6


def value_range(mdp: TabularMDP, reached: Array) -> tuple[float, float]:
    """Return the least and the largest V^π(s) over policies π and `reached` states (S,) of bool.

    The reached states are closed: no policy leaves them. Within rounding, the range contains all
    values; each end is off by at most a share `CLOSE` of W span(R) unless `MOST_STEPS` come before.
    """
    return -_best(mdp, -mdp.R, reached), _best(mdp, mdp.R, reached)


def _best(mdp: TabularMDP, R: Array, reached: Array) -> float:
    gamma = float(mdp.gamma)
    low, high = float(R[reached].min()), float(R[reached].max())
    middle = low + (high - low) / 2
    v, excess = np.zeros(mdp.num_states), 0.0
    for _ in range(MOST_STEPS):
        better = (R - middle + gamma * mdp.transitions.expect(v)).max(axis=1)
        change = gamma / (1 - gamma) * (better - v)[reached]
        v, excess = better, float(change.max())
        if np.ptp(change) <= CLOSE * (high - low) / (1 - gamma):
            break
    return float(v[reached].max()) + excess + middle / (1 - gamma)
