"""Write pictures and data: never half a file, and the same bytes from run to run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib reads it and fails on a strange name

import matplotlib

STYLE = str(Path(__file__).with_name("gmrl.mplstyle"))
#: Formats of every picture, without the metadata that would hold the date.
FORMATS: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "png": {"Software": None}}


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary file in the folder of `path`, then move it into place.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full; `path` is then as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, lambda temporary: _write(temporary, text))


def save_picture(draw: Callable[[], Any], stem: Path) -> list[Path]:
    """Draw in the house style, save as `stem`.svg and `stem`.png, and return the paths."""
    import matplotlib.pyplot as plt

    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in FORMATS]
    with matplotlib.style.context(STYLE):
        figure = draw()
        try:
            for path, metadata in zip(paths, FORMATS.values(), strict=True):
                write_atomically(path, _saver(figure, metadata))
        finally:
            plt.close(figure)
    return paths


def _saver(figure: Any, metadata: dict[str, Any]) -> Callable[[Path], None]:
    return lambda path: figure.savefig(path, metadata=metadata)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
