"""TabularMDP: what it holds, and how batches, sparse and changed copies behave."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from tabular import TabularMDP, exact, zoo
from tabular.sampling import sample
from tests.strategies import mdps, mdps_with_logits
from tests.tabular.tolerances import IDENTITY, SAME, assert_close

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
R = np.array([[1.0, 2.0], [3.0, 4.0]])
R_NEXT = np.arange(8.0).reshape(2, 2, 2)
GOOD = {"P": P, "R": R, "gamma": 0.9, "initial": [0.25, 0.75]}


def batch_of(n):
    rng = np.random.default_rng(n)
    return TabularMDP.stack(zoo.random_mdp(3, 2, concentration=0.5, rng=rng) for _ in range(n))


# --- what it holds -------------------------------------------------------------------------------


def test_holds_what_it_was_given():
    mdp = TabularMDP(**GOOD, state_labels="ab", action_labels=("x", "y"), name="pair")
    np.testing.assert_array_equal(mdp.P, P)
    np.testing.assert_array_equal(mdp.R, R)
    np.testing.assert_array_equal(mdp.initial, [0.25, 0.75])
    assert (mdp.num_states, mdp.num_actions, mdp.gamma, mdp.batch_shape) == (2, 2, 0.9, ())
    assert (mdp.state_labels, mdp.action_labels) == (("a", "b"), ("x", "y"))
    assert mdp.successor_reward is None
    assert not mdp.is_sparse
    assert repr(mdp) == "TabularMDP('pair', num_states=2, num_actions=2, gamma=0.9)"


@pytest.mark.parametrize("start", [1, np.int64(1)])
def test_initial_may_be_a_start_state(start):
    np.testing.assert_array_equal(TabularMDP(P, R, 0.9, start).initial, [0.0, 1.0])


def test_successor_reward_is_kept_and_averaged():
    mdp = TabularMDP(P, R_NEXT, 0.9, 0)
    np.testing.assert_array_equal(mdp.successor_reward, R_NEXT)
    expected = [[sum(P[s, a] * R_NEXT[s, a]) for a in range(2)] for s in range(2)]
    np.testing.assert_array_equal(mdp.R, expected)


def test_accepts_lists_fractions_and_float32():
    half = Fraction(1, 2)
    from_lists = TabularMDP([[[half, half]], [[0, 1]]], [[1], [2]], Fraction(9, 10), [1, 0])
    assert from_lists.P.dtype == from_lists.R.dtype == np.float64
    assert from_lists.gamma == 0.9
    rows = np.full((7, 2, 7), 1 / 7, dtype=np.float32)
    assert TabularMDP(rows, np.zeros((7, 2)), 0.9, 0).num_states == 7


def test_is_independent_of_its_inputs_and_read_only():
    given_P, given_R, given_start = P.copy(), R.copy(), np.array([1.0, 0.0])
    mdp = TabularMDP(given_P, given_R, 0.9, given_start)
    for array in (given_P, given_R, given_start):
        array[...] = 7.0
    np.testing.assert_array_equal(mdp.P, P)
    np.testing.assert_array_equal(mdp.R, R)
    np.testing.assert_array_equal(mdp.initial, [1.0, 0.0])
    tables = [mdp.P, mdp.R, mdp.initial, TabularMDP(P, R_NEXT, 0.9, 0).successor_reward]
    tables += [mdp.with_reward(R).R, mdp.with_gamma([0.1, 0.2]).gamma]
    for table in tables:
        with pytest.raises(ValueError, match="read-only"):
            table[...] = 0.0
    with pytest.raises(AttributeError):
        mdp.gamma = 0.5


@pytest.mark.parametrize(
    "reached",
    [
        lambda m: m.num_states == 1,
        lambda m: m.num_actions == 1,
        lambda m: m.num_states > 2 and m.num_actions > 1,
        lambda m: m.gamma == 0.0,
        lambda m: m.gamma == 0.999,
        lambda m: np.any(m.initial == 0),
        lambda m: m.num_states > 1 and np.all(m.initial > 0),
        lambda m: m.successor_reward is not None,
        lambda m: m.successor_reward is None,
        lambda m: np.max(np.abs(m.R)) >= 1e3,
        lambda m: 0 < np.max(np.abs(m.R)) <= 1e-3,
        lambda m: m.num_states > 1 and np.any(m.P == 1),
        lambda m: np.any((m.P > 1 - 1e-2) & (m.P < 1)),
        lambda m: np.any((m.P > 0) & (m.P < 1e-9)),
        lambda m: np.any((m.P > 0.1) & (m.P < 0.9)),
    ],
)
def test_strategy_reaches_the_hard_cases(reached):
    without_shrinking = settings(max_examples=2000, derandomize=True, phases=[Phase.generate])
    find(mdps(), reached, settings=without_shrinking)


@given(mdps())
def test_every_generated_mdp_is_one(mdp):
    assert np.all(mdp.P >= 0)
    np.testing.assert_allclose(mdp.P.sum(axis=-1), 1.0, rtol=0, atol=1e-15 * mdp.num_states)
    if mdp.successor_reward is not None:
        mean = (mdp.P * mdp.successor_reward).sum(axis=-1)
        assert_close(mdp.R, mean, SAME, scale=np.max(np.abs(mdp.successor_reward)))


# --- batches -------------------------------------------------------------------------------------


def test_stack_and_index_are_inverse():
    rng = np.random.default_rng(0)
    members = [zoo.random_mdp(3, 2, gamma=g, rng=rng) for g in (0.1, 0.5, 0.9)]
    batch = TabularMDP.stack(members)
    assert batch.batch_shape == (3,)
    assert (batch.num_states, batch.num_actions) == (3, 2)
    np.testing.assert_array_equal(batch.gamma, [0.1, 0.5, 0.9])
    again = list(batch)
    assert len(again) == 3
    for member, copy in zip(members, again, strict=True):
        for key in ("P", "R", "gamma", "initial"):
            np.testing.assert_array_equal(getattr(copy, key), getattr(member, key))
    assert batch[-1].name.endswith("[-1]")
    assert batch[1:].batch_shape == (2,)
    with pytest.raises(IndexError):
        batch[3]


def test_stack_keeps_a_common_discount_and_successor_rewards():
    with_next, without = TabularMDP(P, R_NEXT, 0.9, 0), TabularMDP(P, R, 0.9, 0)
    batch = TabularMDP.stack([with_next, with_next])
    assert batch.gamma == 0.9
    assert batch.successor_reward.shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(batch[1].successor_reward, R_NEXT)
    mixed = TabularMDP.stack([with_next, without])
    np.testing.assert_array_equal(mixed.successor_reward[0], R_NEXT)
    np.testing.assert_array_equal(mixed.successor_reward[1], np.repeat(R[:, :, None], 2, axis=2))
    np.testing.assert_allclose(mixed.R, [with_next.R, R], rtol=1e-14)


@pytest.mark.parametrize(
    "members",
    [
        [],
        [TabularMDP(P, R, 0.9, 0), zoo.chain(3)],
        [TabularMDP(P, R, 0.9, 0).sparse()],
        [TabularMDP(P, R, 0.9, 0), TabularMDP(P, R, 0.9, 0).sparse()],
    ],
)
def test_stack_refuses(members):
    with pytest.raises(ValueError, match=r"at least one dense MDP, all of equal \(S, A\)"):
        TabularMDP.stack(members)


def test_index_refuses_a_single_mdp_and_ambiguous_batches():
    with pytest.raises(ValueError, match=r"single MDP cannot be indexed.*TabularMDP\.stack"):
        TabularMDP(**GOOD)[0]
    batch = batch_of(3)
    with pytest.raises(ValueError, match=r"\(2, 1\).*index first"):
        batch.with_gamma([[0.1], [0.2]])[0]
    with pytest.raises(ValueError, match=r"\(2, 3\).*index first"):
        batch.with_reward(np.zeros((2, 3, 3, 2)))[0]


# --- changed copies ------------------------------------------------------------------------------


def test_with_reward_replaces_rewards_only():
    mdp = TabularMDP(P, R_NEXT, 0.9, 0, name="pair")
    other = mdp.with_reward(-R)
    np.testing.assert_array_equal(other.R, -R)
    assert other.successor_reward is None
    assert (other.name, other.gamma) == ("pair", 0.9)
    assert other.P is mdp.P
    np.testing.assert_array_equal(mdp.successor_reward, R_NEXT)
    theta = np.zeros((2, 2))
    batched = mdp.with_reward(np.stack([R, -R, 2 * R]))
    expected = exact.value(mdp.with_reward(R), theta) * np.array([1.0, -1.0, 2.0])
    assert_close(exact.value(batched, theta), expected, SAME)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (np.zeros((2, 3)), r"\(\.\.\., 3, 2\), received \(2, 3\)"),
        (np.full((3, 2), np.nan), "R must be finite"),
        (np.zeros((2, 3, 2)), r"of R must broadcast with those of P, \(3,\), received \(2,\)"),
    ],
)
def test_with_reward_refuses(reward, message):
    with pytest.raises(ValueError, match=message):
        batch_of(3).with_reward(reward)


def test_with_gamma_replaces_the_discount_only():
    mdp = TabularMDP(P, R_NEXT, 0.9, 0)
    other = mdp.with_gamma(0.5)
    assert (other.gamma, mdp.gamma) == (0.5, 0.9)
    assert other.successor_reward is mdp.successor_reward
    theta = np.zeros((2, 2))
    batched = exact.value(mdp.with_gamma([0.5, 0.9]), theta)
    assert_close(batched, [exact.value(other, theta), exact.value(mdp, theta)], SAME)


@pytest.mark.parametrize(
    ("gamma", "message"),
    [
        (1.0, "0 <= gamma < 1, received 1.0"),
        ([0.5, 1.0], "0 <= gamma < 1"),
        (-0.5, "0 <= gamma < 1, received -0.5"),
        (np.nan, "gamma must be finite"),
        ([0.1, 0.2], r"of gamma must broadcast with those of P, \(3,\), received \(2,\)"),
    ],
)
def test_with_gamma_refuses(gamma, message):
    with pytest.raises(ValueError, match=message):
        batch_of(3).with_gamma(gamma)


@given(mdps_with_logits(limit=3.0))
def test_sparse_is_the_same_mdp(pair):
    mdp, theta = pair
    sparse = mdp.sparse()
    assert sparse.is_sparse
    assert "sparse" in repr(sparse)
    np.testing.assert_array_equal(sparse.P.toarray().reshape(mdp.P.shape), mdp.P)
    scale = np.max(np.abs(mdp.R))
    if mdp.successor_reward is None:
        np.testing.assert_array_equal(sparse.R, mdp.R)
    else:
        scale = np.max(np.abs(mdp.successor_reward))
        again = sparse.successor_reward.toarray().reshape(mdp.P.shape)
        np.testing.assert_array_equal(again, mdp.successor_reward)
        assert_close(sparse.R, mdp.R, SAME, scale=scale)
    np.testing.assert_array_equal(sparse.initial, mdp.initial)
    value = exact.value(mdp, theta)
    assert_close(exact.value(sparse, theta), value, IDENTITY, scale=scale / (1 - mdp.gamma) ** 2)


def test_sparse_keeps_everything_and_a_sparse_mdp_as_it_is():
    labelled = TabularMDP(P, R_NEXT, 0.9, 1, "ab", "xy", "pair")
    sparse = labelled.sparse()
    assert sparse.sparse() is sparse
    names = (sparse.state_labels, sparse.action_labels, sparse.name)
    assert names == (("a", "b"), ("x", "y"), "pair")
    np.testing.assert_array_equal(sparse.successor_reward.toarray(), R_NEXT.reshape(4, 2))
    assert_close(sparse.R, labelled.R, SAME)
    assert not labelled.is_sparse


@pytest.mark.parametrize("full", [R, R_NEXT])
@pytest.mark.parametrize("change", ["with_reward", "add_reward"])
def test_sparse_keeps_batches_of_rewards_and_discounts(change, full):
    tables = np.stack([R, -R, 2 * R])
    batch = getattr(TabularMDP(P, full, 0.9, 0), change)(tables).with_gamma([[0.5], [0.9]])
    sparse = batch.sparse()
    assert sparse.is_sparse
    assert_close(sparse.R, batch.R, SAME)
    np.testing.assert_array_equal(sparse.gamma, batch.gamma)
    theta = np.random.default_rng(0).normal(size=(2, 3, 2, 2))
    assert_close(exact.gradient(sparse, theta), exact.gradient(batch, theta), SAME, scale=100)
    draws = [
        sample(mdp, theta[0], horizon=4, num_trajectories=5, rng=np.random.default_rng(1)).rewards
        for mdp in (batch, sparse)
    ]
    assert_close(*draws, SAME)


@pytest.mark.parametrize("batch", [batch_of(2), TabularMDP.stack([TabularMDP(P, R_NEXT, 0.9, 0)])])
def test_sparse_refuses_a_batch(batch):
    message = re.escape(f"needs one MDP, received a batch of shape {batch.batch_shape}")
    with pytest.raises(ValueError, match=message + r".*mdp\[i\]"):
        batch.sparse()


def test_constructors_delegate():
    drawn = TabularMDP.random(4, 3, rng=np.random.default_rng(5))
    again = zoo.random_mdp(4, 3, gamma=0.8, concentration=1e-3, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(drawn.P, again.P)
    np.testing.assert_array_equal(drawn.R, again.R)
    assert (drawn.gamma, drawn.initial[0], drawn.name) == (0.8, 1.0, "random 4x3")
    lake = TabularMDP.from_gymnasium("FrozenLake-v1", gamma=0.5, map_name="8x8")
    assert (lake.name, lake.gamma, lake.num_states) == ("FrozenLake-v1 8x8", 0.5, 65)
