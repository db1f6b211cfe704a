"""All statements of the theory on one MDP, as `gmrl verify` shows and draws them."""

from __future__ import annotations

import numpy as np

from tabular.baselines import FixedBaseline
from tabular.mdp import TabularMDP
from tabular.problems import Maml
from tabular.sources import Sampled
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.curves import Curves, make_curves
from theory.enumerated_checks import STEPS, enumerated_checks, listed_steps
from theory.sampled_checks import LONGEST, sampled_checks
from theory.settings import BASELINES, Settings
from theory.statements.compositional_bias import Loop


def bound_checks(
    mdp: TabularMDP,
    settings: Settings,
    horizon: int,
    step_size: float,
    stream: np.random.SeedSequence,
) -> tuple[BoundCheck, ...]:
    """Return the checks by moments and sampling, then those by enumeration.

    Parameters
    ----------
    mdp : TabularMDP
    settings : Settings
    horizon : int
        T of the verification; the checks' own is shorter.
    step_size : float
        α.
    stream : SeedSequence
        For the sampled left-hand sides.
    """
    return (
        *sampled_checks(mdp, settings, horizon, step_size, stream),
        *enumerated_checks(mdp, settings, step_size),
    )


def bound_curves(mdp: TabularMDP, settings: Settings, horizon: int, step_size: float) -> Curves:
    """Return bound against truth over N, α, K and the Hessians' error, of J_T as in the checks.

    K is at least two where it does not vary: after one step the bound is the truth.
    """
    start, horizon = np.zeros(mdp.R.shape), min(horizon, LONGEST)
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
        note += f' "All paths": T = {STEPS}, K = {listed}, N = 1.'
    return note
