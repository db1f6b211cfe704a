"""J_T with one V_b, fixed as terminal table, and the estimators that are unbiased for it.

The statements are about an objective that the estimators are unbiased for (Assumption 4.2):
J_T with their own V_b. `dice` has none: there are two such objectives, or one if V_b is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular._checks import instance, positive_integer
from tabular.baselines import FixedBaseline
from tabular.mdp import TabularMDP
from tabular.problems import Maml
from tabular.registry import find_estimator
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.constants import Lipschitz, Noise
from theory.settings import BASELINES, Settings
from theory.statements.compositional_bias import Loop


@dataclass(frozen=True, eq=False)
class SharedObjective:
    """MAML on J_T at φ = θ⁰ = 0.

    Attributes
    ----------
    mdp : TabularMDP
    baseline : FixedBaseline
        V_b.
    label : str
        What V_b is.
    names : tuple of str
        Those of the estimators asked for that have this V_b.
    horizon : int
        T.
    loop : Loop
        α, K and N.
    """

    mdp: TabularMDP
    baseline: FixedBaseline
    label: str
    names: tuple[str, ...]
    horizon: int
    loop: Loop

    @cached_property
    def problem(self) -> Maml:
        """MAML on J_T."""
        return Maml(self.mdp, self.horizon, self.baseline.table)

    @cached_property
    def start(self) -> Array:
        """θ⁰ = 0."""
        return np.zeros(self.mdp.R.shape)

    def source(self, name: str) -> Sampled:
        """An estimator with this V_b."""
        return Sampled(name, self.loop.num_trajectories, self.horizon, self.baseline)

    @cached_property
    def proved(self) -> Lipschitz:
        """Assumption 4.1, for every θ."""
        return certified_lipschitz(self.problem, self.start)

    def proved_noise(self, name: str) -> Noise:
        """Assumption 4.3 of an estimator, for every θ."""
        source = self.source(name)
        return certified_noise(self.problem, self.start, source, source)


def shared_objectives(
    mdp: TabularMDP, settings: Settings, horizon: int, loop: Loop
) -> tuple[SharedObjective, ...]:
    """Return the objective of the estimators with the settings' V_b, and that of those without.

    One for all of them if V_b is zero; an objective may be without estimators.
    """
    instance(mdp, TabularMDP, "mdp")
    instance(settings, Settings, "settings")
    positive_integer(horizon, "horizon")
    instance(loop, Loop, "loop")
    names, zero = settings.estimators, np.zeros(mdp.num_states)
    table = BASELINES[settings.baseline](mdp, np.zeros(mdp.R.shape), None)

    def make(names: tuple[str, ...], table: Array, label: str) -> SharedObjective:
        return SharedObjective(mdp, FixedBaseline(table), label, names, horizon, loop)

    if settings.baseline == "zero":
        return (make(names, table, "V_b zero"),)
    uses = tuple(name for name in names if find_estimator(name).baseline)
    rest = tuple(name for name in names if name not in uses)
    return make(uses, table, f"V_b {settings.baseline}"), make(rest, zero, "V_b zero")


def named(check: BoundCheck, of: str, **more: Any) -> BoundCheck:
    """The check with the estimators that it is about."""
    return replace(check, setting=check.setting | {"of": of} | more)
