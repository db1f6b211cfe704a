import hashlib
import io
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from figures.sweep import fingerprint as module
from figures.sweep.fingerprint import fingerprint
from figures.sweep.store import DIGEST_SIZE, MARKER, Store, _decode, _encode, claim_folder
from tests.figures.sweep.example import cells

CELL = cells(count=1)[0]
RESULT = {
    "x": np.arange(6.0).reshape(2, 3).T,
    "file": np.array(np.nan),  # the name of numpy.savez's own argument
    "none": np.zeros((0, 2)),
    "counts": np.arange(3),
}


@pytest.fixture
def told():
    return []


@pytest.fixture
def store(tmp_path, told):
    return Store(tmp_path / "out", warn=told.append)


def test_what_is_saved_is_loaded(store, told):
    assert store.load(CELL) is None
    saved = store.save(CELL, RESULT, 1.5)
    loaded = store.load(CELL)
    assert saved.seconds == loaded.seconds == 1.5
    assert list(saved.result) == list(RESULT)
    for name, values in RESULT.items():
        for one in (saved, loaded):
            assert one.result[name].dtype == values.dtype
            np.testing.assert_array_equal(one.result[name], values)
            # Sums over arrays of another layout round otherwise.
            assert one.result[name].flags.c_contiguous
    assert told == []


def test_where_it_is(store):
    path = store.path(replace(CELL, name="Loaded-DiCE, N = 2/4: ∇"))
    assert path.parent == store.folder / "example"
    assert path.name.startswith("loaded-dice-n-2-4-")
    assert len(path.stem.rpartition("-")[2]) == 16
    assert path.suffix == ".npz"


def test_the_file_opens_with_numpy(store):
    store.save(CELL, RESULT, 1.5)
    with np.load(store.path(CELL), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["result/x"], RESULT["x"])


@pytest.mark.parametrize(
    "change",
    [
        {"figure": "other"},
        {"name": "other"},
        {"settings": dict(CELL.settings) | {"seed": 1}},
    ],
)
def test_another_cell_is_another_file(store, change):
    store.save(CELL, RESULT, 1.5)
    other = replace(CELL, **change)
    assert store.load(other) is None
    store.save(other, RESULT, 2.5)
    assert store.load(CELL).seconds == 1.5
    assert store.load(other).seconds == 2.5


def test_tuples_and_order_of_settings_do_not_matter(store):
    one = replace(CELL, settings={"a": (1, 2), "b": 0.1})
    assert store.path(one) == store.path(replace(CELL, settings={"b": 0.1, "a": [1, 2]}))


@pytest.mark.parametrize("value", [np.nan, np.float64("inf"), np.arange(2), {1, 2}])
def test_settings_that_are_no_json_are_refused(store, value):
    with pytest.raises((ValueError, TypeError), match="example, cell 0: settings must be JSON"):
        store.load(replace(CELL, settings={"x": value}))


def test_results_that_are_no_numbers_are_refused(store):
    with pytest.raises(TypeError, match="cell 0: x must be an array of numbers"):
        store.save(CELL, {"x": np.array([None])}, 1.0)
    assert store.load(CELL) is None


def test_every_flipped_byte_is_found(store, told):
    store.save(CELL, RESULT, 1.5)
    path = store.path(CELL)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match="damaged"):
            _decode(bytes(damaged), store._identity(CELL))
    path.write_bytes(whole[:-1])
    assert store.load(CELL) is None
    assert len(told) == 1
    assert str(path) in told[0]


def test_checksums_of_an_archive_alone_would_miss_a_flip():
    """Why there is a digest: one bit makes 60000 numbers 20000, and is not noticed."""
    stream = io.BytesIO()
    np.savez(stream, x=np.arange(60000.0))
    damaged = stream.getvalue().replace(b"(60000,)", b"(20000,)")
    with np.load(io.BytesIO(damaged)) as archive:
        assert archive["x"].shape == (20000,)


def signed(store, cell=CELL, **arrays):
    """A file with a right digest."""
    return _encode(store._identity(cell), arrays, 1.0)


def without_arrays(store):
    """An archive, with a right digest, that lacks an array it announces."""
    stream = io.BytesIO()
    with np.load(io.BytesIO(signed(store, x=np.zeros(2))[:-DIGEST_SIZE])) as archive:
        np.savez(stream, about=archive["about"])
    return stream.getvalue() + hashlib.sha256(stream.getvalue()).digest()


def anonymous(store):
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros(2))
    return stream.getvalue() + hashlib.sha256(stream.getvalue()).digest()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda store: b"", "damaged"),
        (lambda store: b"a picture", "damaged"),
        (lambda store: signed(store, x=np.zeros(2))[:100], "damaged"),
        (lambda store: signed(store, x=np.array([None])), "Object arrays|pickle"),
        (lambda store: signed(store, cells(seed=1)[0], x=np.zeros(2)), "another cell"),
        (without_arrays, "does not hold the arrays"),
        (anonymous, "does not say"),
    ],
)
def test_wrong_files_are_named_and_replaced(store, told, content, why):
    path = store.path(CELL)
    path.parent.mkdir()
    path.write_bytes(content(store))
    assert store.load(CELL) is None
    assert len(told) == 1
    assert str(path) in told[0]
    assert "computed again" in told[0]
    assert re.search(why, told[0]), told[0]
    store.save(CELL, RESULT, 1.5)
    assert store.load(CELL) is not None
    assert len(told) == 1


def test_a_full_disk_names_the_file(store, monkeypatch):
    def full(stream):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        store.save(CELL, RESULT, 1.5)
    assert caught.value.filename == str(store.path(CELL))
    assert list(store.path(CELL).parent.iterdir()) == []


# Folders.


def test_a_folder_of_others_is_refused(tmp_path):
    for name in ("b.txt", "a.txt", "d", "c"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=r"\(a\.txt, b\.txt, c, \.\.\.\).*--out") as caught:
        claim_folder(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / MARKER).exists()
    with pytest.raises(ValueError, match="is not a folder"):
        claim_folder(tmp_path / "a.txt")


def test_empty_missing_and_own_folders_are_claimed(tmp_path):
    claim_folder(tmp_path)
    claim_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / MARKER).is_file()
    (tmp_path / "mine.txt").write_text("mine")
    claim_folder(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_a_killed_run_left_is_no_foreign_file(tmp_path):
    (tmp_path / f".{32 * 'a'}.tmp").write_text("half")
    claim_folder(tmp_path)
    assert (tmp_path / MARKER).is_file()


def test_foreign_files_beside_the_cells_are_left_alone(tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    Store(folder).save(CELL, {"x": np.ones(2)}, 0.0)
    assert (folder / "mine.txt").read_text() == "mine"


# What else results depend on.


def test_other_code_is_another_key(tmp_path, monkeypatch):
    before = Store(tmp_path)
    before.save(CELL, RESULT, 1.5)
    sources = list(module._sources(module.PACKAGES))
    assert any(name == "tabular/mdp.py" for name, _ in sources)
    assert any(name.startswith("theory/") for name, _ in sources)
    changed = tmp_path / "changed.py"
    changed.write_text("x = 1\n")
    monkeypatch.setattr(module, "_sources", lambda _: [*sources[:-1], (sources[-1][0], changed)])
    assert Store(tmp_path).load(CELL) is None
    assert before.load(CELL) is not None


def test_the_fingerprint_names_versions(monkeypatch):
    found = fingerprint()
    assert found["numpy"] == np.__version__
    assert set(found) == {"python", "numpy", "scipy", "numba", "sources"}
    monkeypatch.setattr(module, "LIBRARIES", ("numpy", "scipy", "no-such-library"))
    assert fingerprint()["no-such-library"] == "not installed"


def test_pytorch_and_the_adapters_decide_their_own_cells_only():
    ours, theirs = fingerprint(), fingerprint("adapters")
    assert set(theirs) == {*ours, "torch"}
    assert theirs["sources"] != ours["sources"]
    names = [name for name, _ in module._sources(module.WITH_TORCH[1])]
    assert "adapters/surrogates.py" in names
    assert "tabular/lola.py" in names
    assert not any(name.startswith("theory/") for name in names)
