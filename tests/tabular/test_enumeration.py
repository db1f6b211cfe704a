"""Enumerated trajectories against plain recursion: which, how many, how probable."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tabular import TabularMDP, exact
from tabular.enumeration import MAX_TRAJECTORIES, count_trajectories, enumerate_trajectories
from tests.strategies import mdps_with_logits
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import Tables, paths
from tests.tabular.tolerances import SAME, Tolerance, assert_close

#: `scale` = the largest return.
PROBABILITY = Tolerance(rtol=0.0, atol=1e-13)

SIZES = [(1, 1, 5), (1, 3, 4), (2, 2, 1), (2, 2, 6), (3, 2, 4), (4, 3, 2)]


def make(size, *, successor_rewards=False):
    rng = np.random.default_rng(size)
    mdp = random_mdp(rng, size[:2])
    if successor_rewards:
        shape = (*size[:2], size[0])
        mdp = TabularMDP(mdp.P, rng.normal(size=shape), mdp.gamma, mdp.initial)
    return mdp, rng.normal(size=size[:2]), size[2]


def with_zeros():
    """Three states of which two can be left for some only; a start that cannot be 1."""
    P = np.zeros((3, 2, 3))
    P[0] = [[0.5, 0.5, 0], [0, 0, 1]]
    P[1] = [[0, 1, 0], [0.2, 0.3, 0.5]]
    P[2] = [[0, 0, 1], [0, 0, 1]]
    return TabularMDP(P, np.arange(6.0).reshape(3, 2), 0.9, [0.4, 0, 0.6])


REPRESENTATIONS = {
    "dense": lambda mdp: mdp,
    "sparse": lambda mdp: mdp.sparse(),
    "explicit zeros": lambda mdp: TabularMDP(
        sp.csr_array(
            (
                np.ravel(mdp.P).copy(),
                np.tile(np.arange(mdp.num_states), mdp.R.size),
                np.arange(0, mdp.P.size + 1, mdp.num_states),
            ),
            shape=(mdp.R.size, mdp.num_states),
        ),
        mdp.R,
        mdp.gamma,
        mdp.initial,
    ),
}


def as_dict(trajectories, probability):
    """{(states, actions): (probability, rewards)}."""
    states, actions, rewards = (x[..., 0].T for x in trajectories)
    keys = [(tuple(s), tuple(a)) for s, a in zip(states.tolist(), actions.tolist(), strict=True)]
    assert len(set(keys)) == len(keys), "a trajectory occurs twice"
    return dict(zip(keys, zip(probability, rewards, strict=True), strict=True))


def assert_same_trajectories(mdp, theta, horizon):
    trajectories, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    found = as_dict(trajectories, probability)
    wanted = {
        (tuple(states), tuple(actions)): (p, rewards)
        for p, states, actions, rewards in paths(Tables.of(mdp), theta, horizon)
    }
    assert found.keys() == wanted.keys()
    for key, (p, rewards) in wanted.items():
        # Products of a few factors in the same order; denormal ones have no relative accuracy.
        assert found[key][0] == pytest.approx(p, rel=1e-14, abs=1e-305)
        np.testing.assert_array_equal(found[key][1], rewards)
    assert len(wanted) == count_trajectories(mdp, theta, horizon=horizon)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("successor_rewards", [False, True])
@pytest.mark.parametrize("representation", ["dense", "sparse"])
def test_every_trajectory_once_with_its_probability(size, successor_rewards, representation):
    mdp, theta, horizon = make(size, successor_rewards=successor_rewards)
    assert_same_trajectories(REPRESENTATIONS[representation](mdp), theta, horizon)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_impossible_branches_are_dropped(representation, horizon):
    mdp = REPRESENTATIONS[representation](with_zeros())
    assert_same_trajectories(mdp, np.array([[0.0, 1], [2, 0], [0, 0]]), horizon)
    # π(0|0) = exp(−800) is zero in double precision; from 0 only action 1 is left.
    certain = np.array([[-800.0, 0], [2, 0], [0, 0]])
    assert_same_trajectories(mdp, certain, horizon)


@given(case=mdps_with_logits(max_states=3, max_actions=2), horizon=st.integers(1, 4))
def test_any_mdp(case, horizon):
    assert_same_trajectories(*case, horizon)


@pytest.mark.parametrize("size", SIZES)
def test_count_and_total_probability_of_a_dense_mdp(size):
    """|supp ρ| (S A)^T trajectories, of total probability one."""
    mdp, theta, horizon = make(size)
    trajectories, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    count = size[0] * (size[0] * size[1]) ** horizon
    assert len(probability) == count == count_trajectories(mdp, theta, horizon=horizon)
    assert trajectories.states.shape == (horizon + 1, count, 1)
    assert trajectories.actions.shape == trajectories.rewards.shape == (horizon, count, 1)
    assert probability.min() > 0
    # Pairwise summation of `count` numbers.
    assert abs(probability.sum() - 1) <= 1e-14


@pytest.mark.parametrize("horizon", [1, 4, 8])
def test_a_deterministic_mdp_has_one_trajectory_for_each_sequence_of_actions(horizon):
    P = np.eye(4)[np.random.default_rng(0).integers(4, size=(4, 3))]
    mdp = TabularMDP(P, np.zeros((4, 3)), 0.9, [0.5, 0, 0.5, 0])
    trajectories, probability = enumerate_trajectories(mdp, np.zeros((4, 3)), horizon=horizon)
    assert len(probability) == 2 * 3**horizon
    assert len(as_dict(trajectories, probability)) == len(probability)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("successor_rewards", [False, True])
def test_expected_return_is_the_exact_value(size, successor_rewards):
    mdp, theta, horizon = make(size, successor_rewards=successor_rewards)
    trajectories, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    discounts = mdp.gamma ** np.arange(horizon)
    returns = np.einsum("t,tm->m", discounts, trajectories.rewards[..., 0])
    expected = exact.value(mdp, theta, horizon=horizon)
    assert_close(probability @ returns, expected, PROBABILITY, scale=np.abs(returns).max())
    terminal = np.random.default_rng(0).normal(size=size[0])
    ended = returns + mdp.gamma**horizon * terminal[trajectories.states[-1, :, 0]]
    expected = exact.value(mdp, theta, horizon=horizon, terminal_value=terminal)
    assert_close(probability @ ended, expected, PROBABILITY, scale=np.abs(ended).max())


def test_sparse_and_dense_enumerate_the_same():
    mdp, theta, horizon = make((3, 2, 4), successor_rewards=True)
    one = as_dict(*enumerate_trajectories(mdp, theta, horizon=horizon))
    other = as_dict(*enumerate_trajectories(mdp.sparse(), theta, horizon=horizon))
    assert one.keys() == other.keys()
    for key, (probability, rewards) in one.items():
        assert_close(other[key][0], probability, SAME)
        np.testing.assert_array_equal(other[key][1], rewards)


def test_too_many_are_refused_with_their_number():
    mdp = random_mdp(np.random.default_rng(0), (5, 4))
    assert count_trajectories(mdp, np.zeros((5, 4)), horizon=6) == 5 * 20**6 > MAX_TRAJECTORIES
    with pytest.raises(
        ValueError, match=r"has 3.2e\+08 trajectories of length 6, more than the 20"
    ):
        enumerate_trajectories(mdp, np.zeros((5, 4)), horizon=6)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_more_than_a_float_can_count_are_refused_too(representation):
    """An infinite count meets impossible actions and transitions without becoming NaN."""
    mdp = REPRESENTATIONS[representation](with_zeros())
    theta = np.array([[0.0, 0], [-800, 0], [0, 0]])
    assert count_trajectories(mdp, theta, horizon=3000) == np.inf
    with pytest.raises(ValueError, match="has inf trajectories of length 3000"):
        enumerate_trajectories(mdp, theta, horizon=3000)


def test_a_certain_mdp_of_any_length_is_one_trajectory():
    mdp = TabularMDP(np.eye(2)[[1, 0]][:, None], np.array([[1.0], [0.0]]), 0.5, 0)
    trajectories, probability = enumerate_trajectories(mdp, np.zeros((2, 1)), horizon=50)
    np.testing.assert_array_equal(probability, [1.0])
    np.testing.assert_array_equal(trajectories.states[:, 0, 0], np.arange(51) % 2)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"horizon": 0}, ValueError, "horizon must be at least 1, received 0"),
        ({"horizon": 1.0}, TypeError, "horizon must be an integer, received 1.0"),
        ({"horizon": True}, TypeError, "horizon must be an integer, received True"),
        ({"theta": np.zeros((3, 3))}, ValueError, r"theta must have shape \(..., 3, 2\)"),
        ({"theta": np.zeros((4, 3, 2))}, ValueError, r"one table of logits.*\(4, 3, 2\)"),
        (
            {"mdp": TabularMDP.stack([with_zeros()] * 2)},
            ValueError,
            r"enumeration needs one MDP, received a batch of shape \(2,\): .*mdp\[i\]",
        ),
        (
            {"mdp": with_zeros().with_reward(np.zeros((4, 3, 2)))},
            ValueError,
            r"enumeration needs one reward table, received a batch of shape \(4,\)",
        ),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    arguments = {"mdp": with_zeros(), "theta": np.zeros((3, 2)), "horizon": 2} | changes
    with pytest.raises(error, match=message):
        enumerate_trajectories(arguments["mdp"], arguments["theta"], horizon=arguments["horizon"])
