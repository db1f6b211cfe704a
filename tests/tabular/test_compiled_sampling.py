"""Compiled loops of sampling give the bits of NumPy, and both those of a plain loop."""

import numpy as np
import pytest
from hypothesis import given

from tabular import TabularMDP, compiled, sampling
from tabular.alias import alias_table
from tabular.sampling import sample
from tests.tabular.test_alias import HARD_ROWS, rows
from tests.tabular.test_sampling import REPRESENTATIONS, uneven_mdp

needs_numba = pytest.mark.skipif(
    compiled.kernels("kernels_sampling") is None, reason="numba is missing or switched off"
)


def by_numpy(function):
    """What a function returns without the compiled loops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernels", lambda module: None)
        return function()


def assert_same_bits(one, other):
    for x, y in zip(one, other, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert x.tobytes() == y.tobytes()


def rewarded(kind, representation="dense"):
    """Rewards of pairs, of transitions, of both, or of each trial."""
    mdp, rng = uneven_mdp(successor_rewards=kind != "pairs"), np.random.default_rng(4)
    mdp = REPRESENTATIONS[representation](mdp)
    if kind == "both":
        return mdp.add_reward(rng.normal(size=(4, 3)))
    if kind == "trials":
        return mdp.with_reward(rng.normal(size=(2, 3, 4, 3)))
    if kind == "both, trials":
        return mdp.add_reward(rng.normal(size=(3, 4, 3)))
    return mdp.with_reward(np.full((4, 3), -0.0)) if kind == "negative zeros" else mdp


KINDS = ["pairs", "transitions", "both", "trials", "both, trials", "negative zeros"]


def logits(batch, alike):
    theta = 2 * np.random.default_rng(len(batch)).normal(size=(*batch, 4, 3))
    return np.broadcast_to(theta[(0,) * len(batch)], theta.shape) if alike else theta


@needs_numba
@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3), (4, 1, 3)])
@pytest.mark.parametrize("alike", [False, True])
def test_loops_give_the_bits_of_numpy(representation, kind, batch, alike):
    mdp, theta = rewarded(kind, representation), logits(batch, alike)
    lead = np.broadcast_shapes(batch, mdp.R.shape[:-2])
    for horizon, num in ((1, 1), (5, 1), (1, 7), (20, 32)):

        def draw(horizon=horizon, num=num):
            rng = np.random.default_rng(num)
            drawn = sample(mdp, theta, horizon=horizon, num_trajectories=num, rng=rng)
            return *drawn, rng.random(3)

        drawn = draw()
        assert drawn[1].shape == (horizon, *lead, num)
        assert_same_bits(drawn, by_numpy(draw))


def one_by_one(mdp, theta, horizon, num, rng):
    """A loop over steps and trajectories: all actions of a step are drawn before its successors."""
    policy = np.exp(theta - theta.max(axis=-1, keepdims=True))
    policy /= policy.sum(axis=-1, keepdims=True)
    S, A = mdp.num_states, mdp.num_actions
    P, R = np.asarray(mdp.P).reshape(S * A, S), mdp.R
    support = [np.flatnonzero(p) for p in P]

    def outcome(p, names, slots, uniform):
        padded = np.zeros(slots)
        padded[: len(names)] = p[names]
        table = alias_table(padded[None])
        scaled = uniform * slots
        slot = int(scaled)
        side = table.outcome if scaled - slot < table.threshold[slot] else table.alias
        return names[side[slot]]

    slots = max(map(len, support))
    start = np.flatnonzero(mdp.initial)
    states, actions, rewards = [[int(start[0])] * (len(theta) * num)], [], []
    for _ in range(horizon):
        uniform = rng.random(len(theta) * num)
        actions.append(
            [
                outcome(policy[i // num, s], np.arange(A), A, uniform[i])
                for i, s in enumerate(states[-1])
            ]
        )
        uniform = rng.random(len(theta) * num)
        pairs = [s * A + a for s, a in zip(states[-1], actions[-1], strict=True)]
        rewards.append([R.ravel()[x] for x in pairs])
        states.append([outcome(P[x], support[x], slots, uniform[i]) for i, x in enumerate(pairs)])
    shape = (-1, len(theta), num)
    return tuple(np.reshape(x, shape) for x in (states, actions, rewards))


@pytest.mark.parametrize("path", ["as it is", "NumPy"])
def test_the_stream_of_uniforms_is_that_of_a_plain_loop(path):
    mdp = TabularMDP(uneven_mdp().P, uneven_mdp().R, 0.9, 2)
    theta = np.random.default_rng(5).normal(size=(2, 4, 3))
    expected = one_by_one(mdp, theta, 6, 5, np.random.default_rng(8))

    def draw():
        rng = np.random.default_rng(8)
        return sample(mdp, theta, horizon=6, num_trajectories=5, rng=rng)

    drawn = draw() if path == "as it is" else by_numpy(draw)
    assert_same_bits(drawn, expected)


@pytest.mark.parametrize("path", ["as it is", "NumPy"])
@pytest.mark.parametrize("uniforms", [1, 50, 130, 10**6])
def test_the_block_of_uniforms_does_not_matter(path, uniforms, monkeypatch):
    """Blocks of one step, of some that do not divide the horizon, and of all."""
    mdp, theta = uneven_mdp(), np.random.default_rng(5).normal(size=(2, 4, 3))

    def draw():
        rng = np.random.default_rng(8)
        drawn = sample(mdp, theta, horizon=7, num_trajectories=11, rng=rng)
        return *drawn, rng.random(2)

    expected = draw()
    monkeypatch.setattr(sampling, "UNIFORMS", uniforms)
    assert_same_bits(draw() if path == "as it is" else by_numpy(draw), expected)


def test_one_table_for_policies_that_are_the_same():
    """The trials of one policy draw what they draw beside a trial of another policy."""
    mdp, theta = uneven_mdp(), np.array(logits((3,), alike=True))

    def draw():
        rng = np.random.default_rng(8)
        return sample(mdp, theta, horizon=7, num_trajectories=11, rng=rng)

    alike = draw()
    theta[-1] *= -1
    differing = draw()
    assert_same_bits([x[:, :-1] for x in alike], [x[:, :-1] for x in differing])
    assert np.any(alike.actions[:, -1] != differing.actions[:, -1])


@needs_numba
@pytest.mark.parametrize("name", HARD_ROWS)
def test_alias_tables_of_hard_rows(name):
    row = np.array(HARD_ROWS[name])[None]
    assert_same_bits(alias_table(row)[1:], by_numpy(lambda: alias_table(row))[1:])


@needs_numba
@given(row=rows())
def test_alias_tables_of_any_row(row):
    table = np.stack([row, np.roll(row, 1), np.ones_like(row)])
    names = np.arange(table.size).reshape(table.shape)
    assert_same_bits(alias_table(table)[1:], by_numpy(lambda: alias_table(table))[1:])
    named = by_numpy(lambda: alias_table(table, names))
    assert_same_bits(alias_table(table, names)[1:], named[1:])


@needs_numba
def test_the_loops_are_compiled_once():
    """Rewards are tables of the MDP, which are read-only, or made for the draw."""
    kernels = compiled.kernels("kernels_sampling")
    for kind in KINDS:
        for representation in REPRESENTATIONS:
            for batch in ((), (2, 3)):
                mdp, rng = rewarded(kind, representation), np.random.default_rng(0)
                sample(mdp, logits(batch, False), horizon=2, num_trajectories=3, rng=rng)
    assert len(kernels.walk.signatures) == len(kernels.sweep.signatures) == 1
