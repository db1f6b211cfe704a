"""The house rules of text: short files, documented names, one place for each thing."""

import ast
import re

import pytest

from tests.house_files import FILES, OUTSIDE_TESTS, ROOT, SOURCES, by_file, name, part

MOST_LINES = 300
#: Still to be cut.
LONG = {"tests/tabular/surrogates.py"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_are_short(path):
    if name(path) not in LONG:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


#: What stands in one place only, and why; None is nowhere but in tests.
PLACES: dict[str, str | None] = {
    # A cache of the module's keeps arrays alive: hang it on the object it belongs to. Modules live
    # for ever anyway.
    r"lru_cache|\bfunctools\.cache\b|import cache\b": "tabular/compiled.py",
    # It would choose a backend and keep figures; make a matplotlib.figure.Figure.
    r"matplotlib\.pyplot": None,
    # Half-written files: use write_atomically.
    r"fsync|mkstemp|NamedTemporaryFile": "tabular/atomic.py",
    # One message for one mistake.
    r"isinstance\(\w+, np\.random\.Generator\)": "tabular/_checks.py",
}


def misplaced(text: str, place: str) -> list[str]:
    """Patterns of PLACES that a file must not hold."""
    return [p for p, where in PLACES.items() if where != place and re.search(p, text)]


@by_file
def test_everything_is_in_its_place(path):
    assert misplaced(path.read_text(encoding="utf-8"), name(path)) == []


def test_what_is_misplaced_is_found():
    for text in (
        "from functools import lru_cache",
        "from functools import cache",
        "import matplotlib.pyplot as plt",
        "os.fsync(stream)",
        "if not isinstance(rng, np.random.Generator):",
    ):
        assert len(misplaced(text, "tabular/moments.py")) == 1
    assert misplaced("os.fsync(stream)", "tabular/atomic.py") == []
    assert misplaced("from functools import cached_property, partial", "theory/laws.py") == []


def undocumented(source: str) -> list[str]:
    """Public functions, classes and methods without a docstring, and a module without one."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["module"]
    pending: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while pending:
        prefix, node = pending.pop(0)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            missing.append(f"{prefix}{node.name}")
        if isinstance(node, ast.ClassDef):
            pending += [(f"{node.name}.", child) for child in node.body]
    return missing


@by_file
def test_public_names_have_docstrings(path):
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_missing_docstrings_are_found():
    source = (
        "def f(): pass\ndef _g(): pass\nclass C:\n    'x'\n    def m(self): pass\n"
        "    def _n(self): pass\nclass D: pass\nasync def h():\n    'x'\n"
    )
    assert undocumented(source) == ["module", "f", "D", "C.m"]
    assert undocumented(f"'x'\n{source}")[0] == "f"
    assert undocumented("'x'\ndef f():\n    'x'\n    def inner(): pass\n") == []


#: Written in pieces, so that this file holds neither.
LOCAL = [re.compile("/" + r"work\b"), re.compile(re.escape("../" + "shared"))]


def local_paths(text: str) -> list[str]:
    """Mentions of folders that exist on one machine only."""
    return [found for pattern in LOCAL for found in pattern.findall(text)]


def test_no_file_names_a_folder_of_one_machine():
    read, wrong = 0, []
    for path in FILES:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        read += 1
        wrong += [f"{path.relative_to(ROOT)}: {found}" for found in local_paths(text)]
    assert wrong == []
    assert read > 50


def test_local_paths_are_found():
    for text in ("cd /" + "work/main", "in /" + "work.", "see ../" + "shared/x"):
        assert len(local_paths(text)) == 1
    assert local_paths("src/workers frame/works network shared/ /home") == []


KEY = r"[A-Z][A-Za-z]+\d{4}[a-z]?"


def unknown_works(text: str, bibliography: str) -> set[str]:
    """Keys that are cited, in brackets, and have no entry."""
    return set(re.findall(rf"\[({KEY})\]", text)) - set(
        re.findall(rf"^- \*\*\[({KEY})\]\*\*", bibliography, re.MULTILINE)
    )


def test_every_cited_work_has_an_entry():
    bibliography = (ROOT / "docs/bibliography.md").read_text(encoding="utf-8")
    cited = [path for path in FILES if path.suffix == ".md"] + OUTSIDE_TESTS
    wrong = {name(p): unknown_works(p.read_text("utf-8"), bibliography) for p in cited}
    assert {page: keys for page, keys in wrong.items() if keys} == {}


def test_unknown_works_are_found():
    bibliography = "- **[Known2000]** A. Known.\n- **[Known2001b]** The same. See [Other1999].\n"
    text = "[Known2000], Lemma 1; [Known2001b]; [Known2001]; [Other1999]; V[X]; P[2024]"
    assert unknown_works(text, bibliography) == {"Known2001", "Other1999"}


def test_the_files_are_listed():
    names = set(map(name, FILES))
    assert {"gmrl.py", "tabular/mdp.py", "README.md", "tests/test_house.py"} <= names
    assert {part(path) for path in OUTSIDE_TESTS} >= {"tabular", "theory", "figures", "gmrl"}
