"""What the bounds take from an MDP: its reachable and its decision states, and spans."""

import numpy as np
import pytest

from tabular import TabularMDP, zoo
from tabular.problems import Lirpg, Maml, Mgrl
from tests.theory.cases import dense_random, free_transitions, one_action
from theory.objectives import (
    Objective,
    checked_phi,
    inner_objective,
    outer_objective,
    reachable,
)
from theory.softmax import derivative_bounds


def corridor() -> TabularMDP:
    """0 -> 1 or 2; 1 -> 3 whatever is done; 2 chooses its reward; 3 stays; 4 is out of reach."""
    P, R = np.zeros((5, 2, 5)), np.zeros((5, 2))
    P[0, 0, 1] = P[0, 1, 2] = P[4, 0, 0] = P[4, 1, 1] = 1.0
    P[1:4, :, 3] = 1.0
    R[2], R[4] = [0.0, 2.0], [50.0, -50.0]
    R[3] = -1.0
    return TabularMDP(P, R, 0.9, 0)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("horizon", "acting", "visited", "decisions", "span"),
    [
        (None, [0, 1, 2, 3], [0, 1, 2, 3], 2, 3.0),
        (1, [0], [0, 1, 2], 1, 0.0),
        (2, [0, 1, 2], [0, 1, 2, 3], 2, 2.0),
        (9, [0, 1, 2, 3], [0, 1, 2, 3], 2, 3.0),
    ],
)
def test_states(sparse, horizon, acting, visited, decisions, span):
    mdp = corridor().sparse() if sparse else corridor()
    objective = Objective(mdp, horizon)
    assert np.flatnonzero(objective.acting).tolist() == acting
    assert np.flatnonzero(objective.visited).tolist() == visited
    assert objective.decision_states == decisions
    assert objective.reward_span == span
    assert objective.span(np.arange(5.0)) == visited[-1]


def test_every_state_of_a_dense_mdp_decides():
    assert Objective(dense_random()).decision_states == 4
    assert Objective(free_transitions(4)).decision_states == 4
    assert Objective(one_action(4)).decision_states == 0


def test_a_terminal_table_counts_where_it_is_met():
    V_b = np.array([0.0, 1.0, 4.0, 10.0, 100.0])
    assert Objective(corridor(), 1, V_b).terminal_span == 4.0
    assert Objective(corridor(), 2, V_b).terminal_span == 10.0
    assert Objective(corridor(), 2).terminal_span == 0.0


def test_values_count_where_the_steps_lead_everywhere():
    """S and Δ of a few steps are not those of the infinite horizon whose values L spans."""
    P, R = np.zeros((20, 2, 20)), np.zeros((20, 2))
    P[np.arange(19), :, np.arange(1, 20)] = P[19, :, 19] = 1.0
    P[0, 1, 1], P[0, 1, 2] = 0.0, 1.0
    R[0, 0], R[1] = 1.0, -1 / 0.9  # paid back at once: no value is far from another
    mdp = TabularMDP(P, R, 0.9, 0)
    for horizon, everywhere in ((15, False), (25, True)):
        objective = Objective(mdp, horizon)
        either = [
            derivative_bounds(1, 0.9, 1 + 1 / 0.9, horizon=horizon, value_span=span)
            for span in (None, objective.value_span)
        ]
        assert either[1].first < either[0].first / 2
        assert objective.bounds == either[everywhere]


def test_reachability_of_a_long_chain():
    mdp = zoo.chain(30)
    for steps in (1, 5, 29):
        assert reachable(mdp, steps)[0].sum() == steps
        assert reachable(mdp, steps)[1].sum() == steps + 1
    assert reachable(mdp)[0].all()


def test_objectives_of_problems():
    mdp = dense_random()
    V_b, phi = np.arange(4.0), np.arange(12.0).reshape(4, 3)
    finite = Maml(mdp, horizon=3, terminal_value=V_b)
    objective = inner_objective(finite, phi)
    assert (objective.mdp, objective.horizon) == (mdp, 3)
    assert objective.terminal_span == 3.0
    lirpg = Lirpg(mdp, phi)
    assert np.array_equal(inner_objective(lirpg, phi).mdp.R, mdp.R + phi)
    assert outer_objective(lirpg).mdp is mdp


def test_wrong_input():
    mdp = dense_random()
    phi = np.zeros((4, 3))
    with pytest.raises(TypeError, match="Maml and Lirpg, received a Mgrl"):
        checked_phi(Mgrl(mdp, phi, np.zeros(4)), [0.9, 0.9])
    with pytest.raises(TypeError, match="must be a Maml or Lirpg"):
        outer_objective(Mgrl(mdp, phi, np.zeros(4)))
    with pytest.raises(ValueError, match="one phi"):
        checked_phi(Maml(mdp), np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="take one with"):
        Objective(TabularMDP.stack([mdp, mdp]))
    with pytest.raises(ValueError, match="must be one table"):
        inner_objective(Maml(mdp, horizon=2, terminal_value=np.zeros((2, 4))), phi)
