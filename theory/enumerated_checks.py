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

from tabular.baselines import FixedBaseline
from tabular.enumeration import count_trajectories
from tabular.mdp import TabularMDP
from tabular.problems import Maml
from tabular.registry import find_estimator
from tabular.sources import Sampled
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.finite.constants import realisable_constants
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.flat import allowance, residue
from theory.lemma_checks import lemma_checks
from theory.settings import BASELINES, Settings
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance

#: T, and the most inner steps.
STEPS, MOST_STEPS = 2, 2
#: Most paths, and state-action pairs: about a second for an estimator.
MOST_PATHS, MOST_PAIRS = 1500, 100


def listed_steps(mdp: TabularMDP, settings: Settings) -> int:
    """K of the paths that are listed: at most the settings'; 0 where even one step has too many."""
    if mdp.num_states * mdp.num_actions > MOST_PAIRS:
        return 0
    start = np.zeros(mdp.R.shape)
    count = count_trajectories(mdp, start, horizon=STEPS)
    steps = range(1, min(settings.num_steps, MOST_STEPS) + 1)
    return max((k for k in steps if count**k <= MOST_PATHS), default=0)


def enumerated_checks(
    mdp: TabularMDP, settings: Settings, step_size: float
) -> Iterator[BoundCheck]:
    """Yield Lemma 4.4 and Theorem 4.5 of each estimator, and Lemmas H.2 to H.8 once.

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
    start = np.zeros(mdp.R.shape)
    lemmas: set[bool] = set()
    for name in settings.estimators if num_steps else ():
        kind = find_estimator(name)
        table = BASELINES[settings.baseline](mdp, start, None)
        baseline = FixedBaseline(table if kind.baseline else np.zeros(mdp.num_states))
        problem = Maml(mdp, STEPS, baseline.table)
        source = Sampled(name, 1, STEPS, baseline)
        paths = inner_paths(
            TabularFinite(problem, start, source),
            step_size=step_size,
            num_steps=num_steps,
            num_trajectories=1,
        )
        proved = (
            certified_lipschitz(problem, start),
            certified_noise(problem, start, source, source),
        )
        left = residue(
            mdp,
            baseline.table,
            step_size=step_size,
            num_steps=num_steps,
            curvature=float(np.linalg.norm(paths.exact.hessian, 2, axis=(-2, -1)).max()),
        )
        realisable = realisable_constants(paths, rounding=left)
        told = {"of": name, "K": num_steps, "N": 1, "T": STEPS}
        if not lemmas:
            yield from (replace(check, setting=told) for check in lemma_checks(paths))
        seen = kind.baseline in lemmas
        lemmas.add(kind.baseline)
        for constants in (proved, realisable):
            # Estimators with one V_b take the same steps.
            found = (
                [] if seen else list(lemma_4_4.check(paths, constants=constants, lipschitz_f=1.0))
            )
            for shared in (False, True):
                counts: dict[str, Any] = {"curvature_trajectories": 1, "outer_trajectories": 1}
                for statement in (theorem_4_5_bias, theorem_4_5_variance):
                    check = statement.check(paths, **counts, shared=shared, constants=constants)
                    samples = "shared" if shared else "separate"
                    found.append(replace(check, name=f"{check.name}, {samples}"))
            for check in found:
                rounding = check.rounding + allowance(check, left, step_size)
                yield replace(check, setting=told, rounding=rounding)
