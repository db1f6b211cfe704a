"""All figures by name: what `gmrl figure`, `gmrl claims` and `gmrl study` know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import xarray as xr
from rich.console import RenderableType

from figures.claims.claim import Claim
from figures.experiments import (
    compositional,
    fig5,
    fig6,
    fig7,
    fig8,
    hessian,
    table2,
    tradeoff,
)
from figures.experiments.paper import Run, Settings
from figures.gallery.entry import LIBRARIES, Subject
from figures.ipd_table import ipd_table
from figures.studies import ipd, ipd_frozen
from figures.sweep.cell import Cell


class Experiment(Protocol):
    """One figure: a module with these names."""

    NAME: str
    TITLE: str
    #: Where in the paper it is.
    PLACE: str
    #: The picture in words.
    ALT: str
    #: Settings by profile.
    SETTINGS: dict[str, dict[str, Any]]

    def cells(self, settings: Settings) -> list[Cell]:
        """What there is to compute."""
        ...

    def compute(self, settings: Settings, run: Run = ...) -> xr.Dataset:
        """The figure's numbers, labelled."""
        ...

    def draw(self, data: xr.Dataset) -> Any:
        """The picture of these numbers."""
        ...

    def caption(self, settings: Settings) -> str:
        """What was run, and how to read it."""
        ...

    def claims(self, data: Mapping[str, xr.Dataset]) -> list[Claim]:
        """What the paper says of them, with verdicts, from the figures' data by name."""
        ...


#: In the order of the gallery.
EXPERIMENTS: dict[str, Experiment] = {
    module.NAME: module
    for module in (table2, compositional, hessian, fig5, fig6, fig7, fig8, tradeoff)
}
PROFILES = ("smoke", "quick", "paper", "large")


class Study(NamedTuple):
    """What PyTorch computes together: its page, its figures, and the first one's results."""

    subject: Subject
    figures: tuple[Experiment, ...]
    table: Callable[[xr.Dataset], RenderableType]


#: What `gmrl study` knows.
STUDIES: dict[str, Study] = {
    "ipd": Study(
        Subject(
            "LOLA-DiCE in the iterated prisoner's dilemma",
            "Figure 9",
            "computed anew, with exact values and exact meta-gradients beside the sampled ones",
            ("torch", *LIBRARIES),
        ),
        (ipd, ipd_frozen),
        ipd_table,
    )
}
#: Figures and studies.
ALL = EXPERIMENTS | {one.NAME: one for study in STUDIES.values() for one in study.figures}


def chosen(names: Sequence[str]) -> list[Experiment]:
    """Return the figures with these names, each once; all of them for "all".

    Raises
    ------
    ValueError
        If a name is unknown; the message lists the known ones.
    """
    for name in names:
        if name != "all" and name not in EXPERIMENTS:
            known = ", ".join([*EXPERIMENTS, "all"])
            raise ValueError(f"unknown figure {name!r}; choose from {known}")
    wanted = EXPERIMENTS if "all" in names else dict.fromkeys(names)
    return [EXPERIMENTS[name] for name in wanted]


def check_profile(name: str, known: Sequence[str] = PROFILES) -> str:
    """Return the profile's name, or raise a ValueError that lists the known ones."""
    if name not in known:
        raise ValueError(f"unknown profile {name!r}; choose from {', '.join(known)}")
    return name


def find_study(name: str) -> Study:
    """Return the study of this name, or raise a ValueError that lists the known ones."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}; choose from {', '.join(STUDIES)}")
    return STUDIES[name]
