"""Figure 6: inner learning rate and estimator, five inner steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.claims import dice, many_steps, spread
from figures.claims.claim import Claim
from figures.experiments import decomposition
from figures.experiments.paper import ESTIMATORS, Run, Settings, profiles, run_here
from figures.pictures import decomposition as picture
from figures.sweep.cell import Cell

NAME = "fig6"
TITLE = "Inner step size and estimator, five inner steps"
PLACE = "Figure 6, I.1.3"
ALT = (
    "Accuracy, mean along the truth and spread of four estimators against the inner step "
    "size, in one column for each of seven choices of what is sampled."
)
SETTINGS = profiles(
    {
        "problem": "maml",
        "estimators": ESTIMATORS,
        "permutations": decomposition.PERMUTATIONS,
        "N": (32,),
        "K": (5,),
        "alpha": (1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0),
    },
    quick={"alpha": (1.0, 7.0, 13.0)},
    smoke={"K": (2,), "N": (4,), "alpha": (1.0, 10.0)},
)


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return decomposition.cells(NAME, settings)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over α."""
    return decomposition.dataset(settings, run(cells(settings)))


def draw(data: xr.Dataset) -> Any:
    """Accuracy, mean along the truth and spread of every permutation against α."""
    return picture.draw(data, "alpha")


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings, "alpha")


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    if NAME not in data:
        return []
    return [
        *many_steps.claims(data[NAME], "alpha"),
        *dice.claims(data[NAME], NAME, "alpha"),
        *spread.claims(data[NAME], NAME),
    ]
