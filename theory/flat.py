"""What rounding makes of estimates that would be zero, as with one action or equal rewards.

Sums of rewards of size R over a horizon 1/(1 − γ) cancel up to ε R/(1 − γ); K steps multiply that
by 1 + α‖H‖ each, and a step moves θ by α of it.
"""

from __future__ import annotations

import numpy as np

from tabular.mdp import TabularMDP
from tabular.sampling import successor_rewards
from tabular.transitions import Array
from theory.bounds import BoundCheck

#: Units in the last place that sums over time, states and trajectories may lose, as ε.
LOST = 1e-14


def residue(
    mdp: TabularMDP, terminal: Array, *, step_size: float, num_steps: int, curvature: float
) -> float:
    """Return what rounding leaves of a gradient or K-step meta-gradient that is zero.

    Parameters
    ----------
    mdp : TabularMDP
    terminal : array (S,)
        V_b.
    step_size, num_steps, curvature : float, int, float
        α, K and ‖H‖ along the path.
    """
    size = np.abs(successor_rewards(mdp)).max() + np.abs(terminal).max()
    growth = (1 + step_size * curvature) ** num_steps
    return float(LOST * growth * size / (1 - float(mdp.gamma)))


def allowance(check: BoundCheck, left: float, step_size: float) -> float:
    """`left`, as it comes into the left-hand side: a variance, a step α ĝ, or a gradient."""
    if "variance" in check.name:
        return left**2
    steps = check.name.startswith("Lemma") and not check.name.endswith("of p")
    return step_size * left if steps else left
