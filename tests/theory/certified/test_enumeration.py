"""The rational enumeration: probabilities sum to one exactly, its size, refusals."""

from fractions import Fraction

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.enumeration import enumerate_trajectories
from tabular.registry import ESTIMATORS
from tests.theory.certified.cases import CASES, make
from theory.certified.balls import fmpq, rational
from theory.certified.enumeration import require_few

cases = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@cases
@pytest.mark.parametrize("name", ESTIMATORS)
def test_probabilities_of_a_uniform_policy_sum_to_one_exactly(case, name):
    every = case.enumeration(name)
    uniform = fmpq(1, case.mdp.num_actions) ** case.horizon
    assert sum(every.weights.values()) * uniform == 1
    for count in (1, 2):
        samples = every.samples(count)
        assert sum(sample.weight for sample in samples) * uniform**count == 1
    assert len(every.samples(2)) == len(every.weights) * (len(every.weights) + 1) // 2


@cases
@pytest.mark.parametrize("name", ESTIMATORS)
def test_only_what_no_estimate_tells_apart_is_merged(case, name):
    every = case.enumeration(name)
    walks, _ = enumerate_trajectories(case.mdp, case.theta, horizon=case.horizon)
    assert len(every.weights) <= walks.states.shape[1]
    if name != "dice" and case is CASES["plain"]:
        assert len(every.weights) == 32


def test_dice_does_not_see_the_last_state():
    assert len(CASES["plain"].enumeration("dice").weights) == 16


def test_rows_are_divided_by_their_exact_sums():
    P = np.full((1, 1, 3), 1 / 3)
    third = [Fraction(p) for p in P[0, 0]]
    assert sum(third) != 1
    mdp = TabularMDP(np.broadcast_to(P, (3, 1, 3)), np.arange(3.0)[:, None], 0.5, 0)
    every = make(1, 1, 1)._replace(mdp=mdp, baseline=np.arange(3.0)).enumeration("ad")
    assert sum(every.weights.values()) == 1
    assert all(weight == fmpq(1, 3) for weight in every.weights.values())


def test_spans_are_of_what_is_met():
    """State 2 is out of reach: its reward and its V_b do not count."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 0] = P[2, :, 2] = 1.0
    R = np.array([[0.25, 1.0], [0.5, 0.5], [100.0, -100.0]])
    case = make(3, 2, 2)._replace(mdp=TabularMDP(P, R, 0.5, 0), baseline=np.array([1.0, 3.0, 9.0]))
    every = case.enumeration("ad")
    assert every.reward_span == rational(0.75)
    assert every.terminal_span == 2
    assert case.enumeration("dice").terminal_span == 0


def test_scale_is_of_absolute_weights():
    """Of two losses of 3, W = (−4.5, −1.5): larger than any gain's."""
    mdp = TabularMDP(np.ones((1, 2, 1)), np.array([[1.0, -3.0]]), 0.5, 0)
    case = make(1, 2, 2)._replace(mdp=mdp, baseline=np.zeros(1))
    assert case.enumeration("ad").scale == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 12}, r"at most 4096 trajectories, this MDP has 3\.\d+e\+07 of length 12"),
        ({"baseline": np.zeros(3)}, r"baseline must have shape \(..., 2\)"),
        ({"baseline": np.zeros((4, 2))}, r"one baseline table, received \(4, 2\)"),
        ({"horizon": 0}, "horizon must be at least 1"),
        (
            {"mdp": CASES["plain"].mdp.with_reward(np.zeros((5, 2, 2)))},
            "certified mode needs one reward table",
        ),
    ],
)
def test_what_cannot_be_enumerated_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CASES["plain"]._replace(**change).enumeration("ad")


def test_too_many_paths_are_refused_with_their_number():
    every = CASES["plain"].enumeration("ad")
    require_few(every, 1, 3)
    with pytest.raises(ValueError, match=r"N = 2 out of 32 trajectories need 8,921,088"):
        require_few(every, 2, 2)
