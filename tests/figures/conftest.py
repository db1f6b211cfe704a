"""The smoke profile of every figure, computed once for all processes of a test run."""

import fcntl
import shutil

import pytest

from figures import produce
from figures.catalog import EXPERIMENTS


def computed(folder, **options):
    """Every figure of the smoke profile, its cells stored below the folder."""
    plans = produce.plan(list(EXPERIMENTS.values()), "smoke", 0)
    options = {"advance": lambda *_: None, "warn": pytest.fail, "jobs": 1} | options
    return {one.experiment.NAME: one for one in produce.compute(plans, folder, **options)}


@pytest.fixture(scope="session")
def smoke_folder(tmp_path_factory, worker_id):
    """An output folder with all cells of the smoke profile; only for reading."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    folder = base / "smoke"
    with (base / "smoke.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        computed(folder)
    return folder


@pytest.fixture(scope="session")
def smoke_figures(smoke_folder):
    """`produce.Figure` by name, from the stored cells."""
    return computed(smoke_folder)


@pytest.fixture(scope="session")
def smoke(smoke_figures):
    """Datasets by the figure's name."""
    return {name: one.data for name, one in smoke_figures.items()}


@pytest.fixture
def finished(smoke_folder, tmp_path):
    """`out` below the test's folder: all cells of the smoke profile, for the test alone."""
    return shutil.copytree(smoke_folder, tmp_path / "out")


@pytest.fixture
def nothing_is_computed(monkeypatch):
    """Fail if a cell is computed that is stored."""
    monkeypatch.setattr("figures.sweep.run._compute", lambda *_: pytest.fail("computed again"))


@pytest.fixture
def blank_pictures(monkeypatch):
    """Empty pictures, where a test does not look at them."""

    def save(draw, stem):
        svg = stem.with_suffix(".svg")
        svg.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
        return [svg]

    monkeypatch.setattr("figures.produce.save_picture", save)
