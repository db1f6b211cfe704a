"""Proofs for a report of `gmrl verify`: short trajectories of a tiny MDP, N = 1, at θ⁰ = 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabular.mdp import TabularMDP
from tabular.registry import find_estimator
from theory.certified.enumeration import enumerate_exactly, require_few
from theory.certified.statements import certify
from theory.report import Report
from theory.settings import BASELINES, Settings

#: The longest T and the largest K that are proved: seconds for two states and two actions.
STEPS, MOST_STEPS = 2, 2


def check_provable(mdp: TabularMDP, settings: Settings) -> None:
    """Raise ValueError, with the count, if an MDP has too many paths to be proved.

    Parameters
    ----------
    mdp : TabularMDP
    settings : Settings
    """
    for name in settings.estimators:
        kind, baseline = find_estimator(name), _baseline(mdp, settings)
        try:
            listed = enumerate_exactly(mdp, kind, horizon=STEPS, baseline=baseline)
            require_few(listed, 1, _num_steps(settings))
        except ValueError as error:
            raise ValueError(f"{mdp.name}: {error}") from error


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
        Those of the report; K is at most `MOST_STEPS`.
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
