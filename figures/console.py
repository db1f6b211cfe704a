"""How commands end: in one line on standard error, with a code."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn what the checks of arguments and files raise into one line; later errors are bugs."""
    try:
        yield
    except (ValueError, TypeError) as error:
        fail(" ".join(str(error).split()))


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Print one clear line on standard error and exit."""
    with suppress(OSError):  # the code tells, where nothing can be written
        sys.stderr.write(f"gmrl: {message}\n")
    raise SystemExit(code)


def command_line() -> str:
    """Return the command of this run, to repeat it."""
    return shlex.join(["gmrl", *sys.argv[1:]])


def to_json(value: Any) -> str:
    """Strict JSON: a NaN is an error, not a token that other readers reject."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
