"""The whole page: what was run, the ledger of claims, a section a figure.

One file that needs nothing else: the style is inside, pictures and data are data URIs, there is no
script, and a content security policy forbids the browser to load anything from anywhere. Equal
input gives equal text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from figures.gallery.entry import Entry, Subject
from figures.gallery.ledger import ELSEWHERE, Placed, details, place, summary
from figures.gallery.markup import duration
from figures.gallery.section import section

#: The paper whose figures these are.
PAPER = "https://arxiv.org/abs/2112.15400"


def render(
    entries: Sequence[Entry],
    *,
    subject: Subject,
    profile: str,
    seed: int,
    versions: Mapping[str, str],
    command: str,
    wall_seconds: float,
    cores: int | None = None,
) -> str:
    """The page as text, to be written as UTF-8.

    Parameters
    ----------
    entries : sequence of Entry
        The figures, in the order in which they are shown.
    subject : Subject
    profile, seed, command : str, int, str
        What was run, and the command that repeats it.
    versions : mapping
        Software to its version.
    wall_seconds : float
        How long the run took.
    cores : int, optional
        Cores of the machine; those of this one if not given.

    Raises
    ------
    ValueError
        If two entries have the same name, a name is not made of letters, digits, - and _ only, or
        a picture is no SVG.
    """
    _check_names([entry.name for entry in entries])
    placed = place(entries)
    cores = os.cpu_count() if cores is None else cores
    run = {
        "Profile": escape(str(profile)),
        "Seed": str(seed),
        "Versions": ", ".join(f"{escape(what)} {escape(is_)}" for what, is_ in versions.items()),
        "Cores": "unknown" if cores is None else str(cores),
        "Wall time": f"{duration(wall_seconds)}; cells that were finished before were not repeated",
        "Work": f"{duration(sum(entry.seconds for entry in entries))} for all cells",
        "To repeat": f"<code>{escape(command)}</code>",
    }
    return "\n".join(
        [
            _head(subject),
            _contents(entries, placed),
            '<main id="main">',
            _run(run),
            '<section id="claims" aria-labelledby="claims-title">',
            '<h2 id="claims-title">Claims</h2>',
            summary(placed) if placed else "<p>No claim of the paper was tested.</p>",
            "</section>",
            *(section(entry, placed) for entry in entries),
            *_elsewhere([row for row in placed if not row.names]),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ValueError(
                f"the name of a figure must be of letters, digits, - and _ only: got {name!r}; "
                "put other text into its title"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"every figure must have a name of its own: got {twice} twice; rename one")


def _head(subject: Subject) -> str:
    title = escape(subject.title)
    style = files("figures.gallery").joinpath("style.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{title}</h1>
<p>{escape(subject.what)} of Liu et al., <a href="{PAPER}"><cite>A Theoretical Understanding of \
Gradient Bias in Meta-Reinforcement Learning</cite></a> (NeurIPS 2022), {escape(subject.how)}. \
What the paper says about these figures is tested sentence by sentence; each has a verdict below, \
with the numbers behind it.</p>
</header>"""


def _contents(entries: Sequence[Entry], placed: Sequence[Placed]) -> str:
    anchors = {"run": "What was run", "claims": "Claims"}
    anchors |= {f"figure-{entry.name}": entry.title for entry in entries}
    if any(not row.names for row in placed):
        anchors[ELSEWHERE] = "Claims about other figures"
    items = "\n".join(
        f'<li><a href="#{to}">{escape(text)}</a></li>' for to, text in anchors.items()
    )
    return f'<nav aria-label="Contents">\n<ol>\n{items}\n</ol>\n</nav>'


def _run(rows: Mapping[str, str]) -> str:
    items = "\n".join(f"<div><dt>{what}</dt><dd>{value}</dd></div>" for what, value in rows.items())
    return (
        '<section id="run" aria-labelledby="run-title">\n<h2 id="run-title">What was run</h2>\n'
        f'<dl class="run">\n{items}\n</dl>\n</section>'
    )


def _elsewhere(placed: Sequence[Placed]) -> list[str]:
    if not placed:
        return []
    return [
        f'<section id="{ELSEWHERE}" aria-labelledby="{ELSEWHERE}-title">',
        f'<h2 id="{ELSEWHERE}-title">Claims about other figures</h2>',
        "<p>Their figures are not on this page.</p>",
        *map(details, placed),
        "</section>",
    ]
