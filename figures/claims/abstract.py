"""The abstract's two rates: O(K α^K σ_In N^{−1/2}) and O((K − 1) Δ_H^{K−1}).

Lemma 4.4 and Theorem 4.5 with explicit constants are compared with the errors that they bound; the
abstract's powers with what is seen, and with the exact regimes of `theory.statements.abstract`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import label, signed, summary
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
    meta: Any = data.meta_over_N.mean("trial")
    below = comparisons(
        {
            f"{label(e)}, over {sweep}: ln bound/error": _tightest(data, steps[sweep], e, sweep)
            for sweep in steps
            for e in names
        }
    )
    lowest = f" The smallest mean of ln bound/error is {min(c.mean for c in below):.2f}."
    K = int(data.attrs["K_over_alpha"])
    rates = {(r.quantity, r.variable, r.regime): r for r in compositional_rates(1)}
    bias, error = (rates[q, "N", "large"].slope for q in ("bias", "error"))

    def rate(sentence: str, test: str, differences: dict[str, Any], why: str = "") -> Claim:
        found = comparisons(equal=differences, margin=SAME_EXPONENT)
        return Claim(
            "Abstract",
            f"{SHIFT}: {sentence}",
            ("compositional",),
            f"{test}, within ± {SAME_EXPONENT:g}.",
            found,
            summary(found),
            why,
        )

    return [
        Claim(
            "Abstract; Lemma 4.4",
            f"The compositional bias has an upper bound of {SHIFT}.",
            ("compositional",),
            "Logarithm of Lemma 4.4 in second moments, constants along the exact path, over the "
            "error √E‖θ̂^K − θ^K‖², at the tightest point of each sweep, K = 1 apart, where they "
            "are equal.",
            below,
            summary(below) + lowest,
            "The root mean square is above the mean error, and that above the bias. The lemma's "
            "factor is √(Σ_j (1 + αc₁)^{2j}); that it grows as α^{K−1} needs αc₁ ≥ 1, so that "
            "1 + αc₁ ≤ 2αc₁.",
        ),
        rate(
            "the error of θ^K falls with the root of the sample size.",
            "Slope of ln √E‖θ̂^K − θ^K‖² in ln N, plus ½",
            {
                f"{label(e)}: slope + ½": slopes(steps["N"].sel(estimator=e), "N") + 0.5
                for e in names
            },
            "The lemma's compositional bias is a mean error. The bias proper falls faster: in a "
            "bandit with a closed form the slope of ‖E p̂ − p‖ is "
            f"{signed(bias, '.2f')}, that of E‖θ̂ − θ‖ {signed(error, '.2f')}.",
        ),
        rate(
            "the meta-gradient's error falls with the root of the sample size.",
            "Slope of ln E‖ĝ − g‖ in ln N, plus ½",
            {f"{label(e)}: slope + ½": slopes(meta.sel(estimator=e), "N") + 0.5 for e in names},
            "Where errors of θ^K are several logits, the error of a bounded gradient cannot grow "
            "with them.",
        ),
        rate(
            "the error grows with the step size as α^K.",
            f"Slope of ln √E‖θ̂^K − θ^K‖² in ln α at K = {K}, minus {K}",
            {
                f"{label(e)}: slope − {K}": slopes(steps["alpha"].sel(estimator=e), "alpha") - K
                for e in names
            },
            "A softmax score is bounded, E‖ĝ‖² ≤ G², so that √E‖θ̂^K − θ^K‖² ≤ 2KαG: linear in α "
            "for every K. α^K is the bound's power alone.",
        ),
        rate(
            "the error grows with the number of steps as K α^K.",
            "Growth of ln √E‖θ̂^K − θ^K‖² from the first to the last K, minus that of ln K α^K",
            {f"{label(e)}: growth": _growth(data, steps["K"], e) for e in names},
        ),
        rate(
            "the error is proportional to σ_In.",
            f"Between {' and '.join(label(e) for e in names)}, ln of the ratio of errors over N "
            "minus that of σ_In at θ⁰",
            {"errors − σ_In": _sigma(data, steps["N"], names)},
        ),
    ]


def _tightest(data: xr.Dataset, steps: Any, estimator: str, sweep: str) -> Array:
    """ln bound/error where it is smallest on average, by MDP, without K = 1."""
    ratio: Any = np.log(data[f"bound_steps_over_{sweep}"].sel(estimator=estimator))
    ratio = ratio - np.log(steps.sel(estimator=estimator))
    if sweep == "K":
        ratio = ratio.sel(K=ratio.K > 1)
    return np.asarray(ratio.isel({sweep: int(np.argmin(ratio.mean("mdp").values))}))


def _growth(data: xr.Dataset, steps: Any, estimator: str) -> Array:
    """Growth of ln error over K beyond that of ln K α^K, by MDP."""
    error: Any = np.log(steps.sel(estimator=estimator))
    first, last = int(data.K[0]), int(data.K[-1])
    power = np.log(last / first) + (last - first) * np.log(float(data.attrs["alpha_over_K"]))
    return np.asarray(error.isel(K=-1) - error.isel(K=0)) - power


def _sigma(data: xr.Dataset, steps: Any, names: list[str]) -> Array:
    """ln of the ratio of two estimators' errors minus that of their σ_In, by MDP."""
    error: Any = np.log(steps).mean("N")
    sigma: Any = np.log(data.bound_steps_over_K.sel(K=1))  # α σ_In/√N
    one, other = ({"estimator": name} for name in names)
    return np.asarray(error.sel(other) - error.sel(one) - sigma.sel(other) + sigma.sel(one))


def slopes(values: xr.DataArray, axis: str) -> Array:
    """Slope of ln values in ln axis by MDP, mean over what else there is."""
    each = np.log(values.transpose(axis, ..., "mdp").values)
    at = np.log(values[axis].values.astype(float))
    fitted = np.polyfit(at, each.reshape(len(at), -1), 1)[0]
    return np.asarray(fitted.reshape(-1, values.sizes["mdp"]).mean(axis=0))


def hessian(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """Entries on the second rate: exact biases from a wrong Hessian, and AD's at one step."""
    power = comparisons(
        equal={
            f"K = {K}: slope − {K - 1}": slopes(data.bias_over_K.sel(steps=K), "size") - (K - 1)
            for K in map(int, data.steps.values)
        },
        margin=SAME_EXPONENT,
    )
    ratio: Any = np.log(data.bound / data.exact_bias).min("size")
    below = comparisons(
        {f"α = {a:g}: ln bound/bias": ratio.sel(alpha=a).values for a in data.alpha.values}
    )
    closest = ratio.min()
    found = [
        Claim(
            "Abstract; Theorem 4.5",
            f"The Hessian's bias has an impact of {HESSIAN} on the meta-gradient's bias (as a "
            "bound: term (ii) of Theorem 4.5).",
            ("hessian",),
            "Logarithm of term (ii), constants along the path, over the exact bias, at the "
            "tightest c.",
            below,
            f"{summary(below)} The smallest ln bound/bias over MDPs is {float(closest):.2f}.",
        ),
        Claim(
            "Abstract",
            f"{HESSIAN}: the bias grows as Δ_H^{{K−1}}.",
            ("hessian",),
            "Slope of ln bias, exact, in ln Δ over the figure's c, mean over α, minus K − 1, "
            f"within ± {SAME_EXPONENT:g}.",
            power,
            summary(power),
            "The bias of MAML is a polynomial of degree K in Δ, without a constant: linear where "
            "(K − 1)αΔ is small beside 1 + α‖H‖, whatever K is, and Δ^K far beyond. The figure's "
            "range lies at the lower end.",
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
