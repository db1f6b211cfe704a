"""Sweeps on a Dask cluster of separate processes, reached through its address."""

import sys
import time

import pytest

pytest.importorskip("distributed")

from distributed import LocalCluster

from figures.sweep.run import WorkerDied, run_cells
from figures.sweep.store import Store
from tests.figures.sweep.example import NUM_CELLS, bits, cells, dies, fails, silent

UNUSED = "tcp://127.0.0.1:9"


@pytest.fixture(scope="module")
def address():
    with LocalCluster(
        n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def num_saved(store):
    return len(list(store.folder.rglob("*.npz")))


def test_a_cluster_gives_the_same_bits(address, store, tmp_path):
    truth = bits(run_cells(cells(), Store(tmp_path / "one"), jobs=1, advance=silent))
    assert bits(run_cells(cells(), store, dask=address, advance=silent)) == truth
    assert num_saved(store) == NUM_CELLS


def test_a_bug_is_not_hidden(address, store):
    with pytest.raises(ZeroDivisionError) as caught:
        run_cells(cells(fails), store, dask=address, advance=silent)
    assert "example.py" in str(caught.getrepr())
    assert num_saved(store) >= 1


def test_workers_of_other_code_are_refused(address, store, monkeypatch):
    ours = store.fingerprint(cells()[0]) | {"numpy": "1.0"}
    monkeypatch.setattr(store, "fingerprint", lambda cell: ours)
    with pytest.raises(OSError, match="differ in: numpy; install the same version"):
        run_cells(cells(), store, dask=address, advance=silent)
    assert num_saved(store) == 0


def test_an_unreachable_scheduler_is_told_soon_and_quietly(store, capfd, monkeypatch):
    monkeypatch.setattr("figures.sweep.cluster.CONNECT", 2)
    started = time.monotonic()
    with pytest.raises(OSError, match=f"no Dask scheduler answers at '{UNUSED}'.*dask worker"):
        run_cells(cells(), store, dask=UNUSED, advance=silent)
    assert time.monotonic() - started < 5
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "no.such.host.invalid:1"])
def test_what_is_no_address_is_told(store, address):
    with pytest.raises(OSError, match="no Dask scheduler answers"):
        run_cells(cells(), store, dask=address, advance=silent)


def test_without_dask_the_remedy_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OSError, match=r"pip install 'gmrl\[cluster\]'"):
        run_cells(cells(), store, dask=UNUSED, advance=silent)


@pytest.mark.slow
def test_a_dead_worker_is_told_and_finished_cells_are_kept(address, store):
    with pytest.raises(WorkerDied, match="cells are stored, and the same command") as caught:
        run_cells(cells(dies), store, dask=address, advance=silent)
    assert "\n" not in str(caught.value)
    assert num_saved(store) == 2


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_told(store):
    with LocalCluster(
        n_workers=1, processes=True, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:

        def close(figure, name):
            cluster.close()

        with pytest.raises(WorkerDied, match="1 of 6 cells are stored"):
            run_cells(cells(seconds=1.0), store, dask=cluster.scheduler_address, advance=close)
