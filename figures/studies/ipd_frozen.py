"""Beyond Figure 9: bias and spread of each setting's meta-gradient along one path of training.

With ĝ the meta-gradient of a setting, g the exact one at the same parameters, d = (ĝ − g)/|g| the
relative error of a player, and ⟨·⟩ the mean over both players,

    bias    √⟨|E d|²⟩,    spread    √⟨Σ var d⟩,    accuracy    ⟨E cos(ĝ, g)⟩,

once as they are and once with the exact outer gradient, which leaves what I and II do. From n
repeats the square of the bias is estimated by its unbiased U-statistic

    S = ⟨|Σ_i d_i|² − Σ_i |d_i|²⟩ / (n (n − 1)),

with the standard error of the jackknife, which leaves out one repeat after the other; the bias is
√S, and zero where noise makes S negative.
Source: [Hoeffding1948] for U-statistics, [Arvesen1969] for their jackknife.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from adapters.ipd.settings import SETTINGS as SOURCES
from adapters.ipd.settings import Table3
from figures.claims.claim import Claim
from figures.claims.intervals import MISS
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
_NAMES = {
    "bias": "√⟨|E ĝ − g|²/|g|²⟩, mean ⟨·⟩ of both players",
    "bias_low": "lower end of the 95% interval of the bias",
    "bias_high": "upper end of the 95% interval of the bias",
    "spread": "√⟨Σ var ĝ/|g|²⟩",
    "accuracy": "⟨E cos(ĝ, g)⟩",
}
NAMES = _NAMES | {f"{name}_inner": f"{text}, outer exact" for name, text in _NAMES.items()}


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
        If a number or a setting's name is wrong, or there are fewer than two points or more than
        there are updates, or fewer than three repeats: leaving out one must leave two.
    """
    from adapters.ipd.frozen import measure

    ipd.check({**settings, "runs": 2})
    for name, least in (("points", 2), ("repeats", 3)):
        if _checks.positive_integer(settings[name], name) < least:
            raise ValueError(f"{name} must be at least {least}, received {settings[name]}")
    table = Table3.of(settings)
    if settings["points"] > table.updates + 1:
        raise ValueError(
            f"points must be at most updates + 1 = {table.updates + 1}, received "
            f"{settings['points']}"
        )
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
    """Bias with its interval, spread and accuracy (points,) of draws (points, repeats, 2, 5)."""
    points, repeats, players, _ = drawn.shape
    size = np.linalg.norm(exact, axis=-1)
    error = (drawn - exact[:, None]) / size[:, None, :, None]
    square, standard_error = squared_mean(error.reshape(points, repeats, -1) / np.sqrt(players))
    half = stats.t.ppf(1 - MISS / 2, repeats - 1) * standard_error
    dots = np.einsum("prij,pij->pri", drawn, exact)
    cosine = dots / (np.linalg.norm(drawn, axis=-1) * size[:, None])
    low, bias, high = np.sqrt(np.maximum([square - half, square, square + half], 0))
    return {
        "bias": bias,
        "bias_low": low,
        "bias_high": high,
        "spread": np.sqrt(error.var(axis=1, ddof=1).sum(-1).mean(-1)),
        "accuracy": cosine.mean((1, 2)),
    }


def squared_mean(d: Array) -> tuple[Array, Array]:
    """The U-statistic S of |E d|² and its jackknife's standard error (...), from d (..., n, k)."""
    n = d.shape[-2]
    total, squares = d.sum(-2, keepdims=True), (d**2).sum(-1)
    everything = (total**2).sum(-1) - squares.sum(-1, keepdims=True)
    without = ((total - d) ** 2).sum(-1) - squares.sum(-1, keepdims=True) + squares
    without /= (n - 1) * (n - 2)
    return everything[..., 0] / (n * (n - 1)), np.sqrt((n - 1) * without.var(-1))


def draw(data: xr.Dataset) -> Any:
    """Bias, spread and accuracy with the exact outer gradient, one column a panel."""
    return picture.draw(data, ipd.panels(data))


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """None: the paper shows nothing of it."""
    return []
