"""I.1.3, second paragraph, on the Hessian estimators: AD, LVC and Loaded-DiCE at one inner step.

Accuracies are means over Figure 5's N, one for each MDP; biases and variances are exact.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import COMPARABLE, accuracy, gaps, label, over_grid, summary

FIGURE = ("fig5",)
#: Sampled Hessian.
SAMPLED_HESSIAN = ("SSE", "ESE", "SSS", "ESS")
#: Of Figure 5's N.
ENDS = (2, 256)


def claims(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """All entries; those that need the trade-off figure only if it is there."""
    found = [ad_worse(data, tradeoff)]
    if tradeoff is not None:
        found += [biased(data, tradeoff), low_bias(tradeoff)]
    return [*found, exact_outer_lvc(data), exact_outer_loaded(data)]


def ad_worse(data: xr.Dataset, tradeoff: xr.Dataset | None) -> Claim:
    """AD against LVC and Loaded-DiCE where the Hessian is sampled."""
    differences, turns = gaps(
        data,
        {
            f"{p}: {label(e)} − AD": ((e, p), ("ad", p))
            for p in SAMPLED_HESSIAN
            for e in ("lvc", "loaded_dice")
        },
    )
    found = comparisons(differences)
    return Claim(
        "I.1.3, ¶3, sentence 5; Fig. 5 (3)",
        "AD performs worse than LVC and Loaded-DiCE when the Hessian is estimated.",
        FIGURE if tradeoff is None else (*FIGURE, "tradeoff"),
        "Accuracy minus AD's in SSE, ESE, SSS, ESS, mean over N.",
        found,
        summary(found) + turns,
        "" if tradeoff is None else _crossings(tradeoff),
    )


def _crossings(tradeoff: xr.Dataset) -> str:
    """From which N on LVC and Loaded-DiCE have the smaller exact mean squared error."""
    parts = []
    for noise, critic in zip(tradeoff.noise.values, ("exact", "noisy"), strict=True):
        at = tradeoff.crossover.sel(noise=noise).median("mdp")
        each = {e: float(at.sel(pair=f"ad to {e}")) for e in ("lvc", "loaded_dice")}
        told = [f"{label(e)} from N = {N:.0f} on" for e, N in each.items() if np.isfinite(N)]
        if told:
            parts.append(f"with an {critic} critic" if critic == "exact" else "with a noisy one")
            parts[-1] += f" {' and '.join(told)}"
    if not parts:
        return ""
    return (
        "Exact mean squared errors (ESE, median MDP) are below AD's "
        f"{', '.join(parts)}: what they have to outweigh with their own variance is AD's bias and, "
        "with a noisy critic, the variance that its noise leaves in AD's Hessian for every N."
    )


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


def low_bias(data: xr.Dataset) -> Claim:
    """Bias and variance of the expected Hessians, exactly, with the paper's noisy critic."""
    noisy = data.sel(noise=float(data.noise[-1]))
    variance = {N: np.log(noisy.lasting + noisy.falling / N) for N in ENDS}
    bias = noisy.bias / noisy.truth
    found = comparisons(
        {
            "bias/‖g‖: AD − LVC": (bias.sel(estimator="ad") - bias.sel(estimator="lvc")).values,
            **{
                f"ln variance Loaded-DiCE/{label(e)}, N = {N}": (
                    variance[N].sel(estimator="loaded_dice") - variance[N].sel(estimator=e)
                ).values
                for e in ("lvc", "ad")
                for N in ENDS
            },
        }
    )
    return Claim(
        "I.1.3, ¶3, sentence 6",
        "LVC has low bias and low variance, AD large bias and low variance.",
        ("tradeoff",),
        "Exact bias of one step's meta-gradient (ESE), and exact variance below Loaded-DiCE's, at "
        "both ends of Figure 5's N.",
        found,
        summary(found),
        _lasting(data),
    )


def _lasting(data: xr.Dataset) -> str:
    """What the critic's noise leaves of AD's variance, and what is without it."""
    noisy, exact = data.sel(noise=float(data.noise[-1])), data.sel(noise=float(data.noise[0]))
    left = float((noisy.lasting**0.5 / noisy.truth).sel(estimator="ad").median())
    why = (
        "A critic's error ε, shared by the trajectories, adds Σ_s d(s) ε(s) F(s) to AD's Hessian, "
        f"a standard deviation of {left:.2f} ‖g‖ for every N."
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
