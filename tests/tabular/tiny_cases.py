"""Tiny MDPs of every kind with logits, baselines and λ, small enough to enumerate."""

from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP, exact
from tabular.registry import Estimator, find_estimator
from tabular.trajectory_law import TrajectoryLaw
from tests.tabular.reference import random_mdp


class Case(NamedTuple):
    """A tiny MDP, logits, the estimators' options and a direction."""

    mdp: TabularMDP
    theta: Any
    options: dict[str, Any]
    v: Any


def _by_successor(mdp, rng):
    R = rng.normal(size=(*mdp.R.shape, mdp.num_states))
    return TabularMDP(mdp.P, R, mdp.gamma, mdp.initial)


def _with_zeros(mdp, rng):
    """Half of the transitions removed, one left in every row; one start state removed."""
    keep = rng.random(mdp.P.shape) < 0.5
    np.put_along_axis(keep, rng.integers(mdp.num_states, size=(*mdp.R.shape, 1)), True, axis=-1)
    P = mdp.P * keep
    initial = np.array(mdp.initial)
    if len(initial) > 1:
        initial[0] = 0.0
    reward = mdp.R if mdp.successor_reward is None else mdp.successor_reward
    P, initial = P / P.sum(axis=-1, keepdims=True), initial / initial.sum()
    return TabularMDP(P, reward, mdp.gamma, initial)


def _certain(mdp, rng):
    successor = rng.integers(mdp.num_states, size=mdp.R.shape)
    return TabularMDP(np.eye(mdp.num_states)[successor], mdp.R, mdp.gamma, 0)


KINDS = {
    "plain": lambda mdp, rng: mdp,
    "by successor": _by_successor,
    "by successor and action": lambda mdp, rng: _by_successor(mdp, rng).add_reward(
        rng.normal(size=mdp.R.shape)
    ),
    "sparse": lambda mdp, rng: _with_zeros(mdp, rng).sparse(),
    "sparse by successor": lambda mdp, rng: _with_zeros(_by_successor(mdp, rng), rng).sparse(),
    "certain": _certain,
    "no discount": lambda mdp, rng: mdp.with_gamma(0.0),
    "high discount": lambda mdp, rng: mdp.with_gamma(0.99),
}
#: (S, A, T)
SIZES = [(1, 1, 3), (1, 3, 4), (2, 2, 1), (2, 2, 2), (2, 2, 5), (2, 3, 3), (3, 2, 4), (4, 2, 3)]
LAMBDAS = [0.0, 0.6, 1.0]
BASELINES = ["zero", "random", "value"]


def make(size, kind, gae_lambda, baseline) -> Case:
    num_states, num_actions, horizon = size
    rng = np.random.default_rng([*size, list(KINDS).index(kind)])
    mdp = KINDS[kind](random_mdp(rng, (num_states, num_actions)), rng)
    theta, v = rng.normal(size=(2, num_states, num_actions))
    table = 2 * rng.normal(size=num_states)
    choices = {
        "zero": lambda: np.zeros(num_states),
        "random": lambda: table,
        "value": lambda: exact.state_value(mdp, theta),
    }
    options = {"horizon": horizon, "baseline": choices[baseline](), "gae_lambda": gae_lambda}
    return Case(mdp, theta, options, v)


def law_of(case: Case, estimator: str) -> tuple[TrajectoryLaw, Estimator]:
    """The law of a case's trajectories as an estimator sees them, and its registry entry."""
    kind, options = find_estimator(estimator), case.options
    baseline, gae_lambda = kind.advantage_inputs(
        case.mdp.num_states, options["baseline"], options["gae_lambda"]
    )
    settings = {"horizon": options["horizon"], "baseline": baseline, "gae_lambda": gae_lambda}
    return TrajectoryLaw(case.mdp, case.theta, **settings), kind


def own_hessians(law: TrajectoryLaw, kind: Estimator) -> Any:
    """Φ(s, a) of `ad` or `lvc` within its own state, entry by entry, (S, A, A, A)."""
    num_actions = law.shape[1]
    return np.array([[_own(pi, a, kind) for a in range(num_actions)] for pi in law.pi])


def _own(pi, a, kind):
    """∇²log π(a), or ∇²π(a)/π(a), of softmax."""
    ones = np.eye(len(pi))
    found = np.zeros((len(pi), len(pi)))
    for b, c in np.ndindex(found.shape):
        found[b, c] = -pi[b] * (ones[b, c] - pi[c])
        if kind.local:
            found[b, c] += (ones[a, b] - pi[b]) * (ones[a, c] - pi[c])
    return found
