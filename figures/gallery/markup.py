"""Pieces of HTML: escaped text, tables in boxes that scroll, data URIs, numbers."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import PurePath

#: Media types of what a reader may save; anything else is a stream of bytes.
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".nc": "application/x-netcdf",
    ".svg": "image/svg+xml",
}


def data_uri(name: str, content: bytes) -> str:
    """The content as an address, typed by the suffix of the file's name."""
    media = MEDIA_TYPES.get(PurePath(name).suffix, "application/octet-stream")
    return f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"


def download(name: str, content: bytes) -> str:
    """A link that saves the content under this name."""
    size = f"{max(1, round(len(content) / 1000)):,} kB"
    return (
        f'<a class="download" download="{escape(name)}" href="{data_uri(name, content)}">'
        f'{escape(name)} <span class="size">{size}</span></a>'
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], label: str, kind: str) -> str:
    """A table in a box of its own, which scrolls where the page is narrow.

    The cells are HTML, already escaped; heads and label are text. The first cell of a row is its
    heading; `kind` is the table's CSS class.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">\n'
        f'<table class="{kind}">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n'
        "</table>\n</div>"
    )


def number(value: float) -> str:
    """Three significant digits and a proper minus sign."""
    return f"{value:.3g}".replace("-", "−")


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours: 41.3 s, 12 min 5 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
