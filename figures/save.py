"""Write pictures and data: never half a file, and the same bytes from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from tabular.atomic import write_atomically

STYLE = str(Path(__file__).with_name("gmrl.mplstyle"))
#: Formats of every picture, without the metadata that would hold the date.
FORMATS: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "png": {"Software": None}}


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; see `tabular.atomic`."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


def save_picture(draw: Callable[[], Figure], stem: Path) -> list[Path]:
    """Draw in the house style, save as `stem`.svg and `stem`.png, and return the paths.

    Parameters
    ----------
    draw : callable
        Makes the `matplotlib.figure.Figure`, without pyplot: the caller's windows and backend are
        left alone, and the figure goes when it is no longer used.
    stem : Path
        Where to, without the suffix.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in FORMATS]
    with matplotlib.style.context(STYLE), own_fonts():
        figure = draw()
        for path, (suffix, metadata) in zip(paths, FORMATS.items(), strict=True):
            write_atomically(path, _saver(figure, suffix, metadata))
    return paths


@contextmanager
def own_fonts() -> Iterator[None]:
    """Draw with Matplotlib's own fonts: another edition of DejaVu Sans may be installed."""
    own = sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf"))
    installed, fontManager.ttflist = fontManager.ttflist, []
    try:
        for path in own:
            fontManager.addfont(path)
        yield
    finally:
        fontManager.addfont(own[0])  # forgets which fonts were found
        fontManager.ttflist = installed


def _saver(figure: Figure, suffix: str, metadata: dict[str, Any]) -> Callable[[BinaryIO], None]:
    return lambda stream: figure.savefig(stream, format=suffix, metadata=metadata)
