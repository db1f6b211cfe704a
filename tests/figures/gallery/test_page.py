"""The page's markup: whole, escaped, self-contained; every claim once and linked."""

import base64
import dataclasses

import pytest

from figures.gallery.entry import Subject
from figures.gallery.ledger import badge, place
from figures.gallery.markup import data_uri, duration, number
from figures.gallery.section import size
from tests.figures.gallery.example import BIAS, LOST, SAMPLES, VARIANCE, entries, entry, page
from tests.figures.gallery.reader import Reader, faults


def test_nothing_is_wrong_with_the_markup():
    assert faults(page()) == []
    assert faults(page(entries=[])) == []
    assert faults(page(entries=[entry("fig5", "Alone", ())])) == []


def test_equal_input_gives_the_same_page():
    assert page() == page()
    assert page(seed=1) != page()


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('id="claims"', 'id="run"', "id 'run' twice"),
        ('href="#claim-1"', 'href="#claim-99"', "#claim-99 leads nowhere"),
        ('alt="Two panels', 'name="Two panels', "an image without alt"),
        ('<link rel="icon" href="data:,">', '<link href="https://x.org/a.css">', "<link> loads"),
        ('src="data:', 'src="http://x.org/', "<img> loads http"),
        ("<main", "<script></script><main", "runs a script"),
        ("<main", '<main onclick="f()"', "runs a script"),
        ("</main>", "</div></main>", "closes nothing"),
        (":root {", "@import 'a.css'; :root {", "the style loads"),
        ('aria-labelledby="run-title"', 'aria-labelledby="x"', "is no id"),
    ],
)
def test_a_wrong_page_is_found(right, wrong, fault):
    whole = page()
    assert right in whole
    assert any(fault in found for found in faults(whole.replace(right, wrong, 1)))


NASTY = "<script>alert(\"1\")</script> & 'two' </style>"


def test_all_text_is_escaped():
    claim = dataclasses.replace(
        VARIANCE,
        **dict.fromkeys(("place", "sentence", "test", "seen", "why"), NASTY),
        comparisons=(dataclasses.replace(VARIANCE.comparisons[0], label=NASTY, wins=NASTY),),
    )
    bad = dataclasses.replace(
        entry("fig5", NASTY, (claim,)),
        caption=NASTY,
        alt=NASTY,
        downloads={NASTY: b"x"},
        settings={NASTY: NASTY},
    )
    subject = Subject(NASTY, NASTY, NASTY)
    text = page(
        entries=[bad], subject=subject, profile=NASTY, versions={NASTY: NASTY}, command=NASTY
    )
    assert faults(text) == []
    reader = Reader(text)
    assert NASTY in reader.values("img", "alt")
    assert NASTY in reader.values("a", "download")
    head = [
        "title",
        "h1",
        "what",
        "how",
        "profile",
        "version's name",
        "version",
        "command",
        "contents",
    ]
    figure = ["h2", "caption", "download", "setting", "its value"]
    claim = ["place", "sentence", "test", "seen", "why", "label", "wins"]
    ledger = ["place", "sentence", "seen"]
    assert "".join(reader.texts).count(NASTY) == len(head + figure + claim + ledger)


def test_the_downloads_hold_the_data():
    first = entries()[0]
    links = {
        attrs["download"]: attrs["href"]
        for tag, attrs in Reader(page()).elements
        if tag == "a" and "download" in attrs
    }
    assert list(links)[:2] == ["fig5.nc", "fig5.csv"]
    assert len(links) == 6
    for name, content in first.downloads.items():
        kind, data = links[name].split(";base64,")
        assert kind.startswith("data:")
        assert base64.b64decode(data) == content
    assert data_uri("a.bin", b"").startswith("data:application/octet-stream;")


def test_every_claim_is_shown_once_and_linked_from_its_figures():
    placed = place(entries())
    assert [(row.claim, row.names) for row in placed] == [
        (BIAS, ("fig5",)),
        (VARIANCE, ("fig5", "fig6")),
        (SAMPLES, ("fig6",)),
        (LOST, ()),
    ]
    text = page()
    sections = dict(zip(("head", 5, 6, 7), text.split('<section class="figure"'), strict=True))
    sections[7], lost = sections[7].split('<section id="other-claims"')
    for row in placed:
        assert text.count(f'id="{row.anchor}"') == 1
        assert f'href="#{row.anchor}"' in sections["head"]
    assert 'id="claim-2"' in sections[5]
    assert 'href="#claim-2"' in sections[6]
    assert 'href="#figure-fig6"' in sections[5]
    assert "Claims</h3>" not in sections[7]
    assert LOST.sentence in lost


def test_each_verdict_has_a_sign_and_a_word():
    signs = set()
    for verdict in ("reproduced", "not reproduced", "inconclusive"):
        sign, word = "".join(Reader(badge(verdict)).texts).split(" ", 1)
        assert word == verdict
        signs.add(sign)
    assert len(signs) == 3
    text = "".join(Reader(page()).texts)
    for count in ("1 reproduced", "1 not reproduced", "2 inconclusive"):
        assert count in text


def test_the_numbers_are_shown():
    text = "".join(Reader(page()).texts)
    for shown in ("[0.102, 0.324]", "> 0", "within ±0.05", "9 of 10", "−0.0004", "15 min 12 s"):
        assert shown in text
    assert [number(x) for x in (-1.5, 12345.0, 0.0)] == ["−1.5", "1.23e+04", "0"]
    times = {0.5: "0.5 s", 61: "1 min 1 s", 3599.7: "1 h 0 min", 12000: "3 h 20 min"}
    assert {seconds: duration(seconds) for seconds in times} == times


def test_pictures_keep_their_size():
    assert size(entries()[0]) == (614, 288)
    other = b'<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="2in"/>'
    for width in (b"300", b"300px", b"225pt", b"3.125in"):
        assert size(dataclasses.replace(entries()[0], svg=other % width)) == (300, 192)


@pytest.mark.parametrize(
    "svg",
    [
        b"",
        b"\x89PNG",
        b"<svg/>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="9%"/>',
    ],
)
def test_a_picture_that_is_no_svg_is_refused(svg):
    with pytest.raises(ValueError, match="picture of 'fig5' must be an SVG"):
        page(entries=[dataclasses.replace(entries()[0], svg=svg)])


def test_names_are_checked():
    with pytest.raises(ValueError, match=r"name of its own: got \['fig5'\] twice"):
        page(entries=[entries()[0], entries()[0]])
    with pytest.raises(ValueError, match="letters, digits, - and _ only: got 'fig 5'"):
        page(entries=[entry("fig 5", "x", ())])
