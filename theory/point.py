"""What all estimators of one MDP share, computed once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabular import exact
from tabular.mdp import TabularMDP
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tabular.registry import Estimator
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.effort import Effort
from theory.inner_path import InnerPath
from theory.report import unit
from theory.settings import BASELINES, Settings
from theory.simulation import Simulation, simulate

#: Estimates in the Monte Carlo check, and the most time steps in each.
CHECK_ESTIMATES = 128
CHECK_STEPS = 2000


@dataclass(frozen=True, eq=False)
class Point:
    """One MDP at θ = 0 with its T and α: truths, inner paths, and how estimates are simulated.

    A gradient of at most `rounding` has no direction u.
    """

    mdp: TabularMDP
    here: exact.Evaluation
    settings: Settings
    horizon: int
    step_size: float
    rounding: float

    @cached_property
    def u(self) -> Array:
        """g/‖g‖."""
        return unit(self.here.gradient, self.rounding)

    @cached_property
    def product(self) -> Array:
        """H u."""
        return self.here.hvp(self.u)

    @cached_property
    def hessian(self) -> Array:
        """H, (S, A, S, A)."""
        return self.here.hessian

    @cached_property
    def meta_gradient(self) -> Array:
        """∇_φ J(θ^K(φ))."""
        theta = np.zeros(self.mdp.R.shape)
        steps = self.settings.num_steps
        return meta_gradient(Maml(self.mdp), theta, step_size=self.step_size, num_steps=steps)

    @cached_property
    def effort(self) -> Effort:
        """What the covariances cost."""
        return Effort.of(self.mdp)

    def source(self, name: str) -> Sampled:
        """An estimator with the settings' N and V_b."""
        baseline = BASELINES[self.settings.baseline]
        return Sampled(name, self.settings.num_trajectories, self.horizon, baseline)

    @cached_property
    def _paths(self) -> dict[bool, InnerPath]:
        return {}

    def path(self, kind: Estimator) -> InnerPath:
        """The inner path of an estimator's advantages."""
        if kind.baseline not in self._paths:
            source = self.source("loaded_dice" if kind.baseline else "dice")
            steps = self.settings.num_steps
            self._paths[kind.baseline] = InnerPath(self.mdp, source, self.step_size, steps)
        return self._paths[kind.baseline]

    @property
    def check_trajectories(self) -> int:
        """N, or as many trajectories as keep the check short."""
        return max(1, min(self.settings.num_trajectories, CHECK_STEPS // self.horizon))

    def simulated(
        self,
        pieces: Iterable[tuple[Array, Array, Array]],
        variance: float | None,
        along: float | None,
        scatter: float,
    ) -> Simulation:
        """Compare (estimates, mean, truth) with exact variances of one trajectory.

        `scatter` is the relative variance of an estimate's square by events (`theory.rare`).
        """
        count = self.check_trajectories
        single, one = (None if x is None else x / count for x in (variance, along))
        return simulate(pieces, single, one, scatter)
