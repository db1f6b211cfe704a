"""The range of all values against all deterministic policies."""

import numpy as np
import pytest

from tabular import TabularMDP
from tests.tabular.reference import random_mdp
from tests.theory.softmax_search import deterministic_values
from theory import value_range as module
from theory.objectives import Objective
from theory.value_range import value_range

#: What early stopping may add, of W max|R|.
WIDER = 1e-6


@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.999])
@pytest.mark.parametrize("sparse", [False, True])
def test_it_holds_all_deterministic_policies(gamma, sparse):
    for seed in range(5):
        mdp = random_mdp(np.random.default_rng(seed), (4, 3), gamma)
        values = deterministic_values(mdp)
        low, high = value_range(mdp.sparse() if sparse else mdp, np.ones(4, dtype=bool))
        slack = WIDER * np.abs(mdp.R).max() / (1 - gamma)
        assert -slack <= low - values.min() <= 1e-12 / (1 - gamma)
        assert -1e-12 / (1 - gamma) <= high - values.max() <= slack


def test_rewards_far_from_zero_have_as_narrow_a_range():
    mdp = random_mdp(np.random.default_rng(8), (4, 3), 0.95)
    values = deterministic_values(mdp)
    low, high = value_range(mdp.with_reward(mdp.R + 1e7), np.ones(4, dtype=bool))
    slack = WIDER * np.ptp(mdp.R) / (1 - 0.95) + 1e-6  # and the rounding of 2e8
    assert high - low == pytest.approx(np.ptp(values), abs=2 * slack)
    assert low == pytest.approx(2e8 + values.min(), abs=slack)


def test_stopping_early_widens_it(monkeypatch):
    mdp = random_mdp(np.random.default_rng(9), (4, 3), 0.95)
    values, reached = deterministic_values(mdp), np.ones(4, dtype=bool)
    for steps in (1, 2, 5, 20):
        monkeypatch.setattr(module, "MOST_STEPS", steps)
        low, high = value_range(mdp, reached)
        assert low < values.min()
        assert high > values.max()


def test_states_out_of_reach_do_not_count():
    P = np.eye(2)[:, None, :].repeat(2, axis=1)
    mdp = TabularMDP(P, [[0.0, 1.0], [50.0, -50.0]], 0.5, 0)
    assert value_range(mdp, np.array([True, False])) == pytest.approx((0.0, 2.0), abs=1e-5)


def test_a_goal_reached_once_is_worth_one():
    mdp = TabularMDP.from_gymnasium("FrozenLake8x8-v1", gamma=0.99)
    objective = Objective(mdp)
    assert objective.value_span <= 1 + WIDER * 100
    assert objective.reward_span / (1 - objective.gamma) > 10  # what it is at most without a goal
