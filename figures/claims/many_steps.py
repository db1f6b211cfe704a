"""I.1.3, third paragraph, and the captions of Figures 6 and 7: longer and more inner steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import A_LOT, COMPARABLE, accuracy, label, summary

CROSS = ("lvc", "loaded_dice")


def claims(data: xr.Dataset, x: str) -> list[Claim]:
    """The entries for a figure over α ("alpha") or K."""
    figure = {"alpha": "fig6", "K": "fig7"}[x]
    words = {"alpha": "larger learning rate", "K": "more steps"}[x]
    first, last = (_at(data, x, i) for i in (0, -1))
    place = f"I.1.3, ¶4; Fig. {figure[3:]}"
    shown = f"{x.replace('alpha', 'α')} = {float(data[x][-1]):g}"
    span = f"{x.replace('alpha', 'α')} = {float(data[x][0]):g} to {float(data[x][-1]):g}"
    names = [str(name) for name in data.estimator.values]

    def entry(sentence: str, test: str, found: Any, why: str = "") -> Claim:
        return Claim(place, sentence, (figure,), test, found, summary(found), why)

    found = [
        entry(
            f"With {words} the correlation decreases a lot in SSE, for all estimators.",
            f"Accuracy of SSE, {span}: first minus last, which is a lot from {A_LOT:g} on.",
            comparisons(
                {
                    f"{label(e)}: fall of SSE − {A_LOT:g}": accuracy(first, e, "SSE")
                    - accuracy(last, e, "SSE")
                    - A_LOT
                    for e in names
                }
            ),
        ),
        entry(
            f"With {words} the inner-loop estimation can become more important than the outer "
            "gradient.",
            f"Accuracy with only III sampled (EES) minus that with only III exact (SSE), {shown}.",
            comparisons(
                {
                    f"{label(e)}: EES − SSE": accuracy(last, e, "EES") - accuracy(last, e, "SSE")
                    for e in names
                }
            ),
        ),
    ]
    readings = {
        "SEE ≈ ESE, SES ≈ ESS": (("SEE", "ESE"), ("SES", "ESS")),
        "EES ≈ SES (another reading of the formula)": (("EES", "SES"),),
    }
    for text, pairs in readings.items():
        found.append(
            entry(
                f"With {words} Hessian and compositional bias are of comparable importance in LVC "
                f"and Loaded-DiCE: {text}.",
                f"Differences of accuracy within ± {COMPARABLE:g}, {shown}.",
                comparisons(
                    equal={
                        f"{label(e)}: {one} − {other}": accuracy(last, e, one)
                        - accuracy(last, e, other)
                        for e in CROSS
                        for one, other in pairs
                    },
                    margin=COMPARABLE,
                ),
            )
        )
    found.append(
        entry(
            f"With {words} the Hessian problem of AD largely decreases the correlation.",
            f"Accuracy of AD with only II sampled (ESE), {span}: first minus last, which is large "
            f"from {A_LOT:g} on; and with only I "
            f"sampled minus with only II sampled (SEE − ESE), {shown}.",
            comparisons(
                {
                    f"AD: fall of ESE − {A_LOT:g}": accuracy(first, "ad", "ESE")
                    - accuracy(last, "ad", "ESE")
                    - A_LOT,
                    "AD: SEE − ESE": accuracy(last, "ad", "SEE") - accuracy(last, "ad", "ESE"),
                }
            ),
            _limits(last),
        )
    )
    return found


def _at(data: xr.Dataset, x: str, i: int) -> xr.Dataset:
    return data.isel({x: [i]})


def _limits(data: xr.Dataset) -> str:
    """Bias and spread of AD and LVC with only II sampled, exactly."""
    here = data.sel(permutation="ESE")
    limits = {e: float(here.exact_accuracy.sel(estimator=e).mean()) for e in ("ad", "lvc")}
    exact: Any = np.log(here.exact_sum_sd)
    ratio = float(np.exp((exact.sel(estimator="ad") - exact.sel(estimator="lvc")).mean()))
    if limits["ad"] < limits["lvc"] - COMPARABLE or ratio < 1:
        return ""
    return (
        "Not by its bias: the cosine of AD's exact expected estimate (ESE) with the truth is "
        f"{limits['ad']:.2f}, LVC's {limits['lvc']:.2f}; but the exact spread of AD's estimate is "
        f"{ratio:.1f} times LVC's (geometric mean)."
    )
