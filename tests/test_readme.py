"""What the pages say can be done: code runs, commands exist, links lead somewhere."""

import contextlib
import io
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tabular import files
from tests.pages import PAGES, ROOT, blocks, page_name, run_python

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def links(text: str) -> list[str]:
    """Targets of links and pictures outside of code."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", prose)
    return inline + re.findall(r"^\[[^\]]+\]:\s+(\S+)", prose, re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get, and explicit ones."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *#*$", prose, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    given = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", prose)
    return {heading.replace(" ", "-") for heading in kept} | set(given)


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead to no file, or to no heading."""
    wrong = []
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            wrong.append(link)
    return wrong


def test_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(blocks(README, "python")) == 3
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        namespace = run_python(ROOT / "README.md")
    # LVC's share of the Hessian that is wrong on FrozenLake; and three meta-gradients of θ's shape.
    assert 0.1 < float(printed.getvalue()) < 2
    assert files.load("mine.npz").num_states == 2
    shapes = {namespace[name].shape for name in ("truth", "expected", "estimate", "theta")}
    assert shapes == {(17, 4)}


def test_the_two_commands_make_an_environment_and_name_files_that_exist():
    commands = [block.strip() for block in blocks(README, "bash")]
    assert len(commands) == 2
    for command in commands:
        assert "\n" not in command
        steps = [shlex.split(step) for step in command.split("&&")]
        assert steps[0] == ["python3", "-m", "venv", ".venv"]
        install, *rest = steps[1:]
        assert install[:2] == [".venv/bin/pip", "install"]
        assert (ROOT / install[install.index("-c") + 1]).is_file()
        extras = re.findall(r"\[(\w+)\]", install[-1])
        assert install[-1].startswith(".")
        assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])
        ((program, *arguments),) = rest
        assert program.startswith(".venv/bin/")
        if program.endswith("/gmrl"):
            assert PROJECT["project"]["scripts"]["gmrl"] == "gmrl:main"
            assert arguments == ["verify"]
        else:
            assert program.endswith("/python")
            assert arguments[:2] == ["-m", "pytest"]
            assert extras == ["test"]


def test_the_named_python_is_the_required_one():
    (named,) = re.findall(r"need Python (\d+\.\d+) or newer", README)
    assert PROJECT["project"]["requires-python"] == f">={named}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_relative_links_resolve(page):
    assert broken_links(page) == []


def test_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "docs/notation.md"} <= set(map(page_name, PAGES))
    assert "docs/notation.md" in links(README)


def test_broken_links_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# A heading, `code` & more\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](missing.md) ![c](missing.png) [d](there.md#a-heading-code--more)\n"
        "[e](there.md#nowhere) [f](https://example.org/x) [g](#own) `[h](in-code.md)`\n"
        "```\n[i](in-a-block.md)\n```\n\n## Own\n\n[j]: gone.md\n"
    )
    assert broken_links(page) == ["missing.md", "missing.png", "there.md#nowhere", "gone.md"]
