"""The law of an estimate whose baseline is noisy: V_b + σ z, one z shared by N trajectories.

Every estimate is affine in V_b and its single-trajectory covariance quadratic, so only the variance
σ² of each (independent, centred) entry matters, and 2 S + 1 evaluations give the exact answer:

    E      = m(V_b)
    Cov    = E_z Cov(·|z)/N + Cov_z E[·|z]
    E_z Cov(·|z) = C(V_b) + Σ_s ½ [C(V_b + σ e_s) + C(V_b − σ e_s) − 2 C(V_b)]
    Cov_z E[·|z] = Σ_s Δ_s Δ_sᵀ,   Δ_s = m(V_b + σ e_s) − m(V_b).

The second part does not fall with N: that is what sharing a wrong critic costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tabular import _checks
from tabular.transitions import Array


class NoisyMoments(NamedTuple):
    """Mean (...) and covariance (..., ...) over trajectories and baseline noise."""

    mean: Array
    covariance: Array


def over_noise(
    mean_of: Callable[[Array], Array],
    covariance_of: Callable[[Array], Array],
    baseline: Any,
    scale: float,
    *,
    num_trajectories: int,
) -> NoisyMoments:
    """Average an estimator's exact moments over baseline noise.

    Parameters
    ----------
    mean_of, covariance_of : callable
        From a baseline b (S,) to the mean and the single-trajectory covariance of an estimate, for
        instance ``moments.gradient_covariance(mdp, theta, "lvc", horizon=20, baseline=b)``.
    baseline : array_like (S,)
        The table the noise is added to.
    scale : float
        σ >= 0; `tabular.baselines.NoisyBaseline(c).scale(V)` is the paper's.
    num_trajectories : int
        N trajectories share one z.

    Returns
    -------
    NoisyMoments
        Mean and covariance of an estimate from N trajectories.

    Raises
    ------
    ValueError, TypeError
        If the baseline is not one table, σ is negative, or N is not a positive integer.
    """
    table = _checks.finite_array(baseline, "baseline")
    if table.ndim != 1:
        raise ValueError(f"baseline must have shape (S,), received {table.shape}")
    size = _checks.one_number(np.squeeze(scale), "scale")
    if size < 0:
        raise ValueError(f"scale must not be negative, received {scale}")
    count = _checks.positive_integer(num_trajectories, "num_trajectories")
    mean, within = mean_of(table), covariance_of(table)
    between = np.zeros_like(within)
    center = within
    for step in size * np.eye(table.size):
        within = within + (covariance_of(table + step) + covariance_of(table - step)) / 2 - center
        shift = mean_of(table + step) - mean
        between += np.multiply.outer(shift, shift)
    return NoisyMoments(mean, within / count + between)
