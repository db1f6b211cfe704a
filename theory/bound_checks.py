"""All statements of the theory on one MDP, as `gmrl verify` shows them."""

from __future__ import annotations

import numpy as np

from tabular.mdp import TabularMDP
from theory.bounds import BoundCheck
from theory.enumerated_checks import STEPS, enumerated_checks, listed_steps
from theory.sampled_checks import LONGEST, sampled_checks
from theory.settings import Settings


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
