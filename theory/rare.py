"""How much of a return's variance hangs on transitions that a simulation is unlikely to meet.

With V_b the value, Var Σ_t γ^t δ_t = Σ_t γ^{2t} E δ_t², a sum over transitions (x, s'):

    share(x, s') ∝ Σ_t γ^{2t} P(x_t = x) P(s'|x) δ(x, s')²,   met N Σ_t P(x_t = x) P(s'|x) times.

Estimates of trajectories that never met a rare reward scatter too little, and nothing in them tells
so: a simulation says something about a spread only where the transitions that it meets less than
`FEW` times on average carry next to none of this sum. For other baselines it is a guide.
"""

from __future__ import annotations

import numpy as np

from tabular.mdp import TabularMDP
from tabular.sampling import successor_rewards
from tabular.transitions import Array

#: A transition met less often than this on average may well be missed, or met far too often.
FEW = 5
#: The share of the variance that such transitions may carry.
NEGLIGIBLE = 0.05


def meets_enough(
    mdp: TabularMDP, baseline: Array, state_distribution: Array, num_trajectories: int
) -> bool:
    """Return whether rarely met transitions are negligible.

    Parameters
    ----------
    mdp : TabularMDP
    baseline : array (S,)
        V_b.
    state_distribution : array (T, S)
        P(s_t = s) under the uniform policy.
    num_trajectories : int
        Trajectories in the whole simulation.
    """
    rows = mdp.transitions.rows
    state = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)) // mdp.num_actions
    delta = successor_rewards(mdp) + float(mdp.gamma) * baseline[rows.indices] - baseline[state]
    probability = rows.data / mdp.num_actions
    powers = float(mdp.gamma) ** (2 * np.arange(len(state_distribution)))
    share = (powers @ state_distribution)[state] * probability * delta**2
    met = num_trajectories * state_distribution.sum(axis=0)[state] * probability
    return bool(share[met < FEW].sum() <= NEGLIGIBLE * share.sum())
