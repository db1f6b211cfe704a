"""The constants and the right-hand sides, against closed forms in floats and real derivatives."""

import numpy as np
import pytest

from tabular import exact
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.certified.cases import CASES
from theory.certified.balls import arb, ctx, rational
from theory.certified.bounds import Bounds
from theory.certified.constants import Lipschitz, lipschitz
from theory.certified.tree import Noise
from theory.softmax import derivative_bounds

FLOATS = Tolerance(rtol=1e-12, atol=0.0)
cases = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def floats(values):
    return np.array([float(x) for x in values])


@cases
def test_derivatives_stay_below_the_constants(case):
    """At many θ, ‖∇J_T‖ <= m₁, ‖∇²J_T‖ <= c₁, and ∇²J_T moves by at most ρ₁ a unit."""
    with ctx.workprec(64):
        m1, c1, _, rho1 = floats(lipschitz(case.enumeration("ad")))
    rng, d = np.random.default_rng(0), case.theta.size
    options = {"horizon": case.horizon, "terminal_value": case.baseline}
    shape = (200, *case.theta.shape)
    theta = rng.normal(scale=2.0, size=shape)
    step = rng.normal(size=shape)
    step *= 1e-3 / np.linalg.norm(step, axis=(1, 2), keepdims=True)
    gradient = exact.gradient(case.mdp, theta, **options)
    there, here = (
        exact.hessian(case.mdp, at, **options).reshape(-1, d, d) for at in (theta + step, theta)
    )
    largest = [
        np.linalg.norm(gradient, axis=(1, 2)).max(),
        np.linalg.norm(here, ord=2, axis=(1, 2)).max(),
        np.linalg.norm(there - here, ord=2, axis=(1, 2)).max() / 1e-3,
    ]
    assert np.all(np.array(largest) <= [m1, c1, rho1])


@pytest.mark.parametrize("horizon", [1, 2, 3, 5])
def test_constants_are_those_in_floats(horizon):
    """`theory.softmax` takes the least of more bounds, of which others win for longer horizons."""
    every = CASES["plain"].enumeration("ad")._replace(horizon=horizon)
    with ctx.workprec(64):
        found = floats(lipschitz(every))
    spans = [int(x.p) / int(x.q) for x in (every.reward_span, every.terminal_span)]
    gamma = CASES["plain"].mdp.gamma
    known = derivative_bounds(2, gamma, spans[0], horizon=horizon, terminal_span=spans[1])
    expected = np.array([known.first, known.second, known.second, known.third])
    if horizon <= 3:
        assert_close(found, expected, FLOATS)
    assert np.all(found >= expected * (1 - 1e-12))


@pytest.mark.parametrize("horizon", [2, 3, 5])
def test_constants_of_a_small_discount(horizon):
    """γ = 0.1: of the second derivative's bounds the recursion is the least."""
    every = CASES["plain"].enumeration("ad")._replace(horizon=horizon, gamma=rational(0.1))
    with ctx.workprec(64):
        _, second, smooth, third = floats(lipschitz(every))
    spans = [int(x.p) / int(x.q) for x in (every.reward_span, every.terminal_span)]
    known = derivative_bounds(2, 0.1, spans[0], horizon=horizon, terminal_span=spans[1])
    assert_close([second, smooth, third], [known.second, known.second, known.third], FLOATS)


def test_constants_of_one_decision_are_attained():
    """A bandit with two arms: ∇J = π(1 − π) Δ √2 at π = 1/2."""
    case = CASES["bandit"]
    mdp = type(case.mdp)(np.ones((1, 2, 1)), np.array([[0.0, 3.0]]), 0.5, 0)
    two = case._replace(mdp=mdp, theta=np.zeros((1, 2)))
    with ctx.workprec(64):
        m1, c1, _, _ = floats(lipschitz(two.enumeration("dice")))
    gradient = exact.gradient(mdp, two.theta, horizon=1)
    assert np.linalg.norm(gradient) == pytest.approx(m1, rel=1e-15)
    # The second derivative of the logistic function is largest at π = (3 − √3)/6.
    odds = np.log((3 - np.sqrt(3)) / (3 + np.sqrt(3)))
    hessian = exact.hessian(mdp, np.array([[odds, 0.0]]), horizon=1).reshape(2, 2)
    assert np.linalg.norm(hessian, ord=2) == pytest.approx(c1, rel=1e-14)


def test_bounds_agree_with_closed_forms():
    m1, c1, mu1, rho1 = 0.7, 1.3, 0.6, 2.1
    sigma_in, sigma_p, sigma_H, sigma_HF, Delta = 0.9, 1.1, 0.8, 1.4, 0.3
    alpha, K, N = 0.6, 3, 2
    with ctx.workprec(128):
        bounds = Bounds(
            Lipschitz(*map(arb, map(rational, (m1, c1, mu1, rho1)))),
            Noise(*map(arb, map(rational, (sigma_in, sigma_p, sigma_H, sigma_HF, Delta)))),
            arb(rational(alpha)),
            K,
            N,
        )
        e = floats(bounds.mean_distance(i) for i in range(K + 1))
        s = floats(bounds.root_mean_square(i) for i in range(K + 1))
        bias, coupling = floats(bounds.bias_terms().values()), float(bounds.coupling())
        variance = floats(bounds.variance_terms().values())
        shared = floats(bounds.shared_variance_terms().values())
    a, i = 1 + alpha * c1, np.arange(K + 1)
    B, unit = a + alpha * Delta, alpha * sigma_in / np.sqrt(N)
    assert_close(e, unit * (a**i - 1) / (a - 1), FLOATS)
    assert_close(s, unit * np.sqrt((a ** (2 * i) - 1) / (a**2 - 1)), FLOATS)
    chords = B * a * s[1] + a**2 * s[2]
    expected = [mu1 * a**K * s[K], m1 * (B**K - a**K), m1 * alpha * rho1 * chords]
    assert_close(bias, expected, FLOATS)
    # Var of the Hessians' product: z_i² = (B² + ν)^i and d_i² = z_i² − B^{2i}.
    nu = alpha**2 * sigma_H**2 / N
    z, d = (B**2 + nu) ** (i / 2), np.sqrt(np.maximum((B**2 + nu) ** i - B ** (2 * i), 0))
    kappa = alpha * (a * (Delta + rho1 * s[1]) * d[1] + (Delta + rho1 * s[2]) * d[2])
    assert z[1] > B
    assert_close(coupling, mu1 * d[K] * s[K] + m1 * kappa, FLOATS)
    A2 = B**2 + nu
    path, estimates = bias.sum(), A2**K * sigma_p**2 / N + m1**2 * (A2**K - B ** (2 * K))
    assert_close(variance, [estimates, path**2], FLOATS)
    nu_F, dF = alpha**2 * sigma_HF**2 / N, 0.0
    for k in range(K):
        dF = np.sqrt(B**2 * dF**2 + nu_F * (B**k + dF) ** 2)
    assert_close(shared, [(B**K + dF) ** 2 * sigma_p**2 / N, (path + m1 * dF) ** 2], FLOATS)
