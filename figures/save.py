"""Write pictures and data: never half a file, and the same bytes from run to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib reads it and fails on a strange name

import matplotlib

from tabular.atomic import write_atomically

STYLE = str(Path(__file__).with_name("gmrl.mplstyle"))
#: Formats of every picture, without the metadata that would hold the date.
FORMATS: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "png": {"Software": None}}


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; see `tabular.atomic`."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


def save_picture(draw: Callable[[], Any], stem: Path) -> list[Path]:
    """Draw in the house style, save as `stem`.svg and `stem`.png, and return the paths."""
    import matplotlib.pyplot as plt

    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in FORMATS]
    with matplotlib.style.context(STYLE):
        figure = draw()
        try:
            for path, (suffix, metadata) in zip(paths, FORMATS.items(), strict=True):
                write_atomically(path, _saver(figure, suffix, metadata))
        finally:
            plt.close(figure)
    return paths


def _saver(figure: Any, suffix: str, metadata: dict[str, Any]) -> Callable[[BinaryIO], None]:
    return lambda stream: figure.savefig(stream, format=suffix, metadata=metadata)
