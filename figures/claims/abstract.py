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
    relative: Any = (meta / data.truth_over_N).isel(N=0).mean("mdp")
    upper = meta.isel(N=slice(min(data.sizes["N"] // 2, data.sizes["N"] - 2), None))
    saturated = _each({e: float(relative.sel(estimator=e)) for e in names}, ".2f")
    late = _each(
        {e: float(slopes(upper.sel(estimator=e), "N").mean()) + 0.5 for e in names}, "+.2f"
    )
    error_grows = {e: _growth(steps["K"], e) for e in names}
    power_grows = {e: _growth(data.power_steps_over_K, e) for e in names}

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
            "The lemma's factor is √(Σ_j (1 + αc₁)^{2j}) ≤ K (1 + αc₁)^{K−1}, which is below "
            f"K (2αc₁)^{{K−1}} where αc₁ ≥ 1. {_from_which_alpha(data, steps['alpha'])}",
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
            f"Where the error is about ‖g‖ (N = {int(data.N[0])}: {saturated}) that of a bounded "
            f"gradient cannot be larger; over the upper half of the N slope + ½ is {late}.",
        ),
        rate(
            "the error grows with the step size as α^K.",
            f"Slope of ln √E‖θ̂^K − θ^K‖² in ln α at K = {K}, minus {K}",
            {
                f"{label(e)}: slope − {K}": slopes(steps["alpha"].sel(estimator=e), "alpha") - K
                for e in names
            },
            "A softmax score is bounded, E‖ĝ‖² ≤ G², so that √E‖θ̂^K − θ^K‖² ≤ 2KαG: linear in α "
            "for every K. Read as a rate here; α^K as a bound is an entry of its own.",
        ),
        rate(
            "the error grows with the number of steps as K α^K.",
            "Growth of ln √E‖θ̂^K − θ^K‖² from the first to the last K, minus that of "
            "ln (2c₁)^{K−1} K α^K",
            {f"{label(e)}: growth": error_grows[e] - power_grows[e] for e in names},
            f"From K = {int(data.K[0])} to {int(data.K[-1])} the power, with the lemma's constant, "
            "grows by a factor of "
            + ", ".join(f"{np.exp(g.mean()):.2f} ({label(e)})" for e, g in power_grows.items())
            + ", the error by "
            + ", ".join(f"{np.exp(g.mean()):.2f} ({label(e)})" for e, g in error_grows.items())
            + "; independent steps of one size would give the root of K.",
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


def _each(values: dict[str, float], precision: str) -> str:
    """A number for each estimator."""
    return ", ".join(f"{value:{precision}} ({label(e)})" for e, value in values.items())


def _from_which_alpha(data: xr.Dataset, steps: Any) -> str:
    """αc₁ at the ends of the sweep over α, and where the abstract's power is above the error."""
    c1 = data.c1_over_alpha.mean(("estimator", "mdp"))
    low, high = (float(c1.alpha[i] * c1[i]) for i in (0, -1))
    excess: Any = np.log(data.power_steps_over_alpha / steps).mean("mdp").min("estimator")
    above = [
        f"{a:g}" for a, value in zip(data.alpha.values, excess.values, strict=True) if value > 0
    ]
    told = f"above the error's on average at α = {', '.join(above)}" if above else "nowhere above"
    return (
        f"From α = {data.alpha.values[0]:g} to {data.alpha.values[-1]:g} αc₁ goes from {low:.2f} "
        f"to {high:.2f}; the power's logarithm is {told}."
    )


def _errors(steps: Any, estimator: str, sweep: str) -> Any:
    """Errors of one estimator over a sweep, without K = 1."""
    error = steps[sweep].sel(estimator=estimator)
    return error.sel(K=error.K > 1) if sweep == "K" else error


def tightest(bound: Any, error: Any, axis: str) -> Array:
    """ln bound/error by MDP where it is smallest on average."""
    ratio: Any = np.log(bound / error).transpose(axis, "mdp")
    return np.asarray(ratio.values[int(np.argmin(ratio.mean("mdp").values))])


def _growth(values: Any, estimator: str) -> Array:
    """Growth of ln values from the first to the last K, by MDP."""
    each: Any = np.log(values.sel(estimator=estimator))
    return np.asarray(each.isel(K=-1) - each.isel(K=0))


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
    slope = {K: slopes(data.exact_bias.sel(steps=K), "size") for K in several}
    power = comparisons(
        equal={f"K = {K}: slope − {K - 1}": each - (K - 1) for K, each in slope.items()},
        margin=SAME_EXPONENT,
    )
    fitted = ", ".join(f"{each.mean():.2f} (K = {K})" for K, each in slope.items())
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
            summary(power) + _grows(data, several[0], several[-1]),
            "The bias of MAML is a polynomial of degree K in Δ, without a constant: linear where "
            "(K − 1)αΔ is small beside 1 + α‖H‖, whatever K is, and Δ^K far beyond, so that K = 2 "
            f"agrees only at the lower end. Slopes: {fitted}.",
        ),
    ]
    return found if tradeoff is None else [*found, _one_step(tradeoff)]


def _grows(data: xr.Dataset, first: int, last: int) -> str:
    """How the bias grows over K, geometric mean over c and MDPs."""
    bias: Any = np.log(data.exact_bias).mean(("size", "mdp"))
    growth = np.exp(bias.sel(steps=last) - bias.sel(steps=first))
    each = ", ".join(f"{float(growth.sel(alpha=a)):.1f} (α = {a:g})" for a in data.alpha.values)
    return f" From K = {first} to {last} the bias grows by a factor of {each}."


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
