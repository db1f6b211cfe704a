"""Pictures: the same bytes from run to run, nothing left of a failed one, no pyplot."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager

from figures.save import FORMATS, own_fonts, save_picture, write_text
from figures.verification import draw
from tabular import zoo
from theory.settings import Settings
from theory.verification import verify

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(horizon=3, num_trajectories=4)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "ü.txt", "γ ∂\n")
    write_text(tmp_path / "ü.txt", "δ\n")
    assert listing(tmp_path) == {"ü.txt": "δ\n".encode()}


def a_line() -> Figure:
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    return figure


def test_a_picture_is_saved_in_both_formats(tmp_path):
    paths = save_picture(a_line, tmp_path / "a.b")
    assert paths == [tmp_path / "a.b.svg", tmp_path / "a.b.png"]
    svg, png = (path.read_bytes() for path in paths)
    assert svg.startswith(b"<?xml")
    assert png.startswith(b"\x89PNG")
    assert len(listing(tmp_path)) == 2


def test_installed_fonts_do_not_matter(tmp_path, monkeypatch):
    """A font that calls itself DejaVu Sans and is another: not for ours, and still there after."""
    first, _ = save_picture(a_line, tmp_path / "first")
    serif = next(font for font in fontManager.ttflist if font.name == "DejaVu Serif")
    installed = [dataclasses.replace(serif, name="DejaVu Sans")]
    monkeypatch.setattr(fontManager, "ttflist", installed)
    second, _ = save_picture(a_line, tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    assert fontManager.ttflist is installed
    assert findfont("DejaVu Sans") == serif.fname
    a_line().savefig(tmp_path / "other.svg", metadata=FORMATS["svg"])
    assert "DejaVuSerif" in (tmp_path / "other.svg").read_text()
    with own_fonts():
        pass  # what was found is forgotten


def test_a_picture_that_cannot_be_saved_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(figure, stream, **_):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", broken)
    (tmp_path / "picture.svg").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        save_picture(a_line, tmp_path / "picture")
    assert listing(tmp_path) == {"picture.svg": b"old"}


def test_the_style_stays_inside(tmp_path):
    before = dict(rcParams)
    save_picture(a_line, tmp_path / "picture")
    assert dict(rcParams) == before


def picture(folder: Path, gamma: float = 0.9) -> dict[str, str]:
    """Digests of one verification picture, computed and drawn afresh; one panel, for speed."""
    folder.mkdir()
    report = verify(zoo.two_state(gamma=gamma), SETTINGS)
    panel = dataclasses.replace(report, rows=report.rows[: len(SETTINGS.estimators)])
    save_picture(lambda: draw(panel), folder / "picture")
    return {name: hashlib.sha256(data).hexdigest() for name, data in listing(folder).items()}


SCRIPT = """
import os, sys
from pathlib import Path
from tests.figures.test_save import picture
for name, digest in sorted(picture(Path(sys.argv[1])).items()):
    print(name, digest)
assert "matplotlib.pyplot" not in sys.modules, "a notebook's own backend must not be touched"
assert os.environ["MPLBACKEND"] == "pdf"
"""


def test_same_bytes_from_run_to_run(tmp_path):
    """Twice in this process, after another picture, and in one with another hash seed."""
    first = picture(tmp_path / "one")
    assert set(first) == {f"picture.{suffix}" for suffix in FORMATS}
    save_picture(a_line, tmp_path / "another")
    assert picture(tmp_path / "two") == first
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "pdf"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "three")],
        env=environment | {"PYTHONHASHSEED": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == first


def test_another_report_gives_another_picture(tmp_path):
    """Equal digests above would mean nothing if all pictures were equal."""
    first, other = picture(tmp_path / "one"), picture(tmp_path / "other", gamma=0.89)
    assert set(first.values()).isdisjoint(other.values())


def test_no_date_in_the_svg(tmp_path):
    save_picture(a_line, tmp_path / "picture")
    text = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert "dc:date" not in text
    assert str(tmp_path) not in text
