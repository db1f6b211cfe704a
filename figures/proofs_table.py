"""The table of `gmrl verify --certify`: both sides as balls, and whether the order is proved."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from theory.report import Report

#: Digits of a ball's midpoint and of its radius.
DIGITS = 10


@dataclass(frozen=True)
class ProofsTable:
    """One line a statement and estimator."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the table and the caption."""
        proofs = self.report.proofs
        yield Text(f"{self.report.mdp}: proofs in ball arithmetic", style="bold", overflow="fold")
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        for head in ("statement", "of"):
            table.add_column(head, overflow="fold")
        for head in ("lhs", "rhs", "lhs/rhs", "radius"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for check in proofs:
            lhs, rhs = float(check.lhs.mid()), float(check.rhs.mid())
            table.add_row(
                check.name,
                check.setting["estimator"],
                f"{lhs:.{DIGITS}g}",
                f"{rhs:.{DIGITS}g}",
                f"{lhs / rhs:.2g}" if rhs > 0 else "–",
                f"{check.width / 2:.0e}",
                check.verdict,
            )
        yield table
        caption = Text(_caption(self.report), style="dim", overflow="fold")
        yield from caption.wrap(console, options.max_width)


def _caption(report: Report) -> str:
    first = report.proofs[0]
    told = first.setting
    bits = max(check.bits for check in report.proofs)
    return (
        f"All paths of T = {told['T']}, K = {told['K']}, N = {told['N']}, α = {told['α']:.4g}, in "
        f"python-flint balls of {bits} bits, whose radii are shown (the digits of lhs and rhs are "
        "rounded). "
        "proved: the balls are apart; attained: they overlap, and lhs = rhs to within twice the "
        "radius. Constants: the largest over every θ that samples can lead to."
    )
