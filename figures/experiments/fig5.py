"""Figure 5: sample size and estimator, one inner step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.claims import dice, hessians, sample_size, spread
from figures.claims.claim import Claim
from figures.experiments import decomposition
from figures.experiments.paper import (
    ESTIMATORS,
    NUM_STEPS,
    STEP_SIZE,
    Run,
    Settings,
    profiles,
    run_here,
)
from figures.pictures import decomposition as picture
from figures.sweep.cell import Cell

NAME = "fig5"
TITLE = "Sample size and estimator, one inner step"
PLACE = "Figure 5, I.1.3"
ALT = (
    "Accuracy, mean along the truth and spread of four estimators against the number of "
    "trajectories, in one column for each of seven choices of what is sampled."
)
SETTINGS = profiles(
    {
        "problem": "maml",
        "estimators": ESTIMATORS,
        "permutations": decomposition.PERMUTATIONS,
        "N": (2, 4, 8, 16, 32, 64, 128, 256),
        "K": (NUM_STEPS,),
        "alpha": (STEP_SIZE,),
    },
    quick={"N": (4, 32, 256)},
    smoke={"N": (4, 16)},
)


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return decomposition.cells(NAME, settings)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over N."""
    return decomposition.dataset(settings, run(cells(settings)))


def draw(data: xr.Dataset) -> Any:
    """Accuracy, mean along the truth and spread of every permutation against N."""
    return picture.draw(data, "N")


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings, "N")


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    if NAME not in data:
        return []
    return [
        *sample_size.claims(data[NAME]),
        *dice.claims(data[NAME], NAME, "N", data.get("tradeoff")),
        *hessians.claims(data[NAME], data.get("tradeoff")),
        *spread.claims(data[NAME], NAME),
    ]
