"""The house rules of imports: they point one way, without cycles, to few libraries."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.house_files import OUTSIDE_TESTS, ROOT, SOURCES, by_file, part

#: What each part of the house may import of the rest; gmrl.py and the tests may import all.
ALLOWED: dict[str, set[str]] = {
    "tabular": set(),
    "theory": {"tabular"},
    "figures": {"tabular", "theory", "adapters"},
    "adapters": {"tabular"},
    "benchmarks": {"tabular", "theory", "figures", "adapters"},
}
HOUSE = {*ALLOWED, "lessons", "tests", "gmrl"}
#: Libraries that only these parts may import.
HEAVY = {"torch", "jax", "jaxlib", "functorch", "ale_py"}
HEAVY_PLACES = {"adapters", "benchmarks", "tests"}


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """(module, names taken from it) of every import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: spell imports out from the root"
            yield node.module or "", [alias.name for alias in node.names]


def roots(source: str) -> set[str]:
    """Top-level packages that a source imports."""
    return {module.partition(".")[0] for module, _ in imports(ast.parse(source))}


def forbidden(source: str, place: str) -> set[str]:
    """What a file of this part imports and must not."""
    found = roots(source)
    wrong = set() if place in HEAVY_PLACES else found & HEAVY
    if place in ALLOWED:
        wrong |= (found & HOUSE) - ALLOWED[place] - {place}
    return wrong


@by_file
def test_imports_point_one_way(path):
    assert forbidden(path.read_text(encoding="utf-8"), part(path)) == set()


def test_figures_know_the_adapters_through_their_studies_only():
    users = {
        path.parent.name
        for path in OUTSIDE_TESTS
        if part(path) == "figures" and "adapters" in roots(path.read_text(encoding="utf-8"))
    }
    assert users == {"studies"}


def test_nothing_but_numpy_and_scipy_under_the_engine():
    """`tabular` and `theory` need no more; gymnasium is imported where a table is asked for.

    numba is imported by `tabular.kernels`, which `tabular.compiled` loads where it is installed,
    and flint by `theory.certified`, for those who ask for proofs.
    """
    import sys

    for path in OUTSIDE_TESTS:
        if part(path) in {"tabular", "theory"}:
            others = roots(path.read_text(encoding="utf-8")) - set(sys.stdlib_module_names)
            allowed = {"numpy", "scipy", "tabular", "theory", "gymnasium"}
            if path.stem == "kernels":
                allowed.add("numba")
            if path.parent.name == "certified":
                allowed.add("flint")
            assert others <= allowed, path


@pytest.mark.parametrize(
    ("source", "place", "wrong"),
    [
        ("from theory.settings import Settings", "tabular", {"theory"}),
        ("def f():\n    import gmrl", "tabular", {"gmrl"}),
        ("import figures.save", "theory", {"figures"}),
        ("from tests.strategies import mdps", "figures", {"tests"}),
        ("from benchmarks import timing", "adapters", {"benchmarks"}),
        ("import jax.numpy as jnp", "figures", {"jax"}),
        ("def f():\n    from torch import nn", "gmrl", {"torch"}),
        ("import torch", "lessons", {"torch"}),
        ("import torch, jax", "benchmarks", set()),
        ("import torch", "adapters", set()),
        ("import numpy\nfrom tabular import exact", "tabular", set()),
        ("from tabular import exact\nimport theory.settings", "figures", set()),
    ],
)
def test_forbidden_imports_are_found(source, place, wrong):
    assert forbidden(source, place) == wrong


# No cycles inside the engine.


def module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run at import; not those for type checkers."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                pending.append(child)
            elif isinstance(child, ast.ExceptHandler):
                pending += child.body


def dependencies(source: str, package: str, modules: Iterable[str]) -> set[str]:
    """Modules of the package imported at module level, dotted; "" is the package's own __init__."""
    known, found = set(modules), set()
    for node in module_level(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name, taken in imports(node):
            root, _, module = name.partition(".")
            if root != package:
                continue
            within = {f"{module}.{other}".removeprefix(".") for other in taken} & known
            found |= within
            if len(within) < len(taken) or not taken:
                found.add(module)
    return found


def dotted(path: Path) -> str:
    """A file's name within its package: finite.problem, or "" for the package's own __init__."""
    inside = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(inside).removesuffix("__init__").removesuffix(".")


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle, its first module repeated at the end; empty if there is none."""
    done: set[str] = set()

    def search(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph.get(module, set())):
            found = search(other, [*trail, module])
            if found:
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := search(module, []))), [])


@pytest.mark.parametrize("package", ["tabular", "theory", "figures", "adapters"])
def test_no_cycles(package):
    sources = {
        dotted(path): path.read_text(encoding="utf-8") for path in SOURCES if part(path) == package
    }
    graph = {name: dependencies(text, package, sources) for name, text in sources.items()}
    assert cycle(graph) == []
    if package == "tabular":
        assert "mdp" in graph[""]
        assert {"policy", "mdp"} <= graph["evaluation"]


def test_cycles_are_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"a"}}) == ["a", "a"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    known = ("a", "b", "c", "d")
    source = (
        "from p import a, Name\nfrom p.b import f\nimport p.c as q\nimport numpy\n"
        "def g():\n    from p import d\n"
    )
    assert dependencies(source, "p", known) == {"a", "", "b", "c"}
    nested = "from p.a import e, Name\nfrom p.f import g\nfrom p.f.g import h\n"
    assert dependencies(nested, "p", ("a", "a.e", "f", "f.g")) == {"a", "a.e", "f.g"}
    lazy = "if TYPE_CHECKING:\n    from p import a\nelse:\n    from p import b\n"
    assert dependencies(lazy, "p", known) == {"b"}
    guarded = "try:\n    from p import a\nexcept ImportError:\n    from p import b\n"
    assert dependencies(guarded, "p", known) == {"a", "b"}
