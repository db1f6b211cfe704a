"""Each way to bound the derivatives of J by itself, put together a second time."""

from math import comb

import mpmath as mp
import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.reference import random_mdp
from tests.theory.softmax_search import deterministic_values
from theory import softmax_infinite
from theory.softmax_state import CUMULANT, HALF_RANGE, L1, products


def one(t):
    """c(t) = 1 + Σ C_k t^k/k!, which stands for π(t) in the norms of its derivatives."""
    return 1 + sum(C * t**k / mp.factorial(k) for k, C in enumerate(L1) if k)


def excursion(first, G, early, late):
    """H_k = η_k G + Σ_j binom(k,j) f_j H_{k−j}, where f_1 is `early` and f_j = η_j `late`."""
    H = [0.0, first]
    for k in range(2, 5):
        later = ((early if j == 1 else HALF_RANGE[j] * late) * comb(k, j) for j in range(1, k))
        H.append(HALF_RANGE[k] * G + sum(f * H[k - j] for j, f in enumerate(later, start=1)))
    return [*H[1:], 2 * early * first]


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.95])
def test_the_recursion_is_a_power_series(gamma):
    """v(t) = (c − 1) L/2 + γ c v, less its value at zero."""
    L, W = 1.7, 1 / (1 - gamma)
    with mp.workdps(40):
        v = mp.taylor(lambda t: (one(t) - 1) * L / 2 / (1 - gamma * one(t)), 0, 4)
    expected = [float(v[k] * mp.factorial(k)) for k in range(1, 5)]
    expected.append(2 * gamma * L1[1] * W * expected[0])
    assert np.allclose(softmax_infinite._recursion(W, gamma, L), expected, rtol=1e-12)


def test_the_mixture():
    found = softmax_infinite._mixture(3, 2.0)
    assert np.allclose(found[:4], [2 * CUMULANT[k] * np.sqrt(6) ** k for k in range(1, 5)])
    assert found[4] == np.inf


def test_the_product_sums_its_series(monkeypatch):
    """And bounds the rest of one cut short by Σ γ^t and Σ γ^t p_k²."""
    weights, p = 0.98 ** np.arange(3000), products(3000)
    series = weights @ p
    assert np.allclose(softmax_infinite._product(50.0, 0.98), series, rtol=1e-12)
    for terms in (10, 100, 300):
        monkeypatch.setattr(softmax_infinite, "MOST_TERMS", terms)
        found = softmax_infinite._product(50.0, 0.98)
        assert np.all(series <= found)
        rest = np.sqrt(weights[terms:].sum() * (weights @ p**2))
        assert np.allclose(found, weights[:terms] @ p[:terms] + rest, rtol=1e-12)


@pytest.mark.parametrize("W", [1.0, 3.0, 40.0, 1e5])
@pytest.mark.parametrize("S", [1, 30, 10**7])
@pytest.mark.parametrize("share", [1e-3, 0.1, 1.0])
def test_excursions_are_put_together(W, S, share):
    span = 1.3
    L = share * W * span
    total = np.sqrt(W * min((W * span) ** 2 / 4, W * span * L))
    beta = np.sqrt(min(S * (L / 2) ** 2, L / 2 * total) / 2)
    between = np.sqrt(4 * np.sqrt(2 * W) / 2)  # of 4B in one state and √(2W) B in all
    expected = excursion(beta, L / 2, min(np.sqrt(W), between), 4.0)
    assert np.allclose(softmax_infinite._excursion(S, W, span, L), expected, rtol=1e-12)


def test_the_part_at_two_times_is_the_whole_less_that_at_one():
    """D²J and its part at one time are at most `second` and L/2."""
    found = softmax_infinite.bounds(1, 1 - 1e-6, 1.0, 1e6)
    assert found[4] == pytest.approx(found[1] + 5e5, rel=1e-12)


def test_every_way_counts_once_none_is_larger():
    for S, gamma, share in ((1, 0.9, 1.0), (10**6, 0.999, 1.0), (10**6, 0.9, 0.01), (50, 0.1, 1.0)):
        W = 1 / (1 - gamma)
        L = share * W
        ways = np.array(
            [
                softmax_infinite._mixture(S, L),
                softmax_infinite._recursion(W, gamma, L),
                softmax_infinite._product(W, gamma),
                softmax_infinite._excursion(S, W, 1.0, L),
            ]
        )
        least = ways.min(axis=0)
        least[4] = min(least[4], least[1] + L / 2)
        assert np.array_equal(softmax_infinite.bounds(S, gamma, 1.0, L), least)


def test_steps_of_the_excursion():
    """What its proof says of d π|A| and of the values h of a state reward b, in random MDPs."""
    rng = np.random.default_rng(5)
    worst = np.zeros(6)
    for _ in range(150):
        S, gamma = int(rng.integers(1, 5)), float(rng.choice([0.5, 0.9, 0.99]))
        mdp = random_mdp(rng, (S, 2), gamma)
        here = exact.evaluate(mdp, rng.choice([1.0, 4.0]) * rng.normal(size=(S, 2)))
        pi, A, d = here.pi[0], here.advantage[0], here.occupancy[0]
        W, L, span = 1 / (1 - gamma), np.ptp(deterministic_values(mdp)), np.ptp(mdp.R)
        G, E = d * (pi * abs(A)).sum(axis=1), d @ (pi * A**2).sum(axis=1)
        bound = min((W * span) ** 2 / 4, W * span * L)
        inverse = np.linalg.inv(np.eye(S) - gamma * np.einsum("sa,sat->st", pi, mdp.P))
        b = rng.normal(size=S)
        B, h = (inverse @ abs(b)).max(), inverse @ b
        later = gamma * mdp.P @ h
        later = later - (pi * later).sum(axis=1, keepdims=True)
        u = rng.normal(size=(S, 2))
        u = u / np.linalg.norm(u)
        x = u - (pi * u).sum(axis=1, keepdims=True)
        omega = min(np.sqrt(W), 2**0.75 * W**0.25)
        ratios = (
            G.max() / (L / 2),
            E / bound,
            G.sum() / np.sqrt(W * bound),
            d @ abs((pi * x * later).sum(axis=1)) / (omega * B),
            (d * (pi * abs(later)).sum(axis=1)).max() / (4 * B),
            d @ abs((pi * x**2 * A).sum(axis=1)) / (L / 2),
        )
        worst = np.maximum(worst, ratios)
    assert np.all(worst <= 1 + 1e-9)
    assert worst[0] > 0.9


@pytest.mark.parametrize("gamma", [1 - 1e-4, 1 - 1e-7])
def test_staying_or_leaving_attains_one_state_and_one_time(gamma):
    """A state that pays until it is left, of policies that seldom leave: G = L/2, and D²J at one
    time is as large, while D²J is not."""
    P, R = np.zeros((2, 2, 2)), np.zeros((2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = R[0, 0] = 1.0
    theta = np.array([[0.0, np.log(1 - gamma)], [0.0, 0.0]])
    here = exact.evaluate(TabularMDP(P, R, gamma, 0), theta)
    L = 1 / (1 - gamma)
    weight = here.occupancy[0, 0] * (here.pi[0, 0] * abs(here.advantage[0, 0])).sum()
    assert weight == pytest.approx(L / 2, rel=3 * (1 - gamma))
    local = here.hessian_parts.local.reshape(4, 4)
    assert np.linalg.norm(local, 2) == pytest.approx(L / 2, rel=5 * (1 - gamma))
