"""The command line: exit codes, one clear line for bad input, files that stay, strict JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gmrl
import theory.laws
from tabular import TabularMDP, files, zoo

ROOT = Path(__file__).parents[1]
QUICK = ("-N", "4", "-T", "2", "--estimators", "ad,lvc")
P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
GOOD: dict[str, Any] = {"P": P, "R": np.eye(2), "gamma": 0.9, "initial": 0, "name": "tiny"}
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")},
    "PYTHONPATH": str(ROOT),
    "PYTHONIOENCODING": "utf-8",
}


def gmrl_run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gmrl", *arguments],
        cwd=folder,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def write_mdp(folder: Path, file_name: str = "tiny.npz", **changes: Any) -> str:
    np.savez(folder / file_name, **GOOD | changes)
    return file_name


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Run `gmrl` in this process, in a folder; same result as `gmrl_run`, faster."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gmrl", *arguments])
        for variable in ("COLUMNS", "FORCE_COLOR"):
            monkeypatch.delenv(variable, raising=False)
        code: Any = 0
        try:
            gmrl.main()
        except SystemExit as done:
            code = done.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def no_pictures(monkeypatch):
    """Skip what takes longest where a test does not look at it."""
    monkeypatch.setattr("figures.save.save_picture", lambda draw, stem: [])


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """One line on standard error that starts with `gmrl: ` and says what is wrong; no output."""
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert re.match(f"gmrl: .*{message}", lines[0]), lines[0]
    assert done.stdout == ""


# Bad input: name -> (arguments, message), then what the folder must hold first.

BAD_ROW, NEGATIVE, NAN = P.copy(), P.copy(), P.copy()
BAD_ROW[1, 0, 1] = 0.7
NEGATIVE[0, 1] = [-0.5, 1.5]
NAN[0, 0, 0] = np.nan
BAD_CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "rows do not sum to one": ({"P": BAD_ROW}, r"sum to 1, received 0\.7 at state 1, action 0"),
    "negative probability": ({"P": NEGATIVE}, r"negative, received -0\.5 in state 0, action 1"),
    "NaN probability": ({"P": NAN}, "P must be finite, received NaN"),
    "P of a wrong shape": ({"P": P[0]}, r"P must have shape .*received \(2, 2\)"),
    "R of a wrong shape": ({"R": np.ones(2)}, r"R must have shape .*received \(2,\)"),
    "infinite reward": ({"R": np.full((2, 2), np.inf)}, "R must be finite"),
    "start out of range": ({"initial": 2}, r"start state must lie in 0\.\.1"),
    "start does not sum to one": ({"initial": [0.5, 0.4]}, r"initial must be .*sum 0\.9"),
    "gamma 1": ({"gamma": 1.0}, r"gamma must satisfy 0 <= gamma < 1, received 1\.0"),
    "gamma above 1": ({"gamma": 1.5}, r"gamma must satisfy 0 <= gamma < 1, received 1\.5"),
    "text for numbers": ({"R": np.array([["a", "b"]] * 2)}, "R must be an array of real numbers"),
}
BAD_FILES = {
    "no MDP": r"bad\.npz is not an MDP: it lacks P, R, gamma, initial and holds transitions",
    "text file": r"bad\.npz is not a readable \.npz archive",
    "empty file": r"bad\.npz is not a readable \.npz archive",
    "truncated file": r"bad\.npz is not a readable \.npz archive",
    "pickle": r"bad\.npz is not a readable \.npz archive",
    "folder": r"Is a directory: bad\.npz",
    "missing file": r"No such file or directory: bad\.npz",
}
BAD_ARGUMENTS = {
    "unknown id": (("FrozenLak-v1",), "gymnasium cannot make 'FrozenLak-v1'.*FrozenLake-v1"),
    "not an .npz": (("notes.txt",), r"gymnasium cannot make 'notes\.txt'"),
    "no table": (("Blackjack-v1",), "Blackjack-v1 is no tabular environment"),
    "--gamma 1": (("FrozenLake-v1", "--gamma", "1"), "gamma must satisfy 0 <= gamma < 1, receiv"),
    "--gamma -0.1": (("FrozenLake-v1", "--gamma", "-0.1"), "gamma must satisfy"),
    "second is missing": (("tiny.npz", "nowhere.npz"), r"No such file .*: nowhere\.npz"),
    "unknown estimator": (("tiny.npz", "--estimators", "ad,x"), "unknown estimator 'x'; choose"),
    "no estimator": (("tiny.npz", "--estimators", ","), "name at least one estimator of ad, lvc"),
    "unknown baseline": (("tiny.npz", "--baseline", "x"), "unknown baseline 'x'; choose one of"),
    "N 0": (("tiny.npz", "-N", "0"), "num_trajectories must be at least 1, received 0"),
    "T -3": (("tiny.npz", "-T", "-3"), "horizon must be at least 1, received -3"),
    "K 1.5": (("tiny.npz", "-K", "1.5"), "'-K'.*valid integer"),
    "N -3": (("tiny.npz", "-N", "-3"), "num_trajectories must be at least 1, received -3"),
    "N 1.5": (("tiny.npz", "-N", "1.5"), "'-N'.*valid integer"),
    "N many": (("tiny.npz", "-N", "many"), "'-N'.*valid integer"),
    "T 0": (("tiny.npz", "-T", "0"), "horizon must be at least 1, received 0"),
    "T 1.5": (("tiny.npz", "-T", "1.5"), "'-T'.*valid integer"),
    "K 0": (("tiny.npz", "-K", "0"), "num_steps must be at least 1, received 0"),
    "K -3": (("tiny.npz", "-K", "-3"), "num_steps must be at least 1, received -3"),
    "seed -1": (("tiny.npz", "--seed", "-1"), "seed must not be negative, received -1"),
    "seed 0.5": (("tiny.npz", "--seed", "0.5"), "'--seed'.*valid integer"),
    "step size 0": (("tiny.npz", "--step-size", "0"), "step_size must be positive and finite, re"),
    "step size -1": (("tiny.npz", "--step-size", "-1"), "step_size must be positive"),
    "step size nan": (("tiny.npz", "--step-size", "nan"), "step_size must be positive"),
    "step size big": (("tiny.npz", "--step-size", "big"), "'--step-size'.*valid number"),
    "unknown option": (("tiny.npz", "--nonsense"), "No such option: --nonsense"),
    "option without value": (("tiny.npz", "-N"), "'-N' requires an argument"),
    "out is a file": (("tiny.npz", "--out", "tiny.npz"), "cannot write to the output folder tiny"),
    "out below a file": (("tiny.npz", "--out", "tiny.npz/x"), "output folder tiny.npz/x: Not a d"),
}
REFUSED = {
    **{name: (("bad.npz",), message) for name, (_, message) in BAD_CONTENT.items()},
    **{name: (("bad.npz",), message) for name, message in BAD_FILES.items()},
    **BAD_ARGUMENTS,
}
#: One of each kind, also as a program of its own.
AS_A_PROGRAM = [
    *("rows do not sum to one", "negative probability", "NaN probability", "P of a wrong shape"),
    *("gamma 1", "no MDP", "truncated file", "missing file", "unknown id", "no table"),
    *("unknown estimator", "unknown baseline", "N 0", "T -3", "K 1.5", "step size 0"),
    *("unknown option", "out below a file"),
]


def prepare(case: str, folder: Path) -> None:
    """Write the good file `tiny.npz`, and `bad.npz` as the case has it."""
    write_mdp(folder)
    bad = folder / "bad.npz"
    match case:
        case "no MDP":
            np.savez(bad, transitions=P)
        case "text file":
            bad.write_text("not an archive")
        case "empty file":
            bad.touch()
        case "truncated file":
            whole = (folder / "tiny.npz").read_bytes()
            bad.write_bytes(whole[: len(whole) // 2])
        case "pickle":
            write_mdp(folder, bad.name, R=np.array([{"a": 1}], dtype=object))
        case "folder":
            bad.mkdir()
        case _ if case in BAD_CONTENT:
            write_mdp(folder, bad.name, **BAD_CONTENT[case][0])


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_code_2(case, tmp_path, run_here):
    arguments, message = REFUSED[case]
    prepare(case, tmp_path)
    before = contents(tmp_path)
    done = run_here("verify", *arguments)
    assert_refused(done, message)
    if case in BAD_CONTENT:
        assert done.stderr.startswith("gmrl: bad.npz is not an MDP: ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("case", AS_A_PROGRAM)
def test_the_program_refuses(case, tmp_path):
    arguments, message = REFUSED[case]
    prepare(case, tmp_path)
    before = contents(tmp_path)
    assert_refused(gmrl_run(tmp_path, "verify", *arguments), message)
    assert contents(tmp_path) == before


def test_unknown_commands_are_refused(tmp_path, run_here):
    assert_refused(gmrl_run(tmp_path, "verfy"), "No such command 'verfy'")
    assert_refused(run_here("--nonsense"), "No such option: --nonsense")


@pytest.mark.parametrize(
    ("changes", "option", "message"),
    [
        ({}, ("--step-size", "1e300"), "gmrl: a number is out of range"),
        ({"R": 1e-300 * np.eye(2)}, (), "gmrl: tiny has values of size"),
        (
            {"P": [P, P], "R": [np.eye(2)] * 2, "initial": np.eye(2)},
            (),
            "gmrl: verify takes one MDP at a time, received a batch (2,)",
        ),
    ],
)
def test_what_is_found_in_mid_run_is_one_line_too(changes, option, message, tmp_path, run_here):
    done = run_here("verify", write_mdp(tmp_path, **changes), *QUICK, *option)
    assert done.returncode == 2
    *progress, last = done.stderr.splitlines()
    assert last.startswith(message)
    assert all(line == "[1/2] tiny: ad" for line in progress)
    assert list(contents(tmp_path)) == ["tiny.npz"]


def test_no_arguments_show_the_help(tmp_path, run_here):
    alone, asked = gmrl_run(tmp_path), run_here("--help")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert (asked.returncode, asked.stderr) == (0, "")
    # The first line names the program: gmrl here, gmrl.py or python -m gmrl there.
    assert alone.stdout.splitlines()[1:] == asked.stdout.splitlines()[1:]
    assert "Usage: " in alone.stdout
    for command in ("verify", "bench"):
        assert command in alone.stdout
    verify = run_here("verify", "--help")
    for option in ("--out", "--json", "-N", "-T", "-K", "--step-size", "--estimators", "--seed"):
        assert option in verify.stdout
    assert contents(tmp_path) == {}


# Good input.


def strict(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_same_command_twice_then_another(tmp_path, run_here):
    """What is printed; JSON alone on standard output; the same bytes; earlier files stay."""
    command = ("verify", write_mdp(tmp_path), *QUICK, "--seed", "7")
    tables = gmrl_run(tmp_path, *command, PYTHONHASHSEED="1")
    assert tables.returncode == 0, tables.stderr
    assert re.search(
        r"^seed 7, 1 MDPs? in \d+\.\d s; again: gmrl verify tiny", tables.stdout, re.MULTILINE
    )
    written = re.findall(r"^written: (\S+)\.json, \.svg, \.png$", tables.stdout, re.MULTILINE)
    (stem,) = written
    assert Path(stem).parent == Path("out/verify")
    before = contents(tmp_path)
    assert set(before) == {"tiny.npz", *(f"{stem}{suffix}" for suffix in (".json", ".svg", ".png"))}
    assert "tiny: 2 states, 2 actions" in tables.stdout
    assert "…" not in tables.stdout
    assert tables.stderr.splitlines() == ["[1/2] tiny: ad", "[2/2] tiny: lvc"]

    as_json = gmrl_run(tmp_path, *command, "--json", PYTHONHASHSEED="2")
    assert as_json.returncode == 0, as_json.stderr
    assert as_json.stderr == tables.stderr
    (report,) = strict(as_json.stdout)
    assert strict((tmp_path / f"{stem}.json").read_text(encoding="utf-8")) == report
    assert (report["mdp"], report["settings"]["seed"], len(report["rows"])) == ("tiny", 7, 8)
    assert contents(tmp_path) == before

    assert run_here(*command, "-N", "5").returncode == 0
    after = contents(tmp_path)
    assert after.items() >= before.items()
    assert len(after) == len(before) + 3


@pytest.mark.usefixtures("no_pictures")
def test_several_mdps(tmp_path, run_here):
    write_mdp(tmp_path)
    files.save(zoo.chain(3, gamma=0.5), tmp_path / "chain.npz")
    both = ("tiny.npz", "chain.npz", *QUICK, "--out", "here")
    done = run_here("verify", *both, "--json")
    assert done.returncode == 0, done.stderr
    assert [report["mdp"] for report in strict(done.stdout)] == ["tiny", "chain 3"]
    assert done.stderr.splitlines()[-1] == "[4/4] chain 3: lvc"
    assert {name.rpartition("-")[0] for name in contents(tmp_path / "here")} == {"tiny", "chain-3"}
    done = run_here("verify", *both)
    assert len(re.findall(r"^written: here/\S+\.json", done.stdout, re.MULTILINE)) == 2
    assert "seed 0, 2 MDPs in " in done.stdout


@pytest.mark.usefixtures("no_pictures")
def test_names_and_folders_with_markup_are_plain_text(tmp_path, run_here):
    file_name = write_mdp(tmp_path, name="[/b] :smile: $x_$ {0}")
    done = run_here("verify", file_name, *QUICK, "--out", "a[b]")
    assert done.returncode == 0, done.stderr
    assert "[/b] :smile: $x_$ {0}: 2 states" in done.stdout
    assert "[1/2] [/b] :smile: $x_$ {0}: ad" in done.stderr
    assert "written: a[b]/b-smile-x-0-" in done.stdout
    assert len(list((tmp_path / "a[b]").iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_an_interrupt_keeps_what_is_finished(tmp_path):
    """The second MDP, Taxi with its 501 states, takes much longer than the signal."""
    write_mdp(tmp_path)
    # A shell that runs the tests in the background has them ignore SIGINT.
    start = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); from gmrl import main"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", f"{start}; main()"),
            *("verify", "tiny.npz", "Taxi", *QUICK, "-T", "300"),
        ],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        seen = ""
        while "[3/4] Taxi-v" not in seen:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line, f"ended early after {seen}"
            seen += line
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.strip().splitlines()[-1].startswith("gmrl: interrupted; what was finished is in")
    assert "written: " in out
    names = sorted(path.name for path in (tmp_path / "out" / "verify").iterdir())
    assert [name.rpartition(".")[2] for name in names] == ["json", "png", "svg"]
    assert all(name.startswith("tiny-") for name in names)
    (report,) = (tmp_path / "out" / "verify").glob("*.json")
    assert strict(report.read_text(encoding="utf-8"))["mdp"] == "tiny"


# In this process.


@pytest.mark.usefixtures("no_pictures")
def test_a_disagreement_ends_in_code_1(monkeypatch, tmp_path, run_here):
    """Variances that are 10⁸ times too small make every z large; the files are written first."""
    right = theory.laws.covariance.gradient_variance_along
    monkeypatch.setattr(
        theory.laws.covariance,
        "gradient_variance_along",
        lambda law, u: 1e-8 * right(law, u),
    )
    done = run_here("verify", write_mdp(tmp_path), *QUICK)
    assert done.returncode == 1
    number = r"-?\d+\.\d"
    assert re.fullmatch(
        "gmrl: simulation and exact moments disagree: "
        f"tiny, gradient, ad: z of the mean = {number}; "
        f"tiny, gradient, lvc: z of the mean = {number}",
        done.stderr.splitlines()[-1],
    )
    assert "written: " in done.stdout
    assert len(contents(tmp_path)) == 2


@pytest.mark.usefixtures("no_pictures")
def test_a_wrong_spread_ends_in_code_1(monkeypatch, tmp_path, run_here):
    """A variance four times too large; 32 trajectories of 20 steps meet every transition."""
    right = theory.laws.covariance.gradient_variance
    monkeypatch.setattr(theory.laws.covariance, "gradient_variance", lambda law: 4 * right(law))
    done = run_here("verify", "random", "--estimators", "lvc", "--json")
    assert done.returncode == 1
    assert re.search(r"disagree: random 20x5, gradient, lvc: z of the sd = -\d", done.stderr)


@pytest.mark.usefixtures("no_pictures")
def test_each_mdp_gets_its_own_horizon(tmp_path, run_here):
    """γ = 0.9 in the file; T is the first with γ^T ≤ 1/80, and said to be so."""
    files.save(zoo.chain(3, gamma=0.5), tmp_path / "chain.npz")
    both = ("tiny.npz", "chain.npz", "-N", "4", "--estimators", "ad")
    write_mdp(tmp_path)
    reports = strict(run_here("verify", *both, "--json").stdout)
    assert [report["horizon"] for report in reports] == [42, 7]
    assert [report["settings"]["horizon"] for report in reports] == [None, None]
    assert reports[1]["horizon_note"] == "T = 7, γ^T = 0.78 %"
    given = strict(run_here("verify", *both, "-T", "3", "--json").stdout)
    assert [report["horizon"] for report in given] == [3, 3]
    assert "T = 42, γ^T = 1.2 %: what lies beyond T" in run_here("verify", *both).stdout


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.usefixtures("no_pictures")
def test_a_terminal_shows_every_number(columns, monkeypatch, tmp_path, capsys):
    """Rich takes FORCE_COLOR for a terminal and its width from COLUMNS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "argv", ["gmrl", "verify", write_mdp(tmp_path), *QUICK])
    gmrl.main()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    body = [line for line in text.splitlines() if not re.match("seed|written", line)]
    assert max(map(len, body)) <= columns
    assert "…" not in text
    blocks = len([line for line in body if line and set(line.strip()) == {"─"}])
    assert blocks == (4 if columns == 80 else 1)


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
    with gmrl.progress(2, quiet=quiet) as (say, advance):
        advance("[x] lake", "ad")
        say("[bold]result[/bold]" + 30 * " long")
        advance("lake", "lvc")
    captured = capsys.readouterr()
    assert captured.err == "[1/2] [x] lake: ad\n[2/2] lake: lvc\n"
    assert captured.out == ("" if quiet else "[bold]result[/bold]" + 30 * " long" + "\n")


def test_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with gmrl.progress(2, quiet=False) as (say, advance):
        advance("[/x] lake", "ad")
        say("result")
        advance("lake", "lvc")
    captured = capsys.readouterr()
    assert "result" in captured.out
    assert "lake" not in captured.out
    assert "lake: lvc" in captured.err
    assert "1/2" in captured.err
