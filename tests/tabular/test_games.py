"""Two-player games: values against autograd's and by hand, and what is refused."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.games import MarkovGame, iterated_prisoners_dilemma
from tests.tabular.game_reference import games, objective, random_game
from tests.tabular.problem_cases import tables
from tests.tabular.tolerances import SAME, SECOND, Tolerance, assert_close

GAMMA = 0.96
#: Logits of a sure move.
SURE = 40.0
#: A move with logits 40 apart is missed with probability 2e-35: rounding alone is left, of values
#: up to 75 that a condition number of 50 magnifies.
BY_HAND = Tolerance(rtol=1e-12, atol=0.0)


def always(action: int) -> Any:
    """Logits (5, 2) of one action in every state."""
    return SURE * np.tile(np.eye(2)[action], (5, 1))


def tit_for_tat(player: int) -> Any:
    """Cooperate first, then do what the other did."""
    last = {1: [1, 0, 1, 0, 1], 2: [1, 0, 0, 1, 1]}[player]
    return SURE * np.eye(2)[last]


DEFECT, COOPERATE = always(0), always(1)
LATER = GAMMA / (1 - GAMMA)


@pytest.mark.parametrize(
    ("phi", "theta", "values"),
    [
        (DEFECT, DEFECT, (-2 / (1 - GAMMA), -2 / (1 - GAMMA))),
        (COOPERATE, COOPERATE, (-1 / (1 - GAMMA), -1 / (1 - GAMMA))),
        (DEFECT, COOPERATE, (0.0, -3 / (1 - GAMMA))),
        (COOPERATE, DEFECT, (-3 / (1 - GAMMA), 0.0)),
        (tit_for_tat(1), tit_for_tat(2), (-1 / (1 - GAMMA), -1 / (1 - GAMMA))),
        (tit_for_tat(1), DEFECT, (-3 - 2 * LATER, -2 * LATER)),
        (COOPERATE, tit_for_tat(2), (-1 / (1 - GAMMA), -1 / (1 - GAMMA))),
        (DEFECT, tit_for_tat(2), (-2 * LATER, -3 - 2 * LATER)),
    ],
)
def test_prisoners_by_hand(phi, theta, values):
    game = iterated_prisoners_dilemma()
    assert_close(game.values(phi, theta), values, BY_HAND, scale=1.0)


def test_prisoners_at_random():
    """Every joint move with 1/4: −6/4 a step to each."""
    values = iterated_prisoners_dilemma(gamma=0.5).values(np.zeros((5, 2)), np.zeros((5, 2)))
    assert_close(values, (-3.0, -3.0), SECOND)


def test_other_payoffs():
    game = iterated_prisoners_dilemma(payoffs=[[1, 5], [0, 3]], gamma=0.0)
    assert_close(game.values(DEFECT, COOPERATE), (5.0, 0.0), SECOND)


@given(games(), st.data())
def test_values_are_those_of_the_definition(game, data):
    phi, theta = (data.draw(tables((game.num_states, A), 3.0)) for A in game.num_actions)
    expected = [objective(game, player, phi, theta) for player in (1, 2)]
    assert_close(game.values(phi, theta), expected, SECOND, scale=10.0)


def test_swapping_the_players():
    rng = np.random.default_rng(0)
    game = random_game(rng, (3, 2, 4))
    phi, theta = rng.normal(size=(3, 2)), rng.normal(size=(3, 4))
    assert game.swapped().num_actions == (4, 2)
    assert_close(game.swapped().values(theta, phi), game.values(phi, theta)[::-1], SAME)
    batch = phi + rng.normal(size=(5, 1, 1))
    assert game.values(batch, theta)[0].shape == (5,)


def test_it_is_immutable_and_says_what_it_is():
    game = random_game(np.random.default_rng(0), (3, 2, 4))
    assert repr(game) == "MarkovGame('game', num_states=3, num_actions=(2, 4), gamma=0.9)"
    for one in (game, copy.deepcopy(game), pickle.loads(pickle.dumps(game))):
        assert_close(one.P, game.P, SAME)
        assert one.name == game.name
        for table in (one.P, one.R1, one.R2, one.initial):
            with pytest.raises(ValueError, match="read-only"):
                table[0] = 0
    with pytest.raises(AttributeError):
        game.gamma = 0.5


GOOD = {
    "P": np.full((2, 3, 2, 2), 0.5),
    "R1": np.zeros((2, 3, 2)),
    "R2": np.zeros((2, 3, 2)),
    "gamma": 0.9,
    "initial": 0,
}
BAD_ROW = GOOD["P"].copy()
BAD_ROW[1, 2, 0] = 0.4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"P": np.full((2, 3, 2), 0.5)}, ValueError, r"P must have shape \(S, A1, A2, S\)"),
        ({"P": np.full((3, 3, 2, 2), 0.5)}, ValueError, r"received \(3, 3, 2, 2\)"),
        (
            {"P": BAD_ROW},
            ValueError,
            r"0.8 at state 1, action 4.*action a1 \* 2 \+ a2 is the joint",
        ),
        ({"P": -GOOD["P"]}, ValueError, "P must not be negative"),
        ({"P": "rows"}, TypeError, "P must be an array of real numbers"),
        ({"R1": np.zeros((2, 2, 3))}, ValueError, r"R1 must have shape \(2, 3, 2\), received"),
        ({"R2": np.zeros((2, 6))}, ValueError, r"R2 must have shape \(2, 3, 2\), received \(2, 6"),
        ({"R2": np.full((2, 3, 2), np.nan)}, ValueError, "R2 must be finite"),
        ({"gamma": 1.0}, ValueError, "gamma must satisfy 0 <= gamma < 1"),
        ({"gamma": [0.5, 0.9]}, ValueError, "gamma must be one number"),
        ({"initial": 2}, ValueError, r"the start state must lie in 0..1"),
        ({"initial": [0.5, 0.6]}, ValueError, "initial must be a probability distribution"),
    ],
)
def test_what_is_no_game_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        MarkovGame(**GOOD | change)


def test_bad_logits_and_payoffs():
    game = iterated_prisoners_dilemma()
    with pytest.raises(ValueError, match=r"theta must have shape \(..., 5, 2\)"):
        game.values(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="phi must be finite"):
        game.values(np.full((5, 2), np.inf), np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"payoffs must have shape \(2, 2\)"):
        iterated_prisoners_dilemma(payoffs=[1, 2, 3, 4])
