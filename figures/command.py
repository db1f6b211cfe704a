"""`gmrl figure` and `gmrl claims`: parse, compute what is missing, print."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from figures.console import bad_input, command_line, to_json
from figures.progress import progress

if TYPE_CHECKING:
    from figures.produce import Figure

#: Where results go unless told otherwise, one folder a profile.
OUT = Path("out/figures")

#: Takes the figures as they come, their folder, and what prints.
Finish: TypeAlias = "Callable[[Iterator[Figure], Path, Callable[[Any], None]], None]"

Profile = Annotated[
    str, typer.Option(help="smoke (seconds), quick, paper (full protocol), large (100 MDPs).")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Output folder; default out/figures/PROFILE, with the seed if it is not 0."),
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Dask = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to use instead.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def figure(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="table2, compositional, hessian, fig5, fig6, fig7, fig8, tradeoff, or all.",
        ),
    ],
    profile: Profile = "quick",
    out: Out = None,
    jobs: Jobs = None,
    dask: Dask = None,
    seed: Seed = 0,
) -> None:
    """Regenerate the paper's tabular figures; with 'all', also one page with all of them."""
    from figures import produce
    from figures.claims_table import counted

    started = time.perf_counter()

    def finish(coming: Iterator[Figure], folder: Path, say: Callable[[Any], None]) -> None:
        figures = write_all(coming, folder, say)
        wall = time.perf_counter() - started
        if "all" in names:
            page = produce.write_page(
                figures,
                folder,
                profile=profile,
                seed=seed,
                command=command_line(),
                wall_seconds=wall,
            )
            say(f"written: {page}")
            say(counted([claim for each in produce.ledger(figures).values() for claim in each]))
        say(f"seed {seed}, profile {profile}, {wall:.1f} s{_full('figure', names, profile, seed)}")

    _run(names, profile, out, jobs, dask, seed, finish)


def claims(
    profile: Profile = "quick",
    out: Out = None,
    jobs: Jobs = None,
    dask: Dask = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """What the paper says of its tabular experiments, with numbers and verdicts."""
    from figures import produce
    from figures.claims_table import claims_table
    from figures.save import write_text

    started = time.perf_counter()

    def finish(coming: Iterator[Figure], folder: Path, say: Callable[[Any], None]) -> None:
        found = [claim for each in produce.ledger(list(coming)).values() for claim in each]
        rows = [{"verdict": claim.verdict, **asdict(claim)} for claim in found]
        path = folder / "claims.json"
        write_text(path, to_json(rows))
        if as_json:
            typer.echo(to_json(rows), nl=False)
            return
        say(claims_table(found))
        wall = time.perf_counter() - started
        full = _full("claims", [], profile, seed)
        say(f"written: {path}; seed {seed}, profile {profile}, {wall:.1f} s{full}")

    _run(["all"], profile, out, jobs, dask, seed, finish, quiet=as_json)


def write_all(coming: Iterator[Figure], folder: Path, say: Callable[[Any], None]) -> list[Figure]:
    """Write each figure's data and pictures as soon as it comes, and say where."""
    from figures import produce

    figures = []
    for one in coming:
        figures.append(one)
        suffixes = ", ".join(path.suffix for path in produce.write(one, folder))
        name = one.experiment.NAME
        say(f"{name}: {folder / name}{suffixes}; {one.seconds:.1f} s of work")
    return figures


def _full(command: str, names: Sequence[str], profile: str, seed: int) -> str:
    """The command of the full protocol, unless that is what was run."""
    if profile in ("paper", "large"):
        return ""
    seeded = f" --seed {seed}" if seed else ""
    return f"; full protocol: {' '.join(['gmrl', command, *names])} --profile paper{seeded}"


def _run(
    names: list[str],
    profile: str,
    out: Path | None,
    jobs: int | None,
    dask: str | None,
    seed: int,
    finish: Finish,
    *,
    quiet: bool = False,
) -> None:
    """Compute the figures and hand them over."""
    from figures import catalog, produce

    with bad_input():
        experiments = catalog.chosen(names)
        plans = produce.plan(experiments, catalog.check_profile(profile), seed)
    produce_all(plans, out or default_folder(OUT, profile, seed), jobs, dask, finish, quiet=quiet)


def default_folder(base: Path, profile: str, seed: int) -> Path:
    """Where results go unless told otherwise: a folder for each profile and seed."""
    return base / (profile if seed == 0 else f"{profile}-seed-{seed}")


def produce_all(
    plans: dict[str, dict[str, Any]],
    folder: Path,
    jobs: int | None,
    dask: str | None,
    finish: Finish,
    *,
    quiet: bool = False,
) -> None:
    """Compute planned figures and hand them over."""
    from figures import produce
    from figures.sweep.run import check_workers
    from figures.sweep.store import claim_folder

    with bad_input():
        check_workers(jobs, dask)
        claim_folder(folder)
    with progress(produce.cell_count(plans), quiet=quiet, finished=True) as (say, advance):
        warn = partial(typer.echo, err=True)
        options: dict[str, Any] = {"advance": advance, "warn": warn, "jobs": jobs, "dask": dask}
        finish(produce.compute(plans, folder, **options), folder, say)
