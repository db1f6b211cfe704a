"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file next to `path`, then move it into place.

    Parameters
    ----------
    path : Path
        The file to write or to replace; its folder must exist.
    write : callable
        Is given the new file, open for bytes.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full; `path` is then as it was.
    """
    draft = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with draft.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        draft.unlink(missing_ok=True)
