"""Baseline tables as functions of (MDP, θ, generator)."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline, NoisyBaseline, exact_baseline, zero_baseline
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import SAME, VALUE, assert_close
from tests.tabular.unroll import assert_mean, state_value

BASELINES = {"exact": exact_baseline, "zero": zero_baseline, "noisy": NoisyBaseline()}


def make(size: tuple[int, int] = (4, 3), batch: tuple[int, ...] = ()) -> tuple:
    rng = np.random.default_rng([*size, *batch])
    return random_mdp(rng, size), rng.normal(size=(*batch, *size))


@pytest.mark.parametrize("size", [(1, 3), (4, 3), (60, 2)])
def test_exact_baseline_is_the_value(size):
    mdp, theta = make(size)
    expected = state_value(mdp, theta)
    assert_close(exact_baseline(mdp, theta, None), expected, VALUE, scale=10)
    assert_close(exact_baseline(mdp.sparse(), theta, None), expected, VALUE, scale=10)


def test_exact_baseline_knows_each_trials_policy_and_reward():
    mdp, theta = make(batch=(3,))
    rewards = np.random.default_rng(0).normal(size=(3, 4, 3))
    together = exact_baseline(mdp.with_reward(rewards), theta, None)
    for i in range(3):
        single = exact_baseline(mdp.with_reward(rewards[i]), theta[i], None)
        assert_close(together[i], single, SAME)


def test_zero_baseline():
    mdp, theta = make()
    assert np.array_equal(zero_baseline(mdp, theta, None), np.zeros(4))


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_noisy_baseline_is_the_stated_draw(coefficient, batch):
    """V + c ‖V‖₂/S z: one table of noise for every trial, on that trial's own scale."""
    mdp, theta = make(batch=batch)
    actual = NoisyBaseline(coefficient)(mdp, theta, np.random.default_rng(1))
    z = np.random.default_rng(1).standard_normal((*batch, 4))
    for index in np.ndindex(batch):
        value = state_value(mdp, theta[index])
        expected = value + coefficient * np.sqrt((value**2).sum()) / 4 * z[index]
        assert_close(actual[index], expected, VALUE, scale=10)


def test_noise_has_mean_zero_and_the_stated_size():
    mdp, theta = make()
    value = state_value(mdp, theta)
    many = np.broadcast_to(theta, (20_000, 4, 3))
    errors = NoisyBaseline(2.0)(mdp, many, np.random.default_rng(2)) - value
    assert_mean(errors, 0.0)
    assert_mean(errors**2, (2.0 * np.linalg.norm(value) / 4) ** 2)
    assert_mean(errors[:, :1] * errors[:, 1:], 0.0)


def test_every_call_draws_afresh_and_the_seed_repeats_it():
    mdp, theta = make()
    rng = np.random.default_rng(3)
    first, second = (NoisyBaseline()(mdp, theta, rng) for _ in range(2))
    assert not np.any(first == second)
    assert np.array_equal(first, NoisyBaseline()(mdp, theta, np.random.default_rng(3)))


def test_scale():
    assert NoisyBaseline(3.0).scale(np.array([3.0, 4.0])) == pytest.approx([7.5], rel=1e-15)
    assert NoisyBaseline().scale(np.ones((5, 9))).shape == (5, 1)
    assert NoisyBaseline().coefficient == 1.0


def test_noise_needs_a_generator():
    mdp, theta = make()
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, received None"):
        NoisyBaseline()(mdp, theta, None)
    # Reproducible by construction: no generator, no hidden one.
    for baseline in (exact_baseline, zero_baseline):
        assert np.array_equal(baseline(mdp, theta, None), baseline(mdp, theta, None))


@pytest.mark.parametrize("name", BASELINES)
def test_a_single_state(name):
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 3.0]], 0.5, 0)
    table = BASELINES[name](mdp, np.zeros((1, 2)), np.random.default_rng(4))
    assert table.shape == (1,)
    assert name == "noisy" or table[0] == pytest.approx({"exact": 4.0, "zero": 0.0}[name])


@pytest.mark.parametrize("name", ["exact", "noisy"])
def test_bad_logits(name):
    mdp, theta = make()
    with pytest.raises(ValueError, match=r"theta must have shape \(..., 4, 3\)"):
        BASELINES[name](mdp, theta.T, np.random.default_rng(5))


def test_fixed_baseline_is_the_same_at_every_policy():
    mdp, theta = make()
    given = np.arange(4.0)
    baseline = FixedBaseline(given)
    given[:] = 9.0
    for policy in (theta, -theta):
        assert np.array_equal(baseline(mdp, policy, None), np.arange(4.0))


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ([0.0, np.nan, 0.0, 0.0], ValueError, "table must be finite"),
        ("V", TypeError, "table must be an array"),
        (np.zeros(3), ValueError, "must have shape"),
        (1.0, ValueError, "must have shape"),
    ],
)
def test_wrong_fixed_baselines(table, error, message):
    mdp, theta = make()
    with pytest.raises(error, match=message):
        FixedBaseline(table)(mdp, theta, None)
