"""Datasets like those of the figures, with numbers that we choose.

Every number is a chosen mean for all MDPs plus noise that adds up to zero over them, so that means
over MDPs are the chosen ones whatever the noise, and only the intervals depend on it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

MDPS, TRIALS = 10, 3
ESTIMATORS = ("ad", "lvc", "loaded_dice", "dice")
PERMUTATIONS = ("SSS", "SES", "ESS", "EES", "SSE", "ESE", "SEE")
#: What a figure varies: name, values.
AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "fig5": ("N", (2, 256)),
    "fig6": ("alpha", (1.0, 13.0)),
    "fig7": ("K", (1, 6)),
    "fig8": ("K", (1, 2, 3)),
}
#: So little noise that every interval says what its mean says, and so much that none says anything.
QUIET, LOUD = 1e-3, 30.0

#: From estimator, permutation and position on the figure's axis to a number.
Rule = Callable[[str, str, int], float]


def scatter(shape: tuple[int, ...], noise: float, seed: int) -> Any:
    """Noise that adds up to zero along the last axis, its standard deviation `noise`."""
    z = np.random.default_rng(seed).standard_normal(shape)
    z -= z.mean(axis=-1, keepdims=True)
    return noise * z / z.std(axis=-1, ddof=1, keepdims=True)


def _half(*_: Any) -> float:
    return 0.5


def _one(*_: Any) -> float:
    return 1.0


def decomposition(figure: str, noise: float = QUIET, **rules: Rule) -> xr.Dataset:
    """Data of Figures 5 to 8; what has no rule is 1, and an accuracy ½."""
    x, at = AXES[figure]
    small = figure == "fig8"
    estimators = ESTIMATORS[:2] if small else ESTIMATORS
    permutations = ("ESE",) if small else PERMUTATIONS
    axes: dict[str, Any] = {"N": (32,), "K": (1,), "alpha": (10.0,)} | {x: at}
    if small:
        axes["N"] = (16, 256)
    dims = ("estimator", "permutation", "N", "K", "alpha", "mdp")
    shape = (len(estimators), len(permutations), *map(len, axes.values()), MDPS)
    data = {}
    names = ("accuracy", "sum_sd", "exact_scatter", "exact_sum_sd", "exact_accuracy", "along")
    for seed, name in enumerate(names):
        means = np.zeros(shape)
        for i, j, k in np.ndindex(*shape[:2], len(at)):
            rule = rules.get(name, _half if "accuracy" in name else _one)
            index = [slice(None)] * len(shape)
            index[:2] = i, j
            index[dims.index(x)] = k
            means[tuple(index)] = rule(estimators[i], permutations[j], k)
        z = scatter(shape, noise, seed)
        each = means + z if "accuracy" in name else means * np.exp(z)
        each = means + z if name == "along" else each
        data[name] = (dims, each)
        if name == "accuracy":  # trials whose mean is the number; the same for all estimators
            wobble = np.linspace(-0.1, 0.1, TRIALS)
            data[name] = ((*dims, "trial"), each[..., None] + wobble)
    coordinates = {"estimator": list(estimators), "permutation": list(permutations)}
    coordinates |= {axis: list(values) for axis, values in axes.items()}
    return xr.Dataset(data, coordinates)


def tradeoff(noise: float = QUIET, **rules: Callable[[str], float]) -> xr.Dataset:
    """Data of the trade-off figure, the same for both critics; what has no rule is 1."""
    dims = ("noise", "estimator", "mdp")
    shape = (2, len(ESTIMATORS), MDPS)
    data: dict[str, Any] = {"truth": ("mdp", np.ones(MDPS))}
    for seed, name in enumerate(("bias", "falling", "lasting")):
        rule = rules.get(name, lambda _: 1.0)
        means = np.broadcast_to([[[rule(e)] for e in ESTIMATORS]], shape)
        z = scatter(shape, noise, seed)
        data[name] = (dims, means + z if name == "bias" else means * np.exp(z))
    pairs = ["ad to lvc", "ad to loaded_dice", "ad to dice"]
    data["crossover"] = (("pair", "noise", "mdp"), np.full((3, 2, MDPS), 7.0))
    return xr.Dataset(data, {"noise": [0.0, 1.0], "estimator": list(ESTIMATORS), "pair": pairs})


def compositional(
    *,
    N: float = -0.5,
    alpha: float = 1.0,
    share: float = 0.5,
    meta: float = -0.5,
    growth: float = 1.0,
    sigma: float = 1.0,
    power: float = 0.5,
    noise: float = QUIET,
) -> xr.Dataset:
    """Errors that are powers of N and α, and shares of their bound and of the abstract's power.

    `growth` is the error's growth over K beside that of the abstract's power, `sigma` the ratio of
    the estimators' σ_In over that of their errors.
    """
    axes: dict[str, Any] = {"N": [2, 16, 128], "alpha": [1.0, 3.0, 9.0], "K": [1, 2, 3]}
    powers = {"N": N, "alpha": alpha, "K": 0.5}
    data: dict[str, Any] = {}
    z = scatter((2, 3, MDPS), noise, 7)
    data["meta_over_N"] = (
        ("estimator", "N", "mdp", "trial"),
        (np.array(axes["N"], dtype=float) ** meta)[:, None, None]
        * np.exp(z)[..., None]
        * np.ones(2),
    )
    for seed, (sweep, at) in enumerate(axes.items()):
        z = scatter((2, len(at), MDPS), noise, seed)
        error = (np.array(at, dtype=float) ** powers[sweep])[:, None] * np.exp(z)
        dims = ("estimator", sweep, "mdp")
        # The root mean square over trials is the error.
        data[f"steps_over_{sweep}"] = ((*dims, "trial"), np.stack([error, -error], axis=-1))
        data[f"bound_steps_over_{sweep}"] = (
            dims,
            error / share * np.exp(scatter(z.shape, noise, 20 + seed)),
        )
        data[f"power_steps_over_{sweep}"] = (
            dims,
            error / power * np.exp(scatter(z.shape, noise, 30 + seed)),
        )
        data[f"c1_over_{sweep}"] = (dims, np.full(z.shape, 0.1))
    data["bound_steps_over_K"][1][1] *= sigma
    data["power_steps_over_K"][1][:, -1] /= growth
    data["truth_over_N"] = (("estimator", "N", "mdp"), np.ones((2, 3, MDPS)))
    attributes = {"K_over_alpha": 6}
    return xr.Dataset(data, {"estimator": ["lvc", "dice"], **axes}, attributes)


def hessian(*, power: Any = None, share: float = 0.5, noise: float = QUIET) -> xr.Dataset:
    """A bias that is (K − 1) Δ^{K−1}, and a share of its bound.

    `power` takes the place of K − 1 in the exponent.
    """
    size, steps = np.array([0.5, 1.0, 4.0]), np.arange(1, 4)
    powers = steps - 1.0 if power is None else np.full(3, power)
    factors = np.maximum(steps - 1.0, 1.0)
    bias = size[None, None, :, None] ** powers[None, :, None, None]
    bias = bias * factors[:, None, None] * np.exp(scatter((2, 3, 3, MDPS), noise, 3))
    bound = bias[:, 1] / share * np.exp(scatter((2, 1, MDPS), noise, 2))
    return xr.Dataset(
        {
            "exact_bias": (("alpha", "steps", "size", "mdp"), bias),
            "bound": (("alpha", "size", "mdp"), bound),
        },
        {"alpha": [3.0, 4.5], "size": size, "steps": steps},
        {"K": 2},
    )
