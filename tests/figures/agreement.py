"""How many standard errors the simulated numbers of a dataset are from its exact ones.

Every number is pooled over MDPs, whose trials are independent. A squared deviation with a heavy
tail is rarely met in 20 trials, so that its standard deviation must not come from them alone: for
J independent factors 1 + ε_j, ε_j ~ N(0, s²), the product X has moments M_n = m_n^J with

    m_2 = 1 + s²,  m_3 = 1 + 3 s²,  m_4 = 1 + 6 s² + 3 s⁴,   Var X/(E X)² = M_2 − 1,
    κ = E(X − E X)⁴/(Var X)² = (M_4 − 4 M_3 + 6 M_2 − 3)/(M_2 − 1)²,

3 for J = 1 and up to 3^J, and Var (X − E X)² = (κ − 1)(Var X)². An estimate with II sampled in K
steps, and III, is such a product, all in one direction in the worst case; s follows from the exact
moments. Where fewer than `ENOUGH` equal events are behind a simulated variance, it says nothing
(as in `theory.rare`).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from theory.rare import ENOUGH


def kurtosis(relative_variance: Any, factors: Any) -> Any:
    """κ of a product of so many equal factors with this Var X/(E X)²."""
    s2 = np.expm1(np.log1p(relative_variance) / factors)
    # Less one, so that next to nothing cancels where s is small.
    M2, M3, M4 = (np.expm1(factors * np.log1p(x)) for x in (s2, 3 * s2, 6 * s2 + 3 * s2**2))
    return (M4 - 4 * M3 + 6 * M2) / M2**2


def factors(data: xr.Dataset) -> Any:
    """How many independent samples an estimate of each permutation multiplies; NaN for none."""
    inner = xr.where(data.permutation.str.get(1) == "S", data.K, 0)
    count = inner + xr.where(data.permutation.str.get(2) == "S", 1, 0)
    return count.where(count > 0)


def enough(variance: Any, fourth: Any, trials: int) -> Any:
    """Whether the sum over MDPs of simulated variances rests on enough events."""
    pooled = _sum(variance**2 * (fourth - 1)) / trials
    return pooled * ENOUGH <= _sum(variance) ** 2


def decomposition(data: xr.Dataset) -> dict[str, Any]:
    """Deviations of Figures 5 to 8, over everything but MDPs; NaN where nothing is known."""
    n = data.sizes["trial"]
    fourth = kurtosis((data.exact_along_sd / data.exact_along) ** 2, factors(data))
    shift = _sum(data.along - data.exact_along)
    exact = enough(data.exact_along_sd**2, fourth, n)
    unknown = np.isfinite(shift) & ~np.isfinite(data.exact_along_sd).all("mdp")
    spread = np.maximum(data.exact_scatter**2 * (fourth - 1), data.scatter_sd**2)
    return {
        "along": (shift / np.sqrt(_sum(data.exact_along_sd**2) / n)).where(exact),
        "along, sample's error": (shift / np.sqrt(_sum(data.along_sd**2) / n)).where(unknown),
        "scatter": (_sum(data.scatter - data.exact_scatter) / np.sqrt(_sum(spread) / n)).where(
            enough(data.exact_scatter, fourth, n)
        ),
    }


def squares(found: Any, found_sd: Any, bias2: Any, variance: Any, trials: int) -> Any:
    """Deviations of mean squared errors; the error's one direction is normal in the worst case."""
    spread = np.maximum(2 * variance**2 + 4 * bias2 * variance, found_sd**2)
    return _sum(found - bias2 - variance) / np.sqrt(_sum(spread) / trials)


def hessian(data: xr.Dataset) -> dict[str, Any]:
    """Mean squared errors against the exact ones."""
    each, bias2 = data.error**2, data.exact_bias.sel(steps=data.attrs["K"]) ** 2
    variance = data.exact_error**2 - bias2
    parts = (each.mean("trial"), each.std("trial", ddof=1), bias2, variance)
    return {"error": squares(*parts, data.sizes["trial"])}


def tradeoff(data: xr.Dataset, trials: int) -> dict[str, Any]:
    """Mean squared errors against bias² + lasting + falling/N."""
    variance = data.lasting + data.falling / data.N
    found = squares(data.square, data.square_sd, data.bias**2, variance, trials)
    return {"square": found}


def compositional(data: xr.Dataset) -> dict[str, Any]:
    """Mean squared errors of one step, where the leading order is all there is."""
    each = data.steps_over_K.sel(K=1) ** 2
    exact = data.exact_steps_over_K.sel(K=1) ** 2
    parts = (each.mean("trial"), each.std("trial", ddof=1), 0 * exact, exact)
    return {"steps": squares(*parts, data.sizes["trial"])}


def deviations(name: str, data: xr.Dataset, trials: int) -> Iterator[tuple[str, Any]]:
    """Kind and all finite deviations of a figure's data, flat.

    Estimators of Figures 5 to 8 share their trajectories: each is a kind of its own.
    """
    found: dict[str, Any]
    if name.startswith("fig"):
        found = {
            f"{kind}, {e}": each.sel(estimator=e)
            for kind, each in decomposition(data).items()
            for e in map(str, data.estimator.values)
        }
    elif name == "tradeoff":
        found = tradeoff(data, trials)
    else:
        found = {"hessian": hessian, "compositional": compositional}[name](data)
    for kind, each in found.items():
        values = np.asarray(each).ravel()
        yield kind, values[np.isfinite(values)]


def _sum(each: Any) -> Any:
    return each.sum("mdp", skipna=False)
