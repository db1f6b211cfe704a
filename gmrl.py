"""The command line: parses, dispatches, prints. No mathematics."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import Abort, TyperException

from figures.command import claims, figure
from figures.console import bad_input, command_line, fail, to_json
from figures.progress import progress, reader_left
from figures.study_command import study

if TYPE_CHECKING:
    from tabular import TabularMDP

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
DEFAULT_MDPS = ("random", "FrozenLake8x8", "CliffWalking", "Taxi")
#: Exit code after Ctrl-C.
INTERRUPTED = 130


@app.callback()
def commands() -> None:
    """Exact tabular verification of gradient-based meta-reinforcement learning."""


@app.command()
def verify(
    mdps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MDP]...",
            help="'random' (the paper's), 'tiny', a gymnasium id such as FrozenLake-v1, or an .npz "
            "file. Default: random FrozenLake8x8 CliffWalking Taxi.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for JSON and pictures.")] = Path("out/verify"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    trajectories: Annotated[
        int, typer.Option("--trajectories", "-N", help="Trajectories N per estimate.")
    ] = 32,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon",
            "-T",
            help="Trajectory length T. Default: until 1/80 of the discounted future is left, less "
            "where the covariances would take too long.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", "-K", help="Inner steps K of the meta-gradient.")
    ] = 1,
    step_size: Annotated[
        float | None, typer.Option(help="Inner step size; default 1/2 of 1/|Hessian|.")
    ] = None,
    estimators: Annotated[
        str, typer.Option(help="Comma-separated names.")
    ] = "ad,lvc,loaded_dice,dice",
    baseline: Annotated[str, typer.Option(help="Baseline table: exact or zero.")] = "exact",
    gamma: Annotated[
        float | None,
        typer.Option(help="Discount of every MDP; default: 0.8 for random, 0.99 for gymnasium's."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    certify: Annotated[
        bool,
        typer.Option(
            "--certify",
            help="Also prove the theorem in ball arithmetic (extra gmrl[certify]); of tiny MDPs "
            "only. Default MDP: tiny.",
        ),
    ] = False,
) -> None:
    """Truth, exact bias and spread of every estimator, and the theory's bounds, on each MDP."""
    from figures.bounds import draw_bounds
    from figures.bounds_table import BoundsTable
    from figures.proofs_table import ProofsTable
    from figures.save import save_picture, write_text
    from figures.tables import VerificationTable
    from figures.verification import draw
    from theory.bound_checks import add_bounds
    from theory.settings import Settings
    from theory.verdict import disagreements, unproved, violations
    from theory.verification import check_mdp
    from theory.verification import verify as run

    with bad_input():
        settings = Settings(
            estimators=tuple(name.strip() for name in estimators.split(",") if name.strip()),
            num_trajectories=trajectories,
            horizon=horizon,
            num_steps=steps,
            step_size=step_size,
            baseline=baseline,
            seed=seed,
        )
        names = mdps or (["tiny"] if certify else DEFAULT_MDPS)
        targets = [load_mdp(name, gamma=gamma, seed=seed) for name in names]
        for mdp in targets:
            check_mdp(mdp)
            if certify:
                proofs().check_provable(mdp, settings)
    folder = writable_folder(out)
    started = time.perf_counter()
    reports = []
    stages = len(settings.estimators) + 1 + certify
    with progress(len(targets) * stages, quiet=as_json) as (say, advance):
        for mdp in targets:
            say_stage = partial(advance, mdp.name)
            report = add_bounds(run(mdp, settings, say_stage), mdp, settings, say_stage)
            if certify:
                report = proofs().add_proofs(report, mdp, settings, say_stage)
            reports.append(report)
            stem = folder / f"{slug(report.mdp)}-{report.digest()}"
            write_text(stem.with_name(f"{stem.name}.json"), to_json(report.as_dict()))
            save_picture(partial(draw, report), stem)
            save_picture(partial(draw_bounds, report), stem.with_name(f"{stem.name}-bounds"))
            say(VerificationTable(report))
            say(BoundsTable(report))
            if certify:
                say(ProofsTable(report))
            say(f"written: {stem}.json, .svg, .png, -bounds.svg, -bounds.png\n")
        wall = time.perf_counter() - started
        noun = "MDP" if len(reports) == 1 else "MDPs"
        say(f"seed {seed}, {len(reports)} {noun} in {wall:.1f} s; again: {command_line()}")
    if as_json:
        sys.stdout.write(to_json([report.as_dict() for report in reports]))
    told = {
        "simulation and exact moments disagree": disagreements(reports),
        "a statement of the theory fails": violations(reports),
        "a statement is not proved": unproved(reports),
    }
    wrong = [f"{what}: {'; '.join(found)}" for what, found in told.items() if found]
    if wrong:
        fail("; ".join(wrong), code=1)


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="hessian, maml, sampling, decomposition, sparse, ipd; all if none.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for JSON and pictures.")] = Path("out/bench"),
    quick: Annotated[bool, typer.Option(help="Small sizes, in seconds.")] = False,
) -> None:
    """Speed beside JAX, torch.func and autograd, as ratios in one run."""
    import benchmarks
    from benchmarks.runner import AGREE, steps

    with bad_input():
        cases = benchmarks.plan(names or (), quick=quick)
    folder = writable_folder(out)
    started = time.perf_counter()
    with progress(steps(cases), quiet=False) as (say, advance):
        rows = benchmarks.run(cases, folder, advance)
        say(benchmarks.table(rows))
        wall = time.perf_counter() - started
        say(f"written: {folder}; {wall:.1f} s; full run: gmrl bench {' '.join(names or ())}")
    if any(row.error is not None and row.error > AGREE for row in rows):
        fail("two sides of a benchmark disagree; see the table", code=1)


app.command()(figure)
app.command()(claims)
app.command()(study)


def proofs() -> ModuleType:
    """Import certified mode, whose library is optional."""
    try:
        import theory.certified.proofs
    except ImportError as error:
        fail(str(error))
    return theory.certified.proofs


def load_mdp(name: str, *, gamma: float | None, seed: int) -> TabularMDP:
    """Read one MDP of the command line: `random`, `tiny`, a file, or a gymnasium id."""
    mdp = _load_mdp(name, seed)
    return mdp if gamma is None else mdp.with_gamma(gamma)


def _load_mdp(name: str, seed: int) -> TabularMDP:
    import numpy as np

    from tabular import TabularMDP, files

    rng = np.random.default_rng(seed)
    if name.lower() == "random":
        return TabularMDP.random(20, 5, rng=rng)
    if name.lower() == "tiny":
        return TabularMDP.random(2, 2, concentration=1.0, rng=rng)
    if name.lower().endswith(".npz") or Path(name).is_file():
        return files.load(name)
    return TabularMDP.from_gymnasium(name)


def writable_folder(path: Path) -> Path:
    """Make the folder and make sure that it can be written to."""
    import tempfile

    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the output folder {path}: {error.strerror}") from None
    return path


def slug(name: str) -> str:
    """A file name made of a title."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:80] or "mdp"


def main() -> None:
    """Run a command; bad input ends in one line and exit code 2, an interrupt in 130."""
    from threadpoolctl import threadpool_limits

    os.environ.pop("MPLBACKEND", None)  # pictures go to files; matplotlib fails on a strange name
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w")))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without γ shows a question mark
            stream.reconfigure(errors="replace")
    try:
        with threadpool_limits(1):
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns a KeyboardInterrupt into a return value
            raise KeyboardInterrupt
    except TyperException as error:
        fail(f"{error.format_message()} (see gmrl --help)")
    except BrokenPipeError:
        reader_left()
    except OSError as error:
        fail(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    except OverflowError:
        fail("a number is out of range; the step size or the rewards are too large or too small")
    except MemoryError as error:
        fail(f"not enough memory ({str(error) or 'N, T or the MDP is too large'})")
    except (KeyboardInterrupt, Abort):
        fail("interrupted; what was finished is in the output folder", code=INTERRUPTED)


if __name__ == "__main__":
    main()
