"""Where each setting of the iterated prisoner's dilemma ends, over runs, on a terminal.

How many runs cooperate, with Wilson's 95% interval of their share; the value a step after the last
update and the mean accuracies over all updates, with Student's 95% intervals of their means.
Source: [Wilson1927].
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from rich import box
from rich.table import Table
from scipy import stats

from figures.claims.intervals import MISS, interval
from tabular.transitions import Array

HEADS = ("setting", "cooperate", "95%", "value a step", "accuracy, outer exact", "accuracy")


def ipd_table(data: xr.Dataset) -> Table:
    """One row a setting."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(HEADS[0], no_wrap=True)
    for head in HEADS[1:]:
        table.add_column(head, justify="right")
    for row in rows(data):
        table.add_row(*row)
    return table


def rows(data: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """The cells of the table, one row a setting."""
    for name in data["setting"].values:
        one = data.sel(setting=name).transpose("update", "run")
        count, runs = int(one["cooperates"].sum()), one.sizes["run"]
        low, high = share_interval(count, runs)
        yield (
            str(name),
            f"{count} of {runs}",
            f"{low:.0%} to {high:.0%}",
            _mean(one["value"].values[-1]),
            *(_mean(one[kind].mean("update").values) for kind in ("accuracy_inner", "accuracy")),
        )


def share_interval(count: int, runs: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    found = stats.binomtest(count, runs).proportion_ci(1 - MISS, method="wilson")
    return found.low, found.high


def _mean(each: Array) -> str:
    """A mean over runs and half its interval; dashes where a run has no number."""
    if not np.isfinite(each).all():
        return "–"
    mean, _, high = interval(each)
    return f"{mean:.3f} ± {high - mean:.3f}".replace("-", "−")
