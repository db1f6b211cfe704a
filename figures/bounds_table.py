"""The table of `gmrl verify` for the theory's statements: both sides, their ratio and a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from figures.terms_table import terms_table
from theory.bounds import STANDARD_ERRORS, BoundCheck
from theory.report import Report

#: Columns in which every layout fits.
UNBOUNDED = 10_000
#: The order of the lines.
STATEMENTS = (
    "Proposition 3.1",
    "Assumption 4.1",
    "Assumption 4.2",
    "Assumption 4.3",
    "Lemma 4.4",
    "Proposition 5.2",
    "Theorem 4.5",
    "Theorem 5.3",
    "Lemma H",
    "",
)
#: How a left-hand side was obtained, in few letters.
SHORT = {
    "enumeration": "paths",
    "exact moments": "moments",
    "exact": "exact",
    "sampling": "sampled",
    "leading order": "1/N",
    "drawn law": "drawn",
    "not measured": "–",
}


@dataclass(frozen=True)
class BoundsTable:
    """One line a statement and estimator; bounds with other constants stand side by side."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the table or its blocks, and the caption."""
        groups = _groups(self.report.bounds)
        wide = _wide(groups)
        room = options.update(max_width=UNBOUNDED)
        width = Measurement.get(console, room, wide).maximum
        yield Text(f"{self.report.mdp}: the theory's statements", style="bold", overflow="fold")
        if width <= options.max_width:
            yield wide
        else:
            yield _narrow(groups)
            width = options.max_width
        terms = terms_table(self.report.bounds, SHORT)
        # Too narrow a terminal would cut its numbers.
        if terms and Measurement.get(console, room, terms).minimum <= options.max_width:
            yield Text("\nTheorem 4.5: what rhs, met is made of", style="bold", overflow="fold")
            yield terms
        yield from Text(_caption(self.report), style="dim", overflow="fold").wrap(console, width)


def _groups(bounds: Iterable[BoundCheck]) -> list[list[BoundCheck]]:
    """Checks of one statement in one setting, with other constants; estimators side by side."""
    groups: dict[tuple[str, str], list[BoundCheck]] = {}
    first: dict[str, int] = {}
    for check in bounds:
        first.setdefault(check.name, len(first))
        groups.setdefault((check.name, repr(sorted(check.setting.items()))), []).append(check)

    def place(group: list[BoundCheck]) -> tuple[bool, int, int]:
        one = group[0]
        statement = next(i for i, name in enumerate(STATEMENTS) if one.name.startswith(name))
        return one.obtained == "enumeration", statement, first[one.name]

    return sorted(groups.values(), key=place)


def _wide(groups: list[list[BoundCheck]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for head in ("statement", "of", "lhs", "from"):
        table.add_column(head, justify="right" if head == "lhs" else "left", no_wrap=True)
    for head in ("rhs,\nproved", "lhs/rhs", "rhs,\nmet", "lhs/rhs"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for place, checks in enumerate(groups):
        if place and checks[0].obtained == "enumeration" != groups[place - 1][0].obtained:
            table.add_section()
        table.add_row(*_cells(checks))
    return table


def _cells(checks: list[BoundCheck]) -> list[str]:
    proved, met = _proved_and_met(checks)
    one = checks[0]
    return [
        one.name,
        str(one.setting.get("of", "")),
        _lhs(one),
        SHORT[one.obtained],
        *_side(proved),
        *_side(met),
        verdict(checks),
    ]


def _proved_and_met(checks: list[BoundCheck]) -> tuple[BoundCheck | None, BoundCheck | None]:
    """The check with proved constants and that with others, where there are such."""
    proved = next((check for check in checks if check.scope == "every θ"), None)
    return proved, next((check for check in checks if check.scope != "every θ"), None)


def _narrow(groups: list[list[BoundCheck]]) -> Table:
    """Statement, ratio and verdict only."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("statement", overflow="fold")
    table.add_column("lhs/rhs\nproved | met", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for checks in groups:
        name = f"{checks[0].name} {checks[0].setting.get('of', '')}".strip()
        if checks[0].obtained == "enumeration":  # Sampled, it is another line.
            name += f", {SHORT['enumeration']}"
        ratios = [_side(check)[1] for check in _proved_and_met(checks)]
        table.add_row(name, " | ".join(ratios).removesuffix(" | "), verdict(checks))
    return table


def verdict(checks: list[BoundCheck]) -> str:
    """FAILS where a proved bound does; empirical constants that are too small refute nothing."""
    if not checks[0].measured:
        return "not measured"
    if not all(check.holds for check in checks if check.certified):
        return "FAILS"
    return "holds" if all(check.holds for check in checks) else "holds, met too small"


def _side(check: BoundCheck | None) -> tuple[str, str]:
    if check is None:
        return "", ""
    told = check.measured and check.rhs > 0 and not _rounded_away(check)
    return _number(check.rhs), f"{check.ratio:.2g}" if told else "–"


def _rounded_away(check: BoundCheck) -> bool:
    """Whether rounding leaves nothing of a leading order, a product of large and small numbers."""
    return check.obtained == "leading order" and 0 < check.lhs <= check.rounding


def _lhs(check: BoundCheck) -> str:
    if not check.measured:
        return "–"
    if _rounded_away(check):
        return f"< {check.rounding:.1g}"
    if check.standard_error is None:
        return _number(check.lhs)
    error = check.standard_error
    return f"{_number(check.lhs)} ± {f'{error:.0f}' if 9.5 <= error < 999.5 else f'{error:.1g}'}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _caption(report: Report) -> str:
    return (
        "lhs <= rhs with explicit constants. rhs, proved: with constants that hold for every θ; "
        "rhs, met: with the largest values along the exact path, which prove nothing, or, over all "
        "paths, at every θ that samples can lead to, with which the proofs go through. "
        f"{report.bounds_note} ± is one standard error; a sampled lhs may exceed its bound by "
        f"{STANDARD_ERRORS:g} of them, and is not measured "
        "where samples seldom meet what makes them scatter, or few outweigh all others, nor "
        "(Proposition 3.1) where steps are too steep for differences. An equality has rhs = 0 and "
        "holds up to rounding. (i) outer compositional, (ii) estimation bias, (iii) inner "
        "compositional, (iv) coupling; of the variance, the estimators' part given the path, "
        "and the path's."
    )
