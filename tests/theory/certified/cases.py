"""Tiny MDPs for certified mode, and everything it encloses once more in floats.

The brute force goes forwards along every path, with samples as ordered tuples of trajectories from
`tabular`, where the certified tree goes backwards over multisets of merged ones.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP, exact
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.registry import find_estimator
from tests.tabular.reference import random_mdp
from theory.certified.balls import rational
from theory.certified.enumeration import Enumeration, enumerate_exactly


class Case(NamedTuple):
    """An MDP, θ⁰, T and V_b."""

    mdp: TabularMDP
    theta: Any
    horizon: int
    baseline: Any

    def enumeration(self, estimator: str) -> Enumeration:
        kind = find_estimator(estimator)
        return enumerate_exactly(self.mdp, kind, horizon=self.horizon, baseline=self.baseline)

    def start(self):
        return [rational(x) for x in self.theta.ravel()]

    def terminal(self, estimator: str) -> Any:
        return self.baseline if find_estimator(estimator).baseline else np.zeros_like(self.baseline)

    def options(self, estimator: str) -> dict[str, Any]:
        return {"estimator": estimator, "horizon": self.horizon, "baseline": self.baseline}


def make(num_states: int, num_actions: int, horizon: int, kind: str = "plain") -> Case:
    rng = np.random.default_rng([num_states, num_actions, horizon, len(kind)])
    mdp = random_mdp(rng, (num_states, num_actions))
    if kind == "by successor":
        R = rng.normal(size=(*mdp.R.shape, num_states))
        mdp = TabularMDP(mdp.P, R, mdp.gamma, 0)
    if kind == "certain":
        successor = rng.integers(num_states, size=mdp.R.shape)
        mdp = TabularMDP(np.eye(num_states)[successor], mdp.R, mdp.gamma, 0).sparse()
    theta = rng.normal(size=(num_states, num_actions))
    return Case(mdp, theta, horizon, rng.normal(size=num_states))


CASES = {
    "plain": make(2, 2, 2),
    "by successor": make(2, 2, 2, "by successor"),
    "certain": make(2, 2, 3, "certain"),
    "bandit": make(1, 3, 1),
}


class Brute(NamedTuple):
    """Left-hand sides and noise in floats."""

    distance: float
    squared: float
    gradient_distance: float
    bias: Any
    variance: Any
    sigma_in: float
    sigma_p: float
    sigma_H: float
    sigma_HF: float
    Delta_H: float
    m1: float
    c1: float
    mu1: float
    rho1: float


def brute(case: Case, name: str, alpha: float, K: int, N: int) -> Brute:
    mdp, d = case.mdp, case.theta.size
    truth = {"horizon": case.horizon, "terminal_value": case.terminal(name)}
    noise = dict.fromkeys(Brute._fields[5:], 0.0)

    def gradient(theta):
        return exact.gradient(mdp, theta.reshape(mdp.R.shape), **truth).ravel()

    def hessian(theta):
        return exact.hessian(mdp, theta.reshape(mdp.R.shape), **truth).reshape(d, d)

    def every(theta):
        theta = theta.reshape(mdp.R.shape)
        trajectories, p = enumerate_trajectories(mdp, theta, horizon=case.horizon)
        found = Estimate(mdp, theta, trajectories, estimator=name, baseline=case.baseline)
        return p, found.gradient.reshape(-1, d), found.hessian.reshape(-1, d, d)

    def seen(key, value):
        noise[key] = max(noise[key], float(value))

    paths = [(1.0, case.theta.ravel(), np.eye(d), np.eye(d), [])]
    end, factors = case.theta.ravel(), np.eye(d)
    for i in range(K):
        seen("c1", np.linalg.norm(hessian(end), ord=2))
        factors = factors @ (np.eye(d) + alpha * hessian(end))
        here = end
        end = end + alpha * gradient(end)
        longer = []
        for weight, theta, mean_product, own_product, seconds in paths:
            p, g, H = every(theta)
            mean_g, mean_H = p @ g, np.tensordot(p, H, axes=1)
            Xi = H - mean_H
            squares = np.einsum("m,mij,mjk->ik", p, Xi, Xi)
            seen("sigma_in", np.sqrt(p @ ((g - mean_g) ** 2).sum(axis=1)))
            seen("sigma_H", np.sqrt(np.linalg.eigvalsh(squares)[-1]))
            seen("sigma_HF", np.sqrt(np.trace(squares)))
            seen("Delta_H", np.abs(np.linalg.eigvalsh(mean_H - hessian(theta))).max())
            seen("c1", np.linalg.norm(hessian(theta), ord=2))
            if i > 0:
                away = np.linalg.norm(theta - here)
                seen("c1", np.linalg.norm(gradient(theta) - gradient(here)) / away)
                seen("rho1", np.linalg.norm(hessian(theta) - hessian(here), ord=2) / away)
            mean_factor = np.eye(d) + alpha * mean_H
            for drawn in product(range(len(p)), repeat=N):
                chosen = list(drawn)
                step, factor = g[chosen].mean(axis=0), np.eye(d) + alpha * H[chosen].mean(axis=0)
                longer.append(
                    (
                        weight * np.prod(p[chosen]),
                        theta + alpha * step,
                        mean_product @ mean_factor,
                        own_product @ factor,
                        [*seconds, (mean_factor, p, Xi)],
                    )
                )
        paths = longer
    sums = np.zeros(3)
    u, own_u, second, own_second = np.zeros(d), np.zeros(d), 0.0, 0.0
    for weight, theta, mean_product, own_product, seconds in paths:
        p, g, _ = every(theta)
        mean = p @ g
        spread = np.einsum("m,mi,mj->ij", p, g - mean, g - mean)
        seen("sigma_p", np.sqrt(np.trace(spread)))
        M = np.outer(mean, mean) + spread / N
        away = np.linalg.norm(theta - end)
        change = np.linalg.norm(gradient(theta) - gradient(end))
        sums += weight * np.array([away, away**2, change])
        seen("m1", max(np.linalg.norm(gradient(theta)), np.linalg.norm(gradient(end))))
        seen("mu1", change / away)
        u += weight * mean_product @ mean
        own_u += weight * own_product @ mean
        own_second += weight * np.trace(own_product @ M @ own_product.T)
        for factor, q, Xi in reversed(seconds):
            M = factor @ M @ factor + alpha**2 / N * np.einsum("m,mij,jk,mkl->il", q, Xi, M, Xi)
        second += weight * np.trace(M)
    exact_meta = factors @ gradient(end)
    bias = [np.linalg.norm(u - exact_meta), np.linalg.norm(own_u - exact_meta)]
    return Brute(*sums, bias, [second - u @ u, own_second - own_u @ own_u], **noise)
