"""The constants of one softmax state, against mpmath, random distributions and enumeration."""

from itertools import product

import mpmath as mp
import numpy as np
import pytest

from theory.softmax_state import CUMULANT, HALF_RANGE, L1, SQUARE, products


def polynomials(u, pi):
    """π^(k)/π of one state along u, k = 1, ..., 4, for policies (N, A)."""
    x = u - (pi * u).sum(axis=1, keepdims=True)
    v, m3, m4 = ((pi * x**k).sum(axis=1, keepdims=True) for k in (2, 3, 4))
    return [x, x**2 - v, x**3 - 3 * v * x - m3, x**4 - 6 * v * x**2 - 4 * m3 * x + 6 * v**2 - m4]


def test_the_polynomials_are_the_derivatives_of_the_policy():
    logits, u = [0.3, -1.0, 0.6], [0.5, 0.2, -0.7]

    def policy(a, t):
        weights = [mp.exp(x + t * y) for x, y in zip(logits, u, strict=True)]
        return weights[a] / sum(weights)

    pi = np.array([[float(policy(a, 0)) for a in range(3)]])
    for k, found in enumerate(polynomials(np.array(u), pi), start=1):
        for a in range(3):
            expected = mp.diff(lambda t, a=a: policy(a, t), 0, k) / policy(a, 0)
            assert found[0, a] == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("num_actions", [2, 3, 5])
def test_no_policy_exceeds_the_constants(num_actions):
    rng = np.random.default_rng(num_actions)
    worst = np.zeros((3, 4))
    for _ in range(400):
        u = rng.normal(size=num_actions) * rng.integers(0, 2, num_actions)
        u = u - u.mean() if u.any() else np.eye(num_actions)[0]
        pi = rng.dirichlet(np.full(num_actions, rng.choice([0.1, 1.0])), size=50)
        for k, x in enumerate(polynomials(u / np.linalg.norm(u), pi)):
            worst[0, k] = max(worst[0, k], (pi * abs(x)).sum(axis=1).max() / L1[k + 1])
            worst[1, k] = max(worst[1, k], (pi * x**2).sum(axis=1).max() / SQUARE[k + 1])
            worst[2, k] = max(worst[2, k], np.ptp(x, axis=1).max() / 2 / HALF_RANGE[k + 1])
    assert np.all(worst <= 1 + 1e-12)
    assert np.all(worst[0] > [0.9, 0.9, 0.9, 0.35])
    assert np.all(worst[2] > [0.9, 0.8, 0.7, 0.5])


@pytest.mark.parametrize(("order", "p"), [(1, 0.5), (2, (3 - np.sqrt(3)) / 6), (3, 0.5)])
def test_two_actions_attain_three_of_them(order, p):
    u, pi = np.array([1, -1]) / np.sqrt(2), np.array([[p, 1 - p]])
    x = polynomials(u, pi)[order - 1]
    assert (pi * abs(x)).sum() == pytest.approx(L1[order], rel=1e-12)
    assert L1[order] == pytest.approx(2 * CUMULANT[order] * np.sqrt(2) ** order, rel=1e-15)


def test_the_fourth_constants_are_sums_of_sharp_parts():
    """Of moments of two points at distance one, and of 6v √(1/12 − v²); the sums are not sharp."""
    p = np.linspace(0, 1, 400_001)
    q = p * (1 - p)
    fourth, third, deviation = q * (1 - 3 * q), q * abs(1 - 2 * p), np.sqrt(q)
    v = np.linspace(0, 1 / 4, 400_001)
    middle = (6 * v * np.sqrt(1 / 12 - v**2)).max()
    last = 4 * third.max() * deviation.max()
    assert CUMULANT[4] == pytest.approx((2 * fourth.max() + middle + last) / 2, rel=1e-9)
    assert SQUARE[4] == pytest.approx(16 * (np.sqrt(fourth.max()) + middle + last) ** 2, rel=1e-9)
    assert HALF_RANGE[4] == pytest.approx(4 * (1 / 2 + 2 * third.max()), rel=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_products_bound_the_density_of_many_actions(steps):
    """E|D^k density|/2 over n independent actions, by enumeration, is at most p_k(n)."""
    bounds = products(steps)[-1]
    rng = np.random.default_rng(steps)
    closest = np.zeros(4)
    for p in [0.5, *rng.random(12)]:
        u, pi = np.array([1, -1]) / np.sqrt(2), np.array([[p, 1 - p]])
        one = [np.ones(2), *(x[0] for x in polynomials(u, pi))]
        total = np.zeros(5)
        for actions in product(range(2), repeat=steps):
            series = np.array([1.0])
            for a in actions:
                terms = [one[j][a] / mp.factorial(j) for j in range(5)]
                series = np.convolve(series, np.array(terms, dtype=float))[:5]
            derivatives = np.abs(series * [1, 1, 2, 6, 24])
            total += np.prod(pi[0][list(actions)]) * derivatives
        closest = np.maximum(closest, total[1:] / 2 / bounds[:4])
    assert np.all(closest <= 1 + 1e-12)
    assert np.all(closest > 0.3)


def test_products_in_closed_form():
    n = np.arange(1, 8)
    found = products(7)
    assert np.allclose(found[:, 0], np.sqrt(n / 8), rtol=1e-14)
    assert np.allclose(found[:, 1], np.sqrt(n / 3 + n * (n - 1) / 2) / 2, rtol=1e-14)
    cubic = n / 2 + 3 * n * (n - 1) + 3 / 4 * n * (n - 1) * (n - 2)
    assert np.allclose(found[:, 2], np.sqrt(cubic) / 2, rtol=1e-14)
    assert np.allclose(found[:, 4], np.sqrt(n * (n - 1) / 2) / 2, rtol=1e-14)
