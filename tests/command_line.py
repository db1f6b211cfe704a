"""Running `gmrl` in tests, and what its answers must look like."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
QUICK = ("-N", "4", "-T", "2", "--estimators", "ad,lvc")
P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
GOOD: dict[str, Any] = {"P": P, "R": np.eye(2), "gamma": 0.9, "initial": 0, "name": "tiny"}
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")},
    "PYTHONPATH": str(ROOT),
    "PYTHONIOENCODING": "utf-8",
}


def gmrl_run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gmrl", *arguments],
        cwd=folder,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def write_mdp(folder: Path, file_name: str = "tiny.npz", **changes: Any) -> str:
    np.savez(folder / file_name, **GOOD | changes)
    return file_name


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """One line on standard error that starts with `gmrl: ` and says what is wrong; no output."""
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert re.match(f"gmrl: .*{message}", lines[0]), lines[0]
    assert done.stdout == ""


def strict(text: str) -> Any:
    """JSON without NaN and Infinity."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)
