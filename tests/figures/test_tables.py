"""The table in the terminal: every estimator, every number in full, no NaN."""

import dataclasses
import re
from functools import cache

import numpy as np
import pytest
from rich.console import Console

from figures.tables import VerificationTable
from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from tests.theory.cases import DEGENERATE, degenerate_report, dense_random
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify

QUANTITIES = ("gradient", "hessian", "hessian·u", "meta-gradient")
#: A wide table stays within this many columns.
WIDEST = 118


@cache
def report() -> Report:
    return verify(dense_random(), Settings(horizon=3, num_trajectories=8, num_steps=2))


def rendered(report: Report, width: int = 136) -> str:
    """As `gmrl verify` prints into a file of this width: names are the user's, without markup."""
    console = Console(
        width=width, color_system=None, markup=False, emoji=False, highlight=False, soft_wrap=True
    )
    with console.capture() as capture:
        console.print(VerificationTable(report))
    return capture.get()


def blocks(text: str) -> list[str]:
    """What stands between blank lines."""
    return [block for block in re.split(r"\n *\n", text) if block.strip()]


def cells(report: Report) -> list[list[str]]:
    """The body of a wide table, row by row; the columns are two blanks apart."""
    body = rendered(report).split("──\n")[1].splitlines()
    rows = [line for line in body if re.search(rf" ({'|'.join(ESTIMATORS)})  ", line)]
    return [re.split(r" {2,}", line.strip()) for line in rows]


def shown(report: Report) -> list[list[str]]:
    """The same from the estimator on."""
    names = set(ESTIMATORS)
    return [row[min(i for i, cell in enumerate(row) if cell in names) :] for row in cells(report)]


def number(text: str) -> float:
    return float(text.split(" ")[0])


def test_heads_rows_and_caption():
    text = rendered(report())
    assert text.startswith("random 4x3: 4 states, 3 actions, γ = 0.8, J(π) = 1.6268 at the uniform")
    _, upper, lower, *_ = text.splitlines()
    assert upper.split() == ["quantity", "sd"]
    assert re.split(r" {2,}", lower.strip()) == [
        *("‖truth‖", "estimator", "bias", "truncation", "Hessian", "compositional", "N = 8"),
        *("beaten from N", "z mean", "z sd"),
    ]
    caption = " ".join(text.split())
    assert "T = 3, γ^T = 51 %: what lies beyond T of the discounted future." in caption
    assert "V_b exact, K = 2, α = 6.174 (α‖∇²J‖ = 0.5)" in caption
    assert "bias and sd are those of the curvature alone" in caption
    body = cells(report())
    assert [row[0] for row in shown(report())] == 4 * list(ESTIMATORS)
    assert [row[0] for row in body[::4]] == list(QUANTITIES)
    truths = [row.truth for row in report().rows[::4]]
    assert [row[0] for row in body[1::4]] == [f"{truth:.3g}" for truth in truths]


def test_each_cell_shows_its_number():
    for row, line in zip(report().rows, shown(report()), strict=True):
        assert line[0] == row.estimator
        percent = {1: row.bias, 2: row.truncation, 3: row.hessian, 5: row.sd}
        percent[4] = row.compositional
        for column, value in percent.items():
            if value is None:
                assert line[column] == "–"
            elif value < 1e-12 * row.truth:
                assert line[column].split(" ")[0] == "0"
            elif value < 1e-5 * row.truth:
                assert line[column].split(" ")[0] == "<0.001"
            else:
                share = 100 * value / row.truth
                np.testing.assert_allclose(number(line[column]), share, rtol=5e-3, atol=0)
        if row.compositional is not None:
            spread = float(line[4].split(" ± ")[1])
            share = 100 * row.compositional_se / row.truth
            np.testing.assert_allclose(spread, share, rtol=5e-3, atol=0)
        for column, z in ((7, row.z_mean), (8, row.z_sd)):
            assert line[column] == ("–" if z is None else f"{z:+.1f}")
        if row.beaten_by is None:
            assert line[6] == "–"
        else:
            start, name = line[6].split(" by ")
            assert name == row.beaten_by
            assert start == ("any" if row.beaten_from == 0 else str(int(np.ceil(row.beaten_from))))


def test_a_narrow_terminal_gets_a_block_for_each_quantity():
    """The same numbers, one column an estimator; lines that are all dashes are left out."""
    text = rendered(report(), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    title, *parts, caption = blocks(text)
    assert title.startswith("random 4x3: 4 states")
    assert caption.startswith("T = 3")
    assert [part.split(",")[0] for part in parts] == list(QUANTITIES)
    wide = shown(report())
    for i, part in enumerate(parts):
        rows = report().rows[4 * i : 4 * i + 4]
        head, names, _, *lines = part.splitlines()
        assert head == f"{rows[0].quantity}, ‖truth‖ = {rows[0].truth:.3g}"
        assert names.split() == list(ESTIMATORS)
        table = {}
        for line in lines:
            name, *values = re.split(r" {2,}", line)
            table[name] = [value.strip() for value in values]
        for column, name in enumerate(
            ("bias", "truncation", "Hessian", "compositional", "sd, N = 8"), start=1
        ):
            expected = [line[column] for line in wide[4 * i : 4 * i + 4]]
            assert table.get(name, ["–"] * 4) == expected
        assert table["z sd"] == [line[8] for line in wide[4 * i : 4 * i + 4]]
        starts = [line[6].split(" by ")[0] for line in wide[4 * i : 4 * i + 4]]
        assert table.get("beaten from N", ["–"] * 4) == starts
        winners = [row.beaten_by for row in rows if row.beaten_by]
        assert re.findall(r"by (\w+)", part) == winners


def test_a_wide_terminal_gets_one_table():
    wide = rendered(report(), WIDEST)
    assert len([line for line in wide.splitlines() if set(line) == {"─"}]) == 1
    assert max(map(len, wide.splitlines())) <= WIDEST
    assert "…" not in wide


@pytest.mark.parametrize(
    ("start", "words"),
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
def test_beaten_from_is_the_first_whole_number_of_trajectories(start, words):
    rows = (dataclasses.replace(report().rows[0], beaten_by="lvc", beaten_from=start),)
    assert shown(dataclasses.replace(report(), rows=rows))[0][6] == words


@pytest.mark.parametrize("width", [80, 100, 120, 136, 200])
def test_every_width_shows_every_number(width):
    text = rendered(report(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "nan" not in text.lower()
    assert "…" not in text
    for row in report().rows:
        assert f"{100 * row.sd / row.truth:.3g}" in text


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_reports_have_dashes_not_nans(name):
    nonzero, degenerate = DEGENERATE[name][1], degenerate_report(name)
    for width in (80, 136):
        assert not re.search(r"\bnan\b|\binf\b", rendered(degenerate, width).lower())
    body = shown(degenerate)
    assert {row[0] for row in body} == set(ESTIMATORS)
    for row, line in zip(degenerate.rows, body, strict=True):
        if row.quantity not in nonzero:
            assert all(cell == "–" or cell.endswith(" abs") for cell in line[1:6])
            assert line[7] == "–"


def test_a_name_with_brackets_is_shown_as_it_is():
    mdp = dense_random()
    named = TabularMDP(mdp.P, mdp.R, mdp.gamma, mdp.initial, name="[/b] :smile: [red]x")
    text = rendered(verify(named, Settings(horizon=2, estimators=("ad",))))
    assert text.startswith("[/b] :smile: [red]x: 4 states")
