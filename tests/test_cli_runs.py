"""Runs of `gmrl verify`: files that stay, exit codes, strict JSON."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gmrl
import theory.certified.statements
import theory.laws
import theory.sampled_checks
from tabular import files, zoo
from tests.command_line import ENVIRONMENT, QUICK, contents, gmrl_run, strict, write_mdp

#: What a run writes for each MDP.
SUFFIXES = (".json", ".svg", ".png", "-bounds.svg", "-bounds.png")


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


def test_a_reader_that_leaves_ends_the_program(tmp_path):
    """As `gmrl verify | head -1` does; files that were finished stay."""
    write_mdp(tmp_path)
    command = [sys.executable, "-m", "gmrl", "verify", "tiny.npz", *QUICK]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        run.stdout.close()
        errors = run.stderr.read().decode()
    assert run.returncode == 141
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        (("tiny.npz", *QUICK, "--json"), ">&-", 0),
        (("tiny.npz", *QUICK), ">&-", 0),
        (("tiny.npz", *QUICK), "2>&-", 0),
        (("nothing.npz",), "2>&-", 2),
        (("nothing.npz",), "2>/dev/full", 2),
    ],
)
def test_closed_and_full_streams_change_no_code(tmp_path, arguments, closed, code):
    """What was asked for is in the output folder all the same."""
    write_mdp(tmp_path)
    line = f"{shlex.join([sys.executable, '-m', 'gmrl', 'verify', *arguments])} {closed}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert (len(list(tmp_path.glob("out/**/*.json"))) == 1) == (code == 0)


def test_the_same_command_twice_then_another(tmp_path, run_here):
    """What is printed; JSON alone on standard output; the same bytes; earlier files stay."""
    command = ("verify", write_mdp(tmp_path), *QUICK, "--seed", "7")
    tables = gmrl_run(tmp_path, *command, PYTHONHASHSEED="1")
    assert tables.returncode == 0, tables.stderr
    assert re.search(
        r"^seed 7, 1 MDPs? in \d+\.\d s; again: gmrl verify tiny", tables.stdout, re.MULTILINE
    )
    written = re.findall(
        r"^written: (\S+)\.json, \.svg, \.png, -bounds\.svg, -bounds\.png$",
        tables.stdout,
        re.MULTILINE,
    )
    (stem,) = written
    assert Path(stem).parent == Path("out/verify")
    before = contents(tmp_path)
    assert set(before) == {"tiny.npz", *(f"{stem}{suffix}" for suffix in SUFFIXES)}
    assert "tiny: 2 states, 2 actions" in tables.stdout
    assert "…" not in tables.stdout
    assert tables.stderr.splitlines() == ["[1/3] tiny: ad", "[2/3] tiny: lvc", "[3/3] tiny: bounds"]

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
    assert len(after) == len(before) + len(SUFFIXES)


@pytest.mark.usefixtures("no_pictures")
def test_several_mdps(tmp_path, run_here):
    write_mdp(tmp_path)
    files.save(zoo.chain(3, gamma=0.5), tmp_path / "chain.npz")
    both = ("tiny.npz", "chain.npz", *QUICK, "--out", "here")
    done = run_here("verify", *both, "--json")
    assert done.returncode == 0, done.stderr
    assert [report["mdp"] for report in strict(done.stdout)] == ["tiny", "chain 3"]
    assert done.stderr.splitlines()[-1] == "[6/6] chain 3: bounds"
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
    assert "[1/3] [/b] :smile: $x_$ {0}: ad" in done.stderr
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
        while "[4/6] Taxi-v" not in seen:
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
    assert len(names) == len(SUFFIXES)
    assert {name.rpartition(".")[2] for name in names} == {"json", "png", "svg"}
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
def test_a_violated_bound_ends_in_code_1(monkeypatch, tmp_path, run_here):
    """A bound of a millionth; the files are written first, and every failure is named."""
    right = theory.sampled_checks.second_moment_bound
    monkeypatch.setattr(
        theory.sampled_checks,
        "second_moment_bound",
        lambda *constants, **loop: 1e-6 * right(*constants, **loop),
    )
    done = run_here("verify", write_mdp(tmp_path), *QUICK)
    assert done.returncode == 1
    number = r"\d\S*"
    assert re.fullmatch(
        "gmrl: a statement of the theory fails: "
        f"tiny, Lemma 4.4, second moment, V_b exact: {number} > {number}",
        done.stderr.splitlines()[-1],
    )
    assert "FAILS" in done.stdout
    assert len(contents(tmp_path)) == 2


@pytest.mark.usefixtures("no_pictures")
def test_proofs_by_themselves_are_of_the_tiny_mdp(tmp_path, run_here):
    """Every statement of both estimators is decided, shown, and kept in the JSON."""
    done = run_here("verify", "--certify", *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[4/4] random 2x2: proofs"
    assert "random 2x2: proofs in ball arithmetic" in done.stdout
    (kept,) = (tmp_path / "out" / "verify").glob("*.json")
    proofs = strict(kept.read_text(encoding="utf-8"))["proofs"]
    assert len(proofs) == 2 * 7
    assert {proof["verdict"] for proof in proofs} == {"proved", "attained"}
    assert done.stdout.count("proved") >= 10


@pytest.mark.usefixtures("no_pictures")
def test_what_is_not_proved_ends_in_code_1(monkeypatch, tmp_path, run_here):
    """Bounds of zero are refuted."""
    right = theory.certified.statements.Bounds.mean_distance
    monkeypatch.setattr(
        theory.certified.statements.Bounds, "mean_distance", lambda self, i: 0 * right(self, i)
    )
    done = run_here("verify", "--certify", *QUICK)
    assert done.returncode == 1
    assert "a statement is not proved: random 2x2, ad: Lemma 4.4, first moment: " in done.stderr


def test_proofs_need_their_library(monkeypatch, tmp_path, run_here):
    """And say which extra brings it."""
    monkeypatch.setitem(sys.modules, "theory.certified.proofs", None)
    done = run_here("verify", "--certify", *QUICK)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


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
    assert blocks == (6 if columns == 80 else 3)
