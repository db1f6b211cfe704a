"""All statements of the theory on one MDP, as `gmrl verify` shows and draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabular._checks import instance, positive_integer
from tabular.mdp import TabularMDP
from tabular.registry import ESTIMATORS
from theory.curves import Curves, make_curves
from theory.enumerated_checks import STEPS, enumerated_checks, listed_steps
from theory.lemma_checks import DRAWN
from theory.report import Report
from theory.sampled_checks import LONGEST, sampled_checks
from theory.settings import Settings
from theory.shared_objective import shared_objectives
from theory.statements.compositional_bias import Loop
from theory.verification import lean


def add_bounds(
    report: Report,
    mdp: TabularMDP,
    settings: Settings,
    progress: Callable[[str], None] = lambda stage: None,
) -> Report:
    """Return the report of `theory.verification.verify` with the theory's statements on its MDP.

    Parameters
    ----------
    report : Report
        Gives T and α.
    mdp, settings : TabularMDP, Settings
        Those of the report.
    progress : callable
        Called with "bounds" as the checks begin.
    """
    instance(report, Report, "report")
    instance(mdp, TabularMDP, "mdp")
    instance(settings, Settings, "settings")
    progress("bounds")
    mdp, horizon, alpha = lean(mdp), report.horizon, report.step_size
    # After the streams of every estimator that a report may have.
    stream = np.random.SeedSequence(settings.seed, spawn_key=(len(ESTIMATORS),))
    return replace(
        report,
        bounds=(
            *sampled_checks(mdp, settings, horizon, alpha, stream),
            *enumerated_checks(mdp, settings, alpha),
        ),
        bounds_note=bounds_note(mdp, settings, horizon),
        curves=bound_curves(mdp, settings, horizon, alpha),
    )


def bound_curves(mdp: TabularMDP, settings: Settings, horizon: int, step_size: float) -> Curves:
    """Return bound against truth over N, α, K and the Hessians' error, of J_T as in the checks.

    The gradient's law is that of the first estimator, and of all with its V_b. K is at least two
    where it does not vary: after one step the bound is the truth.
    """
    instance(settings, Settings, "settings")
    loop = Loop(step_size, settings.num_steps, settings.num_trajectories)
    horizon = min(positive_integer(horizon, "horizon"), LONGEST)
    objective = next(o for o in shared_objectives(mdp, settings, horizon, loop) if o.names)
    curves = make_curves(
        mdp,
        objective.start,
        loop._replace(num_steps=max(2, loop.num_steps)),
        horizon=objective.horizon,
        baseline=objective.baseline.table,
        certified=(objective.proved, objective.proved_noise(objective.names[0])),
    )
    return replace(curves, label=objective.label)


def bounds_note(mdp: TabularMDP, settings: Settings, horizon: int) -> str:
    """What the checks were made with, in one or two sentences."""
    note = (
        f"Objective J_T with T = {min(horizon, LONGEST)} and the fixed V_b as terminal table, "
        f"K = {settings.num_steps}, N = {settings.num_trajectories}. "
        f'"1/N": leading order. "drawn": over the law of {DRAWN} drawn trajectories.'
    )
    listed = listed_steps(mdp, settings)
    if listed:
        note += f' "paths": over all of them with T = {STEPS}, K = {listed}, N = 1.'
    return note
