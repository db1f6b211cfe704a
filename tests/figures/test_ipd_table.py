"""The table of where the iterated prisoner's dilemma ends."""

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from figures.ipd_table import HEADS, ipd_table, rows, share_interval


def made():
    """Two settings, four runs; the second has no accuracy in one run."""
    value = np.array([[-2.0, -2.0, -2.0, -2.0], [-1.0, -1.0, -1.2, -1.4]])
    accuracy = np.full((2, 2, 4), np.nan)
    accuracy[:, 0] = 0.5
    accuracy[1, 0, 3] = np.nan
    dims = ("setting", "update", "run")
    return xr.Dataset(
        {
            "value": (dims, np.stack([np.full((2, 4), -1.5), value], axis=1)),
            "accuracy": (dims, accuracy),
            "accuracy_inner": (dims, np.where(np.isnan(accuracy), np.nan, 0.75)),
            "cooperates": (dims[::2], value > -1.1),
        },
        {"setting": ["naive", "batch/batch"], "update": [0, 10], "run": np.arange(4)},
    )


def test_rows_tell_the_end_of_training():
    first, second = rows(made())
    assert first == (
        "naive",
        "0 of 4",
        "0% to 49%",
        "−2.000 ± 0.000",
        "0.750 ± 0.000",
        "0.500 ± 0.000",
    )
    half = 3.182446 * np.std([-1.0, -1.0, -1.2, -1.4], ddof=1) / 2
    assert second[:4] == ("batch/batch", "2 of 4", "15% to 85%", f"−1.150 ± {half:.3f}")
    assert second[4:] == ("–", "–")


def test_wilsons_interval_solves_its_equation():
    """The ends are the shares p from which the one seen is 1.96 standard deviations away."""
    for count, runs in ((2, 10), (37, 100), (0, 10)):
        for p in share_interval(count, runs):
            distance = (count / runs - p) ** 2
            assert distance == pytest.approx(1.959964**2 * p * (1 - p) / runs, rel=1e-5, abs=1e-12)


def test_the_table_has_every_head_and_fits():
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(ipd_table(made()))
    lines = capture.get().splitlines()
    assert all(word in capture.get() for head in HEADS for word in head.split())
    assert max(map(len, lines)) <= 100
