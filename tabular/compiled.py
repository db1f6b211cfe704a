"""The compiled loops, where numba is installed: an optional extra (pip install 'gmrl[fast]').

Nothing here or above imports numba before a kernel is first asked for. Without it, and where the
environment variable NUMBA_DISABLE_JIT asks for it, NumPy computes the same numbers to rounding.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import Any


@cache
def kernels(module: str) -> Any:
    """Return the module of compiled loops `tabular.{module}`, or None without numba."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    try:
        import_module("numba")
    except ImportError:  # it is missing, or not made for this version of NumPy
        return None
    return import_module(f"tabular.{module}")
