"""All statements of the theory on one MDP, as `gmrl verify` shows and draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabular._checks import positive_integer
from tabular.baselines import FixedBaseline
from tabular.mdp import TabularMDP
from tabular.problems import Maml
from tabular.registry import ESTIMATORS
from tabular.sources import Sampled
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.curves import Curves, make_curves
from theory.enumerated_checks import STEPS, enumerated_checks, listed_steps
from theory.report import Report
from theory.sampled_checks import LONGEST, sampled_checks
from theory.settings import BASELINES, Settings
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

    K is at least two where it does not vary: after one step the bound is the truth.
    """
    horizon = min(positive_integer(horizon, "horizon"), LONGEST)
    start = np.zeros(mdp.R.shape)
    baseline = FixedBaseline(BASELINES[settings.baseline](mdp, start, None))
    problem = Maml(mdp, horizon, baseline.table)
    source = Sampled("ad", settings.num_trajectories, horizon, baseline)
    return make_curves(
        mdp,
        start,
        Loop(step_size, max(2, settings.num_steps), settings.num_trajectories),
        horizon=horizon,
        baseline=baseline.table,
        certified=(certified_lipschitz(problem, start), certified_noise(problem, start, source)),
    )


def bounds_note(mdp: TabularMDP, settings: Settings, horizon: int) -> str:
    """What the checks were made with, in one or two sentences."""
    note = (
        f"Objective J_T with T = {min(horizon, LONGEST)} and the fixed V_b as terminal table, "
        f"K = {settings.num_steps}, N = {settings.num_trajectories}."
    )
    listed = listed_steps(mdp, settings)
    if listed:
        note += f' "paths": over all of them with T = {STEPS}, K = {listed}, N = 1.'
    return note
