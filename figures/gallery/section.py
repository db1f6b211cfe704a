"""The section of one figure: picture, caption, downloads, settings, and its claims."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from html import escape
from io import BytesIO

from figures.gallery.entry import Entry
from figures.gallery.ledger import Placed, badge, details
from figures.gallery.markup import data_uri, download, duration, table

#: CSS pixels in one of the units that an SVG may be measured in.
PIXELS = {"pt": 4 / 3, "px": 1.0, "in": 96.0, "": 1.0}


def section(entry: Entry, placed: Sequence[Placed]) -> str:
    """One figure; `placed` are all claims of the page."""
    name = escape(entry.name)
    links = "\n".join(
        f"<li>{download(file, content)}</li>" for file, content in entry.downloads.items()
    )
    rows = [(escape(what), escape(value)) for what, value in entry.settings.items()]
    settings = table(("Setting", "Value"), rows, f"Settings of {entry.name}", "settings")
    return (
        f'<section class="figure" id="figure-{name}" aria-labelledby="figure-{name}-title">\n'
        f'<h2 id="figure-{name}-title">{escape(entry.title)} <small>{name}</small></h2>\n'
        f"<figure>\n{picture(entry)}\n<figcaption>{escape(entry.caption)}</figcaption>\n</figure>\n"
        f'<ul class="downloads" aria-label="Downloads of {name}">\n{links}\n</ul>\n'
        f"<details>\n<summary>Settings</summary>\n{settings}\n</details>\n"
        f'<p class="time">Worker time of all cells together: {duration(entry.seconds)}.</p>\n'
        f"{_claims(entry.name, placed)}</section>"
    )


def _claims(name: str, placed: Sequence[Placed]) -> str:
    """The claims at home in this figure in full, and links to the others that use it."""
    own = "\n".join(details(row) for row in placed if row.names[:1] == (name,))
    others = "\n".join(
        f'<li>{badge(row.claim.verdict)} <a href="#{row.anchor}">{escape(row.claim.sentence)}</a> '
        f"(shown with {escape(row.names[0])})</li>"
        for row in placed
        if name in row.names[1:]
    )
    shown = f"{own}\n" if own else ""
    if others:
        shown += f'<ul class="others">\n{others}\n</ul>\n'
    return f"<h3>Claims</h3>\n{shown}" if shown else ""


def picture(entry: Entry) -> str:
    """The picture on a light card; a box to tick enlarges it, and the card then scrolls."""
    width, height = size(entry)
    name = escape(entry.name)
    return (
        f'<p class="enlarge"><label for="enlarge-{name}"><input type="checkbox" '
        f'id="enlarge-{name}"> Enlarge {name}</label></p>\n'
        f'<div class="card" role="region" tabindex="0" aria-label="Picture of {name}">'
        f'<img alt="{escape(entry.alt)}" width="{width}" height="{height}" '
        f'src="{data_uri("picture.svg", entry.svg)}"></div>'
    )


def size(entry: Entry) -> tuple[int, int]:
    """Width and height of the entry's picture in CSS pixels.

    Raises
    ------
    ValueError
        If the bytes are no SVG with a width and a height.
    """
    try:
        root = next(ElementTree.iterparse(BytesIO(entry.svg), events=("start",)))[1]
        if root.tag != "{http://www.w3.org/2000/svg}svg":
            raise ValueError(root.tag)
        width, height = (_pixels(root.attrib[side]) for side in ("width", "height"))
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError) as error:
        raise ValueError(
            f"the picture of {entry.name!r} must be an SVG whose width and height are in pt, px or "
            f"in: got {entry.svg[:40]!r}...; save it with format='svg'"
        ) from error
    return width, height


def _pixels(length: str) -> int:
    digits = length.rstrip("inptx ")
    return round(float(digits) * PIXELS[length[len(digits) :].strip()])
