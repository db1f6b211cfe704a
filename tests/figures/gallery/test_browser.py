"""The page in headless Chromium: nothing broken, nothing too wide, readable, on three screens."""

import dataclasses

import pytest

from figures.gallery.entry import Subject
from tests.figures.gallery.browser import measure, needs_browser
from tests.figures.gallery.example import BIAS, entry, page

pytestmark = needs_browser
#: WCAG 2.2, success criterion 1.4.3 (AA), normal text.
CONTRAST = 4.5
SCREENS = {
    "phone": {"width": 360},
    "desktop": {"width": 1280},
    "dark": {"width": 1280, "dark": True},
    "dark phone": {"width": 360, "dark": True},
}


def faults(found):
    """What a page must not do, of what the browser measured."""
    wrong = {
        "images": found["broken"] > 0,
        "distorted": found["distorted"] > 0,
        "console": bool(found["errors"]),
        "too wide": max(found["across"], found["across_enlarged"]) > found["room"],
        "contrast": found["contrast"][0] < CONTRAST,
        "not enlarged": found["enlarged"][1] <= 1.5 * found["enlarged"][0],
        "out of the keyboard's reach": found["keyboard"] > 0,
    }
    return [fault for fault, is_so in wrong.items() if is_so]


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_is_wrong_on_any_screen(tmp_path, screen):
    found = measure(tmp_path / "run", page(), **SCREENS[screen])
    assert faults(found) == []
    assert found["width"] == SCREENS[screen]["width"]
    assert found["dark"] == ("dark" in screen)
    assert found["images"] == 3
    assert found["texts"] > 100
    red, green, blue = map(int, found["background"].strip("rgb()").split(","))
    assert max(red, green, blue) < 60 if found["dark"] else min(red, green, blue) > 200


def test_long_words_fit_on_a_phone(tmp_path):
    word = "meta-gradient" + "x" * 120
    texts = dict.fromkeys(("place", "sentence", "test", "seen", "why"), word)
    claim = dataclasses.replace(BIAS, **texts)
    long = dataclasses.replace(
        entry("fig5", word, (claim,)),
        caption=word,
        downloads={f"{word}.csv": b""},
        settings={word: word},
    )
    text = page(
        entries=[long],
        subject=Subject(word, word, word),
        profile=word,
        versions={word: word},
        command=word,
    )
    assert faults(measure(tmp_path / "run", text, width=360)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('src="data:image/svg+xml;base64,', 'src="data:image/svg+xml;base64,AAAA', "images"),
        ('width="614"', 'width="614" style="height:400px"', "distorted"),
        ("<main", "<script>throw Error('no')</script><main", "console"),
        ("<main", '<div style="width:700px">wide</div><main', "too wide"),
        ("--soft: #59626c", "--soft: #999999", "contrast"),
        (":has(:checked)", ":has(:invalid)", "not enlarged"),
        ('class="card" role="region" tabindex="0"', 'class="card"', "out of the keyboard's reach"),
    ],
)
def test_a_wrong_page_is_found(tmp_path, right, wrong, fault):
    text = page()
    assert right in text
    assert faults(measure(tmp_path / "run", text.replace(right, wrong, 1), width=360)) == [fault]
