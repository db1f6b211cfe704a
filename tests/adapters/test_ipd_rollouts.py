"""Rollouts of the game and the ring."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from adapters.ipd import game  # noqa: E402
from adapters.ipd.rollouts import Ring, Rollouts, roll_out  # noqa: E402


def generators(seeds):
    return [np.random.default_rng(seed) for seed in seeds]


def players(runs, seed=0):
    own = np.random.default_rng(seed).normal(size=(2, 2 * runs, 5))
    return torch.from_numpy(own)


def test_frequencies_are_those_of_the_chain():
    own, other = players(1)
    length, count = 6, 40_000
    rollouts = roll_out(own, other, generators([1]), length, count)
    moves = game.joint_logp(own, other).exp().numpy()
    for pair in range(2):
        distribution = np.eye(5)[0]
        for t in range(length):
            expected = (distribution[:, None] * moves[pair]).ravel()
            found = np.bincount(rollouts.index[pair, :, t], minlength=20) / count
            error = np.sqrt(expected * (1 - expected) / count)
            # 240 frequencies: 4.5 standard errors are exceeded once in 600 runs.
            assert (np.abs(found - expected) <= 4.5 * error + 1e-12).all()
            distribution = np.concatenate([[0.0], expected.reshape(5, 4).sum(0)])


def test_states_follow_moves_and_old_logp_is_that_of_the_players():
    own, other = players(2)
    rollouts = roll_out(own, other, generators([1, 2]), 7, 5)
    states, moves = rollouts.index // 4, rollouts.index % 4
    assert (states[..., 0] == 0).all()
    assert (states[..., 1:] == 1 + moves[..., :-1]).all()
    logp = game.joint_logp(own, other)
    for pair in range(4):
        expected = logp[pair, states[pair], moves[pair]]
        assert torch.equal(rollouts.old_logp[pair], expected)


def test_a_run_does_not_depend_on_its_neighbours():
    own, other = players(3)
    together = roll_out(own, other, generators([5, 6, 7]), 9, 4)
    alone = roll_out(own[2:4], other[2:4], generators([6]), 9, 4)
    assert torch.equal(together.index[2:4], alone.index)


def batch(value, count=2):
    index = torch.full((1, count, 3), value)
    return Rollouts(index, index.double())


def test_ring_keeps_the_newest():
    ring = Ring(6)
    for value in range(5):
        ring.add(batch(value))
        kept = ring.rollouts().index[0, ::2, 0].tolist()
        assert kept == list(range(max(0, value - 2), value + 1))
    assert ring.rollouts().index.shape == ring.rollouts().old_logp.shape == (1, 6, 3)


def test_ring_takes_whole_batches():
    with pytest.raises(ValueError, match="ring = 6 and batch = 4; give a multiple of 4"):
        Ring(6).add(batch(0, count=4))
    with pytest.raises(ValueError, match="ring = 6 and batch = 8"):
        Ring(6).add(batch(0, count=8))
