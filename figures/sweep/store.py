"""Finished cells on disk, one file each: a later run computes only what is missing.

A file is an .npz archive (`numpy.load` opens it) of the result's arrays and of a JSON text that
says what they are, followed by the SHA-256 of all that. The checksums inside an archive are not
enough: they go unread where a damaged header announces a shorter array.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from figures.sweep.cell import Cell, Result
from figures.sweep.fingerprint import fingerprint
from tabular.atomic import write_atomically

#: Marks a folder as one that `gmrl figure` made.
MARKER = "gmrl-figures.json"
#: What a run that was killed may leave (`tabular.atomic`).
DRAFT = re.compile(r"\.[0-9a-f]{32}\.tmp")
#: Before the name of an array of the result; the other member is the text.
PREFIX, ABOUT = "result/", "about"
#: Bytes of a SHA-256.
DIGEST_SIZE = 32


class Stored(NamedTuple):
    """A finished cell: its arrays, in C order, and the seconds that its computation took."""

    result: Result
    seconds: float


def claim_folder(path: Path) -> None:
    """Make an output folder and mark it as ours.

    Raises
    ------
    ValueError
        If it holds something and is not marked, or is no folder.
    OSError
        If it cannot be made or written to.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is not a folder; give an empty folder with --out")
    path.mkdir(parents=True, exist_ok=True)
    if (path / MARKER).is_file():
        return
    found = sorted(entry.name for entry in path.iterdir() if not DRAFT.fullmatch(entry.name))
    if found and not (path / MARKER).is_file():  # another run may have marked it meanwhile
        shown = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise ValueError(
            f"{path} holds files that gmrl did not make ({shown}); give an empty folder with "
            "--out, or one that gmrl made"
        )
    text = json.dumps({"made by": "gmrl figure"}) + "\n"
    write_atomically(path / MARKER, lambda stream: stream.write(text.encode()))


class Store:
    """The finished cells in a folder.

    Parameters
    ----------
    folder : Path
        Below an output folder that was claimed with `claim_folder`; made if it is missing.
    warn : callable
        Is told of each file that is not what its name says; it is computed again and replaced.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, *, warn: Callable[[str], Any] = warnings.warn) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.warn = warn
        self._fingerprints: dict[str, dict[str, str]] = {}

    def fingerprint(self, cell: Cell) -> dict[str, str]:
        """What the cell depends on besides its settings, as it was when first asked for."""
        if cell.package not in self._fingerprints:
            self._fingerprints[cell.package] = fingerprint(cell.package)
        return self._fingerprints[cell.package]

    def path(self, cell: Cell) -> Path:
        """Return where a cell's result is, or will be.

        Raises
        ------
        ValueError, TypeError
            If the settings are no JSON.
        """
        key = hashlib.sha256(self._identity(cell).encode()).hexdigest()
        slug = re.sub(r"[^A-Za-z0-9]+", "-", cell.name).strip("-").lower()[:80]
        return self.folder / cell.figure / f"{slug}-{key[:16]}.npz"

    def load(self, cell: Cell) -> Stored | None:
        """Return a cell's stored result, or None if there is none that can be trusted."""
        path = self.path(cell)
        try:
            return _decode(path.read_bytes(), self._identity(cell))
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.warn(f"{path} {error}: computed again")
            return None

    def save(self, cell: Cell, result: Result, seconds: float) -> Stored:
        """Store a result, whole or not at all, and return it as `load` will.

        Raises
        ------
        TypeError
            If the result is no mapping from names to arrays of numbers.
        OSError
            If it cannot be written.
        """
        arrays = {name: np.array(values, order="C") for name, values in result.items()}
        for name, values in arrays.items():
            if values.dtype.kind not in "biufc":
                raise TypeError(
                    f"{cell.figure}, {cell.name}: {name} must be an array of numbers, received "
                    f"dtype {values.dtype}"
                )
        path = self.path(cell)
        payload = _encode(self._identity(cell), arrays, seconds)
        path.parent.mkdir(exist_ok=True)  # but not the folder itself, if somebody removed it
        write_atomically(path, lambda stream: stream.write(payload))
        return Stored(arrays, seconds)

    def _identity(self, cell: Cell) -> str:
        """All that the result depends on, as canonical JSON."""
        about = {
            "figure": cell.figure,
            "name": cell.name,
            "settings": dict(cell.settings),
            "fingerprint": self.fingerprint(cell),
        }
        try:
            return _canonical(about)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{cell.figure}, {cell.name}: settings must be JSON (numbers, strings, lists): "
                f"{error}"
            ) from None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _encode(identity: str, arrays: Result, seconds: float) -> bytes:
    about = _canonical({"cell": identity, "seconds": seconds, "arrays": sorted(arrays)})
    stream = io.BytesIO()
    members: dict[str, Any] = {PREFIX + name: values for name, values in arrays.items()}
    np.savez(stream, **members | {ABOUT: np.array(about)})
    payload = stream.getvalue()
    return payload + hashlib.sha256(payload).digest()


def _decode(content: bytes, identity: str) -> Stored:
    """Read what `_encode` wrote; a ValueError says what is wrong with anything else."""
    payload, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("is damaged or not a file of gmrl's")
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        if ABOUT not in archive:
            raise ValueError("does not say what it holds")
        about = json.loads(str(archive[ABOUT]))
        if about["cell"] != identity:
            raise ValueError("holds another cell, or one of other settings or code")
        if sorted(archive.files) != sorted([ABOUT, *(PREFIX + name for name in about["arrays"])]):
            raise ValueError("does not hold the arrays that it should")
        arrays = {name: archive[PREFIX + name] for name in about["arrays"]}
    return Stored(arrays, about["seconds"])
