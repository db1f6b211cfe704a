"""The abstract's two rates: O(K α^K σ_In N^{−1/2}) and O((K − 1) Δ_H^{K−1}).

A rate is a slope on logarithmic axes, fitted for each MDP by least squares. As bounds both hold; as
rates of the errors they are compared with what is seen, and with the exact regimes of
`theory.statements.abstract`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import label, summary
from tabular.transitions import Array
from theory.statements.abstract import compositional_rates

#: Two exponents agree within this.
SAME_EXPONENT = 0.1
SHIFT = "O(K α^K σ_In |τ|^{−1/2})"
HESSIAN = "O((K − 1) Δ_H^{K−1})"


def compositional(data: xr.Dataset) -> list[Claim]:
    """Entries on the first rate, from the errors of sampled inner steps."""
    names = [str(name) for name in data.estimator.values]
    steps: dict[str, Any] = {
        sweep: np.sqrt((data[f"steps_over_{sweep}"] ** 2).mean("trial"))
        for sweep in ("N", "alpha", "K")
    }
    below = comparisons(
        {
            f"{label(e)}, over {sweep}: ln bound/error": _margin(data, steps[sweep], e, sweep)
            for sweep in steps
            for e in names
        }
    )
    root = comparisons(
        equal={f"{label(e)}: slope + ½": slopes(steps["N"], e, "N") + 0.5 for e in names},
        margin=SAME_EXPONENT,
    )
    K = int(data.attrs["K_over_alpha"])
    power = comparisons(
        equal={f"{label(e)}: slope − {K}": slopes(steps["alpha"], e, "alpha") - K for e in names},
        margin=SAME_EXPONENT,
    )
    seen = ", ".join(f"{label(e)} {slopes(steps['alpha'], e, 'alpha').mean():.2f}" for e in names)
    rates = {(r.quantity, r.variable, r.regime): r for r in compositional_rates(1)}
    bias, error = (rates[q, "N", "large"].slope for q in ("bias", "error"))
    return [
        Claim(
            "Abstract; Lemma 4.4",
            f"The compositional bias has an upper bound of {SHIFT}.",
            ("compositional",),
            "Logarithm of Lemma 4.4 in second moments, constants along the exact path, over the "
            "error √E‖θ̂^K − θ^K‖², mean over each sweep without K = 1.",
            below,
            summary(below),
            "For K = 1 bound and error are the same number. The bound is that of the error's root "
            "mean square, which the mean error and the bias cannot exceed.",
        ),
        Claim(
            "Abstract",
            f"{SHIFT}: the error falls with the root of the sample size.",
            ("compositional",),
            f"Slope of ln √E‖θ̂^K − θ^K‖² in ln N, within ± {SAME_EXPONENT:g} of −½.",
            root,
            summary(root),
            f"For the error that is so; the bias, of which the abstract speaks, falls faster: in "
            f"a bandit with a closed form the slope of ‖E p̂ − p‖ is {bias:.2f}, that of E‖θ̂ − θ‖ "
            f"{error:.2f}.",
        ),
        Claim(
            "Abstract",
            f"{SHIFT}: the error grows with the step size as α^K.",
            ("compositional",),
            f"Slope of ln √E‖θ̂^K − θ^K‖² in ln α at K = {K}, within ± {SAME_EXPONENT:g} of {K}.",
            power,
            f"{summary(power)} The slopes are {seen}.",
            "A softmax gradient is bounded, ‖ĝ‖ ≤ G, so that ‖θ̂^K − θ^K‖ ≤ 2KαG: linear in α for "
            "every K. α^K is the bound's power alone.",
        ),
    ]


def _margin(data: xr.Dataset, steps: Any, estimator: str, sweep: str) -> Array:
    """Mean of ln bound/error over the sweep without K = 1, where they are equal, by MDP."""
    ratio: Any = np.log(data[f"bound_steps_over_{sweep}"].sel(estimator=estimator))
    ratio = ratio - np.log(steps.sel(estimator=estimator))
    if sweep == "K":
        ratio = ratio.sel(K=ratio.K > 1)
    return np.asarray(ratio.mean(sweep))


def slopes(values: xr.DataArray, estimator: str, sweep: str) -> Array:
    """Least-squares slopes of ln values in ln of the sweep's variable, one for each MDP."""
    each = np.log(values.sel(estimator=estimator).transpose(sweep, "mdp").values)
    return np.asarray(np.polyfit(np.log(values[sweep].values.astype(float)), each, 1)[0])


def hessian(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """Entries on the second rate: exact biases from a wrong Hessian, and AD's at one step."""
    K = int(data.attrs["K"])
    Delta = np.log(data["size"].values)

    def slope(alpha: Any) -> Array:
        bias = data.exact_bias.sel(alpha=alpha).transpose("size", "mdp").values
        return np.asarray(np.polyfit(Delta, np.log(bias), 1)[0])

    power = comparisons(
        equal={f"α = {a:g}: slope − {K - 1}": slope(a) - (K - 1) for a in data.alpha.values},
        margin=SAME_EXPONENT,
    )
    below = comparisons(
        {
            f"α = {a:g}: ln bound/bias": np.log(data.bound / data.exact_bias)
            .sel(alpha=a)
            .min("size")
            .values
            for a in data.alpha.values
        }
    )
    found = [
        Claim(
            "Abstract; Theorem 4.5",
            f"The Hessian's bias has an impact of {HESSIAN} on the meta-gradient's bias (as a "
            "bound: term (ii) of Theorem 4.5).",
            ("hessian",),
            "Logarithm of term (ii), constants along the path, over the exact bias, at the "
            "tightest c.",
            below,
            summary(below),
        ),
        Claim(
            "Abstract",
            f"{HESSIAN}: at K = {K} the bias grows as Δ_H^{K - 1}.",
            ("hessian",),
            f"Slope of the logarithm of the exact bias in ln Δ, within ± {SAME_EXPONENT:g} of "
            f"{K - 1}.",
            power,
            summary(power),
            "In the figure's range αΔ is small beside 1 + α‖H‖, where the bias is linear for every "
            "K. Beyond, MAML's bias is a polynomial of degree K, not K − 1, because θ⁰ = φ makes "
            "the first step's Hessian count too.",
        ),
    ]
    if tradeoff is None:
        return found
    share = tradeoff.bias.sel(noise=0.0, estimator="ad") / tradeoff.truth
    none = comparisons(equal={"AD: exact bias/‖g‖, K = 1": share.values}, margin=0.01)
    return [
        *found,
        Claim(
            "Abstract",
            f"{HESSIAN}: one inner step (K = 1) has no bias from its Hessian.",
            ("tradeoff", "hessian"),
            "Exact bias of AD's one-step MAML meta-gradient, path and outer gradient exact (ESE), "
            "within 1% of the truth.",
            none,
            summary(none),
            "With θ⁰ = φ the one Hessian is differentiated. The factor K − 1 is right where θ⁰ "
            "does not depend on φ, as in LIRPG, whose estimators are the same at K = 1.",
        ),
    ]
