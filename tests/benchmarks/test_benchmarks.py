"""Miniatures of every benchmark: the sides agree, the rows and files have their shape. No times."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import benchmarks
from benchmarks import sparse
from benchmarks.cases import AUTOGRAD, JAX, LOOP, PLAIN, TORCH, TORCH_FUNC
from benchmarks.runner import AGREE, distance, duration, measure, steps
from benchmarks.sides import OURS, Case, Prepared, Skipped, Target
from benchmarks.timing import Clock, Timing, interleave
from tabular import exact

#: The library that a side needs.
NEEDS = {
    JAX: "jax",
    TORCH: "torch",
    TORCH_FUNC: "torch",
    LOOP: "torch",
    PLAIN: "torch",
    AUTOGRAD: "autograd",
}
CASES = [case for case in benchmarks.plan(quick=True) if case.name != "sparse"]
IDS = [f"{case.name}, {case.label}" for case in CASES]


# PyTorch's own use of torch.jit, once, inside torch.func.
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
@pytest.mark.parametrize(
    ("case", "side"),
    [
        pytest.param(case, side, id=f"{name}, {side}")
        for case, name in zip(CASES, IDS, strict=True)
        for side in case.sides
        if side != OURS
    ],
)
def test_sides_agree(case, side):
    pytest.importorskip(NEEDS[side])
    problem = case.build()
    ours, theirs = (case.sides[name](problem) for name in (OURS, side))
    expected, actual = (np.asarray((p.result or p.call)()) for p in (ours, theirs))
    assert expected.size > 0
    assert np.ptp(expected) > 1e-6
    assert distance(actual, expected) <= AGREE


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_our_side_is_called_and_counts_its_work(case):
    if case.name == "ipd":
        pytest.importorskip("torch")
    problem = case.build()
    ours = case.sides[OURS](problem)
    assert all(np.all(np.isfinite(part)) for part in np.atleast_1d(ours.call()))
    works = {"call": lambda: 1, "step": lambda: problem.num_steps_simulated}
    assert ours.work == works.get(case.unit, lambda: problem.trials)()


def test_full_plan_names_every_target():
    cases = benchmarks.plan()
    labels = {(case.name, case.label): case for case in cases}
    assert {case.name for case in cases} == set(benchmarks.NAMES)
    for num_states, ratio in ((20, 8), (100, 30), (300, 100)):
        assert labels["hessian", f"S = {num_states}"].target(JAX).ratio == ratio
    assert labels["maml", "S = 20, 256 MDPs"].target(JAX).ratio == 2
    assert labels["sampling", "B = 1, N = 100000"].target(OURS).seconds == 1e-7
    assert labels["sampling", "B = 1000, N = 100"].build().num_steps_simulated == 2_000_000
    for label in ("lvc, N = 32", "loaded_dice, N = 32", "lvc, N = 256", "loaded_dice, N = 256"):
        assert labels["decomposition", label].target(LOOP).ratio == 500
        assert labels["decomposition", label].build().trials == 20
    assert labels["sparse", "random, S = 100000"].target(OURS).seconds == sparse.SECONDS


def test_plan_lists_what_is_named_once_and_in_order():
    names = [case.name for case in benchmarks.plan(["maml", "hessian", "maml"], quick=True)]
    assert list(dict.fromkeys(names)) == ["maml", "hessian"]
    assert len(names) == len(benchmarks.plan(["maml", "hessian"], quick=True))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'speed'.*hessian, maml, .*, sparse"):
        benchmarks.plan(["speed"])


def two_sides(first, second, **options):
    """A case whose sides return fixed values."""
    sides = {OURS: lambda _: Prepared(lambda: np.array(first)), "other": second}
    return Case("toy", "numbers", lambda: None, sides, seconds=0.0, **options)


def test_a_row_is_timed_where_the_numbers_agree():
    ours, other = measure(
        two_sides(
            [1.0, 2.0],
            lambda _: Prepared(lambda: np.array([1.0, 2.0 + 1e-9]), compile_seconds=3.0, work=2.0),
            targets=(Target("other", ratio=0.0), Target(OURS, seconds=1e3)),
        )
    )
    assert (ours.side, ours.ratio, ours.error) == (OURS, None, None)
    assert (ours.target, ours.met) == ("≤ 1e+03 s", True)
    assert 0 < other.error <= AGREE
    assert other.compile_seconds == 3.0
    assert other.ratio == pytest.approx(other.seconds / ours.seconds)
    assert (other.target, other.met) == ("≥ 0", True)
    assert other.calls >= 3
    assert 0 < other.seconds <= other.median


def test_a_missed_target_is_said():
    impossible = (Target("other", ratio=math.inf), Target(OURS, seconds=0.0))
    rows = measure(
        two_sides([1.0], lambda _: Prepared(lambda: np.array([1.0])), targets=impossible)
    )
    assert [row.met for row in rows] == [False, False]


@pytest.mark.parametrize("wrong", [[1.0, 2.0 + 1e-7], [1.0], [1.0, math.nan], [-1.0, -2.0]])
def test_wrong_numbers_are_void(wrong):
    ours, other = measure(two_sides([1.0, 2.0], lambda _: Prepared(lambda: np.array(wrong))))
    assert ours.seconds is not None
    assert other.seconds is None
    assert other.error > AGREE
    assert other.met is False
    assert other.note.startswith("void")


def test_a_side_that_cannot_run_says_why():
    def missing(_):
        raise ModuleNotFoundError("No module named 'jax'", name="jax")

    def large(_):
        raise Skipped("needs 8 GiB")

    assert measure(two_sides([1.0], missing))[1].note == (
        "jax not installed (pip install 'gmrl[bench]')"
    )
    assert measure(two_sides([1.0], large))[1].note == "needs 8 GiB"


def test_run_writes_rows_machine_and_picture(tmp_path):
    cases = [
        replace(case, sides={OURS: case.sides[OURS]}, modules=())
        for case in benchmarks.plan(["hessian"], quick=True)
    ]
    cases.append(replace(sparse.case("grid", 50, 2, last=False), seconds=0.0))
    told = []
    rows = benchmarks.run(cases, tmp_path, lambda *names: told.append(names))
    assert len(told) == steps(cases)
    assert len(rows) == sum(len(case.sides) for case in cases)
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["machine"]["versions"]["numpy"] == np.__version__
    assert [row["case"] for row in document["rows"]] == [row.case for row in rows]
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "sparse.svg", "sparse.png"}
    grid = next(row for row in rows if row.name == "sparse" and row.side == OURS)
    assert grid.details["states"] == 49
    assert 49 * 2 * 3 <= grid.details["transitions"] <= 49 * 2 * sparse.SUCCESSORS
    table = benchmarks.table(rows)
    assert table.row_count == len(rows)


@pytest.mark.parametrize("graph", sparse.GRAPHS)
def test_sparse_graphs(graph):
    made = sparse.make(graph, 100, 3)
    assert made.mdp.P.shape == (300, 100)
    assert np.diff(made.mdp.P.indptr).max() <= sparse.SUCCESSORS
    evaluation = exact.evaluate(made.mdp, made.theta)
    engine = np.stack([evaluation.gradient, evaluation.hvp(made.v)])
    np.testing.assert_allclose(sparse.derivatives(made), engine, rtol=0, atol=0)
    assert distance(sparse.by_iteration(made), engine) <= AGREE


def test_memory_of_a_sparse_mdp_is_measured():
    """S = 2e4 and A = 5 hold 5e5 transitions of 12 bytes, and their transpose."""
    peak = sparse._peak_bytes(lambda: sparse.make("chain", 20_000, 5))
    assert 2 * 12 * 500_000 < peak < 1000 * 500_000


def test_slow_functions_are_timed_once(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.timing.PATIENCE", 1.0)
    functions = {"slow": lambda: calls.append("slow"), "fast": lambda: calls.append("fast")}
    first = {"slow": Clock(4.0, 2.0), "fast": Clock(1e-3, 1e-3)}
    timings = interleave(functions, first, seconds=0.0)
    assert "slow" not in calls
    assert timings["slow"] == Timing(seconds=2.0, median=2.0, calls=1, cores=0.5)
    assert timings["fast"].calls == len(calls) >= 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (1.5e-3, "1.5 ms"), (42e-6, "42 µs"), (46.2e-9, "46.2 ns")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_nothing_needs_a_competitor_to_be_imported():
    """The package loads where no competitor is installed."""
    script = (
        "import sys; sys.modules.update(jax=None, torch=None, autograd=None); import benchmarks; "
        "print(len(benchmarks.plan()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == str(len(benchmarks.plan())), done.stderr
