"""From names to files: computes, stores, draws, and writes data, pictures and page.

Below the output folder: `NAME.nc` (all numbers), `NAME.csv` (what the picture shows), `NAME.svg`
and `.png`, `index.html` (the gallery), and `cells/` with every finished cell. Numbers and pictures
depend on settings and code alone; wall times are in the page only.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from figures.catalog import ALL, Experiment
from figures.claims.claim import Claim
from figures.gallery.entry import Entry, Subject
from figures.gallery.page import render
from figures.save import save_picture, write_text
from figures.sweep.cell import Cell, Result
from figures.sweep.run import run_cells
from figures.sweep.store import Store, claim_folder
from tabular.atomic import write_atomically

TABULAR = Subject(
    "Gradient bias in meta-reinforcement learning: the tabular figures",
    "The tabular figures",
    "recomputed beside exact values: expectations and variances in closed form, free of sampling "
    "error",
)
#: What means and intervals are taken over.
UNITS = ("mdp", "run")
#: Settings that are not shown one by one.
HIDDEN = ("fixed",)


class Figure(NamedTuple):
    """One figure's numbers and what they took."""

    experiment: Experiment
    settings: dict[str, Any]
    data: xr.Dataset
    seconds: float


def plan(experiments: Sequence[Experiment], profile: str, seed: int) -> dict[str, dict[str, Any]]:
    """Settings by figure."""
    return {one.NAME: one.SETTINGS[profile] | {"seed": seed} for one in experiments}


def cell_count(plans: dict[str, dict[str, Any]]) -> int:
    """How many cells there are to compute or to find."""
    return sum(len(ALL[name].cells(settings)) for name, settings in plans.items())


def compute(
    plans: dict[str, dict[str, Any]],
    folder: Path,
    *,
    advance: Callable[[str, str], None],
    warn: Callable[[str], Any],
    jobs: int | None = None,
    dask: str | None = None,
) -> Iterator[Figure]:
    """Yield the figures one by one, their cells stored below the folder.

    Raises
    ------
    ValueError, OSError
        As `figures.sweep.store.claim_folder` and `figures.sweep.run.run_cells`.
    """
    claim_folder(folder)
    store = Store(folder / "cells", warn=warn)
    for name, settings in plans.items():
        seconds = 0.0

        def run(cells: list[Cell]) -> list[Result]:
            nonlocal seconds
            stored = run_cells(cells, store, jobs=jobs, dask=dask, advance=advance)
            seconds += sum(one.seconds for one in stored)
            return [one.result for one in stored]

        experiment = ALL[name]
        data = experiment.compute(settings, run).assign_attrs(
            title=experiment.TITLE, figure=name, settings=json.dumps(settings, ensure_ascii=False)
        )
        yield Figure(experiment, settings, data, seconds)


def write(figure: Figure, folder: Path) -> list[Path]:
    """Write data and pictures of one figure, and return their paths.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / figure.experiment.NAME
    data, table = stem.with_suffix(".nc"), stem.with_suffix(".csv")
    write_atomically(data, lambda stream: stream.write(netcdf(figure.data)))
    write_text(table, shown(figure.data).to_csv(index=False, float_format="%.9g"))
    return [data, table, *save_picture(partial(figure.experiment.draw, figure.data), stem)]


def netcdf(data: xr.Dataset) -> bytes:
    """The data as NetCDF-3, the same bytes for the same numbers."""
    return bytes(data.to_netcdf(engine="scipy"))


def shown(data: xr.Dataset) -> pd.DataFrame:
    """Every variable averaged over trials, with mean and 95% interval over MDPs or runs if any."""
    tables = []
    for name, variable in data.data_vars.items():
        each = variable.mean("trial") if "trial" in variable.dims else variable
        unit = next((dim for dim in UNITS if dim in each.dims), None)
        dims = tuple(dim for dim in each.dims if dim != unit)
        if unit is None:
            columns = {"mean": each.values}
        else:
            values = each.transpose(*dims, unit).values.astype(float)
            n = values.shape[-1]
            with np.errstate(invalid="ignore"):
                mean = values.mean(axis=-1)
                half = stats.t.ppf(0.975, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
            columns = {"mean": mean, "low": mean - half, "high": mean + half}
        coordinates = {dim: each[dim].values for dim in dims}
        table = xr.Dataset({key: (dims, x) for key, x in columns.items()}, coordinates)
        frame = table.to_dataframe().reset_index() if dims else table.to_pandas().to_frame().T
        frame.insert(0, "variable", name)
        tables.append(frame.dropna(subset="mean"))
    return pd.concat(tables, ignore_index=True)


def ledger(figures: Sequence[Figure]) -> dict[str, list[Claim]]:
    """The claims by figure, from all figures' data together."""
    data = {figure.experiment.NAME: figure.data for figure in figures}
    return {figure.experiment.NAME: figure.experiment.claims(data) for figure in figures}


def write_page(
    figures: Sequence[Figure],
    folder: Path,
    *,
    profile: str,
    seed: int,
    command: str,
    wall_seconds: float,
    subject: Subject = TABULAR,
) -> Path:
    """Write the gallery of these figures from the files beside it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    claims = ledger(figures)
    entries = [_entry(figure, folder, claims[figure.experiment.NAME]) for figure in figures]
    page = render(
        entries,
        subject=subject,
        profile=profile,
        seed=seed,
        versions=versions(subject.libraries),
        command=command,
        wall_seconds=wall_seconds,
    )
    path = folder / "index.html"
    write_text(path, page)
    return path


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Software to its version."""
    found = {"Python": platform.python_version()}
    return found | {name: version(name) for name in libraries}


def _entry(figure: Figure, folder: Path, claims: list[Claim]) -> Entry:
    one = figure.experiment
    paths = {suffix: folder / f"{one.NAME}.{suffix}" for suffix in ("svg", "nc", "csv")}
    settings = {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in figure.settings.items()
        if name not in HIDDEN
    }
    return Entry(
        name=one.NAME,
        title=f"{one.TITLE} ({one.PLACE})",
        caption=one.caption(figure.settings),
        svg=paths["svg"].read_bytes(),
        alt=one.ALT,
        downloads={path.name: path.read_bytes() for path in (paths["nc"], paths["csv"])},
        settings=settings,
        claims=tuple(claims),
        seconds=figure.seconds,
    )
