"""Settings of the whole suite.

Hypothesis draws the same examples on every run (profile "ci"). For a random search with more
examples: ``pytest --hypothesis-profile=explore``; its failures print the blob that repeats them.
"""

import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

# Before NumPy starts its threads: the suite runs one process a core.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Numba's store of compiled loops does not notice that a loop of another file has changed.
loops = sorted((Path(__file__).parent.parent / "tabular").glob("kernels*.py"))
digest = sha256(b"".join(path.read_bytes() for path in loops)).hexdigest()[:12]
os.environ.setdefault("NUMBA_CACHE_DIR", f"{tempfile.gettempdir()}/gmrl-numba-{digest}")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("ci")


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Run `gmrl` in this process, in a folder: as `command_line.gmrl_run`, and faster."""
    import gmrl

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gmrl", *arguments])
        for variable in ("COLUMNS", "FORCE_COLOR"):
            monkeypatch.delenv(variable, raising=False)
        code: Any = 0
        try:
            gmrl.main()
        except SystemExit as done:
            code = done.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def no_pictures(monkeypatch):
    """Skip what takes longest where a test does not look at it."""
    monkeypatch.setattr("figures.save.save_picture", lambda draw, stem: [])
