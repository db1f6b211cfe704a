"""The theory's statements on one MDP, for MAML at φ = θ⁰ = 0, over all paths of short trajectories.

With T = `STEPS` and N = 1 few trajectories are possible even on some larger MDPs, and expectations
are sums over all K-step paths (`theory.finite`). The constants are the largest values over every θ
that samples can lead to, with which the proofs go through, and those proved for every θ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tabular._checks import instance
from tabular.enumeration import count_trajectories
from tabular.mdp import TabularMDP
from tabular.registry import find_estimator
from theory.bounds import BoundCheck
from theory.compositional_checks import outer_gradient_bias, theorem_5_3
from theory.constants import Constants
from theory.finite.constants import realisable_constants
from theory.finite.paths import Paths, inner_paths
from theory.finite.tabular import TabularFinite
from theory.flat import allowance, residue
from theory.settings import Settings
from theory.shared_objective import SharedObjective, named, shared_objectives
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance
from theory.statements.compositional_bias import Loop

#: T, and the most inner steps.
STEPS, MOST_STEPS = 2, 2
#: Most paths, and state-action pairs of the MDP: about a second for an estimator.
MOST_PATHS, MOST_PAIRS = 1500, 100


def listed_steps(mdp: TabularMDP, settings: Settings) -> int:
    """K of the paths that are listed, at most the settings'; 0 where one step is too much."""
    instance(mdp, TabularMDP, "mdp")
    instance(settings, Settings, "settings")
    if mdp.num_states * mdp.num_actions > MOST_PAIRS:
        return 0
    start = np.zeros(mdp.R.shape)
    count = count_trajectories(mdp, start, horizon=STEPS)
    steps = range(1, min(settings.num_steps, MOST_STEPS) + 1)
    return max((k for k in steps if count**k <= MOST_PATHS), default=0)


def enumerated_checks(
    mdp: TabularMDP, settings: Settings, step_size: float
) -> Iterator[BoundCheck]:
    """Yield Lemma 4.4, Theorem 4.5 and the sharper bounds of each estimator.

    Nothing where the paths are too many.

    Parameters
    ----------
    mdp : TabularMDP
    settings : Settings
        Estimators, V_b and the most inner steps.
    step_size : float
        α.
    """
    num_steps = listed_steps(mdp, settings)
    if not num_steps:
        return
    loop = Loop(step_size, num_steps, 1)
    for objective in shared_objectives(mdp, settings, STEPS, loop):
        for name in objective.names:
            yield from _estimator_checks(objective, name, first=name == objective.names[0])


def _estimator_checks(
    objective: SharedObjective, name: str, *, first: bool
) -> Iterator[BoundCheck]:
    """The checks of one estimator; Lemma 4.4 of the `first` of an objective stands for all."""
    alpha, num_steps, _ = objective.loop
    paths = inner_paths(
        TabularFinite(objective.problem, objective.start, objective.source(name)),
        **objective.loop._asdict(),
    )
    left = residue(
        objective.mdp,
        objective.baseline.table,
        step_size=alpha,
        num_steps=num_steps,
        curvature=float(np.linalg.norm(paths.exact.hessian, 2, axis=(-2, -1)).max()),
    )
    told = {"K": num_steps, "N": 1, "T": STEPS}
    proved = (objective.proved, objective.proved_noise(name))
    for constants in (proved, realisable_constants(paths, rounding=left)):
        found = [(name, check) for check in _theorems(objective, name, paths, constants)]
        if first:
            lemma = _lemma(objective, paths, constants)
            found = [(objective.label, check) for check in lemma] + found
        for of, check in found:
            rounding = check.rounding + allowance(check, left, alpha)
            yield named(replace(check, setting=told, rounding=rounding), of)


def _lemma(objective: SharedObjective, paths: Paths, constants: Constants) -> Iterator[BoundCheck]:
    """Lemma 4.4 for f = θ and f = p, and Proposition 5.2."""
    yield from lemma_4_4.check(paths, constants=constants, lipschitz_f=1.0)
    bias, *_ = lemma_4_4.check(
        paths, f="outer gradient", constants=constants, lipschitz_f=constants[0].mu1
    )
    yield bias
    if constants[0].scope == "every θ":  # The others do not prove it.
        _, proposition = outer_gradient_bias(bias.lhs, objective, constants)
        yield replace(proposition, rounding=bias.rounding)


def _theorems(
    objective: SharedObjective, name: str, paths: Paths, constants: Constants
) -> Iterator[BoundCheck]:
    """Theorem 4.5 for separate and for shared samples, and Theorem 5.3."""
    counts: dict[str, Any] = {"curvature_trajectories": 1, "outer_trajectories": 1}
    for shared in (False, True):
        samples = "shared" if shared else "separate"
        options: dict[str, Any] = counts | {"shared": shared, "constants": constants}
        bias = theorem_4_5_bias.check(paths, **options)
        for check in (bias, theorem_4_5_variance.check(paths, **options)):
            yield replace(check, name=f"{check.name}, {samples}")
        if find_estimator(name).cross and constants[0].scope == "every θ":
            sharper = theorem_5_3(bias.lhs, objective, constants, shared=shared)
            yield replace(sharper, rounding=bias.rounding)
