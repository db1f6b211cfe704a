"""What the expected estimators are, and are not, the derivatives of.

J_T with a constant terminal table V_b is the objective of a truncated, bootstrapped learner;
F(s) is diag π − π πᵀ; ε = V_b − V^π. Both sides of each identity are closed forms, and each side
is tested against its own independent reference elsewhere.
"""

import numpy as np
import pytest

from tabular import exact, moments
from tests.tabular.fact_cases import HORIZONS, MDPS, SAME_SUMS, kernel, paper_mdp, size, state_laws
from tests.tabular.surrogates import ESTIMATORS, NOTHING, plain_policy
from tests.tabular.tolerances import assert_close

LAMBDAS = [0.0, 0.6, 0.95, 1.0]


@pytest.fixture(params=MDPS)
def mdp(request):
    return MDPS[request.param]()


@pytest.fixture
def theta(mdp):
    return np.random.default_rng(5).normal(size=mdp.R.shape)


@pytest.fixture
def noise(mdp):
    return np.random.default_rng(6).normal(size=mdp.num_states)


def fisher_blocks(weights, theta):
    """blockdiag_s weights(s) F(s), (S, A, S, A)."""
    pi = plain_policy(theta)
    blocks = np.einsum("ab,sa->sab", np.eye(pi.shape[1]), pi) - np.einsum("sa,sb->sab", pi, pi)
    return np.einsum("sz,s,sab->sazb", np.eye(len(pi)), weights, blocks)


@pytest.mark.parametrize("gae_lambda", LAMBDAS)
@pytest.mark.parametrize("horizon", [*HORIZONS, None])
def test_with_the_true_value_as_baseline_the_ad_hessian_vanishes(mdp, theta, horizon, gae_lambda):
    """At every T and λ: E[Â_t | s_t] = 0, and log π has the same curvature for all actions."""
    baseline = exact.state_value(mdp, theta)
    options = {"horizon": horizon, "baseline": baseline, "gae_lambda": gae_lambda}
    H = moments.expected_hessian(mdp, theta, "ad", **options)
    assert_close(H, np.zeros(H.shape), NOTHING, scale=size(mdp))
    truth = exact.hessian(mdp, theta)
    assert np.max(np.abs(truth)) > 1e11 * np.max(np.abs(H))


def test_without_a_baseline_the_ad_hessian_is_minus_value_times_fisher(mdp, theta):
    """−Σ_s d V F: pure damping for positive rewards, whatever the MDP."""
    H = moments.expected_hessian(mdp, theta, "ad", horizon=None)
    weights = exact.occupancy(mdp, theta) * exact.state_value(mdp, theta)
    assert_close(H, -fisher_blocks(weights, theta), SAME_SUMS, scale=size(mdp))


def test_without_a_baseline_and_with_positive_rewards_the_ad_hessian_only_damps():
    mdp = paper_mdp()
    H = moments.expected_hessian(mdp, np.zeros((20, 5)), "ad", horizon=20).reshape(100, 100)
    assert np.linalg.eigvalsh(H).max() < 1e-14
    assert np.linalg.norm(H) > 5 * np.linalg.norm(exact.hessian(mdp, np.zeros((20, 5))))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_ad_hessian_of_a_noisy_baseline_over_a_horizon(mdp, theta, noise, horizon):
    """λ = 1: E[Â_t | s_t] = (γP_π)^{T−t} ε − ε."""
    baseline = exact.state_value(mdp, theta) + noise
    H = moments.expected_hessian(mdp, theta, "ad", horizon=horizon, baseline=baseline)
    laws, step, weights = state_laws(mdp, theta, horizon), mdp.gamma * kernel(mdp, theta), 0.0
    for t in range(horizon):
        m = np.linalg.matrix_power(step, horizon - t) @ noise - noise
        weights = weights + mdp.gamma**t * laws[t] * m
    assert_close(H, -fisher_blocks(weights, theta), SAME_SUMS, scale=size(mdp))


@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_ad_hessian_of_a_noisy_baseline_in_the_limit(mdp, theta, noise, gae_lambda):
    """T → ∞: Σ_s d ε' F with ε' = (I − γλP_π)⁻¹ (I − γP_π) ε, which is ε at λ = 1."""
    H = moments.expected_hessian(
        mdp,
        theta,
        "ad",
        horizon=None,
        baseline=exact.state_value(mdp, theta) + noise,
        gae_lambda=gae_lambda,
    )
    eye, step = np.eye(mdp.num_states), mdp.gamma * kernel(mdp, theta)
    shift = np.linalg.solve(eye - gae_lambda * step, (eye - step) @ noise)
    expected = fisher_blocks(exact.occupancy(mdp, theta) * shift, theta)
    assert_close(H, expected, SAME_SUMS, scale=size(mdp))
    if gae_lambda == 1:
        assert_close(shift, noise, SAME_SUMS, scale=size(mdp))


@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_noise_of_mean_zero_leaves_the_ad_hessian_at_zero(mdp, theta, noise, gae_lambda):
    """It is affine in V_b, so that ε and −ε cancel; each alone does not vanish."""
    value, both = exact.state_value(mdp, theta), []
    for sign in (1, -1):
        options = {"baseline": value + sign * noise, "gae_lambda": gae_lambda}
        both.append(moments.expected_hessian(mdp, theta, "ad", horizon=5, **options))
    assert_close(both[0] + both[1], np.zeros(both[0].shape), NOTHING, scale=2 * size(mdp))
    assert np.max(np.abs(both[0])) > 0.01


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_gradients_are_unbiased_for_the_truncated_objective(mdp, theta, noise, horizon, estimator):
    baseline = 3 * noise
    mean = moments.expected_gradient(mdp, theta, estimator, horizon=horizon, baseline=baseline)
    terminal = np.zeros_like(noise) if estimator == "dice" else baseline
    truth = exact.gradient(mdp, theta, horizon=horizon, terminal_value=terminal)
    assert_close(mean, truth, SAME_SUMS, scale=size(mdp))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_lvc_hessian_is_the_local_part(mdp, theta, noise, horizon):
    baseline = 3 * noise
    mean = moments.expected_hessian(mdp, theta, "lvc", horizon=horizon, baseline=baseline)
    truth = exact.evaluate(mdp, theta, horizon=horizon, terminal_value=baseline)
    assert_close(mean, truth.hessian_parts.local, SAME_SUMS, scale=size(mdp))
    if horizon > 1 and mdp.num_states > 1:
        missing = np.max(np.abs(truth.hessian - mean))
        assert missing > 1e-3 * np.max(np.abs(mean))


@pytest.mark.parametrize("estimator", ["loaded_dice", "dice"])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_dice_hessians_are_unbiased_for_the_truncated_objective(
    mdp, theta, noise, horizon, estimator
):
    """At λ = 1, for any V_b: as a baseline it never biases, as the end of J_T it does."""
    baseline = 3 * noise
    mean = moments.expected_hessian(mdp, theta, estimator, horizon=horizon, baseline=baseline)
    terminal = np.zeros_like(noise) if estimator == "dice" else baseline
    truth = exact.hessian(mdp, theta, horizon=horizon, terminal_value=terminal)
    assert_close(mean, truth, SAME_SUMS, scale=size(mdp))


def test_infinite_horizon_means_do_not_depend_on_the_baseline_at_lambda_one(mdp, theta, noise):
    """Its two roles separate: as T grows only the baseline is left, except in ad."""
    truth = exact.evaluate(mdp, theta)
    options = {"horizon": None, "baseline": 3 * noise}
    for estimator in ESTIMATORS:
        gradient = moments.expected_gradient(mdp, theta, estimator, **options)
        assert_close(gradient, truth.gradient, SAME_SUMS, scale=size(mdp))
    for estimator, hessian in (
        ("lvc", truth.hessian_parts.local),
        ("loaded_dice", truth.hessian),
        ("dice", truth.hessian),
    ):
        mean = moments.expected_hessian(mdp, theta, estimator, **options)
        assert_close(mean, hessian, SAME_SUMS, scale=size(mdp), what=estimator)


@pytest.mark.parametrize("horizon", [*HORIZONS, None])
@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice"])
def test_the_true_value_makes_lambda_irrelevant(mdp, theta, horizon, estimator):
    options = {"horizon": horizon, "baseline": exact.state_value(mdp, theta)}
    expectations = [
        moments.Expectation(mdp, theta, estimator, **options, gae_lambda=gae_lambda)
        for gae_lambda in LAMBDAS
    ]
    for other in expectations[:-1]:
        reference = expectations[-1]
        assert_close(other.gradient, reference.gradient, SAME_SUMS, scale=size(mdp))
        assert_close(other.hessian, reference.hessian, SAME_SUMS, scale=size(mdp))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.9])
def test_a_wrong_baseline_biases_gradients_below_lambda_one_at_any_horizon(
    mdp, theta, noise, gae_lambda
):
    """No γ^T in front of it: the error stays when T grows."""
    baseline, truth = exact.state_value(mdp, theta) + noise, exact.gradient(mdp, theta)
    mean = moments.expected_gradient(
        mdp, theta, "lvc", horizon=None, baseline=baseline, gae_lambda=gae_lambda
    )
    if mdp.num_states == 1:  # there V_b is one number, which no action changes
        assert_close(mean, truth, SAME_SUMS, scale=size(mdp))
    else:
        assert np.linalg.norm(mean - truth) > 1e-3 * np.linalg.norm(truth)
