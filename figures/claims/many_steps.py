"""I.1.3, fourth paragraph, and the captions of Figures 6 and 7: longer and more inner steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import A_LOT, COMPARABLE, accuracy, label, signed, summary, symbol
from tabular.transitions import Array

CROSS = ("lvc", "loaded_dice")
#: Path sampled beside Hessian sampled, and neither: outer gradient exact, and sampled.
BESIDE = (("SEE", "ESE", "EEE"), ("SES", "ESS", "EES"))
#: Two losses of accuracy are comparable if neither is more than so many times the other.
TIMES = 2


def claims(data: xr.Dataset, x: str) -> list[Claim]:
    """The entries for a figure over α ("alpha") or K."""
    figure = {"alpha": "fig6", "K": "fig7"}[x]
    words = {"alpha": "larger learning rate", "K": "more steps"}[x]
    comparable, ad_alone = {"fig6": ("Fig. 6 (1)", "Fig. 6 (2)")}.get(figure, ("Fig. 7",) * 2)
    first, last = data.isel({x: [0]}), data.isel({x: [-1]})
    shown = f"{symbol(x)} = {data[x].values[-1]:g}"
    span = f"{symbol(x)} = {data[x].values[0]:g} to {data[x].values[-1]:g}"
    names = [str(name) for name in data.estimator.values]

    def entry(
        place: str, sentence: str, test: str, found: Any, seen: str = "", why: str = ""
    ) -> Claim:
        seen = summary(found) + seen
        return Claim(place, f"With {words} {sentence}", (figure,), test, found, seen, why)

    def fall(estimator: str, permutation: str) -> Array:
        return accuracy(first, estimator, permutation) - accuracy(last, estimator, permutation)

    def excess(here: xr.Dataset, estimator: str, more: str, less: str) -> Array:
        return accuracy(here, estimator, more) - accuracy(here, estimator, less)

    inner = {e: [excess(here, e, "EES", "SSE") for here in (first, last)] for e in names}
    grows = {f"{label(e)}: growth of EES − SSE": end - start for e, (start, end) in inner.items()}
    positive = {f"mean: EES − SSE, {shown}": np.mean([end for _, end in inner.values()], axis=0)}
    return [
        entry(
            f"I.1.3, ¶4, sentence 2; Fig. {figure[3:]}",
            "the correlation decreases a lot in SSE, for all estimators.",
            f"Accuracy of SSE, {span}: first minus last, which is a lot from {A_LOT:g} on.",
            comparisons(
                {f"{label(e)}: fall of SSE − {A_LOT:g}": fall(e, "SSE") - A_LOT for e in names}
            ),
        ),
        entry(
            f"I.1.3, ¶4, sentence 2; Fig. {figure[3:]}",
            "the inner-loop estimation can become more important than the outer gradient.",
            "Accuracy with only III sampled (EES) minus that with only III exact (SSE): it grows, "
            f"{span}, for each estimator, and is positive at the end, mean over estimators.",
            comparisons(grows | positive),
        ),
        entry(
            f"I.1.3, ¶4, sentence 3; {comparable}",
            "Hessian and compositional bias are of comparable importance in LVC and "
            "Loaded-DiCE: SEE ≈ ESE, SES ≈ ESS.",
            "Of what the two take from the accuracy, with III exact and sampled, neither is more "
            f"than {TIMES} times the other, {shown}. EEE is the truth, of accuracy 1.",
            comparisons(_neither(last)),
            _losses(first, last, span),
        ),
        entry(
            ad_alone,
            "the Hessian problem of AD largely decreases the correlation.",
            f"Accuracy of AD with only II sampled (ESE), {span}: first minus last, which is large "
            f"from {A_LOT:g} on, and beyond LVC's; and with only I sampled minus with only II "
            f"sampled (SEE − ESE), {shown}.",
            comparisons(
                {
                    f"AD: fall of ESE − {A_LOT:g}": fall("ad", "ESE") - A_LOT,
                    "AD − LVC: fall of ESE": fall("ad", "ESE") - fall("lvc", "ESE"),
                    "AD: SEE − ESE": excess(last, "ad", "SEE", "ESE"),
                }
            ),
            why=_limits(last),
        ),
    ]


def _loss(data: xr.Dataset, estimator: str, permutation: str, without: str) -> Array:
    """What one sampled term takes from the accuracy, which is 1 with all exact (EEE)."""
    best = 1.0 if without == "EEE" else accuracy(data, estimator, without)
    return np.asarray(best - accuracy(data, estimator, permutation))


def _neither(data: xr.Dataset) -> dict[str, Array]:
    """TIMES one loss minus the other, both ways."""
    return {
        f"{label(e)}: {TIMES} ({best} − {one}) − ({best} − {other})": TIMES
        * _loss(data, e, one, best)
        - _loss(data, e, other, best)
        for e in CROSS
        for path, hessian, best in BESIDE
        for one, other in ((path, hessian), (hessian, path))
    }


def _losses(first: xr.Dataset, last: xr.Dataset, span: str) -> str:
    """Mean losses at both ends."""
    parts = []
    for path, hessian, best in BESIDE:
        for e in CROSS:
            for one in (path, hessian):
                low, high = (_loss(at, e, one, best).mean() for at in (first, last))
                parts.append(
                    f"{label(e)} {best} − {one} {signed(low, '.2f')} to {signed(high, '.2f')}"
                )
    return f" From {span}: {', '.join(parts)}."


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
