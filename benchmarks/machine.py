"""The machine: what it is, and how to hold every library to one thread of it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits

#: Read by the libraries when they are first imported or used. XLA sizes its pool by NPROC.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
PACKAGES = ("numpy", "scipy", "numba", "jax", "jaxlib", "torch", "autograd")


@contextmanager
def one_thread(modules: Iterable[str] = ()) -> Iterator[None]:
    """Hold BLAS, OpenMP, XLA and PyTorch to one thread; `modules` are imported before the limit.

    XLA reads its settings once: a process that has used JAX before keeps what it had then.
    """
    before = {key: os.environ.get(key) for key in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        for name in ("scipy.linalg", *modules):
            if importlib.util.find_spec(name.partition(".")[0]) is not None:
                importlib.import_module(name)
        torch = sys.modules.get("torch")
        threads = torch.get_num_threads() if torch else 1
        try:
            with threadpool_limits(1):
                if torch:
                    torch.set_num_threads(1)
                yield
        finally:
            if torch:
                torch.set_num_threads(threads)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system, Python, versions and BLAS: what a number depends on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(_pages("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "blas": sorted(
            f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ),
    }


def available_memory() -> int:
    """Bytes that are free now; zero if the system does not say."""
    return _pages("SC_AVPHYS_PAGES")


def _pages(name: str) -> int:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The name of the processor, with its vector extensions' widest kind where Linux says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    flags = named.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "")
    model = named.get("model name", platform.machine())
    family = f"family {named['cpu family']} model {named['model']}" if "cpu family" in named else ""
    return " ".join(f"{model} {family} {widest}".split())
