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
from figures.claims.seen import label, signed, summary, symbol
from tabular.transitions import Array
from theory.statements.abstract import compositional_rates

#: Two exponents agree within this.
SAME_EXPONENT = 0.1
#: Two factors agree if the logarithm of their ratio is within this of zero.
SAME_FACTOR = 0.1
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
    K = int(data.attrs["K_over_alpha"])
    rates = {(r.quantity, r.variable, r.regime): r for r in compositional_rates(1)}
    bias, error = (rates[q, "N", "large"].slope for q in ("bias", "error"))
    alpha = float(data.attrs["alpha_over_K"])
    low, high = (alpha * float(end) for end in (data.c1_over_K.min(), data.c1_over_K.max()))
    growths = {e: _growth(steps["K"], e) for e in names}
    power = _growth_of_power(data)

    def rate(
        sentence: str,
        test: str,
        differences: dict[str, Any],
        why: str = "",
        margin: float = SAME_EXPONENT,
    ) -> Claim:
        found = comparisons(equal=differences, margin=margin)
        return Claim(
            "Abstract",
            f"{SHIFT}: {sentence}",
            ("compositional",),
            f"{test}, within ± {margin:g}.",
            found,
            summary(found),
            why,
        )

    return [
        _bound(
            data,
            steps,
            "bound_steps",
            "Lemma 4.4",
            "The compositional bias is below Lemma 4.4's bound.",
            "Lemma 4.4 in second moments, constants along the exact path",
            "The root mean square is above the mean error, and that above the bias. With constants "
            "that hold everywhere this is a theorem; those along one path are smaller.",
        ),
        _bound(
            data,
            steps,
            "power_steps",
            "Abstract",
            f"The compositional bias has an upper bound of {SHIFT}.",
            "The power with the constant that the lemma gives, (2c₁)^{K−1} K α^K σ_In |τ|^{−1/2}",
            "The lemma's factor is √(Σ_j (1 + αc₁)^{2j}) ≤ K (1 + αc₁)^{K−1}; that this is below "
            "K (2αc₁)^{K−1} needs αc₁ ≥ 1. "
            f"At α = {alpha:g} αc₁ is {low:.2f} to {high:.2f}.",
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
            {f"{label(e)}: growth": growths[e] - power for e in names},
            f"From K = {int(data.K[0])} to {int(data.K[-1])} K α^K grows {np.exp(power):.0f} "
            "times, the error "
            + ", ".join(f"{np.exp(g.mean()):.1f} times ({label(e)})" for e, g in growths.items())
            + ", where independent steps of one size would give the root of K.",
            SAME_FACTOR,
        ),
        rate(
            "the error is proportional to σ_In.",
            "ln of the ratio of two estimators' errors, mean over N, minus that of σ_In, K = 1",
            _sigma(data, steps["N"], names),
            margin=SAME_FACTOR,
        ),
    ]


def _bound(
    data: xr.Dataset, steps: Any, name: str, place: str, sentence: str, bound: str, why: str
) -> Claim:
    """The errors of θ^K are below this bound, at the tightest point of each sweep."""
    found = comparisons(
        {
            f"{label(e)}: ln bound/error, over {symbol(sweep)}": tightest(
                data[f"{name}_over_{sweep}"].sel(estimator=e), _errors(steps, e, sweep), sweep
            )
            for sweep in steps
            for e in map(str, data.estimator.values)
        }
    )
    lowest = min(c.mean for c in found)
    return Claim(
        place,
        sentence,
        ("compositional",),
        f"{bound}: its logarithm over that of √E‖θ̂^K − θ^K‖², at the tightest point of each sweep, "
        "K = 1 apart, where they are equal.",
        found,
        f"{summary(found)} The smallest mean of ln bound/error is {signed(lowest, '.2f')}.",
        why,
    )


def _errors(steps: Any, estimator: str, sweep: str) -> Any:
    """Errors of one estimator over a sweep, without K = 1."""
    error = steps[sweep].sel(estimator=estimator)
    return error.sel(K=error.K > 1) if sweep == "K" else error


def tightest(bound: Any, error: Any, axis: str) -> Array:
    """ln bound/error by MDP where it is smallest on average."""
    ratio: Any = np.log(bound / error).transpose(axis, "mdp")
    return np.asarray(ratio.values[int(np.argmin(ratio.mean("mdp").values))])


def _growth(steps: Any, estimator: str) -> Array:
    """Growth of ln error over K, by MDP."""
    error: Any = np.log(steps.sel(estimator=estimator))
    return np.asarray(error.isel(K=-1) - error.isel(K=0))


def _growth_of_power(data: xr.Dataset) -> float:
    """Growth of ln K α^K over K."""
    first, last = int(data.K[0]), int(data.K[-1])
    growth = np.log(last / first) + (last - first) * np.log(float(data.attrs["alpha_over_K"]))
    return float(growth)


def _sigma(data: xr.Dataset, steps: Any, names: list[str]) -> dict[str, Array]:
    """ln of the ratio of errors to the first estimator's minus that of their σ_In, by MDP.

    The lemma's bound of one step is α σ_In |τ|^{−1/2}: the critic leaves nothing lasting in a
    gradient but for its share in the last step, of order γ^T.
    """
    excess: Any = np.log(steps).mean("N") - np.log(data.bound_steps_over_K.sel(K=1))
    first, *others = names
    return {
        f"{label(e)}/{label(first)}: errors − σ_In": (
            excess.sel(estimator=e) - excess.sel(estimator=first)
        ).values
        for e in others
    }


def slopes(values: xr.DataArray, axis: str) -> Array:
    """Slope of ln values in ln axis by MDP, mean over what else there is."""
    each = np.log(values.transpose(axis, ..., "mdp").values)
    at = np.log(values[axis].values.astype(float))
    fitted = np.polyfit(at, each.reshape(len(at), -1), 1)[0]
    return np.asarray(fitted.reshape(-1, values.sizes["mdp"]).mean(axis=0))


def hessian(data: xr.Dataset, tradeoff: xr.Dataset | None) -> list[Claim]:
    """Entries on the second rate: exact biases from a wrong Hessian, and AD's at one step."""
    several = [int(K) for K in data.steps.values if K > 1]
    power = comparisons(
        equal={
            f"K = {K}: slope − {K - 1}": slopes(data.exact_bias.sel(steps=K), "size") - (K - 1)
            for K in several
        },
        margin=SAME_EXPONENT,
    )
    bias = data.exact_bias.sel(steps=data.attrs["K"])
    below = comparisons(
        {
            f"α = {a:g}: ln bound/bias": tightest(
                data.bound.sel(alpha=a), bias.sel(alpha=a), "size"
            )
            for a in data.alpha.values
        }
    )
    closest = float(np.log(data.bound / bias).min())
    found = [
        Claim(
            "Theorem 4.5",
            "The bias that a wrong Hessian leaves is below term (ii) of Theorem 4.5.",
            ("hessian",),
            "Logarithm of term (ii), constants along the path, over the exact bias, at the "
            "tightest c.",
            below,
            f"{summary(below)} The smallest ln bound/bias over MDPs is {closest:.2f}.",
            "A theorem with these constants: only an error in the code could break it.",
        ),
        Claim(
            "Abstract",
            f"{HESSIAN}: the bias grows as Δ_H^{{K−1}}.",
            ("hessian",),
            "Slope of ln bias, exact, in ln Δ over the figure's c, mean over α, minus K − 1, for "
            f"each K > 1, within ± {SAME_EXPONENT:g}.",
            power,
            summary(power),
            "The bias of MAML is a polynomial of degree K in Δ, without a constant: linear where "
            "(K − 1)αΔ is small beside 1 + α‖H‖, whatever K is, and Δ^K far beyond. The figure's "
            "range lies at the lower end.",
        ),
        _factor(data, several),
    ]
    return found if tradeoff is None else [*found, _one_step(tradeoff)]


def _factor(data: xr.Dataset, several: list[int]) -> Claim:
    """The bias over K beside the factor K − 1."""
    first, last = several[0], several[-1]
    bias: Any = np.log(data.exact_bias).mean("size")
    growth = bias.sel(steps=last) - bias.sel(steps=first)
    claimed = float(np.log((last - 1) / (first - 1)))
    found = comparisons(
        equal={
            f"α = {a:g}: growth − ln {(last - 1) / (first - 1):g}": growth.sel(alpha=a).values
            - claimed
            for a in data.alpha.values
        },
        margin=SAME_FACTOR,
    )
    grows = ", ".join(
        f"{np.exp(float(growth.sel(alpha=a).mean())):.1f} (α = {a:g})" for a in data.alpha.values
    )
    return Claim(
        "Abstract",
        f"{HESSIAN}: the bias has a factor K − 1.",
        ("hessian",),
        f"Growth of ln bias, exact, from K = {first} to {last}, mean over c, minus that of "
        f"ln (K − 1), within ± {SAME_FACTOR:g}.",
        found,
        f"{summary(found)} The bias grows by a factor of {grows}.",
        "To first order in Δ it is αΔ times a sum of K products of K − 1 factors I + αH_i: it "
        "grows as K times a power, and with ‖p‖, which a better policy changes.",
    )


def _one_step(tradeoff: xr.Dataset) -> Claim:
    """AD's exact bias with one inner step."""
    share = tradeoff.bias.sel(noise=0.0, estimator="ad") / tradeoff.truth
    none = comparisons(equal={"AD: exact bias/‖g‖, K = 1": share.values}, margin=0.01)
    return Claim(
        "Abstract",
        f"{HESSIAN}: one inner step (K = 1) has no bias from its Hessian.",
        ("tradeoff", "hessian"),
        "Exact bias of AD's one-step MAML meta-gradient, path and outer gradient exact (ESE), "
        "within 1% of the truth.",
        none,
        summary(none),
        "With θ⁰ = φ the one Hessian is differentiated. The factor K − 1 is right where θ⁰ does "
        "not depend on φ, as in LIRPG, whose estimators are the same at K = 1.",
    )
