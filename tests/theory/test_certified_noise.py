"""The biases' bounds: each part against what it bounds, in problems that nearly attain it."""

from dataclasses import replace

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tabular.baselines import FixedBaseline, exact_baseline, zero_baseline
from tabular.problems import Lirpg, Maml
from tabular.sources import Mean, Sampled, Update
from tests.tabular.reference import random_mdp
from tests.theory.cases import dense_random
from tests.theory.softmax_search import deterministic_values
from tests.theory.test_softmax import line
from tests.theory.test_softmax_horizon import FORK, back_and_forth, fork
from theory.certified_constants import reward_bounds
from theory.certified_noise import certified_noise, hessian_bias, reward_bias
from theory.objectives import Objective
from theory.softmax_horizon import tail
from theory.statements.assumption_4_3 import check
from theory.trajectory_bounds import trajectory_bounds


def matrix(hessian):
    return hessian.reshape(int(np.sqrt(hessian.size)), -1)


def mean_hessian(mdp, theta, source):
    mean = Mean(source)(Update(mdp, theta), None)
    return np.array([mean.vjp(u).ravel() for u in np.eye(theta.size).reshape(-1, *theta.shape)])


def mean_cross(mdp, theta, source, u):
    return Mean(source)(Update(mdp, theta), None).cross_reward(u)


def test_more_than_half_of_the_bias_of_lvc_is_met():
    """Two decisions, back and forth: LVC over J_2 misses the part at two times."""
    mdp, theta = back_and_forth().with_reward([[1.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
    source = Sampled("lvc", 1, 2, zero_baseline)
    (found,) = (
        c for c in check(Maml(mdp, 2), theta, theta[None], source) if c.name.endswith("Delta_H")
    )
    assert found.rhs == Objective(mdp, 2).bounds.cross
    assert found.ratio == pytest.approx((1 + np.sqrt(2)) / 4, rel=1e-12)


@pytest.mark.parametrize("horizon", [1, 2])
def test_what_lvc_misses_after_its_last_step_is_nearly_attained(horizon):
    """A state that pays until it is left, by a policy that seldom leaves: γ^T L/2 at one time.

    The mean of LVC plus D²J's part at two times differs from D²J by γ^T times its part at one.
    """
    gamma = 1 - 1e-5
    P, R = np.zeros((2, 2, 2)), np.zeros((2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = R[0, 0] = 1.0
    mdp, theta = TabularMDP(P, R, gamma, 0), np.array([[0.0, np.log(1 - gamma)], [0.0, 0.0]])
    source = Sampled("lvc", 1, horizon, exact_baseline)
    local = matrix(exact.evaluate(mdp, theta).hessian_parts.local)
    missed = np.linalg.norm(mean_hessian(mdp, theta, source) - local, 2)
    objective = Objective(mdp)
    part = hessian_bias(objective, source) - objective.bounds.cross
    assert 0.999 * part < missed <= part * (1 + 1e-9)


def test_lvc_at_one_time_in_random_mdps():
    rng = np.random.default_rng(3)
    for _ in range(40):
        mdp = random_mdp(rng, (3, 2), float(rng.choice([0.5, 0.9])))
        theta = 2 * rng.normal(size=(3, 2))
        source = Sampled("lvc", 1, int(rng.integers(1, 4)), exact_baseline, 0.3)
        parts = exact.evaluate(mdp, theta).hessian_parts
        missed = np.linalg.norm(mean_hessian(mdp, theta, source) - matrix(parts.local), 2)
        span = np.ptp(deterministic_values(mdp))
        assert missed <= mdp.gamma**source.horizon * span / 2 * (1 + 1e-9)
        bias = hessian_bias(Objective(mdp), source)
        assert bias >= Objective(mdp).bounds.cross + mdp.gamma**source.horizon * span / 2


@pytest.mark.parametrize("name", ["loaded_dice", "dice"])
def test_an_unbiased_hessian_stops_after_t_steps(name):
    """For J: γ^T E V(s_T), whose V moves with θ; nothing of V where it stands still is missed.

    Two parts: V'' after steps that decide nothing, attained, and V' where a decision leads, of
    which (1 + √2)/4 is met (`tests.theory.test_softmax_horizon`).
    """
    source = Sampled(name, 1, 1, exact_baseline)
    mdp = dense_random()
    objective = Objective(mdp)
    bounds = np.array(objective.bounds)
    bias = hessian_bias(objective, source)
    if name == "loaded_dice":
        assert bias == tail(mdp.gamma, 1, 0.0, bounds)[1]
    else:  # without V^π as V_b: another objective's
        assert bias == bounds[1] + trajectory_bounds(objective, source).hessian
    theta = np.random.default_rng(1).normal(size=(4, 3))
    H = matrix(exact.evaluate(mdp, theta).hessian)
    assert np.linalg.norm(mean_hessian(mdp, theta, source) - H, 2) <= bias


def test_a_step_without_decisions_attains_the_bias_of_loaded_dice():
    """One step later comes the only decision: what is missed is γ D²V, of norm γ D₂."""
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = P[1, :, 2] = P[2, :, 2] = 1.0
    mdp = TabularMDP(P, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]], 1e-9, 0)
    norm, p = FORK[1]
    theta = np.zeros((3, 2))
    theta[1, 0] = np.log(p / (1 - p))
    source = Sampled("loaded_dice", 1, 1, exact_baseline)
    H = matrix(exact.evaluate(mdp, theta).hessian)
    missed = np.linalg.norm(mean_hessian(mdp, theta, source) - H, 2)
    objective = Objective(mdp)
    separated = 4 * np.sqrt(1 / 8) * objective.bounds.first * mdp.gamma
    assert missed == pytest.approx(1e-9 * norm, rel=1e-6)
    assert hessian_bias(objective, source) - separated == pytest.approx(missed, rel=1e-6)


def test_rewards_alike_attain_the_bias_of_ad():
    """D²J = 0, and −Σ γ^t Â_t F has norm Σ γ^t |Â_t|/2 for two arms drawn alike."""
    mdp, theta = TabularMDP(np.ones((1, 2, 1)), [[3.0, 3.0]], 0.8, 0), np.zeros((1, 2))
    source = Sampled("ad", 1, 4, zero_baseline, 0.5)
    for problem in (Maml(mdp), Maml(mdp, 4)):
        checks = check(problem, theta, theta[None], source)
        (found,) = (c for c in checks if c.name.endswith("Delta_H"))
        assert found.ratio == pytest.approx(1.0, rel=1e-12)


def test_the_bias_of_ad_is_the_sum_of_two_bounds():
    """With V^π its mean is zero and D₂ is left; with any other critic both count."""
    mdp = dense_random()
    objective = Objective(mdp)
    for baseline, gae_lambda in ((zero_baseline, 1.0), (FixedBaseline(np.ones(4)), 0.5)):
        source = Sampled("ad", 1, 3, baseline, gae_lambda)
        both = objective.bounds.second + trajectory_bounds(objective, source).hessian
        assert hessian_bias(objective, source) == both
    assert hessian_bias(objective, Sampled("ad", 1, 3)) == objective.bounds.second


def along(table, w):
    return abs((table * w).sum()) / np.linalg.norm(w)


def test_lost_lambda_is_attained():
    """A first step decides the second one's reward, and λ = 0 does not let it know."""
    mdp, theta = fork(0.0), np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 0.0]])
    u, w = np.zeros((3, 2)), np.zeros((3, 2))
    u[0], w[1:, 0] = np.array([1, -1]) / np.sqrt(2), [1.0, -1.0]
    for gae_lambda in (0.0, 0.5):
        source = Sampled("ad", 1, 2, zero_baseline, gae_lambda)
        G = exact.evaluate(mdp, theta, horizon=2).cross_reward(u)
        lost = along(G - mean_cross(mdp, theta, source, u), w)
        bias = reward_bias(Objective(mdp, 2), source)
        assert lost == pytest.approx(0.9 * (1 - gae_lambda) / 2, rel=1e-12)
        assert bias == pytest.approx(lost, rel=1e-12)
        infinite = [
            reward_bias(Objective(mdp), s) for s in (source, replace(source, gae_lambda=1.0))
        ]
        assert infinite[0] == pytest.approx(infinite[1] + bias, rel=1e-12)
    assert reward_bias(Objective(mdp, 2), Sampled("ad", 1, 2, zero_baseline)) == 0.0


def test_where_a_decision_leads_is_attained_for_rewards():
    """Of γ^T E V(s_T) the part in which V stands still: W √2 apart, at one step's end."""
    mdp, theta = fork(0.0), np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 0.0]])
    u, w = np.zeros((3, 2)), np.zeros((3, 2))
    u[0], w[1:, 0] = np.array([1, -1]) / np.sqrt(2), [1.0, -1.0]
    source, objective = Sampled("lvc", 1, 1, exact_baseline), Objective(mdp)
    G = exact.evaluate(mdp, theta).cross_reward(u)
    missed = along(G - mean_cross(mdp, theta, source, u), w)
    assert missed == pytest.approx(0.9 * 10 / 2, rel=1e-12)
    part = reward_bias(objective, source) - 0.9 * reward_bounds(objective).first
    assert part == pytest.approx(missed, rel=1e-12)


def test_decisions_after_the_last_step_are_nearly_attained_for_rewards():
    """The other part, γ^T D₁, by the line of 40 states as γ → 1; two more are not decisions."""
    gamma = 1 - 1e-9
    mdp, theta = line(40, gamma, 1e-4, 1.0)
    u, w = np.zeros(theta.shape), np.zeros(theta.shape)
    u[1:-1] = np.array([-1, 1]) / np.sqrt(80)
    theta[0, 0] = theta[-1, 0] = 40.0
    w[-1, 0], w[0, 0] = 1.0, -1.0
    source, objective = Sampled("ad", 1, 1, exact_baseline), Objective(mdp)
    G = exact.evaluate(mdp, theta).cross_reward(u)
    missed = along(G - mean_cross(mdp, theta, source, u), w)
    led = gamma * np.sqrt(1 / 8) * np.sqrt(2) / (1 - gamma)
    part = reward_bias(objective, source) - led
    assert 0.95 * part < missed <= part


def test_gradients_over_different_steps_are_both_counted():
    """Of T = 1 and T = 2: a bias either way is at most the sum."""
    mdp = dense_random()
    one, two = (Objective(mdp, T) for T in (1, 2))
    firsts = sum(reward_bounds(objective).first for objective in (one, two))
    for objective, horizon in ((one, 2), (two, 1)):
        assert reward_bias(objective, Sampled("ad", 1, horizon, zero_baseline)) == firsts
    source = Sampled("ad", 1, 2, zero_baseline, 0.5)
    assert reward_bias(one, source) == pytest.approx(reward_bias(two, source) + firsts, rel=1e-12)


def test_which_constants_are_whose():
    mdp, phi = dense_random(), np.random.default_rng(2).normal(size=(4, 3))
    source, outer = Sampled("lvc", 1, 2), Sampled("dice", 1, 3)
    problem = Lirpg(mdp, np.zeros((4, 3)))
    found = certified_noise(problem, phi, source, outer)
    inner = trajectory_bounds(Objective(mdp.add_reward(phi)), source)
    assert found.sigma_in == inner.gradient
    assert (found.sigma_H, found.sigma_HF) == (inner.hessian, inner.hessian_frobenius)
    assert (found.sigma_J, found.sigma_JF) == (inner.cross, inner.cross_frobenius)
    assert found.sigma_p == trajectory_bounds(Objective(mdp), outer).gradient
    assert found.Delta_H == hessian_bias(Objective(mdp.add_reward(phi)), source)
    assert found.Delta_J == reward_bias(Objective(mdp), source)
    assert found.sigma_q == 0.0
    plain = certified_noise(Maml(mdp), phi, source)
    assert plain.sigma_p == plain.sigma_J == plain.sigma_JF == plain.Delta_J == 0.0
