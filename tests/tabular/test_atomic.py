"""Files are whole or as they were."""

import os
import stat
from pathlib import Path

import pytest

from tabular.atomic import write_atomically


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def breaking(error: BaseException):
    """A writer that gives up half-way."""

    def write(stream):
        stream.write(b"half")
        raise error

    return write


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [{}, {"data.json": b"old"}])
def test_a_failed_or_interrupted_write_leaves_the_folder_as_it_was(before, error, tmp_path):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "data.json", breaking(error))
    assert listing(tmp_path) == before


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    full = breaking(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match=r"No space left on device: .*data\.json"):
        write_atomically(tmp_path / "data.json", full)
    with pytest.raises(OSError, match=r"something else: .*data\.json"):
        write_atomically(tmp_path / "data.json", breaking(OSError("something else")))


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "data.json"
    target.write_text("old")
    seen = []

    def write(stream):
        stream.write(b"new")
        seen.append((Path(stream.name).parent, target.read_text()))

    write_atomically(target, write)
    assert seen == [(tmp_path, "old")]
    assert listing(tmp_path) == {"data.json": b"new"}


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"x")
    write_atomically(tmp_path / "atomic", lambda stream: stream.write(b"x"))
    plain, atomic = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "atomic"))
    assert atomic == plain


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data\.json"):
        write_atomically(tmp_path / "nowhere" / "data.json", lambda stream: stream.write(b"x"))
    assert listing(tmp_path) == {}


def test_a_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / "data.json").mkdir()
    with pytest.raises(OSError, match=r"data\.json"):
        write_atomically(tmp_path / "data.json", lambda stream: stream.write(b"x"))
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


def test_the_longest_name_is_written(tmp_path):
    name = "n" * 255
    write_atomically(tmp_path / name, lambda stream: stream.write(b"x"))
    assert listing(tmp_path) == {name: b"x"}
