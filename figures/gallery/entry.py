"""What the gallery shows: its subject, and each figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from figures.claims.claim import Claim

#: What every page is made with.
LIBRARIES = ("numpy", "scipy", "xarray", "matplotlib")


@dataclass(frozen=True)
class Subject:
    """What a page is about: its heading, what of the paper it shows, and how that was computed.

    `what` stands before "of Liu et al. ...", `how` after it; `libraries` are those whose versions
    are told.
    """

    title: str
    what: str
    how: str
    libraries: tuple[str, ...] = LIBRARIES


@dataclass(frozen=True)
class Entry:
    """One figure, drawn, with its data and claims.

    Attributes
    ----------
    name, title, caption : str
        The figure's short name ("fig5"), its heading, and what was run, in one paragraph.
    svg : bytes
        The picture.
    alt : str
        The picture in words, for those who do not see it.
    downloads : mapping
        File name to content: "fig5.nc", "fig5.csv".
    settings : mapping
        Rows of the settings table: what to its value.
    claims : tuple of Claim
    seconds : float
        Worker time of all cells together.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    alt: str
    downloads: Mapping[str, bytes]
    settings: Mapping[str, str]
    claims: tuple[Claim, ...]
    seconds: float
