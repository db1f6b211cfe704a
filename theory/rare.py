"""How far an estimate's square scatters by events that samples may not have met.

Estimates are about Σ_t γ^t δ_t X_t, where X_t sums scores (or products of them) up to t, and their
square about, in sums over surprises and over choices,

    Σ_t γ^{2t} δ_t² E[(Σ_{u<=t} q(x_u))^k | x_t]   and   Σ_u q(x_u)^k E[Σ_{t>=u} γ^{2t} δ_t² | x_u]

with k = 1 where the summands of X are orthogonal, k = 2 where they are not:

    gradient                             k = 1    q = ‖ψ‖²
    Hessian, lvc (its product with v)    k = 1    q = ‖Φ‖² (‖Φv‖²)
    ad                                   k = 2    q = ‖F‖ (‖Fv‖)
    loaded_dice, dice                    k = 2    q = ‖ψ‖² (‖ψ‖ |ψ·v|)

(Φ and F of `tabular.covariance.own_scores`). Their standard deviation over one trajectory, over the
estimate's exact variance and the root of the number of trajectories, is the relative error of a
simulated variance. Trajectories that never met a rare reward, or a rare action of a nearly
deterministic policy, scatter too little, and nothing in them tells so; of this number no samples
are needed. It is approximate: means and products of different δ are left out.
"""

from __future__ import annotations

import numpy as np

from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array

#: A simulated variance rests on as many equal events at least, or says nothing.
ENOUGH = 10


def score_square(pi: Array) -> Array:
    """‖ψ(x)‖², (S, A)."""
    own = (1 - pi) ** 2
    return np.asarray(np.maximum(own + (pi**2).sum(axis=-1, keepdims=True) - pi**2, 0.0))


def square_moments(law: TrajectoryLaw, q: Array, order: int) -> tuple[float, float]:
    """Return mean and standard deviation over one trajectory of the sum that scatters more.

    Parameters
    ----------
    law : TrajectoryLaw
    q : array (S, A)
    order : int
        k.
    """
    pi, discount = law.pi, law.gamma ** (2 * np.arange(law.horizon))
    squared = law.weighted(2)
    size, largest = float(squared.data.max(initial=0.0)), float(q.max())
    if size == 0 or largest <= 0:  # Rounding may leave less than zero.
        return 0.0, 0.0
    q, squared = q / largest, squared / size
    square = law.delta_square / size
    fourth = law.weighted(4).sum(axis=1).reshape(law.shape) / size**2

    state, *sums = law.carry_forward([law.under(0, q**k) for k in range(order + 1)])
    earlier = [np.divide(x, state, out=np.zeros_like(x), where=state > 0) for x in sums]
    after = np.zeros(law.shape)
    # E and E of the square, of the sum from t on, given s_t.
    surprise = choice = np.zeros((2, law.shape[0]))
    for t in reversed(range(law.horizon)):
        past = [x[t][:, None] for x in earlier]
        total = past[0] + q if order == 1 else past[1] + 2 * q * past[0] + q**2
        factor = discount[t] * total
        joint = factor * (squared @ surprise[0]).reshape(law.shape)
        surprise = _add(law, surprise, factor * square, factor**2 * fourth, joint)
        after = discount[t] * square + law.expect(0, (pi * after).sum(axis=1))
        mean = q**order * after
        choice = _add(law, choice, mean, mean**2, mean * law.expect(0, choice[0]))
    means, squares = np.stack([surprise, choice], axis=1) @ law.initial
    variances = np.maximum(squares - means**2, 0.0)
    which, unit = int(variances.argmax()), size * largest**order
    return unit * float(means[which]), unit * float(np.sqrt(variances[which]))


def _add(law: TrajectoryLaw, ahead: Array, mean: Array, square: Array, joint: Array) -> Array:
    """E[w + W|s] and E[(w + W)²|s] from E[w|x], E[w²|x], E[wW|x] and the moments of W ahead."""
    first = mean + law.expect(0, ahead[0])
    second = square + 2 * joint + law.expect(0, ahead[1])
    return np.stack([(law.pi * first).sum(axis=1), (law.pi * second).sum(axis=1)])
