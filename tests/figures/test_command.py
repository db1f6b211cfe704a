"""`gmrl figure` and `gmrl claims`: what they write and say, and how they end."""

import errno
import html
import re

import pytest

from figures.catalog import EXPERIMENTS
from figures.sweep import store
from figures.sweep.local import in_this_process
from tests.command_line import assert_refused, contents, gmrl_run, strict

SMOKE = ("--profile", "smoke", "--jobs", "1")
#: The figure whose smoke profile takes no time, and how many cells it has.
LIGHT, CELLS = "hessian", 2


def results(folder):
    """Files with numbers and pictures."""
    return {name: data for name, data in contents(folder).items() if "/" not in name}


def stored(folder):
    return sorted(path.name for path in (folder / "cells").rglob("*.npz"))


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


# What they do.


def test_all_figures_and_the_page(finished, smoke, run_here, nothing_is_computed, blank_pictures):
    done = run_here("figure", "all", *SMOKE, "--out", "out")
    assert done.returncode == 0, done.stderr
    for name in EXPERIMENTS:
        assert {f"{name}.nc", f"{name}.csv", f"{name}.svg"} <= set(contents(finished))
        assert f"{name}: out/{name}.nc, .csv, .svg" in done.stdout
    page = (finished / "index.html").read_text(encoding="utf-8")
    for name, experiment in EXPERIMENTS.items():
        assert f'id="figure-{name}"' in page
        for claim in experiment.claims(smoke):
            assert html.escape(claim.sentence) in page
    assert "written: out/index.html" in done.stdout
    assert "seed 0, profile smoke" in done.stdout
    assert "full protocol: gmrl figure all --profile paper" in done.stdout
    assert "[1/" in done.stderr


def test_the_page_comes_with_all_figures_only(run_here, tmp_path, blank_pictures):
    done = run_here("figure", LIGHT, *SMOKE)
    assert done.returncode == 0, done.stderr
    assert set(results(tmp_path / "out/figures/smoke")) == {
        "gmrl-figures.json",
        "hessian.nc",
        "hessian.csv",
        "hessian.svg",
    }


def test_two_runs_write_the_same_bytes(tmp_path, run_here):
    """Here with one worker, and in another process with two."""
    command = ("figure", LIGHT, "--profile", "smoke", "--jobs")
    for done in (
        run_here(*command, "1", "--out", "run1"),
        gmrl_run(tmp_path, *command, "2", "--out", "run2"),
    ):
        assert done.returncode == 0, done.stderr
    first, second = (results(tmp_path / f"run{jobs}") for jobs in "12")
    assert first == second
    assert {f"{LIGHT}.{suffix}" for suffix in ("nc", "csv", "svg", "png")} < set(first)


@pytest.mark.slow
def test_two_runs_of_everything_write_the_same_bytes(tmp_path):
    for jobs in ("1", "2"):
        out = ("--out", f"run{jobs}")
        done = gmrl_run(tmp_path, "figure", "all", "--profile", "smoke", "--jobs", jobs, *out)
        assert done.returncode == 0, done.stderr
    first, second = (results(tmp_path / f"run{jobs}") for jobs in "12")
    assert set(first) == set(second)
    different = {name for name in first if first[name] != second[name]}
    assert different == {"index.html"}


def test_claims_as_json_are_strict(finished, smoke, run_here, nothing_is_computed):
    done = run_here("claims", *SMOKE, "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    rows = strict(done.stdout)
    expected = [claim for one in EXPERIMENTS.values() for claim in one.claims(smoke)]
    assert [row["sentence"] for row in rows] == [claim.sentence for claim in expected]
    assert [row["verdict"] for row in rows] == [claim.verdict for claim in expected]
    assert len(rows[0]["comparisons"]) == len(expected[0].comparisons)
    assert strict((finished / "claims.json").read_text(encoding="utf-8")) == rows


def test_claims_as_a_table_count_their_verdicts(finished, smoke, run_here):
    done = run_here("claims", *SMOKE, "--out", "out")
    assert done.returncode == 0, done.stderr
    counts = re.search(
        r"(\d+) claims: (\d+) reproduced, (\d+) not reproduced, (\d+) inc", done.stdout
    )
    total, *each = map(int, counts.groups())
    assert total == sum(each) == sum(len(one.claims(smoke)) for one in EXPERIMENTS.values())
    assert "written: out/claims.json; seed 0, profile smoke" in done.stdout


def test_another_seed_is_another_run(run_here, tmp_path, blank_pictures):
    def data(seed):
        done = run_here("figure", LIGHT, *SMOKE, "--out", "out", "--seed", seed)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "out/hessian.nc").read_bytes()

    first = data("0")
    assert len(stored(tmp_path / "out")) == CELLS
    assert data("1") != first
    assert len(stored(tmp_path / "out")) == 2 * CELLS
    assert data("0") == first
    assert len(stored(tmp_path / "out")) == 2 * CELLS


# What they refuse.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("figure", "fig9"), "unknown figure 'fig9'; choose from table2, compositional, .*, all"),
        (("figure", "fig5", "fig 5"), "unknown figure 'fig 5'"),
        (("figure", "fig5", "--profile", "full"), "unknown profile 'full'; choose from smoke, qu"),
        (
            ("claims", "--profile", "full"),
            "unknown profile 'full'; choose from smoke, quick, paper",
        ),
        (("figure",), ".*NAME"),
        (("figure", "fig5", "--jobs", "0"), ".*'--jobs'.* 1 "),
        (("figure", "fig5", "--jobs", "1.5"), ".*'--jobs'"),
        (("claims", "--jobs", "-2"), ".*'--jobs'.* 1 "),
        (("figure", "fig5", "--seed", "-1"), ".*'--seed'.* 0 "),
        (("claims", "--seed", "x"), ".*'--seed'"),
        (
            ("figure", "fig5", "--jobs", "2", "--dask", "tcp://localhost:1"),
            "--jobs must be at least 1, and is for this machine only; it was given with --dask",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_arguments_are_one_line(arguments, message, run_here, tmp_path):
    assert_refused(run_here(*arguments), message)
    assert contents(tmp_path) == {}


def test_a_folder_with_other_files_is_left_alone(run_here, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    before = contents(tmp_path)
    done = run_here("figure", LIGHT, *SMOKE, "--out", "out")
    assert_refused(done, r"out holds files that gmrl did not make \(thesis\.tex\)")
    assert contents(tmp_path) == before


def test_a_file_is_no_folder(run_here, tmp_path):
    (tmp_path / "out").write_text("x")
    done = run_here("claims", *SMOKE, "--out", "out")
    assert_refused(done, "out is not a folder; give an empty folder with --out")


def test_a_folder_that_cannot_be_written_to(run_here, monkeypatch):
    def denied(path, write):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(store, "write_atomically", denied)
    assert_refused(run_here("figure", LIGHT, *SMOKE, "--out", "out"), "Permission denied: out/gmrl")


@pytest.mark.slow
def test_a_cluster_that_does_not_answer(run_here, tmp_path):
    pytest.importorskip("distributed")
    arguments = ("--profile", "smoke", "--dask", "tcp://127.0.0.1:9")
    done = run_here("figure", LIGHT, *arguments, "--out", "out")
    assert_refused(done, ".*tcp://127.0.0.1:9")
    assert stored(tmp_path / "out") == []


# What happens on the way.


def only_the_first(monkeypatch, error):
    """Raise the error where the second cell is written."""
    real, count = store.write_atomically, 0

    def write(path, content):
        nonlocal count
        if path.suffix == ".npz":
            count += 1
            if count > 1:
                raise error
        real(path, content)

    monkeypatch.setattr(store, "write_atomically", write)


def test_a_full_disk_keeps_what_was_finished(run_here, tmp_path, monkeypatch, blank_pictures):
    full = OSError(errno.ENOSPC, "No space left on device", "out/cells/hessian/x.npz")
    with monkeypatch.context() as patch:
        only_the_first(patch, full)
        done = run_here("figure", LIGHT, *SMOKE, "--out", "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert last_line(done) == "gmrl: No space left on device: out/cells/hessian/x.npz"
    assert len(stored(tmp_path / "out")) == 1
    assert set(results(tmp_path / "out")) == {"gmrl-figures.json"}
    computed = []

    def watched(cells):
        computed.extend(cells)
        return in_this_process(cells)

    monkeypatch.setattr("figures.sweep.local.in_this_process", watched)
    assert run_here("figure", LIGHT, *SMOKE, "--out", "out").returncode == 0
    assert computed == [1]


def test_an_interrupt_keeps_what_was_finished(run_here, tmp_path, monkeypatch):
    only_the_first(monkeypatch, KeyboardInterrupt())
    done = run_here("figure", LIGHT, *SMOKE, "--out", "out")
    assert done.returncode == 130
    assert last_line(done) == "gmrl: interrupted; what was finished is in the output folder"
    assert len(stored(tmp_path / "out")) == 1


def test_a_damaged_cell_is_named_and_computed_again(run_here, tmp_path, blank_pictures):
    arguments = ("figure", LIGHT, *SMOKE, "--out", "out")
    run_here(*arguments)
    first = results(tmp_path / "out")
    cell = next((tmp_path / "out/cells").rglob("*.npz"))
    whole = cell.read_bytes()
    cell.write_bytes(whole[:-40])
    done = run_here(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"out/cells/hessian/{cell.name} is damaged or not a file of gmrl's" in done.stderr
    assert "computed again" in done.stderr
    assert results(tmp_path / "out") == first
    assert len(stored(tmp_path / "out")) == CELLS
    assert "damaged" not in run_here(*arguments).stderr


def test_a_bug_in_an_experiment_is_not_hidden(run_here, monkeypatch):
    def broken(settings):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("figures.experiments.hessian.simulate", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_here("figure", LIGHT, *SMOKE, "--out", "out")
