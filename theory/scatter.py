"""The relative variance of the square of an estimated gradient, Hessian, or product of K factors.

What samples may not have met is in it: `theory.rare`.
"""

from __future__ import annotations

import numpy as np

from tabular import covariance
from tabular.estimators import Estimate
from tabular.policy import center
from tabular.registry import Estimator
from tabular.trajectory_law import TrajectoryLaw, own_vectors
from tabular.transitions import Array
from theory.inner_path import InnerPath, adjoints
from theory.rare import score_square, square_moments
from theory.report import norm, unit
from theory.simulation import effective

#: Its exponential is nearly the largest float.
LARGEST = 700.0


def gradient_scatter(law: TrajectoryLaw, variance: float) -> float:
    """Return that of one trajectory's ĝ, whose exact variance is given; 0 if that is."""
    _, deviation = square_moments(law, score_square(law.pi), 1)
    return (deviation / variance) ** 2 if variance > 0 else 0.0


def hessian_scatter(
    law: TrajectoryLaw, kind: Estimator, variance: float, v: Array | None = None
) -> float:
    """Return that of one trajectory's Ĥ, or of Ĥ v, whose exact variance is given; 0 if that is."""
    if variance <= 0:
        return 0.0
    if kind.cross:
        q = score_square(law.pi)
        if v is not None:
            q = np.sqrt(q) * np.abs(center(law.pi, v))
        _, deviation = square_moments(law, q, 2)
    else:
        square = _own_square(law, kind, v)
        _, deviation = square_moments(
            law, square if kind.local else np.sqrt(square), 2 - kind.local
        )
    return (deviation / variance) ** 2


def _own_square(law: TrajectoryLaw, kind: Estimator, v: Array | None) -> Array:
    """‖Φ(x)‖_F², or ‖Φ(x) v‖², (S, A)."""
    if v is not None:
        return np.asarray((own_vectors(law, v, local=kind.local)[0] ** 2).sum(axis=-1))
    psi, fisher = covariance.own_scores(law)
    square = np.broadcast_to((fisher**2).sum(axis=(-2, -1))[:, None], law.shape)
    if not kind.local:
        return square
    along = ((psi @ fisher) * psi).sum(axis=-1)
    return np.maximum(square + score_square(law.pi) ** 2 - 2 * along, 0.0)


def product_scatter(
    kind: Estimator,
    path: InnerPath,
    estimates: list[Estimate],
    means: list[Array],
    number: int,
    variance: float,
) -> float:
    """Return that of x = Π_i (I + αĤ_i) p, each Ĥ_i the average of `number` trajectories.

    E‖x‖⁴/(E‖x‖²)² = 1 + share² scatter, with share = tr Cov x/E‖x‖² and scatter the relative
    variance of ‖x − E x‖² (what mixes mean and noise is left out), is taken as the product of the
    factors' and solved for the scatter of x. That of a factor is the larger one of the samples' and
    that by events.

    Parameters
    ----------
    estimates : list of Estimate
        Of Ĥ_0, ..., Ĥ_{K−1}, for the samples' scatter.
    means : list of array (S, A)
        λ_0, ..., λ_K by expected Ĥ_i.
    variance : float
        N tr Cov x.
    """
    log_ratio, alone = 0.0, len(estimates) == 1
    for i, (mean, estimate) in enumerate(zip(means[1:], estimates, strict=True)):
        law, v, scale = path.law(i), unit(mean), (path.step_size * norm(mean)) ** 2
        noise = variance if alone else scale * covariance.hvp_variance(law, kind, v)
        share = _noise_share(noise / number, means[i])
        if share > 0:
            trials = np.broadcast_to(mean, (len(estimate.gradient), *mean.shape))
            found = adjoints(trials, [estimate], path.step_size)[0] - means[i]
            events = hessian_scatter(law, kind, noise / scale, v) / number
            log_ratio += float(np.log1p(share**2 * max(_seen(found), events)))
    share = _noise_share(variance / number, means[0])
    return float(np.expm1(min(log_ratio, LARGEST))) / share / share if share > 0 else 0.0


def _seen(noise: Array) -> float:
    """The relative variance of ‖x‖² in samples x (M, S, A)."""
    size = float(np.abs(noise).max())
    if size == 0:
        return 0.0
    return len(noise) / effective(((noise / size) ** 2).sum(axis=(-2, -1))) - 1


def _noise_share(variance: float, mean: Array) -> float:
    """tr Cov x/E‖x‖²."""
    return float(variance / (variance + (mean**2).sum())) if variance > 0 else 0.0
