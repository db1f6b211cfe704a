"""All numbers of a report a second time, without the closed forms.

The truth by autograd, means and covariances as sums over all trajectories, crossings by bisection.
Only the sampled estimators themselves (`tabular.estimators`, tested elsewhere against autograd) are
shared.
"""

from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tests.tabular.reference import Reference
from tests.tabular.unroll import maml, state_value
from theory.settings import Settings


class Every(NamedTuple):
    """Every trajectory's probability (M,), gradient (M, D) and Hessian (M, D, D)."""

    probability: Any
    gradients: Any
    hessians: Any

    @classmethod
    def at(cls, mdp: TabularMDP, theta: Any, name: str, settings: Settings) -> "Every":
        exact_critic = settings.baseline == "exact"
        baseline = state_value(mdp, theta) if exact_critic else np.zeros(mdp.num_states)
        every, probability = enumerate_trajectories(mdp, theta, horizon=settings.horizon)
        estimate = Estimate(mdp, theta, every, estimator=name, baseline=baseline)
        M, D = len(probability), theta.size
        return cls(probability, estimate.gradient.reshape(M, D), estimate.hessian.reshape(M, D, D))

    def mean(self, values: Any) -> Any:
        return np.tensordot(self.probability, values, axes=1)

    def variance(self, values: Any) -> float:
        """E‖x − E x‖² of one trajectory's x (M, ...)."""
        squares = ((values - self.mean(values)) ** 2).reshape(len(values), -1).sum(axis=1)
        return float(self.probability @ squares)


class Numbers(NamedTuple):
    """Truth, mean, the unbiased estimator's mean, and one trajectory's variance."""

    truth: Any
    mean: Any
    unbiased: Any
    variance: float


class Brute:
    """All numbers of a report without the closed forms."""

    def __init__(self, mdp: TabularMDP, settings: Settings) -> None:
        self.mdp, self.settings = mdp, settings
        self.theta = np.zeros(mdp.R.shape)
        reference = Reference(mdp, self.theta)
        D = self.theta.size
        self.value, self.gradient = float(reference.value), reference.gradient.ravel()
        self.hessian = reference.hessian.reshape(D, D)
        self.hessian_norm = float(np.abs(np.linalg.eigvalsh(self.hessian)).max())
        self.step_size = settings.step_size or 0.5 / self.hessian_norm
        options = {"step_size": self.step_size, "num_steps": settings.num_steps}
        self.meta = maml(mdp).meta_gradient(self.theta, **options).ravel()

    def at(self, name: str, theta: Any = None) -> Every:
        theta = self.theta if theta is None else theta
        return Every.at(self.mdp, theta, name, self.settings)

    def numbers(self, name: str) -> dict[str, Numbers]:
        own, good = self.at(name), self.at("dice" if name == "dice" else "loaded_dice")
        u = self.gradient / np.linalg.norm(self.gradient)
        H, H_good = own.mean(own.hessians), good.mean(good.hessians)
        return {
            "gradient": Numbers(
                self.gradient,
                own.mean(own.gradients),
                good.mean(good.gradients),
                own.variance(own.gradients),
            ),
            "hessian": Numbers(self.hessian, H, H_good, own.variance(own.hessians)),
            "hessian·u": Numbers(
                self.hessian @ u, H @ u, H_good @ u, own.variance(own.hessians @ u)
            ),
            "meta-gradient": self._meta(name),
        }

    def _meta(self, name: str) -> Numbers:
        """Π (I + α E Ĥ_i) p along expected steps, and its second moment for N trajectories."""
        alpha, N, theta = self.step_size, self.settings.num_trajectories, self.theta
        steps, good = [], []
        for _ in range(self.settings.num_steps):
            steps.append(self.at(name, theta))
            good.append(self.at("dice" if name == "dice" else "loaded_dice", theta))
            move = steps[-1].mean(steps[-1].gradients)
            theta = theta + alpha * move.reshape(theta.shape)
        mean = unbiased = Reference(self.mdp, theta).gradient.ravel()
        second = np.outer(mean, mean)
        for own, other in zip(reversed(steps), reversed(good), strict=True):
            H = own.mean(own.hessians)
            L = np.eye(len(H)) + alpha * H
            Delta = own.hessians - H
            spread = np.einsum(
                "m,mij,jk,mkl->il", own.probability, Delta, second, Delta, optimize=True
            )
            second = L @ second @ L + alpha**2 / N * spread
            mean = mean + alpha * H @ mean
            unbiased = unbiased + alpha * other.mean(other.hessians) @ unbiased
        return Numbers(self.meta, mean, unbiased, N * np.trace(second - np.outer(mean, mean)))


def crossing(bias: float, variance: float, better_bias: float, better_variance: float) -> float:
    """The N from which the less biased estimator wins, by bisection in log N; 0 is always."""

    def gain(log_n: float) -> float:
        ours, theirs = bias**2 + variance / 10**log_n, better_bias**2 + better_variance / 10**log_n
        return ours - theirs

    low, high = -15.0, 15.0
    assert gain(high) > 0, "the less biased estimator never wins"
    if gain(low) > 0:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if gain(middle) > 0 else (middle, high)
    return 10**high
