"""J_T, and what stopping after T steps leaves out of J and its derivatives: bounds and parts."""

from math import comb, sqrt

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.reference import random_mdp
from tests.theory.softmax_search import deterministic_values
from tests.theory.test_softmax_infinite import excursion
from theory import softmax_horizon, softmax_infinite
from theory.norms import cubic_norm, lengths
from theory.softmax import derivative_bounds
from theory.softmax_horizon import tail
from theory.softmax_state import L1, products

#: ‖D^kJ‖ of one step that decides between one and zero, k = 1, 2, 3, and the odds at which.
FORK = ((sqrt(2) / 4, 0.5), (1 / (3 * sqrt(3)), (3 - sqrt(3)) / 6), (sqrt(2) / 4, 0.5))


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_the_tail_of_an_infinite_horizon(horizon):
    """J − J_T = γ^T E V(s_T), for random MDPs and points; a fifth of the first bound is met."""
    rng = np.random.default_rng(horizon)
    best = np.zeros(3)
    for _ in range(30):
        shape = (int(rng.integers(1, 4)), 2)
        mdp = random_mdp(rng, shape, 0.9)
        thetas = 2 * rng.normal(size=(5, *shape))
        whole, first = exact.evaluate(mdp, thetas), exact.evaluate(mdp, thetas, horizon=horizon)

        def third(u, whole=whole, first=first):
            return whole.third(u, u) - first.third(u, u)

        difference = (whole.hessian - first.hessian).reshape(5, shape[0] * 2, -1)
        met = (
            lengths(whole.gradient - first.gradient),
            np.linalg.norm(difference, 2, (1, 2)),
            cubic_norm(third, rng.normal(size=(4, *thetas.shape))),
        )
        span = np.ptp(deterministic_values(mdp))
        bounds = derivative_bounds(shape[0], 0.9, np.ptp(mdp.R), value_span=span)
        rest = tail(0.9, horizon, span, np.array(bounds))
        ratio = np.array([x.max() for x in met]) / rest[:3]
        best = np.maximum(best, ratio)
    assert np.all(best <= 1 + 1e-9)
    assert best[0] > 0.2


def along(here, order, u):
    """|D^k J[u, ..., u]|."""
    image = {1: lambda: here.gradient, 2: lambda: here.hvp(u), 3: lambda: here.third(u, u)}
    return abs((image[order]() * u).sum())


def fork(end):
    """One decision between two ends, which pay `end` or nothing at every step; no pay before."""
    P, R = np.zeros((3, 2, 3)), np.zeros((3, 2))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1.0
    R[1] = end
    return TabularMDP(P, R, 0.9, 0)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_step_that_decides_the_end_attains_its_bounds(order):
    """V_b alone after one step, and the part of the tail in which V stands still."""
    norm, p = FORK[order - 1]
    theta, u = np.zeros((3, 2)), np.zeros((3, 2))
    theta[0, 0], u[0] = np.log(p / (1 - p)), np.array([1, -1]) / sqrt(2)
    mdp, V_b = fork(0.0), np.array([9.0, 7.0, 5.0])
    here = exact.evaluate(mdp, theta, horizon=1, terminal_value=V_b)
    bound = softmax_horizon.bounds(1, 0.9, 0.0, 1, 2.0, 0.0)[order - 1]
    assert along(here, order, u) == pytest.approx(0.9 * 2 * norm, rel=1e-12)
    assert bound == pytest.approx(0.9 * 2 * norm, rel=1e-12)
    rest = tail(0.9, 1, 2.0, np.zeros(5))[order - 1]
    assert 0.9 * 2 * norm <= rest * (1 + 1e-12)
    assert rest == pytest.approx(0.9 * 2 * products(1)[0, order - 1], rel=1e-12)
    assert rest < 1.9 * 0.9 * 2 * norm


@pytest.mark.parametrize("order", [1, 2, 3])
def test_decisions_after_the_horizon_attain_their_part_of_the_tail(order):
    """The first step decides nothing: D^k of γ^T E V(s_T) is γ^T D^k V."""
    norm, p = FORK[order - 1]
    P = np.zeros((2, 2, 2))
    P[0, :, 1] = P[1, :, 1] = 1.0
    mdp = TabularMDP(P, [[0.0, 0.0], [1.0, 0.0]], 0.9, 0)
    theta, u = np.zeros((2, 2)), np.zeros((2, 2))
    theta[1, 0], u[1] = np.log(p / (1 - p)), np.array([1, -1]) / sqrt(2)
    two = along(exact.evaluate(mdp, theta, horizon=2), order, u)
    assert two == pytest.approx(0.9 * norm, rel=1e-12)
    value = np.zeros(5)
    value[order - 1] = norm
    assert tail(0.9, 1, 0.0, value)[order - 1] == pytest.approx(two, rel=1e-12)


def back_and_forth():
    """Two states, and an action that changes them: a first decision is met by a second one."""
    P = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    return TabularMDP(P, np.zeros((2, 2)), 0.9, 0)


def two_times(mdp, **options):
    parts = exact.evaluate(mdp, np.zeros((2, 2)), **options).hessian_parts.cross.reshape(4, 4)
    return np.linalg.norm(parts + parts.T, 2)


def test_more_than_half_of_what_two_times_may_add():
    """Of V_b after two steps, of two rewards, and of the tail whose two decisions T = 1 separates.

    Of the first state's u and the other's, x and y, x(x + y) <= (1 + √2)/2 counts; the bounds
    have 2 for it.
    """
    mdp, share = back_and_forth(), (1 + sqrt(2)) / 4
    end = {"horizon": 2, "terminal_value": np.array([1.0, 0.0])}
    met = two_times(mdp, **end)
    assert met == pytest.approx(0.81 * share / 2, rel=1e-12)
    assert softmax_horizon.bounds(2, 0.9, 0.0, 2, 1.0, 0.0)[4] == pytest.approx(0.81 / 2)
    assert tail(0.9, 2, 1.0, np.zeros(5))[4] == pytest.approx(0.81 / 2)
    paid = two_times(mdp.with_reward([[1.0, 0.0], [0.0, 1.0]]), horizon=2)
    assert paid == pytest.approx(0.9 * share / 2, rel=1e-12)
    assert softmax_horizon.bounds(2, 0.9, 1.0, 2, 0.0, 10.0)[4] == pytest.approx(0.9 / 2)
    first = np.array([sqrt(2) / 4, 0.0, 0.0, 0.0, 0.0])  # of one step's rewards
    assert tail(0.9, 1, 0.0, first)[[1, 4]] == pytest.approx(0.9 / 2)


def test_the_tail_is_put_together():
    """Leibniz's rule: j derivatives of the law of s_T, k − j of a function twice its bound wide."""
    value, p = np.array([1.0, 1.5, 2.0, 2.5, 0.7]), products(3)[-1]
    found = tail(0.8, 3, 0.3, value)
    wide = [0.3, *(2 * value)]
    for k in range(1, 5):
        spans = sum(comb(k, j) * p[j - 1] * wide[k - j] for j in range(1, k + 1))
        assert found[k - 1] == pytest.approx(0.8**3 * (value[k - 1] + spans), rel=1e-12)
    assert found[4] == pytest.approx(0.8**3 * (0.7 + 2 * p[0] * 2 * 1.0 + p[4] * 0.3), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_the_recursion_multiplies_power_series(gamma):
    """v_h(t) = (c − 1) v_0(h) + γ c v_{h−1} with c = 1 + Σ C_k t^k/k!; at h = 2 by hand."""
    half = np.array([9.0, 0.4, 0.6])
    _, C1, C2, C3, C4 = L1
    one, two = 0.4, 0.6
    expected = [
        C1 * (two + gamma * one),
        C2 * (two + gamma * one) + gamma * 2 * C1 * C1 * one,
        C3 * (two + gamma * one) + gamma * 6 * C1 * C2 * one,
        C4 * (two + gamma * one) + gamma * (8 * C1 * C3 + 6 * C2 * C2) * one,
        2 * gamma * C1 * C1 * one,
    ]
    assert np.allclose(softmax_horizon._recursion(gamma, half), expected, rtol=1e-12)
    three = softmax_horizon._recursion(gamma, np.append(half, 0.7))
    assert three[0] == pytest.approx(C1 * 0.7 + gamma * expected[0], rel=1e-12)
    part = gamma * expected[4] + 2 * gamma * C1 * expected[0]
    assert three[4] == pytest.approx(part, rel=1e-12)


@pytest.mark.parametrize("W", [1.0, 5.0, 900.0])
@pytest.mark.parametrize("S", [1, 4, 10**6])
def test_excursions_are_put_together(W, S):
    """G_s <= W, Σ_s G_s <= W^{3/2}/2, E Σ γ^t A² <= W²/4, and √W·B, √(2W)·B for later values."""
    largest = min(S * W**2, W * W**1.5 / 2)
    beta = min(np.sqrt(largest / 2), np.sqrt(W / 2 * W**2 / 4))
    expected = excursion(beta, W, np.sqrt(W), np.sqrt(2 * W))
    assert np.allclose(softmax_horizon._excursion(S, W), expected, rtol=1e-12)


def test_every_way_counts_once_none_is_larger():
    for S, gamma, span, T, end, share in (
        (1, 0.9, 1.0, 30, 0.5, 1.0),
        (10**6, 0.999, 1.0, 500, 2.0, 1.0),
        (5, 0.5, 1.0, 3, 1.0, 0.3),
        (40, 0.9, 1.0, 60, 0.0, 0.01),
    ):
        powers = gamma ** np.arange(T)
        W, L = np.cumsum(powers), share * span / (1 - gamma)
        value = softmax_infinite.bounds(S, gamma, span, L)
        ways = (
            softmax_horizon._recursion(gamma, np.append(0, span * W / 2)),
            span * sum(g * p for g, p in zip(powers, products(T), strict=True)),
            value + tail(gamma, T, L, value),
            span * softmax_horizon._excursion(S, W[-1]),
        )
        ends = (
            softmax_horizon._recursion(gamma, end * gamma ** np.arange(T + 1) / 2),
            end * gamma**T * products(T)[-1],
        )
        found = softmax_horizon.bounds(S, gamma, span, T, end, L)
        assert np.allclose(found, np.min(ways, axis=0) + np.min(ends, axis=0), rtol=1e-12)
