"""I.1.4: AD's variance in LIRPG."""

from __future__ import annotations

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import log_spread, summary


def claims(data: xr.Dataset) -> list[Claim]:
    """AD against LVC for each K > 1, where a Hessian is used at all."""
    several = {f"K = {K}": data.sel(K=[K]) for K in data.K.values if K > 1}
    found = comparisons(
        {
            f"ln Σsd AD/LVC, {K}": log_spread(here, "ad", "ESE") - log_spread(here, "lvc", "ESE")
            for K, here in several.items()
        }
    )
    return [
        Claim(
            "I.1.4",
            "The AD based estimation in LIRPG tends to have higher variance.",
            ("fig8",),
            "Logarithm of the ratio of the sums of standard deviations, mean over N, for each "
            "K > 1.",
            found,
            summary(found),
            f"{_one_step(data)}{_falls(data)}",
        )
    ]


def _one_step(data: xr.Dataset) -> str:
    """What exact covariances say of K = 1."""
    one = data.sel(K=[1])
    ad, lvc = (log_spread(one, name, "ESE", "exact_sum_sd") for name in ("ad", "lvc"))
    return (
        "With one step no Hessian is used, and the derivative by the reward is the same for all "
        "estimators: the exact ln Σsd AD/LVC at K = 1 is "
        f"{np.round(ad - lvc, 9).mean():.2g}, and pictures for K = 1 cannot differ but by sampling."
    )


def _falls(data: xr.Dataset) -> str:
    """How exact variances fall from the first to the last N, at the largest K with any."""
    low, high = int(data.N[0]), int(data.N[-1])
    if low == high:
        return ""
    traces = data.exact_scatter.squeeze(("permutation", "alpha"), drop=True).mean("mdp")
    K = int(traces.K[np.isfinite(traces.isel(estimator=0, N=0))].max())
    ad, lvc = (
        float(traces.sel(estimator=name, K=K, N=low) / traces.sel(estimator=name, K=K, N=high))
        for name in ("ad", "lvc")
    )
    return (
        f" Exact variances at K = {K}: from N = {low} to {high} LVC's falls by a factor of "
        f"{lvc:.1f}, AD's by {ad:.1f}. The critic's error, the same for all trajectories, stays in "
        "AD's Hessian as −Σ_s F(s) Σ_t γ^t d_t(s) E[Â_t|s]; LVC's local term cancels it."
    )
