"""The table of the theory's statements: verdicts, widths, and no cut numbers."""

import dataclasses
import json
from functools import cache

import pytest
from rich.console import Console

from figures.bounds_table import BoundsTable, verdict
from tabular import TabularMDP
from tests.theory.cases import DEGENERATE, dense_random
from theory.bound_checks import add_bounds
from theory.bounds import BoundCheck
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify


@cache
def report() -> Report:
    mdp, settings = dense_random(), Settings(horizon=3, num_trajectories=32, num_steps=2)
    return add_bounds(verify(mdp, settings), mdp, settings)


def shown(report: Report, width: int = 118) -> str:
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(BoundsTable(report))
    return capture.get()


def changed(**changes) -> Report:
    """The report with another first check."""
    first, *rest = report().bounds
    return dataclasses.replace(report(), bounds=(dataclasses.replace(first, **changes), *rest))


def test_a_wide_table_has_both_right_hand_sides():
    text = shown(report())
    head = " ".join(text.splitlines()[1:3])
    for part in ("statement", "of", "lhs", "from", "proved", "met", "lhs/rhs", "verdict"):
        assert part in head
    for check in report().bounds:
        assert check.name in text
    assert any("±" in line and "sampled" in line for line in text.splitlines()[:-6])
    assert any("  paths " in line for line in text.splitlines())
    assert "FAILS" not in text
    assert max(len(line) for line in text.splitlines()) <= 118


def test_every_statement_has_one_line():
    text = shown(report())
    settings = {(check.name, repr(sorted(check.setting.items()))) for check in report().bounds}
    lines = [line for line in text.splitlines() if line.rstrip().endswith("holds")]
    assert len(lines) == len(settings)


def test_estimators_stand_side_by_side():
    """One statement after another, those over all paths below the others."""
    lines = [line for line in shown(report()).splitlines() if line.rstrip().endswith("holds")]
    names = [line.split("  ")[0] for line in lines]
    sampled = [n for n, line in zip(names, lines, strict=True) if "  paths " not in line]
    changes = [name for i, name in enumerate(sampled) if i == 0 or sampled[i - 1] != name]
    assert len(changes) == len(set(changes))
    assert changes[0] == "Proposition 3.1"
    assert changes.index("Assumption 4.3, sigma_H") < changes.index("Lemma 4.4, first moment")
    assert changes[-1] == "Lemma H.8"
    assert ["  paths " in line for line in lines] == sorted("  paths " in line for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_every_width_is_kept(width):
    lines = shown(report(), width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert not any("…" in line for line in lines)
    assert sum("holds" in line for line in lines) > 20


def test_a_narrow_table_says_which_ratio_is_which():
    """Whatever order the checks come in."""
    text = shown(report(), 80)
    assert "proved | met" in text
    backwards = dataclasses.replace(report(), bounds=report().bounds[::-1])
    for check in report().bounds:
        if check.scope == "every θ" and check.name == "Theorem 4.5, bias, shared":
            name, ratio = f"{check.name} {check.setting['of']}", f" {check.ratio:.2g} | "
            for told in (text, shown(backwards, 80)):
                assert any(line.startswith(name) and ratio in line for line in told.splitlines())


def test_a_failing_statement_is_shown():
    text = shown(changed(lhs=1.0, rhs=0.0, rounding=0.0))
    assert text.count("FAILS") == 1
    assert "FAILS" in shown(changed(lhs=1.0, rhs=0.0, rounding=0.0), 60)


def test_what_is_not_measured_has_a_line_without_a_left_hand_side():
    text = shown(changed(lhs=float("nan"), obtained="not measured", rhs=0.25), 130)
    (line,) = (line for line in text.splitlines() if "not measured" in line[-20:])
    assert "nan" not in line
    assert "0.25" in line
    assert "nan" not in shown(changed(lhs=float("nan"), obtained="not measured"), 60)


def test_a_leading_order_that_rounding_hides_is_no_number():
    hidden = {"lhs": 130.0, "rhs": 90.0, "rounding": 5e4, "obtained": "leading order"}
    (line,) = (line for line in shown(changed(**hidden), 130).splitlines() if "< 5e+04" in line)
    assert "130" not in line
    assert "1.4" not in line
    told = shown(changed(**hidden | {"rounding": 1.0, "rhs": 200.0}), 130)
    assert any("130  1/N" in line and "0.65" in line for line in told.splitlines())


@pytest.mark.parametrize(
    ("error", "told"), [(7.0, "7"), (9.7, "10"), (71.0, "71"), (999.7, "1e+03"), (7.1e20, "7e+20")]
)
def test_errors_of_any_size_have_few_digits(error, told):
    text = shown(changed(lhs=2e21, rhs=3e21, obtained="sampling", standard_error=error), 130)
    assert f"2e+21 ± {told}  sampled" in text


def test_a_narrow_table_tells_sampled_lines_from_those_over_all_paths():
    lines = [line.split("  ")[0] for line in shown(report(), 80).splitlines() if "holds" in line]
    assert any(line.endswith(", paths") for line in lines)
    assert len(lines) == len(set(lines))


def test_the_terms_of_the_theorem():
    """In per cent of rhs; bias and variance, each way of sampling, each estimator."""
    text = shown(report())
    terms = text[text.index("what rhs, met is made of") :]
    for check in report().bounds:
        if check.name == "Theorem 4.5, bias, shared" and check.scope == "sampled θ":
            (line,) = (
                line.split()
                for line in terms.splitlines()
                if line.startswith(f"{check.setting['of']}, shared, sampled ")
            )
            assert line[3:7] == [f"{term / check.rhs:.0%}" for term in check.terms.values()]
            assert sum(int(part[:-1]) for part in line[3:7]) in range(98, 103)
            assert sum(int(part[:-1]) for part in line[7:9] if part != "–") in (0, 100)
    separate = [line.split() for line in terms.splitlines() if ", separate, " in line]
    assert separate
    assert all(line[6] == "–" for line in separate)


def test_verdicts():
    proved = BoundCheck("Lemma 4.4", 1.0, 2.0, obtained="exact", scope="every θ")
    met = dataclasses.replace(proved, rhs=0.5, scope="sampled θ")
    assert verdict([proved]) == "holds"
    assert verdict([proved, met]) == "holds, met too small"
    assert verdict([dataclasses.replace(proved, rhs=0.5), met]) == "FAILS"
    assert verdict([dataclasses.replace(proved, lhs=float("nan"))]) == "FAILS"
    silent = dataclasses.replace(proved, lhs=float("nan"), obtained="not measured")
    assert verdict([silent]) == "not measured"


def test_a_long_name_is_folded_and_brackets_are_no_markup():
    named = dataclasses.replace(report(), mdp="[bold]" + "very " * 40 + "long")
    lines = shown(named).splitlines()
    assert "[bold]" in lines[0]
    assert max(len(line) for line in lines) <= 118


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_reports_are_shown_and_are_strict_json(name):
    mdp: TabularMDP = DEGENERATE[name][0]
    settings = Settings(horizon=2, num_trajectories=4, estimators=("ad", "dice"))
    told = add_bounds(verify(mdp, settings), mdp, settings)
    assert "FAILS" not in shown(told)
    text = json.dumps(told.as_dict(), allow_nan=False)
    assert json.loads(text) == json.loads(json.dumps(told.as_dict()))


def test_a_failed_equality_is_strict_json():
    text = json.dumps(changed(lhs=1.0, rhs=0.0, rounding=0.0).as_dict(), allow_nan=False)
    assert json.loads(text)["bounds"][0]["ratio"] is None
