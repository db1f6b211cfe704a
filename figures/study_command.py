"""`gmrl study`: parse, compute what is missing, print."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from figures.command import Dask, Jobs, Seed, default_folder, produce_all, write_all
from figures.console import bad_input, command_line

if TYPE_CHECKING:
    from figures.produce import Figure

#: Where results go unless told otherwise, below it one folder a study and profile.
OUT = Path("out/studies")
PROFILES = ("smoke", "paper", "large")


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ipd.")],
    profile: Annotated[
        str, typer.Option(help="smoke (seconds), paper (10 runs), large (100 runs).")
    ] = "paper",
    settings: Annotated[
        str | None, typer.Option(help="Comma-separated settings; all of them if not given.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a number, such as runs=20."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; default out/studies/NAME/PROFILE.")
    ] = None,
    jobs: Jobs = None,
    dask: Dask = None,
    seed: Seed = 0,
) -> None:
    """Run a study in PyTorch: its settings trained, beside the exact values."""
    from figures import catalog, produce
    from figures.claims_table import claims_table

    started = time.perf_counter()
    with bad_input():
        known = catalog.find_study(name)
        plans = produce.plan(known.figures, catalog.check_profile(profile, PROFILES), seed)
        require_torch()
        plans = changed(plans, changes or [])
        if settings is not None:
            for plan in plans.values():
                plan["settings"] = tuple(one.strip() for one in settings.split(","))
        for one in known.figures:
            one.cells(plans[one.NAME])  # checks every number before anything is made

    def finish(coming: Iterator[Figure], folder: Path, say: Callable[[Any], None]) -> None:
        figures = write_all(coming, folder, say)
        wall = time.perf_counter() - started
        page = produce.write_page(
            figures,
            folder,
            profile=profile,
            seed=seed,
            command=command_line(),
            wall_seconds=wall,
            subject=known.subject,
        )
        say(known.table(figures[0].data))
        found = [claim for each in produce.ledger(figures).values() for claim in each]
        if found:
            say(claims_table(found))
        full = "" if profile != "smoke" else f"; full protocol: gmrl study {name}"
        say(f"written: {page}; seed {seed}, profile {profile}, {wall:.1f} s{full}")

    produce_all(plans, out or default_folder(OUT / name, profile, seed), jobs, dask, finish)


def require_torch() -> None:
    """Raise a ValueError unless PyTorch is installed."""
    if importlib.util.find_spec("torch") is None:
        raise ValueError("a study needs PyTorch: pip install -c constraints.txt 'gmrl[adapters]'")


def changed(plans: dict[str, dict[str, Any]], changes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The plans with what NAME=VALUE says, each where it has that name, with the types of the plan.

    Raises
    ------
    ValueError
        If a name is not one of a plan's numbers or texts, or the value is not of its type.
    """
    kinds = {
        name: type(value)
        for plan in plans.values()
        for name, value in plan.items()
        if isinstance(value, int | float | str) and name != "seed"
    }
    found: dict[str, Any] = {}
    for text in changes:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise ValueError(f"unknown name {name!r} in --set; choose from {', '.join(kinds)}")
        try:
            found[name] = kinds[name](value)
        except ValueError:
            noun = {int: "an integer", float: "a number"}[kinds[name]]
            raise ValueError(f"{name} must be {noun}, received {value!r}") from None
    return {
        figure: plan | {name: value for name, value in found.items() if name in plan}
        for figure, plan in plans.items()
    }
