"""Sampled loops of tiny MDPs as sums over every sequence of samples, M^N of them a step.

Nothing is shared with the closed forms but the trajectories' estimates (`tabular.estimators`) and
the exact gradients at the end (`tabular.exact`), both tested against autograd. Where there are two
trajectories only, the sequences are collected by the binomial law.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binom

from tabular import TabularMDP, exact
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.reference import Reference
from tests.tabular.tolerances import Tolerance
from theory.finite.tabular import TabularFinite
from theory.second_order import SampledLoop

#: Sums over all the ends of a loop of numbers exact to 1e-13.
ENDS = Tolerance(rtol=1e-11, atol=1e-13)


def finite(loop: SampledLoop, estimator: str = "loaded_dice") -> TabularFinite:
    """The same loop with its finitely many outcomes."""
    problem = Maml(loop.mdp, horizon=loop.horizon, terminal_value=loop.baseline)
    source = Sampled(estimator, 1, loop.horizon, lambda *_: loop.baseline)
    return TabularFinite(problem, loop.theta0, source)


class Slow(NamedTuple):
    """A loop on J_T with baseline and terminal table V_b, and the estimator of its Hessians."""

    mdp: TabularMDP
    step_size: float
    horizon: int
    baseline: Any
    estimator: str = "loaded_dice"

    def reference(self, theta: Any) -> Reference:
        return Reference(self.mdp, theta, self.horizon, self.baseline)

    def outcomes(self, theta: Any) -> tuple[Any, Any, Any]:
        """Every trajectory's probability (M,), gradient (M, D) and Hessian (M, D, D)."""
        every, probability = enumerate_trajectories(self.mdp, theta, horizon=self.horizon)
        one = Estimate(self.mdp, theta, every, estimator=self.estimator, baseline=self.baseline)
        M, D = len(probability), theta.size
        return probability, one.gradient.reshape(M, D), one.hessian.reshape(M, D, D)

    def averages(self, theta: Any, N: int) -> tuple[Any, Any, Any]:
        """Every sequence of N trajectories: probability and averages."""
        probability, gradient, hessian = self.outcomes(theta)
        if len(probability) == 2:
            first = np.arange(N + 1)
            share = np.stack([first, N - first], axis=1) / N
            weight = binom.pmf(first, N, probability[0])
            return weight, share @ gradient, np.tensordot(share, hessian, axes=1)
        picks = np.array(list(itertools.product(range(len(probability)), repeat=N)))
        weight = probability[picks].prod(axis=1)
        return weight, gradient[picks].mean(axis=1), hessian[picks].mean(axis=1)

    def ends(self, theta: Any, K: int, N: int) -> tuple[Any, Any]:
        """The probabilities (L,) and values (L, S, A) of θ̂^K."""
        weights, ends = np.ones(1), theta[None]
        for _ in range(K):
            steps = [self.averages(one, N) for one in ends]
            moved = [
                one + self.step_size * gradient.reshape(-1, *theta.shape)
                for one, (_, gradient, _) in zip(ends, steps, strict=True)
            ]
            chances = [w * step[0] for w, step in zip(weights, steps, strict=True)]
            weights, ends = np.concatenate(chances), np.concatenate(moved)
        return weights, ends

    def mean_meta_gradient(self, theta: Any, K: int, N: int, *, shared: bool) -> Any:
        """E Π_i (I + α Ĥ_i) p̂ (D,), Hessians from the path's samples or from others."""
        weight, gradient, hessian = self.averages(theta, N)
        if not shared:
            hessian = np.broadcast_to(np.tensordot(weight, hessian, axes=1), hessian.shape)
        after = theta + self.step_size * gradient.reshape(-1, *theta.shape)
        if K == 1:
            options = {"horizon": self.horizon, "terminal_value": self.baseline}
            left = exact.gradient(self.mdp, after, **options).reshape(gradient.shape)
        else:
            left = np.stack([self.mean_meta_gradient(x, K - 1, N, shared=shared) for x in after])
        moved = left + self.step_size * np.einsum("mij,mj->mi", hessian, left)
        return weight @ moved

    def exact_path(self, theta: Any, K: int) -> list[Any]:
        path = [theta]
        for _ in range(K):
            path.append(path[-1] + self.step_size * self.reference(path[-1]).gradient)
        return path

    def mean_along_exact_path(self, theta: Any, K: int) -> Any:
        """Π_i (I + α E Ĥ_i) p (D,)."""
        path = self.exact_path(theta, K)
        left = np.ravel(self.reference(path[-1]).gradient)
        for one in reversed(path[:-1]):
            probability, _, hessian = self.outcomes(one)
            left = left + self.step_size * np.tensordot(probability, hessian, axes=1) @ left
        return left
