"""What one trajectory's estimates are at most: extremes by brute force, parts that are attained."""

from itertools import product

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline, exact_baseline, zero_baseline
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.problems import Lirpg
from tabular.sources import Sampled
from theory.objectives import Objective
from theory.statements.assumption_4_3 import reward_noise_at
from theory.trajectory_bounds import lost_weight, trajectory_bounds


def advantages(rewards, tables, gamma, kappa):
    """Â_t = δ_t + κ Â_{t+1} of one trajectory."""
    found, later = [], 0.0
    for t in reversed(range(len(rewards))):
        later = rewards[t] + gamma * tables[t + 1] - tables[t] + kappa * later
        found.append(later)
    return np.array(found[::-1])


def ladder(rewards, gamma):
    """Two states of two alike actions; the second is seen after one step."""
    return TabularMDP([[[0.5, 0.5]] * 2] * 2, rewards, gamma, 0)


@pytest.mark.parametrize("gae_lambda", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("rewards", [(-1.0, 0.3), (2.0, 2.5)])
@pytest.mark.parametrize("table", [(0.0, 0.0), (-3.0, 1.0), (4.0, 6.0)])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_largest_advantages_are_those_of_extreme_trajectories(
    gae_lambda, rewards, table, horizon
):
    gamma = 0.8
    mdp = ladder(np.array([rewards, rewards]), gamma)
    worst = np.zeros(horizon)
    for r in product(rewards, repeat=horizon):
        for b in product(table, repeat=horizon + 1):
            worst = np.maximum(worst, abs(advantages(r, b, gamma, gamma * gae_lambda)))
    source = Sampled("ad", 1, horizon, FixedBaseline(table), gae_lambda)
    found = trajectory_bounds(Objective(mdp), source)
    weights = gamma ** np.arange(horizon) @ worst
    assert found.gradient == pytest.approx(weights * np.sqrt(1 / 2), rel=1e-12)
    assert found.hessian == found.hessian_frobenius == pytest.approx(weights / 2, rel=1e-12)


def test_the_sources_steps_tell_what_is_seen():
    """Of an objective over one step, the source's two show the second state's rewards and V_b."""
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = P[1, :, 2] = P[2, :, 2] = 1.0
    mdp = TabularMDP(P, [[1.0, 1.0], [5.0, 5.0], [70.0, 70.0]], 0.5, 0)
    one, two = (Sampled("dice", 1, T, zero_baseline) for T in (1, 2))
    root = np.sqrt(1 / 2)
    assert trajectory_bounds(Objective(mdp, 1), one).gradient == pytest.approx(1.0 * root)
    # Rewards in [1, 5]: |Â| <= 7.5 and 5.
    assert trajectory_bounds(Objective(mdp, 1), two).gradient == pytest.approx(10.0 * root)
    end = Sampled("ad", 1, 1, FixedBaseline([0.0, 8.0, 99.0]))  # 1 + 0 − 8
    assert trajectory_bounds(Objective(mdp), end).gradient == pytest.approx(7.0 * root)


def test_a_followed_value_lies_in_its_range():
    mdp = TabularMDP([[[1.0], [1.0]]], [[0.0, 1.0]], 0.5, 0)  # values from 0 to 2
    found = trajectory_bounds(Objective(mdp), Sampled("ad", 1, 1, exact_baseline))
    assert found.gradient == pytest.approx(2.0 * np.sqrt(1 / 2), rel=1e-5)


def one_state(gamma):
    return TabularMDP(np.ones((1, 2, 1)), [[1.0, 1.0]], gamma, 0)


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_the_cross_part_of_loaded_dice_is_attained(horizon):
    """Two arms drawn alike that both pay one, λ = 0: ψψᵀ = F, so that only scores of two times are
    left, of which Ψ_{t−1}ψ_tᵀ and its transpose are one matrix of norm √t/2."""
    mdp, theta = one_state(0.7), np.zeros((1, 2))
    every, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    estimate = Estimate(
        mdp, theta, every, estimator="loaded_dice", baseline=np.zeros(1), gae_lambda=0.0
    )
    H = estimate.hessian.reshape(-1, 2, 2)
    steps = [np.sqrt(t) * 0.7**t for t in range(horizon)]
    frobenius = np.sqrt(probability @ (H**2).sum(axis=(1, 2)))
    assert frobenius == pytest.approx(np.linalg.norm(steps), rel=1e-12, abs=1e-15)
    loaded, lvc = (
        trajectory_bounds(Objective(mdp), Sampled(name, 1, horizon, zero_baseline, 0.0))
        for name in ("loaded_dice", "lvc")
    )
    for name in ("hessian", "hessian_frobenius"):
        part = getattr(loaded, name) - getattr(lvc, name)
        assert part == pytest.approx(sum(steps), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("num_actions", [2, 3, 4, 10])
def test_more_than_half_of_the_local_part_is_met(num_actions):
    """E‖ψψᵀ − F‖_F², by enumeration, of policies that prefer one action to the others."""
    mdp = TabularMDP(np.ones((1, num_actions, 1)), np.ones((1, num_actions)), 0.0, 0)
    bound = trajectory_bounds(Objective(mdp), Sampled("lvc", 1, 1, zero_baseline))
    most = weak = 0.0
    for logit in np.linspace(-2, 4, 61):
        theta = np.zeros((1, num_actions))
        theta[0, 0] = logit
        every, probability = enumerate_trajectories(mdp, theta, horizon=1)
        H = Estimate(mdp, theta, every, estimator="lvc", baseline=np.zeros(1)).hessian
        H = H.reshape(-1, num_actions, num_actions)
        square = np.einsum("n,nij,njk->ik", probability, H, H)
        most, weak = max(most, np.trace(square)), max(weak, np.linalg.eigvalsh(square)[-1])
    assert bound.hessian_frobenius**2 / 2 < most <= bound.hessian_frobenius**2
    assert 0.7 * bound.hessian**2 < weak <= bound.hessian**2
    if num_actions == 2:
        assert min(most, weak) > 0.999 * bound.hessian_frobenius**2


def test_the_local_part_has_a_norm_of_a_half_for_any_number_of_actions():
    """E M² = (1 + p₂)F − 3F², for random policies; two actions of many attain it."""
    rng = np.random.default_rng(6)
    for num_actions in (2, 3, 5, 12):
        for concentration in (0.05, 0.3, 1.0, 5.0):
            for pi in rng.dirichlet(np.full(num_actions, concentration), size=50):
                psi, F = np.eye(num_actions) - pi, np.diag(pi) - np.outer(pi, pi)
                M = psi[:, :, None] * psi[:, None, :] - F
                square = np.einsum("a,aij,ajk->ik", pi, M, M)
                assert np.allclose(square, (1 + pi @ pi) * F - 3 * F @ F, atol=1e-14)
                assert np.linalg.eigvalsh(square)[-1] <= 1 / 4 + 1e-14
    source = Sampled("lvc", 1, 1, zero_baseline)
    mdp = TabularMDP(np.ones((1, 5, 1)), np.ones((1, 5)), 0.0, 0)
    assert trajectory_bounds(Objective(mdp), source).hessian == 1 / 2


def later_rewards(horizon, num_states=2):
    """One decision, then a state of two arms that one policy always plays alike."""
    P = np.zeros((num_states, 2, num_states))
    P[0, :, 1] = P[1, :, 1] = 1.0
    return TabularMDP(P, np.zeros((num_states, 2)), 0.9, 0)


def test_noise_of_reward_derivatives_is_put_together():
    gamma, lam, T = 0.9, 0.5, 4
    mdp = ladder(np.zeros((2, 2)), gamma)
    found = trajectory_bounds(Objective(mdp), Sampled("ad", 1, T, zero_baseline, lam))
    whole = weak = 0.0
    for j in range(T):
        squares = [gamma ** (2 * t) * (gamma * lam) ** (2 * (j - t)) / 2 for t in range(j + 1)]
        whole += np.sqrt(sum(squares))
        own = gamma**j * np.sqrt(8 / 27) + np.sqrt(sum(squares[:-1]))
        weak += min(np.sqrt(sum(squares)), own)
    assert found.cross_frobenius == pytest.approx(whole, rel=1e-12)
    assert found.cross == pytest.approx(weak, rel=1e-12)


@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("gae_lambda", [1.0, 0.4])
def test_noise_of_reward_derivatives_is_nearly_met(horizon, gae_lambda):
    """One step: √(8/27) against 1/2. Then scores that add up and a state that is met again."""
    rng = np.random.default_rng(horizon)
    source = Sampled("ad", 1, horizon, zero_baseline, gae_lambda)
    best = np.zeros(2)
    for mdp in (one_state(0.9), later_rewards(horizon)):
        objective = Objective(mdp)
        bounds = trajectory_bounds(objective, source)
        for scale in (0.0, 0.3, 3.0):
            theta = scale * rng.normal(size=mdp.R.shape)
            theta[0] = scale * np.array([0.1, 0.0])
            met = reward_noise_at(objective, theta, source)
            ratio = np.array(
                [met["sigma_J"] / bounds.cross, met["sigma_JF"] / bounds.cross_frobenius]
            )
            assert np.all(ratio <= 1 + 1e-12)
            best = np.maximum(best, ratio)
    assert np.all(best > (0.7 if horizon == 1 else 0.4))


def test_lost_weight_is_a_sum_over_later_steps():
    gamma, lam, T = 0.9, 0.3, 5
    lost = sum(
        gamma**t * (gamma**later - (gamma * lam) ** later)
        for t in range(T)
        for later in range(T - t)
    )
    assert lost_weight(gamma, lam, T) == pytest.approx(lost, rel=1e-12)
    assert lost_weight(gamma, 1.0, T) == lost_weight(gamma, 0.0, 1) == 0.0


def test_one_action_has_no_noise():
    mdp = TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.9, 0)
    problem = Lirpg(mdp, np.zeros((1, 1)))
    for name in ("ad", "lvc", "loaded_dice", "dice"):
        bounds = trajectory_bounds(Objective(problem.mdp), Sampled(name, 1, 3, zero_baseline))
        assert not any(vars(bounds).values())
