"""The table in the terminal: every estimator, every number in full, no NaN."""

import dataclasses
import re
from functools import cache

import numpy as np
import pytest
from rich.console import Console

from figures.tables import verification_table
from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from tests.theory.cases import DEGENERATE, degenerate_report, dense_random
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify

HEADS = ("quantity  ‖truth‖", "estimator", "bias", "truncation", "Hessian", "compositional")


@cache
def report() -> Report:
    return verify(dense_random(), Settings(horizon=3, num_trajectories=8, num_steps=2))


def rendered(report: Report, width: int = 136) -> str:
    """As `gmrl verify` prints into a file of this width: names are the user's, without markup."""
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(verification_table(report))
    return capture.get()


def cells(report: Report) -> list[list[str]]:
    """The body of the table, row by row."""
    lines = [line for line in rendered(report).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def number(text: str) -> float:
    return float(text.split(" ")[0])


def test_heads_rows_and_caption():
    text = rendered(report())
    assert text.startswith("random 4x3: 4 states, 3 actions, γ = 0.8, J(π) = 1.6268 at the uniform")
    for head in (*HEADS, "sd, N = 8", "beaten from N", "z"):
        assert re.search(rf"┃ +{re.escape(head)} +┃", text), head
    caption = " ".join(text.split())
    assert "T = 3, V_b exact, K = 2, α = 6.174 (α‖∇²J‖ = 0.5)" in caption
    assert "γ^T = 0.51" in caption
    body = cells(report())
    assert [row[1] for row in body] == 4 * list(ESTIMATORS)
    quantities = [row[0].split("  ")[0] for row in body]
    assert quantities[::4] == ["gradient", "hessian", "hessian·u", "meta-gradient"]
    assert set(quantities) - set(quantities[::4]) == {""}


def test_each_cell_shows_its_number():
    for row, shown in zip(report().rows, cells(report()), strict=True):
        assert shown[1] == row.estimator
        percent = {2: row.bias, 3: row.truncation, 4: row.hessian, 6: row.sd}
        percent[5] = row.compositional
        for column, value in percent.items():
            if value is None:
                assert shown[column] == "–"
            elif value < 1e-12 * row.truth:
                assert number(shown[column]) == 0
            else:
                share = 100 * value / row.truth
                np.testing.assert_allclose(number(shown[column]), share, rtol=5e-3, atol=0)
        if row.compositional is not None:
            spread = float(shown[5].split(" ± ")[1])
            share = 100 * row.compositional_se / row.truth
            np.testing.assert_allclose(spread, share, rtol=5e-3, atol=0)
        assert shown[8] == ("–" if row.z is None else f"{row.z:+.1f}")
        if row.beaten_by is None:
            assert shown[7] == "–"
        else:
            start, name = shown[7].split(" by ")
            assert name == row.beaten_by
            assert start == ("any" if row.beaten_from == 0 else str(int(np.ceil(row.beaten_from))))


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        (0.0, "any by lvc"),
        (0.3, "any by lvc"),
        (1.0, "any by lvc"),
        (1.2, "2 by lvc"),
        (37.0, "37 by lvc"),
        (99999.0, "99999 by lvc"),
        (2.5e7, "2.5e+07 by lvc"),
    ],
)
def test_beaten_from_is_the_first_whole_number_of_trajectories(start, shown):
    rows = (dataclasses.replace(report().rows[0], beaten_by="lvc", beaten_from=start),)
    assert cells(dataclasses.replace(report(), rows=rows))[0][7] == shown


@pytest.mark.parametrize("width", [80, 100, 136, 200])
def test_every_width_shows_every_row(width):
    text = rendered(report(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert len([line for line in text.splitlines() if "│ ad " in line]) == 4
    assert "nan" not in text.lower()
    if width >= 136:
        assert "…" not in text


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_reports_have_dashes_not_nans(name):
    nonzero, degenerate = DEGENERATE[name][1], degenerate_report(name)
    text = rendered(degenerate)
    assert not re.search(r"\bnan\b|\binf\b", text.lower())
    body = cells(degenerate)
    for estimator in ESTIMATORS:
        assert estimator in {row[1] for row in body}
    for row, shown in zip(degenerate.rows, body, strict=True):
        if row.quantity not in nonzero:
            assert all(cell == "–" or cell.endswith(" abs") for cell in shown[2:7])
            assert shown[8] == "–"


def test_a_name_with_brackets_is_shown_as_it_is():
    mdp = dense_random()
    named = TabularMDP(mdp.P, mdp.R, mdp.gamma, mdp.initial, name="[/b] :smile: [red]x")
    text = rendered(verify(named, Settings(horizon=2, estimators=("ad",))))
    assert text.startswith("[/b] :smile: [red]x: 4 states")
