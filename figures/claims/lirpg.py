"""I.1.4: AD's variance in LIRPG."""

from __future__ import annotations

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import summary


def claims(data: xr.Dataset) -> list[Claim]:
    """AD against LVC for each K > 1, where a Hessian is used at all; and for K = 1."""
    spread = np.log(data.sum_sd.squeeze(("permutation", "alpha"), drop=True).mean("N"))
    ratio = spread.sel(estimator="ad") - spread.sel(estimator="lvc")
    found = comparisons(
        {f"ln Σsd AD/LVC, K = {K}": ratio.sel(K=K).values for K in data.K.values if K > 1}
    )
    exact = np.log(data.exact_sum_sd.squeeze(("permutation", "alpha"), drop=True))
    same = exact.sel(estimator="ad", K=1) - exact.sel(estimator="lvc", K=1)
    one = comparisons({"ln Σsd AD/LVC, K = 1, exact": np.round(same.mean("N").values, 9)})
    traces = data.exact_scatter.squeeze(("permutation", "alpha"), drop=True).mean("mdp")
    K = int(traces.K[np.isfinite(traces.isel(estimator=0, N=0))].max())
    ends = traces.sel(K=K)
    low, high = int(data.N[0]), int(data.N[-1])
    falls = {
        name: float(ends.sel(estimator=name, N=low) / ends.sel(estimator=name, N=high))
        for name in ("ad", "lvc")
    }
    return [
        Claim(
            "I.1.4",
            "The AD based estimation in LIRPG tends to have higher variance (several steps).",
            ("fig8",),
            "Logarithm of the ratio of the sums of standard deviations, mean over N.",
            found,
            summary(found),
            ""
            if low == high
            else f"Exact variances at K = {K}: from N = {low} to {high} LVC's falls by a factor of "
            f"{falls['lvc']:.1f}, AD's by {falls['ad']:.1f}. The critic's error, the same for all "
            "trajectories, stays in AD's Hessian as −Σ_s F(s) Σ_t γ^t d_t(s) E[Â_t|s]; LVC's local "
            "term cancels it.",
        ),
        Claim(
            "I.1.4",
            "The AD based estimation in LIRPG tends to have higher variance (one step).",
            ("fig8",),
            "The same from exact covariances, rounded to nine digits.",
            one,
            summary(one),
            "With one step no Hessian is used, and the derivative by the reward is the same for "
            "all estimators: figures for K = 1 cannot differ but by sampling.",
        ),
    ]
