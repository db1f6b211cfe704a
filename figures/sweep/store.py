"""Finished cells on disk: each is there whole, for exactly these settings and this code, or not.

A file `FIGURE/NAME-KEY.cell` holds the SHA-256 of the rest, a line break, and an `.npz` archive
with the result's arrays, the seconds it took, and the cell's identity: figure, name, settings, and
the fingerprint of the code and libraries that compute. KEY is the start of the identity's SHA-256.
So a changed setting, an edited line of the engine or another NumPy gives another file, and a
damaged file is recognised.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from figures.sweep.cell import Cell, Result
from tabular.atomic import write_atomically

#: Marks a folder as an output folder of ours.
MARKER = "gmrl-figures.json"
#: Libraries whose version may change the bits of a result.
LIBRARIES = ("numpy", "scipy", "numba")
#: Folders, beside this one, whose code the numbers depend on.
CODE = ("tabular", "figures/experiments")
_ROOT = Path(__file__).parents[2]


class Stored(NamedTuple):
    """A cell's result, and the seconds its computation took."""

    result: Result
    seconds: float


def claim_folder(path: Path) -> Path:
    """Make an output folder and mark it as ours, or raise.

    Raises
    ------
    ValueError
        If the folder holds files and is not marked: they are somebody else's.
    OSError
        If it cannot be made or written to.
    """
    path.mkdir(parents=True, exist_ok=True)
    marker = path / MARKER
    if not marker.is_file():
        foreign = sorted(p.name for p in path.iterdir() if not p.name.startswith("."))
        if foreign:
            named = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise ValueError(
                f"the output folder {path} holds other files ({named}); give --out an empty "
                "folder, or one that gmrl figure made"
            )
        write_atomically(marker, lambda stream: stream.write(b'{"format": "gmrl-figures-1"}\n'))
    return path


class Store:
    """Cells below one folder.

    Parameters
    ----------
    folder : Path
        Made when the first cell is saved.
    warn : callable
        Is told, in one line, of a file that is damaged.
    """

    def __init__(self, folder: Path, warn: Callable[[str], Any]) -> None:
        self._folder, self._warn = folder, warn
        self._fingerprint = fingerprint()

    def identity(self, cell: Cell) -> str:
        """All that the cell's numbers depend on, as JSON."""
        return json.dumps(
            {
                "figure": cell.figure,
                "name": cell.name,
                "settings": dict(cell.settings),
                "fingerprint": self._fingerprint,
            },
            sort_keys=True,
            allow_nan=False,
        )

    def path(self, cell: Cell) -> Path:
        """Where the cell is, or will be."""
        key = hashlib.sha256(self.identity(cell).encode()).hexdigest()[:16]
        name = re.sub(r"[^a-z0-9]+", "-", cell.name.lower()).strip("-")
        return self._folder / cell.figure / f"{name}-{key}.cell"

    def load(self, cell: Cell) -> Stored | None:
        """Return the stored result, or None if there is none that can be trusted."""
        path = self.path(cell)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        digest, _, archive = content.partition(b"\n")
        if digest.decode("ascii", "replace") != hashlib.sha256(archive).hexdigest():
            self._warn(f"{path} is damaged or cut off; computing it again")
            return None
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if str(found.pop("identity", "")) != self.identity(cell):
            self._warn(f"{path} holds another cell's result; computing it again")
            return None
        return Stored({k: v for k, v in found.items() if k != "seconds"}, float(found["seconds"]))

    def save(self, cell: Cell, stored: Stored) -> None:
        """Write a result, whole or not at all.

        Raises
        ------
        OSError
            If the folder cannot be written to or the disk is full.
        """
        archive = io.BytesIO()
        arrays: dict[str, Any] = dict(stored.result)
        np.savez(archive, identity=self.identity(cell), seconds=stored.seconds, **arrays)
        content = archive.getvalue()
        digest = hashlib.sha256(content).hexdigest().encode()
        path = self.path(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda stream: stream.write(digest + b"\n" + content))


def fingerprint() -> dict[str, str]:
    """Versions of Python and the libraries, and a digest of the code that computes."""
    code = hashlib.sha256()
    for folder in CODE:
        for path in sorted((_ROOT / folder).glob("*.py")):
            code.update(path.name.encode() + b"\0" + path.read_bytes())
    return {
        "code": code.hexdigest(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: _version(name) for name in LIBRARIES},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
