"""Sampled trajectories: shapes, seeds, supports, and frequencies against the tables."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tabular import TabularMDP
from tabular.sampling import Trajectories, sample
from tests.strategies import mdps_with_logits
from tests.tabular.surrogates import Tables, plain_policy

#: A correct sampler fails a chi-square test with this probability; there are about 60 of them,
#: and their seeds are the first ones tried.
LEVEL = 1e-6


def chi_square(counts, probabilities):
    """Pearson's statistic and its degrees of freedom, summed over rows (..., K).

    Impossible outcomes must not occur; outcomes expected fewer than five times are pooled.
    """
    statistic, freedom = 0.0, 0
    for row, p in zip(
        np.reshape(counts, (-1, np.shape(counts)[-1])),
        np.reshape(probabilities, (-1, np.shape(probabilities)[-1])),
        strict=True,
    ):
        assert not row[p == 0].any(), "an impossible outcome was drawn"
        expected = row.sum() * p
        common = expected >= 5
        found = np.append(row[common], row[~common].sum())
        wanted = np.append(expected[common], expected[~common].sum())
        found, wanted = found[wanted > 0], wanted[wanted > 0]
        statistic += np.sum((found - wanted) ** 2 / wanted)
        freedom += max(len(wanted) - 1, 0)
    return statistic, freedom


def agrees(counts, probabilities):
    statistic, freedom = chi_square(counts, probabilities)
    assert freedom > 0, "nothing was tested"
    return statistic <= stats.chi2.isf(LEVEL, freedom)


def count_steps(trajectories, shape):
    """How often each (s, a, s') occurred, (S, A, S)."""
    s, a, after = (
        np.ravel(x)
        for x in (trajectories.states[:-1], trajectories.actions, trajectories.states[1:])
    )
    counts = np.zeros((*shape, shape[0]))
    np.add.at(counts, (s, a, after), 1)
    return counts


def uneven_mdp(*, successor_rewards=False):
    """Four states, three actions; rows with zeros, a certain row and one rare successor."""
    rng = np.random.default_rng(1)
    P = rng.dirichlet(np.full(4, 0.7), size=(4, 3))
    P[0, 0] = [0, 0.5, 0, 0.5]
    P[1, 2] = [0, 0, 1, 0]
    P[2, 1] = [1 - 1e-9, 0, 1e-9, 0]
    rewards = rng.normal(size=(4, 3, 4) if successor_rewards else (4, 3))
    return TabularMDP(P / P.sum(axis=-1, keepdims=True), rewards, 0.9, [0.3, 0, 0.6, 0.1])


def with_explicit_zeros(mdp):
    """The same MDP as a CSR matrix that stores every entry."""
    S, A = mdp.num_states, mdp.num_actions
    full = np.tile(np.arange(S), S * A), np.arange(0, S * A * S + 1, S)
    P = sp.csr_array((np.ravel(mdp.P).copy(), *full), shape=(S * A, S))
    rewards = mdp.R
    if mdp.successor_reward is not None:
        table = np.ravel(mdp.successor_reward).copy()
        rewards = sp.csr_array((table, *full), shape=(S * A, S))
    other = TabularMDP(P, rewards, mdp.gamma, mdp.initial)
    assert other.P.nnz == S * A * S, "the zeros must be stored for this test to mean anything"
    return other


REPRESENTATIONS = {
    "dense": lambda mdp: mdp,
    "sparse": lambda mdp: mdp.sparse(),
    "explicit zeros": with_explicit_zeros,
}


def draw(mdp, theta, *, horizon=6, num=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return sample(mdp, theta, horizon=horizon, num_trajectories=num, rng=rng)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_frequencies_of_starts_actions_and_successors(representation, seed):
    mdp = REPRESENTATIONS[representation](uneven_mdp())
    theta = 2 * np.random.default_rng(9).normal(size=(4, 3))
    P, _, initial, _ = Tables.of(mdp)
    drawn = draw(mdp, theta, seed=seed)
    counts = count_steps(drawn, (4, 3))
    assert agrees(np.bincount(drawn.states[0], minlength=4), initial), "start"
    assert agrees(counts.sum(axis=-1), plain_policy(theta)), "actions"
    assert agrees(counts, P), "successors"


@pytest.mark.parametrize("t", [0, 1, 5])
def test_frequencies_at_each_step_and_markov_property(t):
    """Actions and successors given all of the step before: no uniform number is used twice."""
    mdp, theta = uneven_mdp(), np.random.default_rng(9).normal(size=(4, 3))
    P, pi = Tables.of(mdp).P, plain_policy(theta)
    drawn = draw(mdp, theta, horizon=7, num=100_000)
    before, action, now = drawn.states[t], drawn.actions[t], drawn.states[t + 1]
    following, after = drawn.actions[t + 1], drawn.states[t + 2]
    counts = np.zeros((4, 3, 4, 3, 4))
    np.add.at(counts, (before, action, now, following, after), 1)
    assert agrees(counts.sum(axis=-1), np.broadcast_to(pi, (4, 3, 4, 3)))
    assert agrees(counts, np.broadcast_to(P, (4, 3, 4, 3, 4)))


def test_the_frequency_test_has_power():
    """A policy 10 % off in one action and a single impossible draw are noticed."""
    mdp, theta = uneven_mdp(), np.random.default_rng(9).normal(size=(4, 3))
    P, pi = Tables.of(mdp).P, plain_policy(theta)
    counts = count_steps(draw(mdp, theta), (4, 3))
    assert agrees(counts.sum(axis=-1), pi)
    off = pi * np.array([1.1, 1.0, 1.0])
    assert not agrees(counts.sum(axis=-1), off / off.sum(axis=-1, keepdims=True))
    impossible = counts.copy()
    impossible[0, 0, 0] += 1
    with pytest.raises(AssertionError, match="impossible"):
        agrees(impossible, P)


def test_sparse_and_dense_give_the_same_bits():
    """Both draw from the nonzero entries of P in the same order."""
    mdp, theta = uneven_mdp(successor_rewards=True), np.zeros((4, 3))
    for one, other in zip(draw(mdp, theta), draw(mdp.sparse(), theta), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@given(case=mdps_with_logits(), seed=st.integers(0, 2**32 - 1))
def test_nothing_impossible_is_ever_drawn(representation, case, seed):
    """Rows near and at certainty, logits up to ±700: supports hold, rewards are the table's."""
    mdp, theta = REPRESENTATIONS[representation](case[0]), case[1]
    P, R, initial, _ = Tables.of(mdp)
    drawn = draw(mdp, theta, horizon=5, num=50, seed=seed)
    s, a, after = drawn.states[:-1], drawn.actions, drawn.states[1:]
    assert np.all(initial[drawn.states[0]] > 0)
    assert np.all(plain_policy(theta)[s, a] > 0)
    assert np.all(P[s, a, after] > 0)
    np.testing.assert_array_equal(drawn.rewards, R[s, a, after])


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_logits_of_700_leave_no_choice(representation):
    mdp = REPRESENTATIONS[representation](uneven_mdp())
    theta = np.array([[700.0, -700, -700], [-700, 700, 0], [0, 0, 700], [-700, -700, -700]])
    drawn = draw(mdp, theta)
    for s, only in ((0, 0), (1, 1), (2, 2)):
        assert np.all(drawn.actions[drawn.states[:-1] == s] == only)
    counts = count_steps(drawn, (4, 3))
    assert agrees(counts[3].sum(axis=-1), np.full(3, 1 / 3))


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_certain_rows_never_leave_their_successor(representation):
    P = np.zeros((3, 2, 3))
    P[np.arange(3)[:, None], np.arange(2), [[1, 2], [0, 2], [2, 2]]] = 1.0
    mdp = REPRESENTATIONS[representation](TabularMDP(P, np.zeros((3, 2)), 0.9, 1))
    drawn = draw(mdp, np.zeros((3, 2)))
    assert np.all(drawn.states[0] == 1)
    np.testing.assert_array_equal(
        drawn.states[1:], P.argmax(axis=-1)[drawn.states[:-1], drawn.actions]
    )


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("successor_rewards", [False, True])
def test_rewards_are_the_tables(representation, successor_rewards):
    mdp = REPRESENTATIONS[representation](uneven_mdp(successor_rewards=successor_rewards))
    drawn = draw(mdp, np.zeros((4, 3)), num=100)
    table = Tables.of(mdp).R[drawn.states[:-1], drawn.actions, drawn.states[1:]]
    np.testing.assert_array_equal(drawn.rewards, table)
    assert len(np.unique(drawn.rewards)) > 10


@pytest.mark.parametrize("representation", ["dense", "sparse"])
@pytest.mark.parametrize("theta_batch", [(), (3,), (2, 1), (2, 3)])
def test_every_trial_collects_its_own_rewards(representation, theta_batch):
    rng = np.random.default_rng(2)
    rewards = rng.normal(size=(2, 3, 4, 3))
    mdp = REPRESENTATIONS[representation](uneven_mdp()).with_reward(rewards)
    drawn = draw(mdp, rng.normal(size=(*theta_batch, 4, 3)), num=20)
    assert drawn.batch_shape == (2, 3)
    for i in np.ndindex(2, 3):
        s, a = drawn.states[(slice(-1), *i)], drawn.actions[(slice(None), *i)]
        np.testing.assert_array_equal(drawn.rewards[(slice(None), *i)], rewards[i][s, a])


CONVERSIONS = {
    "none": lambda mdp: mdp,
    "sparse": lambda mdp: mdp.sparse(),
    "other discount": lambda mdp: mdp.with_gamma(0.5),
    "one of a batch": lambda mdp: TabularMDP.stack([uneven_mdp(successor_rewards=True), mdp])[1],
}


@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_an_added_reward_keeps_the_successors_and_survives(conversion):
    """R(s,a,s') + φ(s,a), also after the MDP was converted."""
    mdp, rng = uneven_mdp(successor_rewards=True), np.random.default_rng(4)
    once, twice = rng.normal(size=(2, 4, 3))
    changed = CONVERSIONS[conversion](mdp.add_reward(once).add_reward(twice))
    drawn = draw(changed, np.zeros((4, 3)), num=100)
    s, a, after = drawn.states[:-1], drawn.actions, drawn.states[1:]
    expected = mdp.successor_reward[s, a, after] + (once + twice)[s, a]
    np.testing.assert_allclose(drawn.rewards, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(changed.R, mdp.R + once + twice, rtol=0, atol=1e-15)


def test_every_trial_adds_its_own_reward():
    mdp, rng = uneven_mdp(successor_rewards=True), np.random.default_rng(4)
    bonus = rng.normal(size=(2, 3, 4, 3))
    drawn = draw(mdp.add_reward(bonus), np.zeros((4, 3)), num=50)
    assert drawn.batch_shape == (2, 3)
    for i in np.ndindex(2, 3):
        trial = (slice(None), *i)
        s, a = drawn.states[:-1][trial], drawn.actions[trial]
        expected = mdp.successor_reward[s, a, drawn.states[1:][trial]] + bonus[i][s, a]
        np.testing.assert_allclose(drawn.rewards[trial], expected, rtol=0, atol=1e-15)


def test_every_trial_follows_its_own_logits():
    theta = 3 * np.random.default_rng(3).normal(size=(2, 2, 4, 3))
    mdp = uneven_mdp()
    drawn = draw(mdp, theta)
    for i in np.ndindex(2, 2):
        trial = Trajectories(*(x[(slice(None), *i)] for x in drawn))
        counts = count_steps(trial, (4, 3))
        assert agrees(counts.sum(axis=-1), plain_policy(theta[i]))
        assert agrees(counts, Tables.of(mdp).P)
        elsewhere = theta[i[0], 1 - i[1]]
        assert not agrees(counts.sum(axis=-1), plain_policy(elsewhere))


def test_trials_steps_and_trajectories_are_independent():
    """In one state the actions are independent draws: pairs of them have product frequencies."""
    mdp = TabularMDP(np.ones((1, 4, 1)), np.zeros((1, 4)), 0.5, 0)
    theta = np.array([[0.0, 1.0, -1.0, 0.5]])
    drawn = draw(mdp, np.stack([theta] * 2), horizon=4, num=40_000)
    pi = plain_policy(theta)[0]
    product = np.multiply.outer(pi, pi).ravel()
    a = drawn.actions
    pairs = {
        "trials": (a[:, 0], a[:, 1]),
        "steps": (a[:-1], a[1:]),
        "steps but one": (a[:-2], a[2:]),
        "trajectories": (a[..., :-1:2], a[..., 1::2]),
    }
    for name, (one, other) in pairs.items():
        counts = np.bincount(np.ravel(one * 4 + other), minlength=16)
        assert agrees(counts, product), name


def test_same_seed_same_bits_and_the_generator_moves_on():
    mdp, theta = uneven_mdp(), np.zeros((2, 4, 3))
    first, again = draw(mdp, theta, num=50), draw(mdp, theta, num=50)
    other = draw(mdp, theta, num=50, seed=1)
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert np.any(one != three)
    rng = np.random.default_rng(0)
    runs = [sample(mdp, theta, horizon=6, num_trajectories=50, rng=rng) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].states, first.states)
    assert np.any(runs[1].states != first.states)


@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("num", [1, 5])
def test_shapes(batch, horizon, num):
    drawn = draw(uneven_mdp(), np.zeros((*batch, 4, 3)), horizon=horizon, num=num)
    assert drawn.states.shape == (horizon + 1, *batch, num)
    assert drawn.actions.shape == drawn.rewards.shape == (horizon, *batch, num)
    assert (drawn.horizon, drawn.num_trajectories) == (horizon, num)
    assert drawn.batch_shape == batch
    assert drawn.states.dtype.kind == drawn.actions.dtype.kind == "i"
    assert drawn.rewards.dtype == np.float64


def test_numpy_integers_are_integers():
    drawn = draw(uneven_mdp(), np.zeros((4, 3)), horizon=np.int64(2), num=np.int32(3))
    assert drawn.actions.shape == (2, 3)
