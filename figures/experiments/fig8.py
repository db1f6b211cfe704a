"""Figure 8: LIRPG, whose meta-parameters are an intrinsic reward: spread over N and K.

I and III are exact, so that the estimator's Hessian is all that is sampled (and the derivative by
the intrinsic reward, which is the same for all estimators). φ = 0, λ = 0.9, α = 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.claims import lirpg
from figures.claims.claim import Claim
from figures.experiments import decomposition
from figures.experiments.paper import STEP_SIZE, Run, Settings, profiles, run_here
from figures.pictures import decomposition as picture
from figures.sweep.cell import Cell

NAME = "fig8"
TITLE = "Intrinsic rewards (LIRPG): Hessian estimators"
PLACE = "Figure 8, I.1.4"
ALT = (
    "Accuracy, mean along the truth and spread of AD and LVC for LIRPG against the number of "
    "trajectories, in one column for each number of inner steps."
)
SETTINGS = profiles(
    {
        "problem": "lirpg",
        "estimators": ("ad", "lvc"),
        "permutations": ("ESE",),
        "N": (16, 32, 64, 128, 256),
        "K": (1, 2, 3, 4, 5),
        "alpha": (STEP_SIZE,),
        "gae_lambda": 0.9,
    },
    quick={"K": (1, 2, 5), "N": (16, 64, 256)},
    smoke={"K": (1, 2), "N": (4,)},
)


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return decomposition.cells(NAME, settings)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over N and K."""
    return decomposition.dataset(settings, run(cells(settings)))


def draw(data: xr.Dataset) -> Any:
    """Accuracy, mean along the truth and spread against N, one column for each K."""
    return picture.draw(data, "N", by="K")


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.lirpg_caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    return lirpg.claims(data[NAME]) if NAME in data else []
