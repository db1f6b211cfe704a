"""I.1.3, second and third paragraphs, and the caption of Figure 5: one inner step, over N.

Accuracies and spreads are means over the figure's N, one for each MDP.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.ordering import ordering, within
from figures.claims.seen import COMPARABLE, accuracy, label, log_spread, summary
from tabular.transitions import Array

FIGURE = ("fig5",)
#: Outer gradient and Hessian sampled: where LVC and Loaded-DiCE are not the same.
TWO_SAMPLED = ("SSS", "ESS")


def claims(data: xr.Dataset) -> list[Claim]:
    """Entries on the three terms, on DiCE, and on LVC beside Loaded-DiCE."""
    names = [str(name) for name in data.estimator.values]
    return [
        *three_terms(data, names),
        dice_noisy(data, names),
        same_gradient(data, names),
        comparable(data),
        lower_variance(data),
    ]


def three_terms(data: xr.Dataset, names: list[str]) -> list[Claim]:
    """What it is worth to have each of I, II and III exact."""
    return [
        ordering(
            "I.1.3, ¶2, sentence 2; Fig. 5 (1)",
            "SSS, SES, ESS beside SSE, SEE, ESE reveal the importance of the outer gradient.",
            "Accuracy with III exact minus the same with III sampled.",
            data,
            within(names, (("SSE", "SSS"), ("SEE", "SES"), ("ESE", "ESS"))),
        ),
        ordering(
            "I.1.3, ¶2, sentence 3",
            "An accurate outer gradient improves the correlation more than correcting the Hessian "
            "or the compositional bias.",
            "Accuracy with only III exact minus accuracy with only II, or only I, exact.",
            data,
            within(names, (("SSE", "SES"), ("SSE", "ESS"))),
            why=_outer_reason(data, names),
        ),
        ordering(
            "I.1.3, ¶2, sentence 3",
            "An accurate outer gradient improves the correlation more, also where one of the other "
            "two is corrected already: SEE > EES, ESE > EES.",
            "Accuracy with III and one other exact minus accuracy with I and II exact.",
            data,
            within(names, (("SEE", "EES"), ("ESE", "EES"))),
        ),
        ordering(
            "I.1.3, ¶2, sentence 4",
            "With an estimated outer gradient, correcting the two inner terms also helps: "
            "EES > SES > ESS > SSS.",
            "Differences of accuracy of neighbours in the order, for each estimator.",
            data,
            within(names, pairwise(("EES", "SES", "ESS", "SSS"))),
        ),
        ordering(
            "Fig. 5 (2)",
            "Correcting the compositional bias helps to increase the correlation.",
            "Accuracy with an exact path minus the same with a sampled one.",
            data,
            within(names, (("ESS", "SSS"), ("EES", "SES"), ("ESE", "SSE"))),
        ),
    ]


def _outer_reason(data: xr.Dataset, names: list[str]) -> str:
    """Which of III and II has the larger variance, at both ends."""
    first, last = (data.isel(N=[i]) for i in (0, -1))
    parts = []
    for e in names:
        low, high = (
            np.exp(np.mean(_variance(at, e, "EES") - _variance(at, e, "ESE")))
            for at in (first, last)
        )
        parts.append(f"{label(e)} {low:.2g} to {high:.2g}")
    return (
        "Exact variance from the outer gradient alone (EES) over that from the Hessian alone "
        f"(ESE), geometric mean over MDPs, from N = {int(data.N[0])} to {int(data.N[-1])}: "
        f"{', '.join(parts)}."
    )


def _variance(data: xr.Dataset, estimator: str, permutation: str) -> Array:
    """Logarithm of the exact variance by MDP."""
    return log_spread(data, estimator, permutation, "exact_scatter")


def dice_noisy(data: xr.Dataset, names: list[str]) -> Claim:
    """DiCE's exact variance against the others', first and second order."""
    others = [name for name in names if name != "dice"]
    orders = {"first order": "EES", "second order": "ESE"}
    found = comparisons(
        {
            f"DiCE/{label(e)}: ln variance, {text}": _variance(data, "dice", p)
            - _variance(data, e, p)
            for text, p in orders.items()
            for e in others
        }
    )
    factor = np.exp(np.mean(_variance(data, "dice", "EES") - _variance(data, "ad", "EES")))
    return Claim(
        "I.1.3, ¶3, sentence 2",
        "DiCE has high variance on first and second order.",
        FIGURE,
        "Logarithm of the ratio of exact variances with only III (first order) or only II (second "
        "order) sampled.",
        found,
        summary(found),
        f"Without a critic the exact variance of the gradient is {factor:.0f} times "
        "as large, though the others' critic is noisy.",
    )


def same_gradient(data: xr.Dataset, names: list[str]) -> Claim:
    """On the same trajectories three estimators give the same first-order estimates."""
    others = [name for name in names if name not in ("dice", "ad")]
    found = comparisons(
        equal={
            f"{label(e)} − AD: {p}": accuracy(data, e, p) - accuracy(data, "ad", p)
            for p in ("EES", "SES", "SEE")
            for e in others
        },
        margin=1e-9,
    )
    return Claim(
        "I.1.3, ¶3, sentence 2",
        "The first-order gradient of AD, LVC and Loaded-DiCE is the same, actor-critic's.",
        FIGURE,
        "Differences of accuracy where no Hessian is sampled, on the same trajectories and the "
        "same critics.",
        found,
        summary(found),
        "At the sampling policy the first derivatives of the three surrogates are the same "
        "function of the trajectory, so that only an error in the code could break this; DiCE's is "
        "theirs with V_b = 0, REINFORCE's.",
    )


def comparable(data: xr.Dataset) -> Claim:
    """LVC and Loaded-DiCE with a sampled outer gradient."""
    found = comparisons(
        equal={
            f"LVC − Loaded-DiCE: {p}": accuracy(data, "lvc", p) - accuracy(data, "loaded_dice", p)
            for p in TWO_SAMPLED
        },
        margin=COMPARABLE,
    )
    return Claim(
        "I.1.3, ¶3, sentence 4",
        "With a stochastic outer gradient, LVC and Loaded-DiCE have comparable correlation.",
        FIGURE,
        f"Differences of accuracy within ± {COMPARABLE:g}, Hessian sampled: SSS, ESS.",
        found,
        summary(found),
        "With an exact Hessian (SES, EES) the two are the same random variable.",
    )


def lower_variance(data: xr.Dataset) -> Claim:
    """LVC's spread against Loaded-DiCE's."""
    found = comparisons(
        {f"Loaded-DiCE/LVC: ln Σsd, {p}": _loaded_over_lvc(data, p) for p in TWO_SAMPLED}
    )
    same = max(abs(_loaded_over_lvc(data, p)).max() for p in ("SES", "EES"))
    return Claim(
        "I.1.3, ¶3, sentence 4",
        "... while the variance of LVC is smaller than that of Loaded-DiCE.",
        FIGURE,
        "Logarithm of the ratio of the sums of standard deviations, Hessian sampled: SSS, ESS.",
        found,
        summary(found),
        "With an exact Hessian (SES, EES) it is the same random variable and not smaller: there "
        f"|ln ratio| is {np.round(same, 9):.2g} at most.",
    )


def _loaded_over_lvc(data: xr.Dataset, permutation: str) -> Array:
    return log_spread(data, "loaded_dice", permutation) - log_spread(data, "lvc", permutation)
