"""What docs/ publishes is what the code says: settings, data in the page, counts of verdicts."""

import base64
import json
import re
from collections import Counter
from functools import cache
from html import escape

import pytest
import xarray as xr

from figures.catalog import EXPERIMENTS, STUDIES
from figures.ipd_table import rows
from tests.house_files import ROOT

GALLERY = ROOT / "docs" / "gallery"
#: Folder and profile by page, and the document that tells of it.
PAGES = {
    "tabular": (GALLERY, "paper", "figures.md"),
    "ipd": (GALLERY / "ipd", "large", "ipd.md"),
}
FIGURES = {"tabular": EXPERIMENTS} | {
    name: {one.NAME: one for one in study.figures} for name, study in STUDIES.items()
}
NAMES = [(page, name) for page in PAGES for name in FIGURES[page]]


@cache
def published(page):
    folder, *_ = PAGES[page]
    return {name: xr.load_dataset(folder / f"{name}.nc", engine="scipy") for name in FIGURES[page]}


@cache
def claims(page):
    return [claim for one in FIGURES[page].values() for claim in one.claims(published(page))]


@cache
def html(page):
    return (PAGES[page][0] / "index.html").read_text(encoding="utf-8")


def document(page):
    return " ".join((ROOT / "docs" / PAGES[page][2]).read_text(encoding="utf-8").split())


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_the_settings_are_those_of_the_profile(page, name):
    stored = json.loads(published(page)[name].attrs["settings"])
    assert stored == as_json(FIGURES[page][name].SETTINGS[PAGES[page][1]])


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_the_page_holds_the_data_and_the_picture(page, name):
    for suffix in ("nc", "svg"):
        content = (PAGES[page][0] / f"{name}.{suffix}").read_bytes()
        assert base64.b64encode(content).decode() in html(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_docs_count_the_verdicts(page):
    counts = Counter(claim.verdict for claim in claims(page))
    told = (
        f"{len(claims(page))} entries: {counts['reproduced']} reproduced, "
        f"{counts['not reproduced']} not reproduced, {counts['inconclusive']} inconclusive"
    )
    assert told in document(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_every_claim(page):
    text = re.sub(r"<[^>]+>", "", re.sub(r'src="data:[^"]*"', "", html(page)))
    for claim in claims(page):
        for words in (claim.sentence, claim.seen, claim.why):
            assert escape(words) in text, claim.sentence


def test_the_docs_show_where_every_setting_ends():
    for setting, *numbers in rows(published("ipd")["fig9"]):
        assert f"| `{setting}` | {' | '.join(numbers)} |" in document("ipd")
