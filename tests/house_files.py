"""The files of the house, for the tests of its rules."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    """Every file that is, or may be, committed; without git, all that is not hidden."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        ]
    return sorted(path for path in paths if path.is_file())


def part(path: Path) -> str:
    """The folder at the top, or the module's own name: tabular, gmrl, ..."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def name(path: Path) -> str:
    """The path from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


FILES = tracked()
SOURCES = [path for path in FILES if path.suffix == ".py"]
OUTSIDE_TESTS = [path for path in SOURCES if part(path) != "tests"]
by_file = pytest.mark.parametrize("path", OUTSIDE_TESTS, ids=name)
