"""What stopping at T and bootstrapping with V_b costs: γ^T times what is left out."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import jacobian

from tabular import exact, moments
from tests.tabular.fact_cases import (
    HORIZONS,
    MDPS,
    SAME_SUMS,
    paper_mdp,
    restarted,
    size,
    state_laws,
)
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import ESTIMATORS, Tables
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


@pytest.mark.parametrize("horizon", HORIZONS)
def test_truncation_bias_of_the_value(mdp, theta, noise, horizon):
    """J − J_T = γ^T d_T·(V^π − V_b)."""
    baseline = 3 * noise
    truncated = exact.value(mdp, theta, horizon=horizon, terminal_value=baseline)
    last = state_laws(mdp, theta, horizon)[-1]
    bias = mdp.gamma**horizon * last @ (exact.state_value(mdp, theta) - baseline)
    assert_close(exact.value(mdp, theta) - truncated, bias, SAME_SUMS, scale=size(mdp))


def last_law_slope(mdp, theta, horizon):
    """∂P(s_T = ·)/∂θ, (S, S, A), by autograd."""
    P, initial = Tables.of(mdp).P, np.array(mdp.initial)

    def law(logits):
        weights = anp.exp(logits)
        pi = weights / anp.sum(weights, axis=1, keepdims=True)
        P_pi, at = anp.sum(pi[:, :, None] * P, axis=1), initial
        for _ in range(horizon):
            at = anp.dot(at, P_pi)
        return at

    return jacobian(law)(theta)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_truncation_bias_with_the_true_value(mdp, theta, horizon):
    """A frozen V^π ends J_T without its slope: ∇J is missed by γ^T d_T·dV, ∇²J by

    γ^T (d_T·∇²V + (dd_T)ᵀ dV + its transpose).
    """
    options = {"horizon": horizon, "baseline": exact.state_value(mdp, theta)}
    last, factor = state_laws(mdp, theta, horizon)[-1], mdp.gamma**horizon
    gradient = moments.expected_gradient(mdp, theta, "loaded_dice", **options)
    bias = exact.gradient(restarted(mdp, last), theta)
    truth = exact.gradient(mdp, theta)
    assert_close(truth - gradient, factor * bias, SAME_SUMS, scale=size(mdp))

    hessian = moments.expected_hessian(mdp, theta, "loaded_dice", **options)
    slopes = np.stack([exact.gradient(restarted(mdp, e), theta) for e in np.eye(mdp.num_states)])
    mixed = np.einsum("sij,skl->ijkl", last_law_slope(mdp, theta, horizon), slopes)
    bias = exact.hessian(restarted(mdp, last), theta) + mixed + mixed.transpose(2, 3, 0, 1)
    truth = exact.hessian(mdp, theta)
    assert_close(truth - hessian, factor * bias, SAME_SUMS, scale=size(mdp))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_truncation_bias_of_the_lvc_hessian(mdp, theta, horizon):
    """V_b = V^π: the infinite local part misses γ^T of itself, restarted from d_T."""
    baseline = exact.state_value(mdp, theta)
    mean = moments.expected_hessian(mdp, theta, "lvc", horizon=horizon, baseline=baseline)
    rest = restarted(mdp, state_laws(mdp, theta, horizon)[-1])
    whole, tail = (exact.evaluate(m, theta).hessian_parts.local for m in (mdp, rest))
    assert_close(mean, whole - mdp.gamma**horizon * tail, SAME_SUMS, scale=size(mdp))


def test_bootstrapping_with_the_true_value_does_not_remove_truncation_bias():
    """In the paper's setting, T = 20 and γ = 0.8, it is no smaller than with V_b = 0."""
    mdp, theta = paper_mdp(), np.zeros((20, 5))
    truth = exact.gradient(mdp, theta)
    errors = [
        np.linalg.norm(truth - moments.expected_gradient(mdp, theta, "ad", horizon=20, baseline=b))
        for b in (exact.state_value(mdp, theta), np.zeros(20))
    ]
    relative = np.array(errors) / np.linalg.norm(truth)
    # γ^20 = 0.012.
    assert np.all((relative > 1e-3) & (relative < 0.1))
    assert 0.5 < relative[0] / relative[1] < 2


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_no_horizon_is_the_limit_of_long_ones(estimator, gae_lambda):
    """Steps beyond T weigh γ^T: at γ = 1/2 they are lost in rounding after 60."""
    rng = np.random.default_rng(7)
    mdp = random_mdp(rng, (4, 3), 0.5)
    theta, v = rng.normal(size=(2, 4, 3))
    options = {"baseline": rng.normal(size=4), "gae_lambda": gae_lambda}
    limit = moments.Expectation(mdp, theta, estimator, horizon=None, **options)
    long = moments.Expectation(mdp, theta, estimator, horizon=70, **options)
    assert_close(long.gradient, limit.gradient, SAME_SUMS, scale=10)
    assert_close(long.hvp(v), limit.hvp(v), SAME_SUMS, scale=10)
    assert_close(long.hessian, limit.hessian, SAME_SUMS, scale=10)
    short = [
        moments.expected_hessian(mdp, theta, estimator, horizon=T, **options) for T in (10, 20)
    ]
    errors = [np.max(np.abs(H - limit.hessian)) for H in short]
    assert errors[0] > 1e-6
    assert errors[1] < 0.5**10 * 4 * errors[0]  # γ^T times at most T²
