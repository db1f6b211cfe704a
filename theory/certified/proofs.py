"""Proofs for a report of `gmrl verify`: short trajectories of a tiny MDP, N = 1, at θ⁰ = 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabular.baselines import FixedBaseline
from tabular.mdp import TabularMDP
from tabular.registry import find_estimator
from tabular.sources import Sampled, Update
from theory.certified.statements import certify
from theory.enumerated_checks import MOST_STEPS, STEPS
from theory.finite.support import Support
from theory.report import Report
from theory.settings import BASELINES, Settings

#: Most outcomes times paths times (S·A)²: about ten seconds for an estimator.
WORK = 20_000_000


def check_provable(mdp: TabularMDP, settings: Settings) -> None:
    """Raise ValueError, with the count, if an MDP has too many paths to be proved.

    Parameters
    ----------
    mdp : TabularMDP
    settings : Settings
    """
    start, steps = np.zeros(mdp.R.shape), _num_steps(settings)
    for name in settings.estimators:
        source = Sampled(name, 1, STEPS, FixedBaseline(_baseline(mdp, settings)))
        # In floats, which is fast: as many outcomes as rational numbers have, or a few more.
        update = Update(mdp, start[None, None])
        count = Support(update, source).estimates(update)[0].shape[-1]
        work = count ** (steps + 1) * start.size**2
        if work > WORK:
            raise ValueError(
                f"{mdp.name} is too large for proofs: K = {steps} steps out of {count} "
                f"trajectories of length {STEPS} with {start.size} parameters take {work:.1e} "
                f"operations, more than {WORK:.0e}; take a smaller MDP or fewer steps"
            )


def add_proofs(
    report: Report,
    mdp: TabularMDP,
    settings: Settings,
    progress: Callable[[str], None] = lambda stage: None,
) -> Report:
    """Return the report with Lemma 4.4 and Theorem 4.5 of each estimator decided in balls.

    Parameters
    ----------
    report : Report
        Gives α.
    mdp, settings : TabularMDP, Settings
        Those of the report; T and the most K are those of `theory.enumerated_checks`.
    progress : callable
        Called with "proofs" as they begin.
    """
    progress("proofs")
    baseline = _baseline(mdp, settings)
    found = [
        check
        for name in settings.estimators
        for check in certify(
            mdp,
            np.zeros(mdp.R.shape),
            estimator=name,
            horizon=STEPS,
            step_size=report.step_size,
            num_steps=_num_steps(settings),
            num_trajectories=1,
            baseline=baseline if find_estimator(name).baseline else None,
        )
    ]
    return replace(report, proofs=tuple(found))


def _num_steps(settings: Settings) -> int:
    return min(settings.num_steps, MOST_STEPS)


def _baseline(mdp: TabularMDP, settings: Settings) -> np.ndarray:
    return BASELINES[settings.baseline](mdp, np.zeros(mdp.R.shape), None)
