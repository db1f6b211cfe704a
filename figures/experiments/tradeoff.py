"""Bias against variance: from how many trajectories on a less biased Hessian is worth its noise.

One step of size α with an exact path and an exact outer gradient ("ESE"): all bias is that of the
expected Hessian, and both parts of the mean squared error are exact ([Liu2022] shows neither),

    E‖ĝ − g‖² = b² + w + f/N,     b = ‖E ĝ − g‖,  tr Cov ĝ = w + f/N,

where w comes from the noise of the critic that the N trajectories share. Estimator 2 beats
estimator 1 from N* = (f₂ − f₁)/(b₁² + w₁ − b₂² − w₂) on, if numerator and denominator are positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.experiments.paper import (
    ESTIMATORS,
    NUM_STEPS,
    STEP_SIZE,
    Run,
    Settings,
    describe,
    per_mdp,
    profiles,
    random_mdp,
    run_here,
    source,
)
from figures.pictures import tradeoff as picture
from figures.sweep.cell import Cell, Result, stream
from tabular.meta_moments import PathLaw
from tabular.metagradient import meta_gradient
from tabular.problems import Maml

NAME = "tradeoff"
TITLE = "Bias against variance of the Hessian estimators"
PLACE = "beyond the paper"
ALT = (
    "Bias against standard deviation of four Hessian estimators, and their error against the "
    "number of trajectories with the numbers where the curves cross."
)
SETTINGS = profiles(
    {
        "estimators": ESTIMATORS,
        "N": (2, 8, 32, 128, 512, 2048),
        "alpha": STEP_SIZE,
        "noises": (0.0, 1.0),
    },
    quick={"N": (2, 8, 32, 128)},
    smoke={"N": (2, 8), "estimators": ("ad", "lvc", "loaded_dice")},
)
DIMS = ("noise", "estimator")
NAMES = {
    "bias": "b, norm of the exact bias",
    "falling": "f, part of the exact variance that falls with N",
    "lasting": "w, part of the exact variance that does not",
    "truth": "norm of the exact meta-gradient",
    "square": "mean squared error over trials",
    "square_sd": "standard deviation over trials of the squared error",
    "crossover": "N* from which the second of a pair has the smaller exact mean squared error",
}


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return per_mdp(NAME, settings, "all", simulate)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Exact parts of the mean squared error, the simulated whole, and the crossovers N*."""
    results = run(cells(settings))
    variables: dict[str, Any] = {}
    for name in ("bias", "falling", "lasting", "square", "square_sd"):
        each = np.moveaxis(np.array([result[name] for result in results]), 0, -1)
        dims = (*DIMS, "N", "mdp") if name.startswith("square") else (*DIMS, "mdp")
        variables[name] = (dims, each)
    variables["truth"] = ("mdp", np.array([result["truth"] for result in results]))
    names = list(settings["estimators"])
    data = xr.Dataset(
        variables,
        {
            "noise": np.asarray(settings["noises"]),
            "estimator": names,
            "N": np.asarray(settings["N"]),
            "mdp": np.arange(settings["mdps"]),
        },
    )
    pairs = list(combinations(names, 2))
    crossings = [crossover(data, first, second) for first, second in pairs]
    labels = [f"{first} to {second}" for first, second in pairs]
    data["crossover"] = xr.concat(crossings, xr.DataArray(labels, dims="pair", name="pair"))
    return describe(data, names=NAMES)


def crossover(data: xr.Dataset, first: str, second: str) -> xr.DataArray:
    """N* by noise and MDP: infinite if the second never is better, one if it always is."""
    one, two = data.sel(estimator=first), data.sel(estimator=second)
    cost = two.falling - one.falling
    gain = one.bias**2 + one.lasting - two.bias**2 - two.lasting
    found = xr.where(gain > 0, np.maximum(cost / gain, 1.0), np.inf)
    return found.drop_vars("estimator", errors="ignore")


def simulate(settings: Settings) -> Result:
    """All noises, estimators and N on one MDP."""
    problem = Maml(random_mdp(settings, settings["mdp"]))
    phi = np.zeros((problem.mdp.num_states, problem.mdp.num_actions))
    options: Any = {"step_size": settings["alpha"], "num_steps": NUM_STEPS}
    law = PathLaw(problem, phi, **options)
    truth = law.moments().mean
    trials = np.broadcast_to(phi, (settings["trials"], *phi.shape))
    shape = (len(settings["noises"]), len(settings["estimators"]))
    bias, falling, lasting = np.zeros((3, *shape))
    square, square_sd = np.zeros((2, *shape, len(settings["N"])))
    for i, noise in enumerate(settings["noises"]):
        for j, name in enumerate(settings["estimators"]):
            here = {**settings, "noise": noise}
            one, two = (law.moments(curvature=source(here, name, N)) for N in (1, 2))
            traces = [np.einsum("iaia", moments.covariance) for moments in (one, two)]
            bias[i, j] = np.linalg.norm(one.mean - truth)
            falling[i, j] = 2 * (traces[0] - traces[1])
            lasting[i, j] = max(2 * traces[1] - traces[0], 0.0)
            for k, N in enumerate(settings["N"]):
                rng = stream(settings["seed"], NAME, name, noise, N, "mdp", settings["mdp"])
                draws = meta_gradient(
                    problem, trials, curvature=source(here, name, N), rng=rng, **options
                )
                squares = ((draws - truth) ** 2).sum(axis=(-2, -1))
                square[i, j, k], square_sd[i, j, k] = squares.mean(), squares.std(ddof=1)
    return {
        "bias": bias,
        "falling": falling,
        "lasting": lasting,
        "square": square,
        "square_sd": square_sd,
        "truth": np.array(np.linalg.norm(truth)),
    }


def draw(data: xr.Dataset) -> Any:
    """The picture of these numbers."""
    return picture.draw(data)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(_: Mapping[str, xr.Dataset]) -> list[Claim]:
    """The paper says nothing about these numbers."""
    return []
