"""I.1.3, first two paragraphs, and the caption of Figure 5: one inner step, accuracy over N.

All numbers are means over the figure's N, one for each MDP.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import COMPARABLE, accuracy, gaps, label, log_spread, summary

FIGURE = ("fig5",)
#: Sampled outer gradient.
STOCHASTIC_OUTER = ("SSS", "SES", "ESS", "EES")


def claims(data: xr.Dataset) -> list[Claim]:
    """Entries on the three terms, on DiCE, and on LVC beside Loaded-DiCE."""
    names = [str(name) for name in data.estimator.values]
    found = [outer_matters(data, names), order(data, names), composition_helps(data, names)]
    if "dice" in names:
        found += [dice_noisy(data, names), same_gradient(data, names)]
    return [*found, comparable(data), *lower_variance(data)]


def outer_matters(data: xr.Dataset, names: list[str]) -> Claim:
    """SSE gains more over SSS than SES and ESS do."""
    differences, turns = gaps(
        data,
        {
            f"{label(e)}: SSE − {other}": ((e, "SSE"), (e, other))
            for e in names
            for other in ("SES", "ESS")
        },
    )
    found = comparisons(differences)
    return Claim(
        "I.1.3, ¶2, sentences 2-3; Fig. 5 (1)",
        "An accurate outer gradient improves the correlation more than correcting the Hessian or "
        "the compositional bias.",
        FIGURE,
        "Accuracy with only III exact minus accuracy with only II, or only I, exact.",
        found,
        summary(found) + turns,
        _outer_reason(data, names),
    )


def _outer_reason(data: xr.Dataset, names: list[str]) -> str:
    ratios = [
        log_spread(data, e, "EES", "exact_scatter") - log_spread(data, e, "ESE", "exact_scatter")
        for e in names
    ]
    parts = [f"{label(e)} {np.exp(r.mean()):.1f}" for e, r in zip(names, ratios, strict=True)]
    return (
        "Exact variance from the outer gradient alone (EES) over that from the Hessian alone "
        f"(ESE), geometric mean over N and MDPs: {', '.join(parts)}."
    )


def order(data: xr.Dataset, names: list[str]) -> Claim:
    """EES > SES > ESS > SSS."""
    ranks = ("EES", "SES", "ESS", "SSS")
    differences, turns = gaps(
        data,
        {
            f"{label(e)}: {more} − {less}": ((e, more), (e, less))
            for e in names
            for more, less in pairwise(ranks)
        },
    )
    found = comparisons(differences)
    return Claim(
        "I.1.3, ¶2, sentence 4",
        "With an estimated outer gradient, correcting the two inner terms also helps: "
        "EES > SES > ESS > SSS.",
        FIGURE,
        "Differences of accuracy of neighbours in the order, for each estimator.",
        found,
        summary(found) + turns,
    )


def composition_helps(data: xr.Dataset, names: list[str]) -> Claim:
    """An exact path instead of a sampled one raises the accuracy."""
    pairs = (("ESS", "SSS"), ("EES", "SES"), ("ESE", "SSE"))
    differences, turns = gaps(
        data,
        {
            f"{label(e)}: {more} − {less}": ((e, more), (e, less))
            for e in names
            for more, less in pairs
        },
    )
    found = comparisons(differences)
    return Claim(
        "Fig. 5 (2)",
        "Correcting the compositional bias helps to increase the correlation.",
        FIGURE,
        "Accuracy with an exact path minus the same with a sampled one.",
        found,
        summary(found) + turns,
    )


def dice_noisy(data: xr.Dataset, names: list[str]) -> Claim:
    """DiCE's exact variance against the others', first and second order."""
    others = [name for name in names if name != "dice"]
    orders = {"first order": "EES", "second order": "ESE"}
    found = comparisons(
        {
            f"ln variance DiCE/{label(e)}, {text}": log_spread(data, "dice", p, "exact_scatter")
            - log_spread(data, e, p, "exact_scatter")
            for text, p in orders.items()
            for e in others
        }
    )
    factor = float(np.exp(np.mean([c.mean for c in found[: len(others)]])))
    return Claim(
        "I.1.3, ¶3, sentence 2",
        "DiCE has high variance on first and second order.",
        FIGURE,
        "Logarithm of the ratio of exact variances with only III (first order) or only II (second "
        "order) sampled.",
        found,
        summary(found),
        f"Without a critic the exact variance of the gradient is {factor:.0f} times as large, "
        "though the others' critic is noisy.",
    )


def same_gradient(data: xr.Dataset, names: list[str]) -> Claim:
    """On the same trajectories the other three give the same first-order estimates."""
    others = [name for name in names if name not in ("dice", "ad")]
    found = comparisons(
        equal={
            f"{p}: {label(e)} − AD": accuracy(data, e, p) - accuracy(data, "ad", p)
            for p in ("EES", "SES", "SEE")
            for e in others
        },
        margin=1e-9,
    )
    return Claim(
        "I.1.3, ¶3, sentence 2",
        "DiCE's first-order gradient is REINFORCE's; that of the other three is actor-critic's.",
        FIGURE,
        "Differences of accuracy where no Hessian is sampled, on the same trajectories and the "
        "same critics.",
        found,
        summary(found),
        "At the sampling policy the first derivatives of the three surrogates are the same "
        "function of the trajectory, and DiCE's is theirs with V_b = 0.",
    )


def comparable(data: xr.Dataset) -> Claim:
    """LVC and Loaded-DiCE with a sampled outer gradient."""
    found = comparisons(
        equal={
            f"{p}: LVC − Loaded-DiCE": accuracy(data, "lvc", p) - accuracy(data, "loaded_dice", p)
            for p in STOCHASTIC_OUTER
        },
        margin=COMPARABLE,
    )
    return Claim(
        "I.1.3, ¶3, sentence 4",
        "With a stochastic outer gradient, LVC and Loaded-DiCE have comparable correlation.",
        FIGURE,
        f"Differences of accuracy within ± {COMPARABLE:g}.",
        found,
        summary(found),
    )


def lower_variance(data: xr.Dataset) -> list[Claim]:
    """LVC's spread against Loaded-DiCE's: where the Hessian is sampled, and where it is not."""
    sampled = comparisons(
        {
            f"ln Σsd Loaded-DiCE/LVC, {p}": log_spread(data, "loaded_dice", p)
            - log_spread(data, "lvc", p)
            for p in ("SSS", "ESS")
        }
    )
    exact = comparisons(
        {
            f"ln Σsd Loaded-DiCE/LVC, {p}": np.round(
                log_spread(data, "loaded_dice", p) - log_spread(data, "lvc", p), 9
            )
            for p in ("SES", "EES")
        }
    )
    place = "I.1.3, ¶3, sentence 4"
    test = "Logarithm of the ratio of the sums of standard deviations."
    return [
        Claim(
            place,
            "... while the variance of LVC is smaller (Hessian sampled: SSS, ESS).",
            FIGURE,
            test,
            sampled,
            summary(sampled),
        ),
        Claim(
            place,
            "... while the variance of LVC is smaller (Hessian exact: SES, EES).",
            FIGURE,
            test + " On the same trajectories; rounded to nine digits.",
            exact,
            summary(exact),
            "With an exact Hessian the two are the same random variable: only the Hessian tells "
            "LVC and Loaded-DiCE apart, and only where it is sampled.",
        ),
    ]
