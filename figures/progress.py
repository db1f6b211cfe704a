"""Results on standard output, and how far a command is on standard error."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Columns of a table that goes to a file or a pipe: enough to cut no number short.
FILE_WIDTH = 140
#: The exit code where the reader of the output went away: that of a program killed by SIGPIPE.
PIPE_CLOSED = 141


class Output(Console):
    """A console whose reader may leave."""

    def on_broken_pipe(self) -> None:
        """Leave too, as programs do."""
        reader_left()


def reader_left() -> NoReturn:
    """End the program: whoever reads its output had enough, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(PIPE_CLOSED) from None


@contextmanager
def progress(
    total: int, *, quiet: bool, finished: bool = False
) -> Iterator[tuple[Callable[[Any], None], Callable[[str, str], None]]]:
    """Yield `say` (print a result) and `advance` (name the next step): a bar, or plain lines.

    With `finished`, `advance` names a step that is done instead.

    Results go to standard output, progress to standard error.
    """
    # Names and paths are the user's: brackets and colons in them are no markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    console = Output(soft_wrap=True, **plain)
    errors = Output(stderr=True, soft_wrap=True, **plain)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    say: Callable[[Any], None] = (lambda _: None) if quiet else console.print
    if not errors.is_terminal:
        steps = itertools.count(1)
        yield (
            say,
            lambda *names: errors.print(f"[{next(steps)}/{total}] {': '.join(names)}"),
        )
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Redirected results must reach their file, not the bar's terminal.
    to_terminal = console.is_terminal
    with Progress(*columns, console=errors, transient=True, redirect_stdout=to_terminal) as bar:
        task = bar.add_task("", total=total)
        done = itertools.count(1 if finished else 0)
        yield (
            say,
            lambda *names: bar.update(task, description=": ".join(names), completed=next(done)),
        )
