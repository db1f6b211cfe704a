"""Sweeps on one machine."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from figures.sweep.run import WorkerDied, run_cells
from figures.sweep.store import Store
from tests.command_line import ENVIRONMENT, ROOT
from tests.figures.sweep.example import NUM_CELLS, bits, cells, dies, fails, silent


def saved(store):
    return sorted(path.name for path in store.folder.rglob("*.npz"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return bits(run_cells(cells(), Store(tmp_path_factory.mktemp("one")), jobs=1, advance=silent))


@pytest.mark.parametrize("jobs", [2, 3, None])
def test_the_number_of_workers_does_not_change_a_bit(store, truth, jobs):
    assert bits(run_cells(cells(), store, jobs=jobs, advance=silent)) == truth
    assert len(saved(store)) == NUM_CELLS


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_one_missing_cell_is_computed(store, truth, jobs):
    run_cells(cells(), store, jobs=1, advance=silent)
    store.path(cells()[2]).unlink()
    assert bits(run_cells(cells(), store, jobs=jobs, advance=silent)) == truth
    assert len(saved(store)) == NUM_CELLS


def test_a_machine_of_one_core(store, truth, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert bits(run_cells(cells(), store, advance=silent)) == truth


def test_a_folder_that_vanishes_ends_the_run(store):
    def remove(*_):
        shutil.rmtree(store.folder)

    with pytest.raises(FileNotFoundError):
        run_cells(cells(), store, jobs=1, advance=remove)
    assert not store.folder.exists()


def test_finished_cells_are_not_computed_again(store, tmp_path):
    log, told = tmp_path / "log", []
    first = run_cells(cells(log=str(log)), store, jobs=1, advance=lambda *names: told.append(names))
    assert told == [("example", f"cell {index}") for index in range(NUM_CELLS)]
    again = run_cells(cells(log=str(log)), store, jobs=2, advance=lambda *names: told.append(names))
    assert len(told) == 2 * NUM_CELLS
    assert log.read_text().split() == [str(index) for index in range(NUM_CELLS)]
    assert bits(first) == bits(again)
    assert [one.seconds for one in first] == [one.seconds for one in again]


def test_a_changed_setting_is_computed_and_the_old_file_stays(store):
    run_cells(cells(), store, jobs=1, advance=silent)
    before = saved(store)
    run_cells(cells(seed=1), store, jobs=1, advance=silent)
    assert set(before) < set(saved(store))
    assert len(saved(store)) == 2 * NUM_CELLS


def test_a_damaged_file_is_computed_again(tmp_path, truth):
    told: list[str] = []
    store = Store(tmp_path / "out", warn=told.append)
    run_cells(cells(), store, jobs=1, advance=silent)
    store.path(cells()[3]).write_bytes(b"")
    assert bits(run_cells(cells(), store, jobs=1, advance=silent)) == truth
    assert len(told) == 1
    assert bits(run_cells(cells(), store, jobs=1, advance=silent)) == truth
    assert len(told) == 1


def test_bad_arguments(store):
    with pytest.raises(ValueError, match="received twice: example: cell 0"):
        run_cells([*cells(), cells()[0]], store, jobs=1, advance=silent)
    with pytest.raises(ValueError, match=r"--jobs must be at least 1.*it is 0"):
        run_cells(cells(), store, jobs=0, advance=silent)
    with pytest.raises(ValueError, match="it was given with --dask"):
        run_cells(cells(), store, jobs=2, dask="tcp://127.0.0.1:9", advance=silent)
    for address in ("", "nonsense:::://", "host", "tcp://host", "tcp://a b:1"):
        with pytest.raises(ValueError, match="must be like tcp://host:8786, received"):
            run_cells(cells(), store, dask=address, advance=silent)
    assert run_cells([], store, advance=silent) == []


def test_a_dead_worker_is_told_and_finished_cells_are_kept(store, truth):
    with pytest.raises(WorkerDied, match=r"2 of 6 cells are stored.*same command") as caught:
        run_cells(cells(dies), store, jobs=2, advance=silent)
    assert "\n" not in str(caught.value)
    assert len(saved(store)) == 2
    # The function is not part of the key: the command continues with one that works.
    assert bits(run_cells(cells(), store, jobs=2, advance=silent)) == truth


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bug_is_not_hidden(store, jobs):
    with pytest.raises(ZeroDivisionError) as caught:
        run_cells(cells(fails), store, jobs=jobs, advance=silent)
    trace = caught.getrepr() if jobs == 1 else caught.value.__cause__
    assert "example.py" in str(trace)
    assert len(saved(store)) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_that_cannot_be_written_to_ends_the_sweep(store, jobs, monkeypatch):
    def refused(path, write):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("figures.sweep.store.write_atomically", refused)
    with pytest.raises(PermissionError) as caught:
        run_cells(cells(), store, jobs=jobs, advance=silent)
    assert str(store.folder) in caught.value.filename


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished(store, jobs):
    def interrupt(figure, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells(cells(seconds=0.1), store, jobs=jobs, advance=interrupt)
    assert len(saved(store)) == 1


def start(folder: Path, log: Path, jobs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.figures.sweep.example", str(folder), str(log), str(jobs)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def running(group: int) -> list[str]:
    """Command lines of the processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter(["pid", "status", "cmdline"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                found.append(" ".join(process.info["cmdline"] or []))
    return found


def stop_after(count: int, folder: Path, process: subprocess.Popen[str], number: int) -> str:
    """Send a signal when so many cells are stored, wait for the end, return standard error.

    Ctrl-C reaches the whole group, as from a terminal; any other signal the process alone. Nothing
    of the group is left afterwards.
    """
    deadline = time.monotonic() + 60
    while len(list(folder.rglob("*.npz"))) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    errors = process.communicate(timeout=30)[1]
    deadline = time.monotonic() + 10
    while running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(process.pid) == []
    return errors


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_after_kill_9_the_sweep_continues(tmp_path, truth, jobs):
    folder, log = tmp_path / "out", tmp_path / "log"
    stop_after(2, folder, start(folder, log, jobs), signal.SIGKILL)
    kept = len(list(folder.rglob("*.npz")))
    assert 2 <= kept < NUM_CELLS
    computed = len(log.read_text().split())
    assert start(folder, log, jobs).communicate(timeout=60) == (None, "")
    # Stored cells are not computed again; all others once more.
    assert len(log.read_text().split()) == computed + NUM_CELLS - kept
    again = cells(log=str(log), seconds=0.4)
    assert bits(run_cells(again, Store(folder), jobs=1, advance=silent)) == truth


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_after_ctrl_c_no_worker_is_left(tmp_path, jobs):
    folder, log = tmp_path / "out", tmp_path / "log"
    process = start(folder, log, jobs)
    errors = stop_after(2, folder, process, signal.SIGINT)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert 2 <= len(list(folder.rglob("*.npz"))) < NUM_CELLS
