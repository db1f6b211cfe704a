"""Bad input of `gmrl`: one clear line, exit code 2, nothing written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import QUICK, P, assert_refused, contents, gmrl_run, write_mdp

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
    "proofs of too many": (
        ("tiny.npz", "FrozenLake-v1", "--certify"),
        "FrozenLake-v1: certified mode t",
    ),
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
