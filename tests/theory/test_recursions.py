"""The recursions shared by the statements, in closed form and by hand."""

from dataclasses import replace
from math import hypot

import numpy as np
import pytest

from tests.tabular.tolerances import Tolerance, assert_close
from theory.constants import Lipschitz, Noise
from theory.recursions import averaged, recursions, weaker

CLOSED = Tolerance(rtol=1e-12, atol=1e-13)


def test_recursions_in_closed_form():
    """ζ_i, ζ̄_i and δ_i = ζ̄_i − ζ_i."""
    lipschitz = Lipschitz(0.4, 0.3, 0.0, 0.0, 1.0, 1.0, 0.0, 1.2, "every θ")
    noise = Noise(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.2, "every θ")
    at = recursions(lipschitz, noise, step_size=0.7, num_steps=5)
    i = np.arange(6)
    a, B = 1 + 0.7 * 0.4, 1 + 0.7 * 0.9
    assert_close(at.zeta, a**i * 1.2 + 0.3 / 0.4 * (a**i - 1), CLOSED)
    assert_close(at.zeta_bar, B**i * 1.2 + 0.5 / 0.9 * (B**i - 1), CLOSED)
    assert_close(at.delta, np.subtract(at.zeta_bar, at.zeta), CLOSED)
    assert at.kappa == at.d == at.d_F == (0.0,) * 6
    exact_noise = averaged(
        noise, num_trajectories=None, curvature_trajectories=None, outer_trajectories=None
    )
    assert exact_noise == replace(noise, sigma_in=0.0, Delta_H=0.0, Delta_J=0.0)
    assert weaker("every θ", "sampled θ", "every realisable θ") == "sampled θ"


def test_two_steps_by_hand():
    lipschitz = Lipschitz(0.5, 0.3, 0.7, 0.6, 1.0, 1.0, 0.0, 1.0, "every θ")
    noise = Noise(0.4, 0.0, 0.0, 0.9, 0.8, 1.1, 1.2, 0.25, 0.1, "every θ")
    at = recursions(lipschitz, noise, step_size=2.0, num_steps=2)
    # a = 2, B = 2.5, αḡ = 0.8, αc₂ = 0.6
    assert_close(at.zeta, [1.0, 2.6, 5.8], CLOSED)
    assert_close(at.zeta_bar, [1.0, 3.3, 9.05], CLOSED)
    assert_close(at.e, [0.0, 0.8, 2.4], CLOSED)
    assert_close(at.s, [0.0, 0.8, hypot(1.6, 0.8)], CLOSED)
    assert_close(at.r, [0.0, 0.0, 2 * (0.7 * 2.6 + 0.6) * 0.8], CLOSED)
    z = hypot(3.3, 3.4)
    assert_close(at.z, [1.0, z, hypot(2.5 * z + 0.8, 2 * (0.9 * z + 0.8))], CLOSED)
    assert_close(at.d, [0.0, 3.4, hypot(8.5, 2 * (0.9 * z + 0.8))], CLOSED)
    assert_close(at.kappa, [0.0, 0.0, 2 * (0.25 + 0.7 * 0.8) * 3.4], CLOSED)
    second = 2 * (1.1 * (3.3 + 4.6) + 1.2)
    assert_close(at.d_F, [0.0, 4.6, hypot(2.5 * 4.6, second)], CLOSED)


def test_averages():
    noise = Noise(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, "every θ")
    mean = averaged(noise, num_trajectories=4, curvature_trajectories=16, outer_trajectories=25)
    assert mean == Noise(0.5, 0.4, 3.0 * 0.2, 1.0, 1.25, 1.5, 1.75, 8.0, 9.0, "every θ")


def test_bad_input():
    lipschitz = Lipschitz(*[1.0] * 8, "every θ")
    noise = Noise(*[1.0] * 9, "every θ")
    with pytest.raises(ValueError, match="step_size must be one positive number"):
        recursions(lipschitz, noise, step_size=-1.0, num_steps=1)
    with pytest.raises(ValueError, match="num_steps must be"):
        recursions(lipschitz, noise, step_size=1.0, num_steps=0)


def test_sums_over_past_steps():
    """r_K and κ_K unrolled, and the same for δ_K, ζ_K and s_K: which factor carries which step."""
    rng = np.random.default_rng(0)
    c1, c2, rho1, rho2, m1, mu1, mu2, zeta0 = rng.uniform(0.1, 1, size=8)
    lipschitz = Lipschitz(c1, c2, rho1, rho2, m1, mu1, mu2, zeta0, "every θ")
    sigma = rng.uniform(0.1, 1, size=7)
    Delta_H, Delta_J = rng.uniform(0.1, 1, size=2)
    noise = Noise(*sigma, Delta_H, Delta_J, "every θ")
    alpha, K = 0.7, 4
    a, B = 1 + alpha * c1, 1 + alpha * (c1 + Delta_H)
    at = recursions(lipschitz, noise, step_size=alpha, num_steps=K)
    i = np.arange(K)
    zeta, s, d = np.array(at.zeta)[:-1], np.array(at.s)[:-1], np.array(at.d)[:-1]
    expected = {
        "zeta": a**K * zeta0 + alpha * c2 * (a**i).sum(),
        "s": alpha * noise.sigma_in * np.sqrt((a ** (2 * i)).sum()),
        "e": alpha * noise.sigma_in * (a**i).sum(),
        "delta": alpha * (B ** (K - 1 - i) @ (Delta_H * zeta + Delta_J)),
        "r": alpha * (B ** (K - 1 - i) @ ((rho1 * zeta + rho2) * s)),
        "kappa": alpha * (a ** (K - 1 - i) @ ((Delta_H + rho1 * s) * d)),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(at, name)[-1], value, rtol=1e-13, atol=0)
