"""`over_noise` against the definition: quadrature over the noise, enumeration over trajectories."""

import itertools

import numpy as np
import pytest

from tabular import TabularMDP, moments
from tabular.noise import over_noise

N = 3


def make(estimator, quantity, gae_lambda):
    rng = np.random.default_rng(0)
    mdp = TabularMDP(rng.dirichlet([1, 1], (2, 2)), rng.normal(size=(2, 2)), 0.9, 0)
    theta, v = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    options = {"horizon": 3, "gae_lambda": gae_lambda}
    if quantity == "gradient":
        return (
            lambda b: moments.expected_gradient(mdp, theta, estimator, baseline=b, **options),
            lambda b: moments.gradient_covariance(mdp, theta, estimator, baseline=b, **options),
        )
    return (
        lambda b: moments.expected_hvp(mdp, theta, estimator, v, baseline=b, **options),
        lambda b: moments.hvp_covariance(mdp, theta, estimator, v, baseline=b, **options),
    )


@pytest.mark.parametrize("gae_lambda", [1.0, 0.5])
@pytest.mark.parametrize("quantity", ["gradient", "hvp"])
@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice"])
def test_against_gauss_hermite_quadrature(estimator, quantity, gae_lambda):
    """Five nodes integrate the quartic (second moments of affine estimates) without error."""
    mean_of, covariance_of = make(estimator, quantity, gae_lambda)
    baseline, scale = np.array([0.4, -1.1]), 0.7
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    mean, second = np.zeros((2, 2)), np.zeros((2, 2, 2, 2))
    for (z0, w0), (z1, w1) in itertools.product(zip(nodes, weights, strict=True), repeat=2):
        noisy = baseline + scale * np.array([z0, z1])
        m = mean_of(noisy)
        mean += w0 * w1 * m
        second += w0 * w1 * (covariance_of(noisy) / N + np.multiply.outer(m, m))
    found = over_noise(mean_of, covariance_of, baseline, scale, num_trajectories=N)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10, atol=1e-12)
    expected = second - np.multiply.outer(mean, mean)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-11)


def test_noise_that_is_shared_does_not_average_out():
    """With endless trajectories Σ_s ‖Δ_s‖² is left."""
    mean_of, covariance_of = make("lvc", "hvp", 1.0)
    zero = np.zeros(2)
    endless = over_noise(mean_of, covariance_of, zero, 1.0, num_trajectories=10**15)
    shifts = [mean_of(step) - mean_of(zero) for step in np.eye(2)]
    left = sum((shift**2).sum() for shift in shifts)
    assert left > 0
    np.testing.assert_allclose(np.einsum("iaia", endless.covariance), left, rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"baseline": np.zeros((2, 2))}, ValueError, r"baseline must have shape \(S,\)"),
        ({"scale": -1.0}, ValueError, "scale must not be negative, received -1.0"),
        ({"scale": [1.0, 2.0]}, ValueError, r"scale must be one number, received shape \(2,\)"),
        ({"num_trajectories": 0}, ValueError, "num_trajectories must be at least 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    good = {"baseline": np.zeros(2), "scale": 1.0, "num_trajectories": 1}
    with pytest.raises(error, match=message):
        over_noise(*make("ad", "gradient", 1.0), **{**good, **arguments})
