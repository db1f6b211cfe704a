"""Figure 9: LOLA-DiCE in the iterated prisoner's dilemma, setting by setting, over many runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from adapters.ipd.settings import PANELS, Table3, find_setting
from adapters.ipd.settings import SETTINGS as SOURCES
from figures.claims import ipd as ledger
from figures.claims.claim import Claim
from figures.experiments.paper import Run, Settings, describe, run_here
from figures.pictures import ipd as picture
from figures.sweep.cell import Cell
from tabular import _checks

NAME = "fig9"
TITLE = "LOLA-DiCE in the iterated prisoner's dilemma"
PLACE = "Figure 9, I.2"
ALT = (
    "Return a step, and accuracy of the meta-gradient with an exact and with the sampled outer "
    "gradient, against the meta-updates, one column a panel, each run as a thin line."
)
#: Runs in a cell: computed at once.
BLOCK = 10
#: Runs of a setting: weeks of work on one core.
MOST = 100_000
_PAPER: dict[str, Any] = Table3().as_dict() | {"runs": 10, "settings": tuple(SOURCES), "seed": 0}
SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": _PAPER
    | {"runs": 2, "updates": 20, "rollout": 10, "batch": 8, "large": 16, "ring": 16},
    "paper": _PAPER,
    "large": _PAPER | {"runs": 100},
}
NAMES = {
    "value": "value a step (1 − γ) J, mean of both players",
    "cooperates": "whether the value a step is above −1.1 after the last update",
    "accuracy": "cosine of the estimated with the exact meta-gradient, mean of both players",
    "accuracy_inner": "the same with the exact outer gradient",
}
#: A run whose value a step is above this after the last update has reached cooperation.
COOPERATION = -1.1


def check(settings: Settings) -> dict[str, Any]:
    """Return the settings as they are run.

    Raises
    ------
    ValueError, TypeError
        If a number or a setting's name is wrong, a name is given twice, or there are fewer than two
        runs, which intervals need, or more than `MOST`.
    """
    Table3.of(settings)
    for name in settings["settings"]:
        find_setting(name)
    if len(set(settings["settings"])) < len(settings["settings"]) or not settings["settings"]:
        raise ValueError(f"give each setting once, received {', '.join(settings['settings'])}")
    if not 2 <= _checks.positive_integer(settings["runs"], "runs") <= MOST:
        raise ValueError(f"runs must be from 2 to {MOST}, received {settings['runs']}")
    return dict(settings)


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute: each setting by blocks of runs."""
    from adapters.ipd.training import train

    settings = check(settings)
    table = Table3.of(settings).as_dict() | {"seed": settings["seed"]}
    found = []
    for name in settings["settings"]:
        for first in range(0, settings["runs"], BLOCK):
            count = min(BLOCK, settings["runs"] - first)
            block = {"setting": name, "first": first, "count": count}
            label = f"{name}, runs {first} to {first + count - 1}"
            found.append(Cell(NAME, label, table | block, train))
    return found


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """What was recorded, by setting, update and run; the accuracy is missing after the last one."""
    from adapters.ipd.training import EVERY

    todo = cells(settings)
    blocks: dict[str, list[Mapping[str, Any]]] = {name: [] for name in settings["settings"]}
    for cell, result in zip(todo, run(todo), strict=True):
        blocks[cell.settings["setting"]].append(result)
    by_name = {
        name: np.stack(
            [np.concatenate([one[name] for one in each], axis=1) for each in blocks.values()]
        )
        for name in ("value", "accuracy", "accuracy_inner", "players")
    }
    value = by_name["value"].mean(-1)
    dims = ("setting", "update", "run")
    missing = np.full((value.shape[0], 1, value.shape[2]), np.nan)
    variables = {"value": (dims, value), "cooperates": (dims[::2], value[:, -1] > COOPERATION)}
    for name in ("accuracy", "accuracy_inner"):
        each = np.concatenate([by_name[name].mean(-1), missing], axis=1)
        variables[name] = (dims, each)
    updates = [*range(0, settings["updates"], EVERY), settings["updates"]]
    return describe(
        xr.Dataset(
            variables,
            {
                "setting": list(settings["settings"]),
                "update": updates,
                "run": np.arange(settings["runs"]),
            },
        ),
        names=NAMES,
    )


def panels(data: xr.Dataset) -> dict[str, list[str]]:
    """The panels of which at least one setting was run, and those settings."""
    run = set(data["setting"].values)
    found = {name: [one for one in names if one in run] for name, names in PANELS.items()}
    return {name: names for name, names in found.items() if names}


def draw(data: xr.Dataset) -> Any:
    """Value and accuracies against the updates, one column a panel."""
    return picture.draw(data, panels(data))


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of it, with verdicts."""
    return ledger.claims(data[NAME], data.get(f"{NAME}-frozen")) if NAME in data else []
