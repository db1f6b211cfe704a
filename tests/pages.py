"""The pages of the project, and the code that they show."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def page_name(page: Path) -> str:
    """The path of a page from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_python(page: Path) -> dict[str, Any]:
    """Run a page's Python blocks in order, in one fresh namespace, which is returned."""
    namespace: dict[str, Any] = {}
    for place, block in enumerate(blocks(page.read_text(encoding="utf-8"), "python"), start=1):
        exec(compile(block, f"{page.name}, block {place}", "exec"), namespace)
    return namespace
