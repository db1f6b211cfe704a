"""The ledger of claims: where each one is shown, the table of all, and one claim in full.

A claim is shown in full once, with the first figure on the page whose numbers it uses; the others
link to it. A claim none of whose figures is on the page is shown in a section at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from figures.claims.claim import Claim, Comparison, Verdict
from figures.gallery.entry import Entry
from figures.gallery.markup import number, table

#: Sign and CSS class of each verdict: never told by colour alone.
BADGES: dict[Verdict, tuple[str, str]] = {
    "reproduced": ("✓", "holds"),
    "not reproduced": ("✗", "fails"),
    "inconclusive": ("?", "open"),
}
#: Where claims about figures that are not on the page are shown.
ELSEWHERE = "other-claims"
#: How verdicts come about; see `figures.claims.claim`.
RULE = (
    "A claim is a set of comparisons, each a mean over MDPs or runs with a simultaneous 95% "
    "confidence interval. It is reproduced if every interval says what the sentence says, not "
    "reproduced if one of them excludes it, and otherwise inconclusive. The intervals of one claim "
    "hold together; of twenty claims, one verdict may be due to chance."
)


@dataclass(frozen=True)
class Placed:
    """A claim, its anchor, and the names of the figures on the page that it uses, in page order."""

    anchor: str
    claim: Claim
    names: tuple[str, ...]


def place(entries: Sequence[Entry]) -> list[Placed]:
    """Every claim of the entries once, in the order in which they come, with its place."""
    claims = dict.fromkeys(claim for entry in entries for claim in entry.claims)
    return [
        Placed(
            f"claim-{position}",
            claim,
            tuple(entry.name for entry in entries if entry.name in claim.figures),
        )
        for position, claim in enumerate(claims, start=1)
    ]


def badge(verdict: Verdict, text: str = "") -> str:
    """Sign and word of a verdict, or sign and the text given."""
    sign, kind = BADGES[verdict]
    return (
        f'<span class="badge {kind}"><span aria-hidden="true">{sign}</span> '
        f"{escape(text or verdict)}</span>"
    )


def figure_link(name: str) -> str:
    """A link to a figure's section."""
    return f'<a href="#figure-{escape(name)}">{escape(name)}</a>'


def summary(placed: Sequence[Placed]) -> str:
    """How many claims have each verdict, and a row a claim."""
    counts = "\n".join(
        f"<li>{badge(verdict, f'{count(placed, verdict)} {verdict}')}</li>" for verdict in BADGES
    )
    rows = [
        (
            escape(row.claim.place),
            f'<a href="#{row.anchor}">{escape(row.claim.sentence)}</a>',
            badge(row.claim.verdict),
            escape(row.claim.seen),
            ", ".join(map(figure_link, row.names)) or f'<a href="#{ELSEWHERE}">none here</a>',
        )
        for row in placed
    ]
    heads = ("Place", "Claim", "Verdict", "What was seen", "Figures")
    return (
        f'<ul class="counts">\n{counts}\n</ul>\n<p>{RULE}</p>\n'
        f"{table(heads, rows, 'All claims', 'ledger')}"
    )


def count(placed: Sequence[Placed], verdict: Verdict) -> int:
    """The number of claims with this verdict."""
    return sum(row.claim.verdict == verdict for row in placed)


def details(row: Placed) -> str:
    """One claim in full."""
    claim = row.claim
    texts = [("How it was tested", claim.test), ("What was seen", claim.seen), ("Why", claim.why)]
    items = "\n".join(
        f"<div><dt>{head}</dt><dd>{escape(text)}</dd></div>" for head, text in texts if text
    )
    also = ", ".join(map(figure_link, row.names[1:]))
    if also:
        items += f"\n<div><dt>Also uses</dt><dd>{also}</dd></div>"
    behind = (
        f"<details>\n<summary>Numbers ({len(claim.comparisons)})</summary>\n"
        f"{numbers(claim.comparisons, f'Numbers: {claim.sentence}')}\n</details>"
        if claim.comparisons
        else "<p>No numbers were compared.</p>"
    )
    return (
        f'<article class="claim" id="{row.anchor}" aria-labelledby="{row.anchor}-sentence">\n'
        f'<h4 id="{row.anchor}-sentence">{escape(claim.sentence)}</h4>\n'
        f'<p class="place">{badge(claim.verdict)} {escape(claim.place)}</p>\n'
        f"<dl>\n{items}\n</dl>\n{behind}\n</article>"
    )


def numbers(comparisons: Sequence[Comparison], label: str) -> str:
    """The comparisons behind a claim."""
    rows = [
        (
            escape(one.label),
            number(one.mean),
            f"[{number(one.low)}, {number(one.high)}]",
            "&gt; 0" if one.margin is None else f"within ±{number(one.margin)}",
            escape(one.wins),
            badge(one.verdict),
        )
        for one in comparisons
    ]
    heads = ("Comparison", "Mean", "95% interval", "Claimed", "MDPs where it holds", "Verdict")
    return table(heads, rows, label, "numbers")
