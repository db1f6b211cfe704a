"""The ledger of claims on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from figures.claims.claim import Claim

#: A sign beside the word, for those who see no colours.
SIGNS = {"reproduced": "✓", "not reproduced": "✗", "inconclusive": "?"}
STYLES = {"reproduced": "green", "not reproduced": "red", "inconclusive": "yellow"}


def claims_table(claims: Sequence[Claim]) -> Group:
    """Place, sentence, verdict, what was seen and why; and how many of each verdict."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("place", ratio=2)
    table.add_column("sentence", ratio=4)
    table.add_column("verdict", ratio=2)
    table.add_column("seen", ratio=6)
    for claim in claims:
        verdict = Text(f"{SIGNS[claim.verdict]} {claim.verdict}", style=STYLES[claim.verdict])
        seen = claim.seen + (f" Why: {claim.why}" if claim.why else "")
        table.add_row(Text(claim.place), Text(claim.sentence), verdict, Text(seen))
    return Group(table, Text(counted(claims)))


def counted(claims: Sequence[Claim]) -> str:
    """How many claims have which verdict, in words."""
    counts: Counter[str] = Counter(claim.verdict for claim in claims)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in SIGNS)
    return f"{len(claims)} claims: {told}."
