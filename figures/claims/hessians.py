"""I.1.3, third paragraph, on the Hessian estimators: AD, LVC and Loaded-DiCE at one inner step.

Accuracies are means over Figure 5's N unless a test says which N; biases and variances are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.crossing import crossings
from figures.claims.intervals import comparisons
from figures.claims.ordering import Pairs, ordering
from figures.claims.seen import COMPARABLE, accuracy, label, over_grid, summary

FIGURE = ("fig5",)
#: Sampled Hessian.
SAMPLED_HESSIAN = ("SSE", "ESE", "SSS", "ESS")
#: A bias is low up to this share of ‖g‖.
LOW_BIAS = 0.1


def claims(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """All entries; those that need the trade-off figure only if it is there."""
    found = ad_worse(data, tradeoff)
    if tradeoff is not None:
        ends = (int(data.N[0]), int(data.N[-1]))
        found += [biased(data, tradeoff), *bias_of_hessians(tradeoff), low_variance(tradeoff, ends)]
    return [*found, exact_outer_lvc(data), exact_outer_loaded(data)]


def ad_worse(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """AD against LVC and Loaded-DiCE where the Hessian is sampled; and with the most data."""
    pairs: Pairs = {
        f"{label(e)} − AD: {p}": ((e, p), ("ad", p))
        for p in SAMPLED_HESSIAN
        for e in ("lvc", "loaded_dice")
    }
    why = "" if tradeoff is None else crossings(tradeoff, ["lvc", "loaded_dice"])
    if why:
        why += (
            " Their variance, larger for few trajectories, has to fall below AD's squared bias "
            "and, with a noisy critic, the variance that its noise leaves in AD's Hessian for "
            "every N."
        )
    return [
        ordering(
            "I.1.3, ¶3, sentence 5",
            "AD performs worse than LVC and Loaded-DiCE when the Hessian is estimated.",
            "Accuracy minus AD's in SSE, ESE, SSS, ESS, mean over N.",
            data,
            pairs,
            figures=FIGURE if tradeoff is None else (*FIGURE, "tradeoff"),
            why=why,
        ),
        ordering(
            "Fig. 5 (3)",
            "LVC and Loaded-DiCE can achieve higher correlation than AD when the Hessian is "
            "estimated.",
            f"Accuracy minus AD's in SSE, ESE, SSS, ESS, at the figure's largest N, "
            f"{int(data.N[-1])}.",
            data.isel(N=[-1]),
            pairs,
        ),
    ]


def biased(data: xr.Dataset, tradeoff: xr.Dataset) -> Claim:
    """Both sources of bias, each alone."""
    share = tradeoff.bias.sel(noise=float(tradeoff.noise[-1])) / tradeoff.truth
    few = data.isel(N=[0])
    short = 1 - over_grid(few, "along", "lvc", "SEE").squeeze(("N", "K", "alpha"))
    N = int(data.N[0])
    found = comparisons(
        {
            **{
                f"exact bias/‖g‖, {label(e)} − Loaded-DiCE": (
                    share.sel(estimator=e) - share.sel(estimator="loaded_dice")
                ).values
                for e in ("ad", "lvc")
            },
            f"LVC's path, N = {N}: 1 − estimate along truth (SEE)": short.values,
        }
    )
    return Claim(
        "Abstract",
        "Existing stochastic meta-gradient estimators are biased, by composition and by the "
        "Hessian of automatic differentiation.",
        ("tradeoff", "fig5"),
        "Exact norm of the bias with only II estimated (ESE) beyond Loaded-DiCE's, which is that "
        "of truncation alone; and what sampled inner steps alone (SEE) take from the estimate "
        "along the truth.",
        found,
        summary(found),
    )


def bias_of_hessians(data: xr.Dataset) -> list[Claim]:
    """Exact biases of one step's meta-gradient with the paper's noisy critic."""
    bias = (data.bias.isel(noise=-1) / data.truth).transpose("estimator", "mdp")
    ad, lvc, loaded = (bias.sel(estimator=e).values for e in ("ad", "lvc", "loaded_dice"))
    low = comparisons(equal={"LVC: bias/‖g‖": lvc}, margin=LOW_BIAS)
    large = comparisons(
        {"AD − LVC: bias/‖g‖": ad - lvc, f"AD: bias/‖g‖ − {LOW_BIAS:g}": ad - LOW_BIAS}
    )
    place = "I.1.3, ¶3, sentence 6"
    test = "Exact bias of one step's meta-gradient (ESE)"
    return [
        Claim(
            place,
            "LVC has low bias.",
            ("tradeoff",),
            f"{test}, low up to {LOW_BIAS:g} ‖g‖.",
            low,
            f"{summary(low)} Mean over MDPs: LVC {lvc.mean():.2g}, AD {ad.mean():.2g}, Loaded-DiCE "
            f"{loaded.mean():.2g} ‖g‖.",
            "LVC's expectation is the local part Σ_s d(s) Σ_a Q(s,a) ∇²π(a|s), without the part in "
            "which Q moves with θ; Loaded-DiCE has both.",
        ),
        Claim(
            place,
            "AD has large bias.",
            ("tradeoff",),
            f"{test}: larger than LVC's, and than {LOW_BIAS:g} ‖g‖.",
            large,
            summary(large),
            "With an exact critic and T → ∞ the expectation of AD's Hessian is zero, so that its "
            "bias is all that the Hessian contributes.",
        ),
    ]


def low_variance(data: xr.Dataset, ends: tuple[int, int]) -> Claim:
    """Exact variance below Loaded-DiCE's, at both ends of Figure 5's N."""
    noisy = data.isel(noise=-1)
    variance: dict[int, Any] = {N: np.log(noisy.lasting + noisy.falling / N) for N in ends}
    found = comparisons(
        {
            f"Loaded-DiCE/{label(e)}: ln variance, N = {N}": (
                variance[N].sel(estimator="loaded_dice") - variance[N].sel(estimator=e)
            ).values
            for e in ("lvc", "ad")
            for N in ends
        }
    )
    return Claim(
        "I.1.3, ¶3, sentence 6",
        "The Hessians of LVC and AD have low variance.",
        ("tradeoff",),
        "Exact variance of one step's meta-gradient (ESE) below Loaded-DiCE's, at both ends of "
        "Figure 5's N.",
        found,
        summary(found),
        _lasting(data),
    )


def _lasting(data: xr.Dataset) -> str:
    """What the critic's noise leaves of AD's variance, and what is without it."""
    noisy, exact = data.isel(noise=-1), data.isel(noise=0)
    left = float((noisy.lasting**0.5 / noisy.truth).sel(estimator="ad").median())
    why = (
        "A critic's error ε, shared by the trajectories, adds Σ_s d(s) ε(s) F(s) to AD's Hessian, "
        f"and {left:.2f} ‖g‖ to the standard deviation of the meta-gradient, for every N."
    )
    falling = exact.falling.median("mdp")
    if str(falling.estimator.values[int(falling.argmin("estimator"))]) == "ad":
        why += " With an exact critic AD's variance is the lowest."
    return why


def exact_outer_lvc(data: xr.Dataset) -> Claim:
    """ESE = SEE > SSE for LVC."""
    ESE, SEE, SSE = (accuracy(data, "lvc", p) for p in ("ESE", "SEE", "SSE"))
    found = comparisons(
        {"LVC: ESE − SSE": ESE - SSE, "LVC: SEE − SSE": SEE - SSE},
        equal={"LVC: ESE − SEE": ESE - SEE},
        margin=COMPARABLE,
    )
    return Claim(
        "I.1.3, ¶3, sentence 7",
        "With an exact outer gradient, LVC's Hessian is so good that correcting the compositional "
        "bias does as much as correcting the Hessian: ESE = SEE > SSE.",
        FIGURE,
        f"Differences of accuracy; equal within ± {COMPARABLE:g}.",
        found,
        summary(found),
    )


def exact_outer_loaded(data: xr.Dataset) -> Claim:
    """SEE > ESE > SSE for Loaded-DiCE."""
    ESE, SEE, SSE = (accuracy(data, "loaded_dice", p) for p in ("ESE", "SEE", "SSE"))
    found = comparisons({"Loaded-DiCE: SEE − ESE": SEE - ESE, "Loaded-DiCE: ESE − SSE": ESE - SSE})
    return Claim(
        "I.1.3, ¶3, sentence 7",
        "... while for Loaded-DiCE the Hessian still matters: SEE > ESE > SSE.",
        FIGURE,
        "Differences of accuracy.",
        found,
        summary(found),
    )
