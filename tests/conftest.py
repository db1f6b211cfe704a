"""Settings of the whole suite.

Hypothesis draws the same examples on every run (profile "ci"). For a random search with more
examples: ``pytest --hypothesis-profile=explore``; its failures print the blob that repeats them.
"""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

# Before NumPy starts its threads: the suite runs one process a core.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Numba's store of compiled loops does not notice that a loop of another file has changed.
loops = sorted((Path(__file__).parent.parent / "tabular").glob("kernels*.py"))
digest = sha256(b"".join(path.read_bytes() for path in loops)).hexdigest()[:12]
os.environ.setdefault("NUMBA_CACHE_DIR", f"{tempfile.gettempdir()}/gmrl-numba-{digest}")

from hypothesis import settings  # noqa: E402

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("ci")
