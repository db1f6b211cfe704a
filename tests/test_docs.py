"""Every Python block of a page of docs/ runs, in order, as it stands."""

import re

import pytest

from tests.pages import PAGES, blocks, page_name, run_python

WITH_CODE = [
    page
    for page in PAGES
    if page.parent.name == "docs" and blocks(page.read_text(encoding="utf-8"), "python")
]


@pytest.mark.parametrize("page", WITH_CODE, ids=page_name)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_python(page)
    # A fence with another spelling would not run.
    fences = re.findall(r"^[ \t]*(?:```|~~~)[ \t]*py.*$", page.read_text("utf-8"), re.MULTILINE)
    assert set(fences) == {"```python"}


def test_pages_with_code_are_found():
    assert "docs/formulations.md" in map(page_name, WITH_CODE)


def test_a_block_that_fails_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\ny = x + 1\n```\n")
    assert run_python(page)["y"] == 2
    page.write_text("```python\nx = 1\n```\n\n```python\ny = z + 1\n```\n")
    with pytest.raises(NameError, match="z"):
        run_python(page)
    page.write_text("```python\nimport warnings\nwarnings.warn('old')\n```\n")
    with pytest.raises(UserWarning, match="old"):
        run_python(page)
