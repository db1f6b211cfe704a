"""How much a simulated variance scatters by events that samples may not have met.

An estimate of the gradient is about Σ_t γ^t δ_t Ψ_t with the scores Ψ_t = Σ_{u<=t} ψ_u, and its
square about, in sums over surprises and over choices,

    Σ_t γ^{2t} δ_t² E[Σ_{u<=t} |ψ_u|² | x_t]     and     Σ_u |ψ_u|² E[Σ_{t>=u} γ^{2t} δ_t² | x_u]

with |ψ|² = ‖ψ‖², or for a Hessian's product with v, ‖ψ‖²(ψ·v)². The relative variance of such a sum
over one trajectory, over their number, is that of a simulated variance. Trajectories that never met
a rare reward, or a rare action of a nearly deterministic policy, scatter too little, and nothing in
them tells so; of this number no samples are needed. It is approximate: scores of different times
are taken as orthogonal, means as zero, and V_b as the value.
"""

from __future__ import annotations

import numpy as np

from tabular.policy import center
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: A simulated variance rests on as many equal events at least, or says nothing.
ENOUGH = 10


def relative_variance(law: TrajectoryLaw, direction: Array | None = None) -> float:
    """Return the larger one of both sums for one trajectory; zero where nothing scatters.

    Parameters
    ----------
    law : TrajectoryLaw
    direction : array (S, A), optional
        v, of estimates of H v.
    """
    pi, discount = law.pi, law.gamma ** (2 * np.arange(law.horizon))
    score = np.maximum((1 - pi) ** 2 + (pi**2).sum(axis=-1, keepdims=True) - pi**2, 0.0)
    if direction is not None:
        score = score * center(pi, direction) ** 2
    squared = law.weighted(2)
    size = float(squared.data.max(initial=0.0))
    if size == 0 or score.max() == 0:
        return 0.0
    score, squared = score / score.max(), squared / size
    square = squared.sum(axis=1).reshape(law.shape)
    fourth = law.weighted(4).sum(axis=1).reshape(law.shape) / size**2

    state, scored = law.carry_forward([law.under(0), law.under(0, score)])
    earlier = np.divide(scored, state, out=np.zeros_like(state), where=state > 0)
    after = np.zeros(law.shape)
    # E and E of the square, of the sum from t on, given s_t.
    surprise = choice = np.zeros((2, law.shape[0]))
    for t in reversed(range(law.horizon)):
        weight = discount[t] * (earlier[t][:, None] + score)
        joint = weight * (squared @ surprise[0]).reshape(law.shape)
        surprise = _add(law, surprise, weight * square, weight**2 * fourth, joint)
        after = discount[t] * square + law.expect(0, (pi * after).sum(axis=1))
        mean = score * after
        choice = _add(law, choice, mean, mean**2, mean * law.expect(0, choice[0]))
    return max(_relative(law, surprise), _relative(law, choice))


def _add(law: TrajectoryLaw, ahead: Array, mean: Array, square: Array, joint: Array) -> Array:
    """E[w + W|s] and E[(w + W)²|s] from E[w|x], E[w²|x], E[wW|x] and the moments of W ahead."""
    first = mean + law.expect(0, ahead[0])
    second = square + 2 * joint + law.expect(0, ahead[1])
    return np.stack([(law.pi * first).sum(axis=1), (law.pi * second).sum(axis=1)])


def _relative(law: TrajectoryLaw, moments: Array) -> float:
    mean, square = (float(moment) for moment in moments @ law.initial)
    if mean == 0:
        return 0.0
    return max(0.0, square / mean**2 - 1.0) if mean**2 > 0 else np.inf
