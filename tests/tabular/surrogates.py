"""The estimators from their definitions, by autograd, and trajectories by plain enumeration.

A surrogate is a number per trajectory, written as the product, the ratio or the logarithm of its
name; gradients, Hessian-vector products and cross derivatives are what autograd makes of it. The
logits are tiled over the trajectories where every trajectory is differentiated for itself. None
of it shares code with `tabular`: an MDP gives its tables, trajectories are arrays of integers.
"""

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import elementwise_grad, grad
from autograd.tracer import Box, getval

from tabular import TabularMDP
from tabular.sampling import Trajectories
from tests.tabular.tolerances import Tolerance

ESTIMATORS = ("ad", "lvc", "loaded_dice", "dice")

#: Sums over at most a few hundred thousand products of numbers of size one; the largest error
#: seen is 2e-14.
DERIVATIVE = Tolerance(rtol=1e-12, atol=1e-13)
#: Numbers that are zero in exact arithmetic; `scale` = the size of the terms that cancel.
NOTHING = Tolerance(rtol=0.0, atol=1e-15)


class Sample(NamedTuple):
    """M trajectories: states (M, T + 1), actions (M, T), rewards (M, T)."""

    states: Any
    actions: Any
    rewards: Any


class Setting(NamedTuple):
    """What an advantage is made of: γ, λ, V_b (S,), and a table φ (S, A) added to the rewards.

    γ, λ and φ are the same for all trajectories or one each: (M,), (M,), (M, S, A).
    """

    gamma: Any
    gae_lambda: Any
    baseline: Any
    phi: Any

    def used_by(self, estimator: str) -> "Setting":
        """`dice` has V_b = 0 and λ = 1."""
        if estimator == "dice":
            return self._replace(gae_lambda=1.0, baseline=np.zeros_like(self.baseline))
        return self


def advantages(sample: Sample, setting: Setting) -> list[Any]:
    """Â_t = Σ_l (γλ)^l δ_{t+l} for every t, each (M,)."""
    gamma, gae_lambda, baseline, phi = setting
    count, horizon = sample.actions.shape
    phi = phi + np.zeros((count, 1, 1))
    deltas = []
    for t in range(horizon):
        now, action, after = sample.states[:, t], sample.actions[:, t], sample.states[:, t + 1]
        reward = sample.rewards[:, t] + phi[np.arange(count), now, action]
        deltas.append(reward + gamma * baseline[after] - baseline[now])
    out = []
    for t in range(horizon):
        total, weight = 0.0, 1.0
        for later in range(t, horizon):
            total = total + weight * deltas[later]
            weight = weight * gamma * gae_lambda
        out.append(total)
    return out


def log_policy(theta: Any, sample: Sample) -> list[Any]:
    """log π_θ(a_t|s_t) for every t, each (M,); θ is (S, A) or one a trajectory (M, S, A)."""
    shifted = theta - np.max(_plain(theta), axis=-1, keepdims=True)
    table = shifted - anp.log(anp.sum(anp.exp(shifted), axis=-1, keepdims=True))
    num_states, num_actions = theta.shape[-2:]
    out = []
    for t in range(sample.actions.shape[1]):
        state = np.eye(num_states)[sample.states[:, t]][:, :, None]
        action = np.eye(num_actions)[sample.actions[:, t]][:, None, :]
        out.append(anp.sum(table * state * action, axis=(1, 2)))
    return out


def _plain(x: Any) -> Any:
    """The number that autograd differentiates at."""
    while isinstance(x, Box):
        x = getval(x)
    return x


def surrogate(
    estimator: str, theta: Any, sampled_from: Any, sample: Sample, setting: Setting
) -> Any:
    """The surrogate of each trajectory, (M,); `sampled_from` are the logits that drew it."""
    setting = setting.used_by(estimator)
    gamma = setting.gamma
    ratios = [
        anp.exp(new - old)
        for new, old in zip(
            log_policy(theta, sample), log_policy(sampled_from, sample), strict=True
        )
    ]
    logs = log_policy(theta, sample)
    total, product = 0.0, 1.0
    for t, advantage in enumerate(advantages(sample, setting)):
        earlier, product = product, product * ratios[t]
        if estimator == "ad":
            factor = logs[t]
        elif estimator == "lvc":
            factor = ratios[t]
        else:
            factor = product - earlier
        total = total + gamma**t * advantage * factor
    return total


def original_dice(
    theta: Any, sampled_from: Any, sample: Sample, gamma: float, phi: Any = 0.0
) -> Any:
    """Σ_t γ^t r_t Π_{k<=t} π/π_old (Foerster et al., 2018): DiCE before any rearrangement."""
    new, old = log_policy(theta, sample), log_policy(sampled_from, sample)
    total, product = 0.0, 1.0
    for t in range(sample.actions.shape[1]):
        product = product * anp.exp(new[t] - old[t])
        total = total + gamma**t * sample.rewards[:, t] * product
    return total


class Surrogate:
    """Derivatives at θ = `sampled_from` of one estimator's surrogate on a sample.

    Methods in the plural give one table for each trajectory; those called `mean` their average,
    with equal weights unless `weights` (M,) are given.
    """

    def __init__(
        self, estimator: str, theta: Any, sample: Sample, setting: Setting, weights: Any = None
    ) -> None:
        self.theta, self.setting = np.array(theta), setting
        count = len(sample.actions)
        self.weights = np.full(count, 1 / count) if weights is None else weights
        self._function = lambda tiled, setting: surrogate(
            estimator, tiled, self.theta, sample, setting
        )
        self._tiled = np.broadcast_to(self.theta, (count, *self.theta.shape)).copy()

    def _slope(self, setting: Setting) -> Callable[[Any], Any]:
        return elementwise_grad(lambda tiled: self._function(tiled, setting))

    def gradients(self) -> Any:
        """The gradient of each trajectory, (M, S, A)."""
        return quietly(self._slope(self.setting), self._tiled)

    def hvps(self, v: Any) -> Any:
        """Ĥv of each trajectory, (M, S, A)."""
        slope = self._slope(self.setting)
        return quietly(grad(lambda tiled: anp.sum(slope(tiled) * v)), self._tiled)

    def hessians(self) -> Any:
        """Ĥ of each trajectory, (M, S, A, S, A)."""
        units = np.eye(self.theta.size).reshape(-1, *self.theta.shape)
        columns = np.stack([self.hvps(unit) for unit in units], axis=-1)
        return columns.reshape(*columns.shape[:-1], *self.theta.shape)

    def crosses(self, parameter: str, u: Any) -> Any:
        """∂/∂parameter ⟨gradient, u⟩ of each trajectory, (M, ...) with the parameter's shape."""
        value = np.array(getattr(self.setting, parameter))

        def product(tiled: Any) -> Any:
            return anp.sum(
                self._slope(self.setting._replace(**{parameter: tiled}))(self._tiled) * u
            )

        return quietly(grad(product), np.tile(value, (len(self._tiled), *(1,) * value.ndim)))

    def mean(self, values: Any) -> Any:
        """The average of values (M, ...)."""
        return np.tensordot(self.weights, values, axes=1)

    def _mean_cross(self, parameter: str, u: Any) -> Any:
        """∂/∂parameter ⟨mean gradient, u⟩."""

        def product(value: Any) -> Any:
            setting = self.setting._replace(**{parameter: value})
            return anp.sum(self.weights[:, None, None] * self._slope(setting)(self._tiled) * u)

        return quietly(grad(product), getattr(self.setting, parameter))

    def mean_cross_reward(self, u: Any) -> Any:
        """∂_φ ⟨mean gradient, u⟩, (S, A)."""
        return self._mean_cross("phi", u)

    def mean_cross_scalar(self, parameter: str) -> Any:
        """The derivative of the mean gradient in `gamma` or `gae_lambda`, (S, A)."""
        units = np.eye(self.theta.size).reshape(-1, *self.theta.shape)
        each = [self._mean_cross(parameter, unit) for unit in units]
        return np.array(each).reshape(self.theta.shape)


def quietly(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call an autograd derivative; a result that does not depend on its input is a true zero."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Output seems independent of input")
        return function(argument)


def arbitrary_sample(
    rng: np.random.Generator, shape: tuple[int, int], horizon: int, count: int
) -> Sample:
    """Arbitrary indices and rewards: an estimate is a function of any trajectory."""
    return Sample(
        rng.integers(shape[0], size=(count, horizon + 1)),
        rng.integers(shape[1], size=(count, horizon)),
        rng.normal(size=(count, horizon)),
    )


def as_trajectories(samples: list[Sample], batch: tuple[int, ...] = ()) -> Trajectories:
    """One sample of N trajectories for each trial, time first: (T + 1, *batch, N)."""
    stacked = (np.stack(part) for part in zip(*samples, strict=True))
    return Trajectories(
        *(
            np.moveaxis(part, -1, 0).reshape(part.shape[-1], *batch, part.shape[1])
            for part in stacked
        )
    )


class Tables(NamedTuple):
    """P (S, A, S), R (S, A, S), ρ (S,), γ as plain arrays."""

    P: Any
    R: Any
    initial: Any
    gamma: float

    @classmethod
    def of(cls, mdp: TabularMDP) -> "Tables":
        """Read the public tables of one MDP."""
        shape = (*mdp.R.shape, mdp.num_states)
        rewards = mdp.R[..., None] if mdp.successor_reward is None else mdp.successor_reward
        P, R = (
            x.toarray().reshape(shape) if hasattr(x, "toarray") else np.broadcast_to(x, shape)
            for x in (mdp.P, rewards)
        )
        if mdp.bonus is not None:
            R = R + mdp.bonus[..., None]
        return cls(P, R, np.array(mdp.initial), float(mdp.gamma))


def plain_policy(theta: Any) -> Any:
    """π(a|s)."""
    weights = np.exp(theta - np.max(theta, axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def paths(
    tables: Tables, theta: Any, horizon: int
) -> Iterator[tuple[float, list[int], list[int], list[float]]]:
    """Yield (probability, states, actions, rewards) of all trajectories that can happen."""
    pi, (num_states, num_actions) = plain_policy(theta), np.shape(theta)

    def extend(probability: float, states: list[int], actions: list[int], rewards: Any) -> Any:
        if len(actions) == horizon:
            yield probability, states, actions, rewards
            return
        s = states[-1]
        for a, after in itertools.product(range(num_actions), range(num_states)):
            if pi[s, a] > 0 and tables.P[s, a, after] > 0:
                yield from extend(
                    probability * pi[s, a] * tables.P[s, a, after],
                    [*states, after],
                    [*actions, a],
                    [*rewards, tables.R[s, a, after]],
                )

    for start in range(num_states):
        if tables.initial[start] > 0:
            yield from extend(tables.initial[start], [start], [], [])


class Law:
    """Exact expectations of one MDP, policy and horizon, as sums over all trajectories."""

    def __init__(self, mdp: TabularMDP, theta: Any, horizon: int) -> None:
        self.theta = np.array(theta)
        self.tables = Tables.of(mdp)
        probability, *parts = zip(*paths(self.tables, self.theta, horizon), strict=True)
        self.probability = np.array(probability)
        self.sample = Sample(*(np.array(part) for part in parts))

    def surrogate(self, estimator: str, gae_lambda: float, baseline: Any) -> Surrogate:
        """The estimator on every trajectory."""
        setting = Setting(
            self.tables.gamma, gae_lambda, np.array(baseline), np.zeros(self.theta.shape)
        )
        return Surrogate(estimator, self.theta, self.sample, setting, self.probability)

    def covariance(self, values: Any, others: Any = None) -> Any:
        """Cov(x, y) for values of x and y, (M, ...) each; y = x if there are no others."""
        others = values if others is None else others
        weighted, other = (x - np.tensordot(self.probability, x, axes=1) for x in (values, others))
        weighted = (weighted.T * self.probability).T
        return np.tensordot(weighted, other, axes=(0, 0))
