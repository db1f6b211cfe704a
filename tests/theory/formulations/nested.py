"""The K-sample estimates one by one: every ordered sample, derivatives by autograd.

Nothing is shared with `theory.formulations`: trajectories are enumerated by plain recursion, a
sample is an ordered N-tuple, ∂θ̂^K/∂φ and ∇_φ log p are autograd's through the whole sampled unroll
(φ tiled over the paths), and each path is followed by every tuple of outer trajectories.
"""

import itertools
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import elementwise_grad

from tabular import TabularMDP
from tests.tabular.surrogates import (
    Law,
    Sample,
    Setting,
    _plain,
    advantages,
    log_policy,
    quietly,
    surrogate,
)


class Estimates(NamedTuple):
    """Every estimate: probability (E,), X (E, d), Y of each step (K, E, d)."""

    probability: Any
    X: Any
    terms: Any

    @property
    def Y(self) -> Any:
        return self.terms.sum(axis=0)

    def mean(self, values: Any) -> Any:
        return np.tensordot(self.probability, values, axes=1)

    def covariance(self, left: Any, right: Any) -> float:
        """E⟨x − E x, y − E y⟩."""
        product = (left - self.mean(left)) * (right - self.mean(right))
        return float(self.probability @ product.sum(axis=-1))


class Nested:
    """MAML from φ on one MDP, with sampled steps of one estimator."""

    def __init__(
        self,
        mdp: TabularMDP,
        phi: Any,
        *,
        horizon: int,
        estimator: str,
        baseline: Any,
        alpha: float,
    ) -> None:
        self.estimator, self.alpha, self.phi = estimator, alpha, np.array(phi)
        every = Law(mdp, np.zeros(mdp.R.shape), horizon)
        self.sample = every.sample
        self.environment = every.probability * mdp.num_actions**horizon
        self.setting = Setting(float(mdp.gamma), 1.0, baseline, np.zeros(mdp.R.shape))
        own = self.setting.used_by(estimator)
        self.returns = advantages(self.sample, own)[0] + own.baseline[self.sample.states[:, 0]]

    def _chosen(self, index: Any) -> Sample:
        return Sample(*(part[index] for part in self.sample))

    def _slope(self, theta: Any, index: Any) -> Any:
        """ĝ of trajectory index[l] at θ_l."""

        def of(x: Any) -> Any:
            here = self._chosen(index)
            return surrogate(self.estimator, x, _plain(theta), here, self.setting)

        return elementwise_grad(of)(theta)

    def _log_pi(self, theta: Any, index: Any) -> Any:
        """Σ_t log π(a_t|s_t; θ_l) of trajectory index[l]."""
        return sum(log_policy(theta, self._chosen(index)))

    def _iterates(self, phi: Any, tuples: Any) -> list[Any]:
        """θ̂^0, ..., θ̂^K for tuples (K, N, L)."""
        out = [phi]
        for chosen in tuples:
            step = sum(self._slope(out[-1], index) for index in chosen) / len(chosen)
            out.append(out[-1] + self.alpha * step)
        return out

    def _step_log_p(self, phi: Any, tuples: Any, i: int) -> Any:
        theta = self._iterates(phi, tuples[:i])[-1]
        return sum(self._log_pi(theta, index) for index in tuples[i])

    def estimates(self, K: int, N: int, outer: int, b: float) -> Estimates:
        """All estimates of K steps of N trajectories and `outer` ones at the end."""
        count = range(len(self.environment))
        samples = list(itertools.product(count, repeat=N))
        tuples = np.array(list(itertools.product(samples, repeat=K)))
        tuples = np.moveaxis(tuples, 0, -1)
        L, shape = tuples.shape[-1], self.phi.shape
        tiled = np.broadcast_to(self.phi, (L, *shape)).copy()
        log_p = sum(self._step_log_p(tiled, tuples, i) for i in range(K))
        probability = np.exp(log_p) * self.environment[tuples].prod(axis=(0, 1))
        scores = [
            quietly(elementwise_grad(lambda x, i=i: self._step_log_p(x, tuples, i)), tiled)
            for i in range(K)
        ]
        jacobian = np.stack(
            [
                quietly(
                    elementwise_grad(
                        lambda x, u=u: anp.sum(self._iterates(x, tuples)[-1] * u, (1, 2))
                    ),
                    tiled,
                )
                for u in np.eye(self.phi.size).reshape(-1, *shape)
            ],
            axis=1,
        ).reshape(L, self.phi.size, -1)
        theta = self._iterates(tiled, tuples)[-1]
        parts = []
        for after in itertools.product(count, repeat=outer):
            ends = [np.full(L, one) for one in after]
            weight = probability * np.prod(
                [np.exp(self._log_pi(theta, e)) * self.environment[e] for e in ends], axis=0
            )
            p = sum(self._slope(theta, e) for e in ends).reshape(L, -1) / outer
            X = np.einsum("ldm,ld->lm", jacobian, p)
            gain = np.mean([self.returns[e] for e in ends], axis=0) - b
            terms = np.stack([s.reshape(L, -1) * gain[:, None] for s in scores])
            parts.append((weight, X, terms))
        weights, Xs, Ys = zip(*parts, strict=True)
        return Estimates(np.concatenate(weights), np.concatenate(Xs), np.concatenate(Ys, axis=1))
