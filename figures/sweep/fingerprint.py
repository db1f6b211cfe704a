"""What a result depends on besides its settings: the code and the libraries it was made with."""

from __future__ import annotations

import hashlib
import importlib
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "numba")
#: Packages whose sources decide the numbers; one that does not exist counts as empty.
PACKAGES = ("tabular", "theory", "figures.experiments")
#: The package whose cells are computed with PyTorch, and what decides those.
ADAPTERS = "adapters"
WITH_TORCH = (*LIBRARIES, "torch"), ("tabular", ADAPTERS)
#: The module that turns seeds into random numbers.
STREAMS = "figures.sweep.cell"


def fingerprint(package: str = "figures") -> dict[str, str]:
    """Versions of Python and the libraries, and a digest of the sources of the numbers.

    Processes with the same fingerprint give the same bits on the same kind of processor.

    Parameters
    ----------
    package : str
        Where the function is that computes: PyTorch decides the numbers of "adapters" only.
    """
    libraries, packages = WITH_TORCH if package == ADAPTERS else (LIBRARIES, PACKAGES)
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    digest = hashlib.sha256()
    for label, path in _sources(packages):
        source = path.read_bytes()
        digest.update(f"{label}\n{len(source)}\n".encode() + source)
    return found | {"sources": digest.hexdigest()}


def _sources(packages: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Name and path of each file, in an order that is the same on every machine."""
    for package in packages:
        if find_spec(package) is None:
            continue
        for folder in map(Path, importlib.import_module(package).__path__):
            for path in sorted(folder.rglob("*.py")):
                yield f"{package}/{path.relative_to(folder).as_posix()}", path
    yield STREAMS, Path(str(importlib.import_module(STREAMS).__file__))
