"""I.1.3, second paragraph: DiCE performs the worst in all cases, at both ends of a figure."""

from __future__ import annotations

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import accuracy, label, summary


def claims(
    data: xr.Dataset, figure: str, x: str, tradeoff: xr.Dataset | None = None
) -> list[Claim]:
    """One entry for Figure 5, 6 or 7, whose axis is `x`; none without DiCE."""
    others = [str(name) for name in data.estimator.values if name != "dice"]
    if "dice" not in data.estimator:
        return []
    symbol = x.replace("alpha", "α")
    ends = {f"{symbol} = {data[x].values[i]:g}": data.isel({x: [i]}) for i in (0, -1)}
    found = comparisons(
        {
            f"{p}, {at}: {label(e)} − DiCE": accuracy(here, e, p) - accuracy(here, "dice", p)
            for p in map(str, data.permutation.values)
            for e in others
            for at, here in ends.items()
        }
    )
    return [
        Claim(
            f"I.1.3, ¶3, sentence 3; Fig. {figure[3:]}",
            "DiCE performs the worst in all cases.",
            (figure,) if tradeoff is None else (figure, "tradeoff"),
            "Accuracy of each other estimator minus DiCE's, in each permutation, at the first and "
            f"the last {symbol}.",
            found,
            summary(found),
            "" if tradeoff is None else _crossing(tradeoff),
        )
    ]


def _crossing(tradeoff: xr.Dataset) -> str:
    """From where DiCE's exact mean squared error is below AD's."""
    pair, noise = "ad to dice", float(tradeoff.noise[-1])
    if pair not in tradeoff.pair:
        return ""
    found = float(tradeoff.crossover.sel(noise=noise, pair=pair).median())
    if not np.isfinite(found):
        return ""
    return (
        "What DiCE lacks is the critic, not the expectation: its exact mean squared error is below "
        f"AD's from N = {found:.0f} on (ESE, noisy critic, median MDP)."
    )
