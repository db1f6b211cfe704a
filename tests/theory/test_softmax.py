"""The bounds of a softmax objective's derivatives: never exceeded, attained where said to be."""

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.theory.softmax_search import ascend, search
from theory.softmax import derivative_bounds

#: Where a bound is attained, rounding may exceed it by this share.
ATTAINED = 1e-9


@pytest.fixture(scope="module")
def found():
    return search(np.random.default_rng(41), 120, 3)


def test_random_search_exceeds_no_bound(found):
    met, bounds = found
    assert np.all(met <= bounds * (1 + ATTAINED))


def test_the_same_search_refutes_smaller_bounds(found):
    """Halves of the first three, a third of the fourth and of the part at two times."""
    met, bounds = found
    wrong = bounds * np.array([1 / 2, 1 / 2, 1 / 2, 1 / 3, 1 / 3])
    assert np.all(np.any(met > wrong, axis=0))


@pytest.mark.slow
def test_random_search_exceeds_no_bound_at_scale():
    met, bounds = search(np.random.default_rng(42), 2500, 4)
    assert np.all(met <= bounds * (1 + ATTAINED))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("horizon", [None, 2])
def test_ascent_over_mdps_exceeds_no_bound(order, horizon):
    rng = np.random.default_rng(order)
    best = max(
        ascend((2, 2), 0.9, horizon, order, rng, steps=30) for _ in range(1 if order == 3 else 2)
    )
    assert 0.1 < best <= 1 + ATTAINED


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("horizon", [None, 1, 4])
@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 3)])
def test_ascent_over_mdps_at_scale(order, horizon, size):
    rng = np.random.default_rng([order, horizon or 0, *size])
    steps = 100 if order < 4 else 15
    best = max(ascend(size, gamma, horizon, order, rng, steps) for gamma in (0.5, 0.95))
    assert best <= 1 + ATTAINED


def line(num_states: int, gamma: float, outward: float, up: float) -> tuple[TabularMDP, np.ndarray]:
    """States in a row, left and right; only what is right of the last pays. Logits of a policy.

    Both ends mostly walk inward (odds `outward`), which leaves the two policies that walk one way
    from end to end: the last by the odds `up`.
    """
    S = num_states
    P, R = np.zeros((S + 2, 2, S + 2)), np.zeros((S + 2, 2))
    each = np.arange(1, S + 1)
    P[each, 0, each - 1] = P[each, 1, each + 1] = 1.0
    P[0, :, 0] = P[S + 1, :, S + 1] = R[S + 1] = 1.0
    theta = np.zeros((S + 2, 2))
    theta[1, 0] += np.log(outward)
    theta[S, 1] += np.log(outward)
    theta[1, 1] += np.log(up)
    return TabularMDP(P, R, gamma, 1), theta


@pytest.mark.parametrize("num_states", [1, 2, 3, 5])
def test_the_line_attains_the_bounds_as_the_discount_goes_to_one(num_states):
    """Up to the shares of other policies: S of size `outward`, and cycles, (1 − γ)/outward."""
    gamma, outward = 1 - 1e-8, 1e-4 if num_states > 1 else 1.0
    bounds = derivative_bounds(num_states, gamma, 1.0)
    odds = {1: 1.0, 2: (3 - np.sqrt(3)) / (3 + np.sqrt(3)), 3: 1.0}
    for order, up in odds.items():
        mdp, theta = line(num_states, gamma, outward, up)
        u = np.zeros(theta.shape)
        u[1:-1] = np.array([-1, 1]) / np.sqrt(2 * num_states)
        here = exact.evaluate(mdp, theta)
        along = {1: here.gradient, 2: here.hvp(u), 3: here.third(u, u)}[order]
        assert 1 - 5e-4 * num_states < abs((along * u).sum()) / bounds[order - 1] < 1 + 1e-6


@pytest.mark.parametrize("gamma", [0.0, 0.9])
@pytest.mark.parametrize("horizon", [None, 1])
def test_a_two_armed_bandit_attains_the_first_three(gamma, horizon):
    """One step that decides all: then the arms lead to an end that pays 1 or 0 a step."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1.0
    R = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    mdp = TabularMDP(P, R, gamma, 0)
    bounds = derivative_bounds(1, gamma, 1.0, horizon=horizon)
    for order, p in ((1, 0.5), (2, (3 - np.sqrt(3)) / 6), (3, 0.5)):
        theta = np.zeros((3, 2))
        theta[0, 0] = np.log(p / (1 - p))
        here = exact.evaluate(mdp, theta, horizon=horizon)
        u = np.zeros((3, 2))
        u[0] = np.array([1, -1]) / np.sqrt(2)
        along = {1: here.gradient, 2: here.hvp(u), 3: here.third(u, u)}[order]
        assert abs((along * u).sum()) == pytest.approx(bounds[order - 1], rel=1e-12)


@pytest.mark.parametrize("power", [(1, 1.25), (2, 1.5), (3, 1.75)])
def test_orders_in_the_discount_for_many_states(power):
    order, exponent = power
    W = np.array([1e6, 1e10])
    many = [derivative_bounds(10**9, 1 - 1 / w, 1.0)[order - 1] for w in W]
    assert np.log(many[1] / many[0]) / np.log(W[1] / W[0]) == pytest.approx(exponent, abs=0.01)


def test_a_long_horizon_is_nearly_an_infinite_one():
    for states in (1, 4, 50):
        whole = np.array(derivative_bounds(states, 0.8, 2.0))
        long = np.array(derivative_bounds(states, 0.8, 2.0, horizon=400))
        assert np.all(long <= whole * (1 + 1e-12))


def test_bounds_grow_with_what_they_depend_on():
    bound = np.array(derivative_bounds(3, 0.8, 1.0, horizon=6, terminal_span=1.0))
    for other in (
        derivative_bounds(4, 0.8, 1.0, horizon=6, terminal_span=1.0),
        derivative_bounds(3, 0.9, 1.0, horizon=6, terminal_span=1.0),
        derivative_bounds(3, 0.8, 1.1, horizon=6, terminal_span=1.0),
        derivative_bounds(3, 0.8, 1.0, horizon=7, terminal_span=0.8),
        derivative_bounds(3, 0.8, 1.0, horizon=6, terminal_span=1.1),
        derivative_bounds(3, 0.8, 1.0, horizon=6, terminal_span=1.0, value_span=99.0),
    ):
        assert np.all(np.array(other) >= bound * (1 - 1e-12))


@pytest.mark.parametrize("horizon", [None, 30])
def test_a_small_span_of_values_helps(horizon):
    for states in (1, 5, 10**6):
        bound = np.array(derivative_bounds(states, 0.9, 1.0, horizon=horizon))
        small = np.array(derivative_bounds(states, 0.9, 1.0, horizon=horizon, value_span=1.0))
        assert np.all(small <= bound)
        assert small[0] < bound[0]


@pytest.mark.parametrize("horizon", [None, 1, 7])
def test_nothing_to_decide_or_to_gain(horizon):
    assert not any(derivative_bounds(0, 0.9, 1.0, horizon=horizon))
    assert not any(derivative_bounds(3, 0.9, 0.0, horizon=horizon))


def test_one_step_has_no_two_times():
    assert derivative_bounds(5, 0.9, 1.0, horizon=1, terminal_span=2.0).cross == 0.0
    assert derivative_bounds(5, 0.0, 1.0).cross == 0.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_decision_states": -1}, ValueError, "integer >= 0"),
        ({"num_decision_states": 1.5}, ValueError, "integer >= 0"),
        ({"gamma": 1.0}, ValueError, "gamma must lie in"),
        ({"gamma": -0.1}, ValueError, "gamma must lie in"),
        ({"reward_span": -1.0}, ValueError, "reward_span must not be negative"),
        ({"reward_span": np.nan}, ValueError, "finite"),
        ({"value_span": -1.0}, ValueError, "value_span must not be negative"),
        ({"terminal_span": 1.0}, ValueError, "needs a horizon"),
        ({"terminal_span": -1.0, "horizon": 2}, ValueError, "terminal_span must not be"),
        ({"horizon": 0}, ValueError, "at least 1"),
        ({"horizon": 2.5}, TypeError, "integer"),
    ],
)
def test_wrong_input(change, error, message):
    good = {"num_decision_states": 2, "gamma": 0.9, "reward_span": 1.0}
    with pytest.raises(error, match=message):
        derivative_bounds(**good | change)
