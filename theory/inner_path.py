"""The inner path that expected estimates take, and adjoints along it.

    θ̄^{i+1} = θ̄^i + α E ĝ(θ̄^i),    λ_K = ∇J(θ̄^K),    λ_i = λ_{i+1} + α D_i λ_{i+1}

with D_i the curvature at θ̄^i: an estimator's mean or a sample of it. λ_0 is the meta-gradient.
Estimators with the same advantages have the same expected gradient and share the path: `ad`, `lvc`
and `loaded_dice` one, `dice` another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tabular._checks import instance, positive_integer
from tabular.estimate_law import trajectory_law
from tabular.estimators import Estimate
from tabular.evaluation import Evaluation
from tabular.mdp import TabularMDP
from tabular.metagradient import positive_number
from tabular.moments import Expectation
from tabular.problems import Maml
from tabular.sampling import Trajectories, sample
from tabular.sources import Differential, Mean, Sampled
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array


class InnerPath:
    """K steps of size α from θ = 0, by the expectation of an unbiased source.

    Parameters
    ----------
    source : Sampled
        An estimator whose gradient has the mean that the steps take.
    problem : Maml, optional
        The objective of the exact outer gradient; the infinite-horizon J if not given.

    Attributes
    ----------
    iterates : list of (S, A)
        θ̄^0, ..., θ̄^K.
    unbiased : list of Expectation
        The source's expectation at θ̄^0, ..., θ̄^{K−1}.
    """

    def __init__(
        self,
        mdp: TabularMDP,
        source: Sampled,
        step_size: float,
        num_steps: int,
        problem: Maml | None = None,
    ) -> None:
        self.mdp = instance(mdp, TabularMDP, "mdp")
        self.source = instance(source, Sampled, "source")
        self.step_size = positive_number(step_size, "step_size")
        self.problem = Maml(mdp) if problem is None else instance(problem, Maml, "problem")
        self.iterates = [np.zeros((mdp.num_states, mdp.num_actions))]
        self.unbiased: list[Expectation] = []
        self._laws: dict[int, TrajectoryLaw] = {}
        for _ in range(positive_integer(num_steps, "num_steps")):
            self.unbiased.append(self.mean(source, self.iterates[-1]))
            self.iterates.append(self.iterates[-1] + step_size * self.unbiased[-1].gradient)

    def mean(self, source: Sampled, theta: Array) -> Expectation:
        """Return the expectation of a source at θ (..., S, A)."""
        return Mean(source)(self.problem.inner(theta, theta), None)

    def means(self, source: Sampled) -> list[Expectation]:
        """Return the expectation of a source at θ̄^0, ..., θ̄^{K−1}."""
        if source.estimator == self.source.estimator:
            return self.unbiased
        return [self.mean(source, theta) for theta in self.iterates[:-1]]

    def law(self, i: int) -> TrajectoryLaw:
        """The law of one trajectory at θ̄^i."""
        if i not in self._laws:
            theta = self.iterates[i]
            mean = self.unbiased[i] if i < len(self.unbiased) else None
            update = self.problem.inner(theta, theta)
            self._laws[i] = trajectory_law(update, self.source, mean)[0]
        return self._laws[i]

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The exact quantities at θ̄^0, ..., θ̄^K."""
        return [self.evaluate(theta) for theta in self.iterates]

    def evaluate(self, theta: Array) -> Evaluation:
        """Return the exact quantities of the objective at θ (..., S, A)."""
        found: Evaluation = self.problem.outer(theta, theta).exact()
        return found

    def adjoints(self, curvatures: Sequence[Differential]) -> list[Array]:
        """λ_0, ..., λ_K, (..., S, A) each."""
        return adjoints(self.evaluations[-1].gradient, curvatures, self.step_size)

    def repeat(self, source: Sampled, i: int, count: int, rng: np.random.Generator) -> Estimate:
        """Draw `count` estimates of a source at θ̄^i, with one baseline for all."""
        theta, num = self.iterates[i], source.num_trajectories
        together = sample(
            self.mdp, theta, horizon=source.horizon, num_trajectories=count * num, rng=rng
        )
        apart = Trajectories(
            together.states.reshape(-1, count, num),
            together.actions.reshape(-1, count, num),
            together.rewards.reshape(-1, count, num),
        )
        options = source.advantage_options(self.problem.inner(theta, theta), None)
        return Estimate(self.mdp, theta, apart, estimator=source.estimator, **options)


def adjoints(last: Array, curvatures: Sequence[Differential], step_size: float) -> list[Array]:
    """λ_i = λ_{i+1} + α D_i λ_{i+1} down from λ_K = `last`."""
    found = [last]
    for curvature in reversed(curvatures):
        found.append(found[-1] + step_size * curvature.vjp(found[-1]))
    return found[::-1]
