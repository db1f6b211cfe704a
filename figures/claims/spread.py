"""I.1.3, last paragraph: what an exact path does to the variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import label, log_spread, summary

#: Share of the exact spread below which the trials miss some.
NEARLY_ALL = 0.9
#: Estimators whose Hessian has a large, and a low variance.
LOUD, QUIET = ("loaded_dice", "dice"), ("ad", "lvc")


def claims(data: xr.Dataset, figure: str) -> list[Claim]:
    """Entries for one of Figures 5 to 7; logarithms are averaged over its grid."""
    names = [str(name) for name in data.estimator.values]
    ratio = {e: {p: _ratio(data, e, p) for p in ("ESS", "EES", "ESE")} for e in names}
    sampled_outer = {
        f"{label(e)}: ln {p}/S{p[1:]}": ratio[e][p] for e in names for p in ("ESS", "EES")
    }
    test = "Logarithm of the ratio of the sums of standard deviations, exact over sampled path"

    def entry(part: str, sentence: str, test: str, found: Any, tried: Any) -> Claim:
        place = f"I.1.3, ¶5, sentence {part}; Fig. {figure[3:]}"
        return Claim(place, sentence, (figure,), test, found, summary(found), _missed(data, *tried))

    return [
        entry(
            "2",
            "Correcting the compositional bias increases the variance where the outer gradient is "
            "sampled.",
            f"{test}, III sampled.",
            comparisons(sampled_outer),
            (names, ("ESS", "EES")),
        ),
        entry(
            "2",
            "... especially there: more than where the outer gradient is exact.",
            f"{test}, III sampled minus the same with III exact.",
            comparisons(
                {
                    f"{label(e)}: ln ESS/SSS − ln ESE/SSE": ratio[e]["ESS"] - ratio[e]["ESE"]
                    for e in names
                }
            ),
            (names, ("ESS", "ESE")),
        ),
        entry(
            "2",
            "... and where the Hessian's variance is large (DiCE, Loaded-DiCE).",
            f"{test}, III exact.",
            comparisons({f"{label(e)}: ln ESE/SSE": ratio[e]["ESE"] for e in LOUD}),
            (LOUD, ("ESE",)),
        ),
        entry(
            "2",
            "... especially there: more than where the Hessian's variance is low (LVC, AD).",
            f"{test}, III exact, minus the same of the other estimator.",
            comparisons(
                {
                    f"{label(e)} − {label(low)}: ln ESE/SSE": ratio[e]["ESE"] - ratio[low]["ESE"]
                    for e in LOUD
                    for low in QUIET
                }
            ),
            (names, ("ESE",)),
        ),
        entry(
            "3",
            "Only with a Hessian of low variance (LVC, AD) and an exact outer gradient it "
            "decreases the variance.",
            f"{test}: below zero there, and above in all other cases.",
            comparisons(
                {f"{label(e)}: ln SSE/ESE": -ratio[e]["ESE"] for e in QUIET}
                | {f"{label(e)}: ln ESE/SSE": ratio[e]["ESE"] for e in LOUD}
                | sampled_outer
            ),
            (names, ("ESS", "EES", "ESE")),
        ),
    ]


def _ratio(data: xr.Dataset, estimator: str, exact: str) -> Any:
    """ln of the spread with an exact path over that with a sampled one."""
    return log_spread(data, estimator, exact) - log_spread(data, estimator, f"S{exact[1:]}")


def _missed(data: xr.Dataset, names: Sequence[str], permutations: Sequence[str]) -> str:
    """What the trials of these estimates find of the spread, where it is known exactly."""
    here = data.sel(estimator=list(names), permutation=list(permutations))
    each: Any = np.log(here.sum_sd / here.exact_sum_sd).mean("mdp", skipna=False)
    each = np.exp(each.where(np.isfinite(each), drop=True).stack(at=[...])).dropna("at")
    if each.size == 0 or float(each.min()) > NEARLY_ALL:
        return ""
    trials = data.sizes["trial"]
    worst = each[int(np.argmin(each.values))]
    return (
        f"Of the exact spread, where known, {trials} trials find {float(each.median()):.0%} "
        f"(median over the figure) and {float(worst):.0%} at the least "
        f"({label(str(worst.estimator.item()))}, {worst.permutation.item()}; geometric mean over "
        f"MDPs; of a normal law {1 - 1 / (4 * trials):.0%}): the rest is in tails that they miss."
    )
