"""What docs/ publishes is what the code says: settings, data in the page, counts of verdicts."""

import base64
import json
import re
from collections import Counter

import pytest
import xarray as xr

from figures.catalog import EXPERIMENTS
from tests.house_files import ROOT

GALLERY = ROOT / "docs" / "gallery"


@pytest.fixture(scope="module")
def published():
    return {name: xr.load_dataset(GALLERY / f"{name}.nc", engine="scipy") for name in EXPERIMENTS}


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_settings_are_the_full_protocol(name, published):
    stored = json.loads(published[name].attrs["settings"])
    assert stored == as_json(EXPERIMENTS[name].SETTINGS["paper"])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_page_holds_the_data_and_the_picture(name):
    page = (GALLERY / "index.html").read_text(encoding="utf-8")
    for suffix in ("nc", "svg"):
        content = (GALLERY / f"{name}.{suffix}").read_bytes()
        assert base64.b64encode(content).decode() in page


def test_the_docs_count_the_verdicts(published):
    claims = [claim for one in EXPERIMENTS.values() for claim in one.claims(published)]
    counts = Counter(claim.verdict for claim in claims)
    told = (
        f"{len(claims)} entries: {counts['reproduced']} reproduced, "
        f"{counts['not reproduced']} not reproduced, {counts['inconclusive']} inconclusive"
    )
    text = " ".join((ROOT / "docs" / "figures.md").read_text(encoding="utf-8").split())
    assert told in text


def test_the_page_shows_every_claim(published):
    page = (GALLERY / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", re.sub(r'src="data:[^"]*"', "", page))
    for one in EXPERIMENTS.values():
        for claim in one.claims(published):
            assert claim.seen.replace("<", "&lt;").replace(">", "&gt;") in text, claim.sentence
