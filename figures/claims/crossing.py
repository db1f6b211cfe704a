"""From which N on a Hessian estimator is better than AD's, from the trade-off figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from figures.claims.seen import label


def crossings(tradeoff: xr.Dataset, names: Sequence[str]) -> str:
    """Where exact mean squared errors fall below AD's, with each critic; empty if nowhere."""
    parts = []
    for noise, critic in zip(tradeoff.noise.values, ("an exact", "a noisy"), strict=True):
        at = tradeoff.crossover.sel(noise=noise).median("mdp")
        each = {e: float(at.sel(pair=f"ad to {e}")) for e in names}
        told = [f"{label(e)} from N = {N:.0f} on" for e, N in each.items() if np.isfinite(N)]
        if told:
            parts.append(f"with {critic} critic {' and '.join(told)}")
    if not parts:
        return ""
    return f"Exact mean squared errors (ESE, median MDP) are below AD's: {'; '.join(parts)}."
