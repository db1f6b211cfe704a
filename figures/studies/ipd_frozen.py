"""Beyond Figure 9: bias and spread of each setting's meta-gradient along one path of training.

With ĝ the meta-gradient of a setting, g the exact one, at the same parameters, over repeats:

    bias    |E ĝ − g| / |g|,  spread  √(Σ var ĝ) / |g|,  accuracy  E cos(ĝ, g),

once as they are and once with the exact outer gradient, which leaves what I and II do. The square
of the estimated bias is freed of its noise: |mean − g|² − Σ var / n, zero where that is negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from adapters.ipd.settings import SETTINGS as SOURCES
from adapters.ipd.settings import Table3
from figures.claims.claim import Claim
from figures.experiments.paper import Run, Settings, describe, run_here
from figures.pictures import ipd_frozen as picture
from figures.studies import ipd
from figures.sweep.cell import Cell
from tabular import _checks
from tabular.transitions import Array

NAME = "fig9-frozen"
TITLE = "LOLA-DiCE: bias and spread of the meta-gradient along one path"
PLACE = "beyond Figure 9"
ALT = (
    "Relative bias, relative spread and accuracy of each setting's meta-gradient against the "
    "meta-updates of one recorded path, one column a panel."
)
#: The setting whose first run is the path.
PATH = "batch/batch"
#: Settings whose meta-gradient is neither exact nor one of another path's start.
SAMPLED = tuple(
    name for name, sources in SOURCES.items() if sources.outer != "exact" and not sources.spread
)
_MORE: dict[str, dict[str, Any]] = {
    "smoke": {"repeats": 4, "points": 3},
    "paper": {"repeats": 50, "points": 11},
    "large": {"repeats": 200, "points": 11},
}
SETTINGS: dict[str, dict[str, Any]] = {
    name: {key: value for key, value in one.items() if key != "runs"}
    | _MORE[name]
    | {"settings": SAMPLED}
    for name, one in ipd.SETTINGS.items()
}
NAMES = {
    "bias": "|E ĝ − g| / |g|, mean of both players",
    "spread": "√(Σ var ĝ) / |g|, mean of both players",
    "accuracy": "E cos(ĝ, g), mean of both players",
    "bias_inner": "bias with the exact outer gradient",
    "spread_inner": "spread with the exact outer gradient",
    "accuracy_inner": "accuracy with the exact outer gradient",
}


def path_cell(settings: Settings) -> Cell:
    """The training of the path."""
    from adapters.ipd.frozen import record

    table = Table3.of(settings).as_dict()
    return Cell(NAME, "path", table | {"setting": PATH, "seed": settings["seed"]}, record)


def updates(settings: Settings) -> list[int]:
    """The updates that are looked at, evenly spaced from the first to the end."""
    spaced = np.linspace(0, settings["updates"], settings["points"])
    return [int(update) for update in np.round(spaced)]


def cells(settings: Settings, path: Mapping[str, Array] | None = None) -> list[Cell]:
    """What there is to compute: the path, and each setting at its points, once it is known.

    Raises
    ------
    ValueError, TypeError
        If a number or a setting's name is wrong, or there are fewer than two repeats or points.
    """
    from adapters.ipd.frozen import measure

    ipd.check({**settings, "runs": 2})
    for name in ("repeats", "points"):
        if _checks.positive_integer(settings[name], name) < 2:
            raise ValueError(f"{name} must be at least 2, received {settings[name]}")
    table = Table3.of(settings)
    points = [] if path is None else [_point(path, at, table) for at in updates(settings)]
    shared = {"seed": settings["seed"], "repeats": settings["repeats"], "points": points}
    return [
        path_cell(settings),
        *(
            Cell(NAME, name, table.as_dict() | shared | {"setting": name}, measure)
            for name in settings["settings"]
        ),
    ]


def _point(path: Mapping[str, Array], at: int, table: Table3) -> dict[str, Any]:
    """One point of the path with the parameters that fill a ring."""
    first = max(0, at + 1 - table.ring // table.batch)
    return {
        "players": path["players"][first : at + 1].tolist(),
        "baselines": path["baselines"][at].tolist(),
    }


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Bias, spread and accuracy by setting and update."""
    (path,) = run([path_cell(settings)])
    results = run(cells(settings, path)[1:])
    variables: dict[str, Any] = {}
    for suffix, name in (("", "gradient"), ("_inner", "inner")):
        for one in results:
            for quantity, values in summary(one[name], one["exact"]).items():
                variables.setdefault(quantity + suffix, []).append(values)
    dims = ("setting", "update")
    return describe(
        xr.Dataset(
            {name: (dims, np.stack(each)) for name, each in variables.items()},
            {"setting": list(settings["settings"]), "update": updates(settings)},
        ),
        names=NAMES,
    )


def summary(drawn: Array, exact: Array) -> dict[str, Array]:
    """Bias, spread and accuracy (points,) of draws (points, repeats, 2, 5)."""
    repeats = drawn.shape[1]
    size = np.linalg.norm(exact, axis=-1)
    variance = drawn.var(axis=1, ddof=1).sum(-1)
    square = ((drawn.mean(axis=1) - exact) ** 2).sum(-1) - variance / repeats
    dots = np.einsum("prij,pij->pri", drawn, exact)
    cosine = dots / (np.linalg.norm(drawn, axis=-1) * size[:, None])
    return {
        "bias": (np.sqrt(np.maximum(square, 0)) / size).mean(-1),
        "spread": (np.sqrt(variance) / size).mean(-1),
        "accuracy": cosine.mean((1, 2)),
    }


def draw(data: xr.Dataset) -> Any:
    """Bias, spread and accuracy with the exact outer gradient, one column a panel."""
    return picture.draw(data, ipd.panels(data))


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """None: the paper shows nothing of it."""
    return []
