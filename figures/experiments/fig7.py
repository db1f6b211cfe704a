"""Figure 7: inner steps and estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.claims import dice, many_steps, spread
from figures.claims.claim import Claim
from figures.experiments import decomposition
from figures.experiments.paper import ESTIMATORS, STEP_SIZE, Run, Settings, profiles, run_here
from figures.pictures import decomposition as picture
from figures.sweep.cell import Cell

NAME = "fig7"
TITLE = "Inner steps and estimator"
PLACE = "Figure 7, I.1.3"
ALT = (
    "Accuracy, mean along the truth and spread of four estimators against the number of inner "
    "steps, in one column for each of seven choices of what is sampled."
)
SETTINGS = profiles(
    {
        "problem": "maml",
        "estimators": ESTIMATORS,
        "permutations": decomposition.PERMUTATIONS,
        "N": (32,),
        "K": (1, 2, 3, 4, 5, 6),
        "alpha": (STEP_SIZE,),
    },
    quick={"K": (1, 3, 6)},
    smoke={"K": (1, 2), "N": (4,)},
)


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return decomposition.cells(NAME, settings)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over K."""
    return decomposition.dataset(settings, run(cells(settings)))


def draw(data: xr.Dataset) -> Any:
    """Accuracy, mean along the truth and spread of every permutation against K."""
    return picture.draw(data, "K")


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings, "K")


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    if NAME not in data:
        return []
    return [
        *many_steps.claims(data[NAME], "K"),
        *dice.claims(data[NAME], NAME, "K"),
        *spread.claims(data[NAME], NAME),
    ]
