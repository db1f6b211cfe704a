"""I.1.3, last paragraph: what an exact path does to the variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import label, log_spread, summary

#: The same estimate with a sampled and with an exact path, III sampled.
STOCHASTIC = (("SSS", "ESS"), ("SES", "EES"))
#: Share of the exact spread below which the trials miss some.
NEARLY_ALL = 0.9
LOUD, QUIET = ("loaded_dice", "dice"), ("ad", "lvc")


def claims(data: xr.Dataset, figure: str) -> list[Claim]:
    """Entries for one of Figures 5 to 7; logarithms are averaged over its grid."""
    place = f"I.1.3, last ¶; Fig. {figure[3:]}"
    test = "Logarithm of the ratio of the sums of standard deviations, exact over sampled path"
    names = [str(name) for name in data.estimator.values]
    outer = comparisons(
        {
            f"{label(e)}: ln {more}/{less}": _ratio(data, e, more, less)
            for e in names
            for less, more in STOCHASTIC
        }
    )
    loud = comparisons(
        {f"{label(e)}: ln ESE/SSE": _ratio(data, e, "ESE", "SSE") for e in names if e in LOUD}
    )
    quiet = comparisons({f"{label(e)}: ln SSE/ESE": _ratio(data, e, "SSE", "ESE") for e in QUIET})
    return [
        Claim(
            place,
            "Correcting the compositional bias increases the variance where the outer gradient is "
            "sampled.",
            (figure,),
            f"{test}, III sampled.",
            outer,
            summary(outer),
            _missed(data),
        ),
        Claim(
            place,
            "... and where the Hessian's variance is large (DiCE, Loaded-DiCE).",
            (figure,),
            f"{test}, III exact.",
            loud,
            summary(loud),
        ),
        Claim(
            place,
            "Only with a Hessian of low variance (LVC, AD) and an exact outer gradient it "
            "decreases the variance.",
            (figure,),
            "The same ratio upside down.",
            quiet,
            summary(quiet),
            _missed(data),
        ),
    ]


def _ratio(data: xr.Dataset, estimator: str, above: str, below: str) -> Any:
    return log_spread(data, estimator, above) - log_spread(data, estimator, below)


def _missed(data: xr.Dataset) -> str:
    """What the trials miss of heavy tails, where the exact spread is known."""
    ratio: Any = np.log(data.sum_sd / data.exact_sum_sd).mean("mdp", skipna=False)
    share = np.exp(ratio.min(("permutation", "N", "K", "alpha")))
    worst = str(share.estimator.values[int(share.argmin("estimator"))])
    lowest = float(share.min())
    if lowest > NEARLY_ALL:
        return ""
    return (
        f"Where the exact spread is known (exact path), {data.sizes['trial']} trials find as "
        f"little as {lowest:.0%} of it ({label(worst)}, mean over MDPs): the rest is in tails that "
        "they miss, so that ratios of simulated spreads are those of the bulk."
    )
