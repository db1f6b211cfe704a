"""A sample with its MDP, logits and directions, for the tests of the estimators."""

import numpy as np

from tabular.estimators import Estimate
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import Setting, Surrogate, arbitrary_sample, as_trajectories

#: λ of the sampled cases.
LAMBDAS = [0.0, 0.6, 1.0]


class Case:
    """A sample with its MDP, logits and directions, and the estimate and surrogate of it."""

    def __init__(
        self,
        size: tuple[int, int, int, int],
        *,
        gae_lambda: float = 0.6,
        baseline: str = "random",
        gamma: float = 0.9,
    ) -> None:
        num_states, num_actions, horizon, count = size
        shape = (num_states, num_actions)
        rng = np.random.default_rng([*size, LAMBDAS.index(gae_lambda)])
        self.mdp = random_mdp(rng, shape, gamma)
        self.theta, self.u, self.v = rng.normal(size=(3, *shape))
        self.sample = arbitrary_sample(rng, shape, horizon, count)
        table = 2 * rng.normal(size=num_states)
        self.baseline = {"none": None, "zero": np.zeros(num_states), "random": table}[baseline]
        self.gae_lambda = gae_lambda
        constant = np.zeros(num_states) if baseline != "random" else table
        self.setting = Setting(gamma, gae_lambda, constant, np.zeros(shape))

    def estimate(self, estimator: str) -> Estimate:
        return Estimate(
            self.mdp,
            self.theta,
            as_trajectories([self.sample]),
            estimator=estimator,
            baseline=self.baseline,
            gae_lambda=self.gae_lambda,
        )

    def surrogate(self, estimator: str) -> Surrogate:
        return Surrogate(estimator, self.theta, self.sample, self.setting)
