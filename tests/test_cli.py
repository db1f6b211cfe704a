"""Errors in mid-run, and the parts of the command line."""

import re

import numpy as np
import pytest

import gmrl
from figures.progress import progress
from tabular import TabularMDP
from tests.command_line import QUICK, P, assert_refused, strict, write_mdp


def test_a_full_disk_is_one_line(monkeypatch, tmp_path, run_here):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("figures.save.write_text", full)
    done = run_here("verify", write_mdp(tmp_path), *QUICK)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert re.match(r"gmrl: No space left on device: out/verify/tiny-.*\.json", last)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError("Unable to allocate 9 TiB"), 2, "gmrl: not enough memory (Unable to alloc"),
        (MemoryError(), 2, "gmrl: not enough memory (N, T or the MDP is too large)"),
        (OverflowError(), 2, "gmrl: a number is out of range"),
        (KeyboardInterrupt(), 130, "gmrl: interrupted; what was finished is in the output folder"),
    ],
)
def test_errors_in_mid_run_are_one_line(error, code, message, monkeypatch, tmp_path, run_here):
    def broken(*_):
        raise error

    monkeypatch.setattr("theory.verification.verify", broken)
    done = run_here("verify", write_mdp(tmp_path), *QUICK)
    assert done.returncode == code
    assert done.stderr.strip().splitlines()[-1].startswith(message)


@pytest.mark.parametrize(
    "error", [AttributeError, ValueError, TypeError, ZeroDivisionError, KeyError, IndexError]
)
def test_a_bug_is_not_hidden(error, monkeypatch, tmp_path, run_here):
    """Only what the checks of the input raise becomes one line; later errors have a traceback."""

    def broken(*_):
        raise error("a bug")

    monkeypatch.setattr("theory.verification.verify", broken)
    with pytest.raises(error, match="a bug"):
        run_here("verify", write_mdp(tmp_path), *QUICK)


def test_the_message_of_bad_input_is_one_line(monkeypatch, tmp_path, run_here):
    def refused(*_):
        raise ValueError("two\n   lines")

    monkeypatch.setattr("theory.verification.check_mdp", refused)
    assert_refused(run_here("verify", write_mdp(tmp_path), *QUICK), "two lines")


def test_load_mdp(tmp_path):
    drawn = gmrl.load_mdp("random", gamma=0.5, seed=3)
    expected = TabularMDP.random(20, 5, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(drawn.P, expected.P)
    np.testing.assert_array_equal(drawn.R, expected.R)
    assert drawn.gamma == 0.5
    assert gmrl.load_mdp("random", gamma=None, seed=3).gamma == 0.8
    assert not np.array_equal(gmrl.load_mdp("random", gamma=0.5, seed=4).P, expected.P)

    read = gmrl.load_mdp(str(tmp_path / write_mdp(tmp_path)), gamma=0.5, seed=0)
    np.testing.assert_array_equal(read.P, P)
    assert (read.name, read.gamma) == ("tiny", 0.5)
    assert gmrl.load_mdp(str(tmp_path / "tiny.npz"), gamma=None, seed=0).gamma == 0.9

    lake = gmrl.load_mdp("FrozenLake-v1", gamma=0.5, seed=0)
    assert (lake.name, lake.num_states, lake.gamma) == ("FrozenLake-v1", 17, 0.5)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("FrozenLake-v1 8x8", "frozenlake-v1-8x8"),
        ("random 20x5", "random-20x5"),
        ("../../etc/passwd", "etc-passwd"),
        ("a  --  b.json", "a-b-json"),
        ("∂θ", "mdp"),
        ("", "mdp"),
    ],
)
def test_slug(title, expected):
    assert gmrl.slug(title) == expected


def test_writable_folder(tmp_path):
    deep = tmp_path / "a" / "b"
    assert gmrl.writable_folder(deep) == deep
    assert list(deep.iterdir()) == []
    assert gmrl.writable_folder(deep) == deep
    below = tmp_path / "file"
    below.write_text("x")
    for path in (below, below / "out"):
        with pytest.raises(OSError, match=re.escape(f"output folder {path}: ")) as caught:
            gmrl.writable_folder(path)
        assert "[Errno" not in str(caught.value)


def test_to_json_is_strict():
    assert strict(gmrl.to_json({"a": [1.5, None]})) == {"a": [1.5, None]}
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            gmrl.to_json({"a": float(value)})


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_in_plain_lines(quiet, capsys, monkeypatch):
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    with progress(2, quiet=quiet) as (say, advance):
        advance("[x] lake", "ad")
        say("[bold]result[/bold]" + 30 * " long")
        advance("lake", "lvc")
    captured = capsys.readouterr()
    assert captured.err == "[1/2] [x] lake: ad\n[2/2] lake: lvc\n"
    assert captured.out == ("" if quiet else "[bold]result[/bold]" + 30 * " long" + "\n")


@pytest.mark.parametrize(("finished", "shown"), [(False, "0/2"), (True, "1/2")])
def test_a_step_that_is_named_is_to_come_or_is_done(finished, shown, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(2, quiet=False, finished=finished) as (_, advance):
        advance("lake")
    assert shown in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)


def test_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(2, quiet=False) as (say, advance):
        advance("[/x] lake", "ad")
        say("result")
        advance("lake", "lvc")
    captured = capsys.readouterr()
    assert "result" in captured.out
    assert "lake" not in captured.out
    assert "lake: lvc" in captured.err
    assert "1/2" in captured.err
