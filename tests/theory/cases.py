"""MDPs, names and tolerances shared by the tests of the verification table and its picture."""

import dataclasses
from functools import cache

import numpy as np

from tabular import TabularMDP, zoo
from tabular.registry import ESTIMATORS
from tests.tabular.tolerances import Tolerance
from theory.report import Report, Row
from theory.settings import Settings
from theory.verification import verify

#: Of the truth's norm. A row subtracts vectors of the truth's size; γ = 0.99 loses two digits
#: and each of K steps up to one.
ROW = Tolerance(rtol=1e-10, atol=1e-11)
#: A crossing divides by a difference of squared biases: 1e-11 of b² over the smallest
#: difference that counts in these tests, 1e-3 b².
CROSSING = Tolerance(rtol=1e-7, atol=0.0)
#: Standard errors allowed between a simulation and its law.
STANDARD_ERRORS = 5.0
NAMES = tuple(ESTIMATORS)


def dense_random(num_states: int = 4, num_actions: int = 3, seed: int = 0) -> TabularMDP:
    rng = np.random.default_rng(seed)
    return TabularMDP.random(num_states, num_actions, concentration=1.0, rng=rng)


def noisy_rewards() -> TabularMDP:
    """Three states whose rewards hang on the successor, from a random start."""
    rng = np.random.default_rng(7)
    P = rng.dirichlet(np.ones(3), size=(3, 2))
    return TabularMDP(P, rng.normal(size=(3, 2, 3)), 0.7, [0.2, 0.3, 0.5], name="noisy")


def seeded(settings: Settings, mdp: TabularMDP, seeds: int) -> list[Report]:
    """Reports that differ in their seed."""
    return [verify(mdp, dataclasses.replace(settings, seed=seed)) for seed in range(seeds)]


def rows_of(report: Report) -> dict[tuple[str, str], Row]:
    return {(row.quantity, row.estimator): row for row in report.rows}


def free_transitions(num_states: int) -> TabularMDP:
    """Actions pay differently and move alike; two of them: ∇²J = 0 at θ = 0, ∇J is not."""
    rng = np.random.default_rng(0)
    P = np.repeat(rng.dirichlet(np.ones(num_states), size=(num_states, 1)), 2, axis=1)
    return TabularMDP(P, rng.random((num_states, 2)), 0.9, 0, name=f"free {num_states}")


def one_action(num_states: int) -> TabularMDP:
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(num_states), size=(num_states, 1))
    return TabularMDP(P, rng.random((num_states, 1)), 0.9, 0, name=f"one action {num_states}")


NO_REWARD = dense_random().with_reward(np.zeros((4, 3)))
#: Name -> (MDP, quantities whose truth is not zero). "large" is S·A > 50, where Lanczos starts.
ALL = ("gradient", "hessian", "hessian·u", "meta-gradient")
DEGENERATE = {
    "one state, one action": (TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.9, 0), ()),
    "one state": (TabularMDP(np.ones((1, 3, 1)), [[1.0, 0.2, -0.4]], 0.9, 0), ALL),
    "one action": (one_action(4), ()),
    "one action, large": (one_action(51), ()),
    "gamma = 0": (dense_random().with_gamma(0.0), ALL),
    "zero reward": (NO_REWARD, ()),
    "zero reward, large": (dense_random(26, 2).with_reward(np.zeros((26, 2))), ()),
    "constant reward": (dense_random().with_reward(np.full((4, 3), 2.5)), ()),
    "action-independent transitions": (free_transitions(4), ("gradient", "meta-gradient")),
    "action-independent transitions, large": (
        free_transitions(26),
        ("gradient", "meta-gradient"),
    ),
    "reward out of reach": (zoo.chain(6), ALL),
    "tiny rewards": (dense_random().with_reward(1e-30 * dense_random().R), ALL),
}


@cache
def degenerate_report(name: str, num_steps: int = 1) -> Report:
    settings = Settings(horizon=2, num_trajectories=4, num_steps=num_steps)
    return verify(DEGENERATE[name][0], settings)


def lottery(chance: float) -> TabularMDP:
    """With this chance a step pays one, whatever the action."""
    P = np.broadcast_to([1.0 - chance, chance], (2, 2, 2))
    R = np.broadcast_to([0.0, 1.0], (2, 2, 2))
    return TabularMDP(P, R, 0.5, [1.0, 0.0])
