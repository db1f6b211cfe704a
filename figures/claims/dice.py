"""I.1.3, third paragraph: DiCE performs the worst in all cases, at both ends of a figure."""

from __future__ import annotations

import xarray as xr

from figures.claims.claim import Claim
from figures.claims.crossing import crossings
from figures.claims.intervals import comparisons
from figures.claims.seen import accuracy, label, summary, symbol


def claims(
    data: xr.Dataset, figure: str, x: str, tradeoff: xr.Dataset | None = None
) -> list[Claim]:
    """One entry for Figure 5, 6 or 7, whose axis is `x`."""
    others = [str(name) for name in data.estimator.values if name != "dice"]
    ends = {f"{symbol(x)} = {data[x].values[i]:g}": data.isel({x: [i]}) for i in (0, -1)}
    found = comparisons(
        {
            f"{label(e)} − DiCE: {p}, {at}": accuracy(here, e, p) - accuracy(here, "dice", p)
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
            f"the last {symbol(x)}.",
            found,
            summary(found),
            "" if tradeoff is None or "dice" not in tradeoff.estimator else _why(tradeoff),
        )
    ]


def _why(tradeoff: xr.Dataset) -> str:
    """DiCE's exact bias and AD's, and from where DiCE is better."""
    bias = (tradeoff.bias.isel(noise=-1) / tradeoff.truth).mean("mdp")
    dice, ad = (float(bias.sel(estimator=name)) for name in ("dice", "ad"))
    return (
        f"What DiCE lacks is the critic, not the expectation: its exact bias is {dice:.4f} ‖g‖, "
        f"that of truncation, AD's {ad:.3f} ‖g‖ (ESE). {crossings(tradeoff, ['dice'])}"
    ).rstrip()
