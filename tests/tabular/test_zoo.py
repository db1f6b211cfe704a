"""The zoo: laws of the random MDPs, and the tables and lessons of the others.

Sampling tests allow 5 standard errors of the statistic, derived from the distribution itself: the
chance of a false alarm is below 1e-6 for each number, and the seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

from tabular import exact, zoo
from tests.tabular.tolerances import SAME, SECOND, VALUE, assert_close

SIGMAS = 5


def rows_of(num_states, concentration, *, actions=4000, seed=0):
    """`num_states` * `actions` independent Dirichlet rows."""
    rng = np.random.default_rng(seed)
    mdp = zoo.random_mdp(num_states, actions, concentration=concentration, rng=rng)
    return mdp.P.reshape(-1, num_states)


def power_mean(n, concentration, *powers):
    """E Π_i P_i^{k_i} of a Dirichlet(c, …, c) in n components: Π (c)_{k_i} / (nc)_{Σ k_i}."""
    rising = lambda x, k: np.prod(x + np.arange(k))  # noqa: E731
    numerator = np.prod([rising(concentration, k) for k in powers])
    return numerator / rising(n * concentration, sum(powers))


def assert_mean(samples, mean, second_moment):
    error = np.sqrt((second_moment - mean**2) / len(samples))
    assert error > 0
    assert np.all(np.abs(samples.mean(axis=0) - mean) < SIGMAS * error)


@pytest.mark.parametrize("concentration", [1e-6, 1e-3, 0.1, 1.0, 20.0])
@pytest.mark.parametrize("n", [2, 6])
def test_dirichlet_moments(n, concentration):
    rows = rows_of(n, concentration)
    E = lambda *powers: power_mean(n, concentration, *powers)  # noqa: E731
    assert E(1) == pytest.approx(1 / n)
    assert_mean(rows, E(1), E(2))
    assert_mean(rows**2, E(2), E(4))
    product = rows[:, 0] * rows[:, -1]
    if concentration >= 0.1:  # below, the product is zero but for a few rows: not yet normal
        assert_mean(product, E(1, 1), E(2, 2))


@pytest.mark.parametrize("concentration", [1e-3, 0.1, 1.0])
def test_dirichlet_marginal_law_down_to_tiny_probabilities(concentration):
    """P_0 ~ Beta(c, (n − 1)c): its distribution function at points far apart, both tails."""
    n = 3
    first = rows_of(n, concentration)[:, 0]
    for point in (1e-300, 1e-100, 1e-10, 1e-3, 0.3, 0.7, 1 - 1e-6):
        share = stats.beta.cdf(point, concentration, (n - 1) * concentration)
        error = np.sqrt(share * (1 - share) / len(first))
        assert abs(np.mean(first <= point) - share) <= SIGMAS * error + 1 / len(first)


@pytest.mark.parametrize("concentration", [1e-300, 1e-6, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_rows_are_distributions_at_any_concentration(n, concentration):
    rows = rows_of(n, concentration, actions=40)
    assert np.all(np.isfinite(rows))
    assert np.all(rows >= 0)
    np.testing.assert_allclose(rows.sum(axis=-1), 1.0, rtol=0, atol=1e-12)


def test_rewards_are_uniform_and_the_start_is_state_0():
    mdp = zoo.random_mdp(5, 2000, rng=np.random.default_rng(1))
    assert stats.kstest(mdp.R.ravel(), "uniform").pvalue > 1e-6
    assert mdp.successor_reward is None
    np.testing.assert_array_equal(mdp.initial, [1, 0, 0, 0, 0])
    assert (mdp.gamma, mdp.name) == (0.8, "random 5x2000")


def test_the_generator_decides():
    draw = lambda seed: zoo.random_mdp(4, 2, rng=np.random.default_rng(seed))  # noqa: E731
    np.testing.assert_array_equal(draw(3).P, draw(3).P)
    np.testing.assert_array_equal(draw(3).R, draw(3).R)
    assert np.any(draw(3).R != draw(4).R)


def test_two_state_has_all_its_curvature_in_the_cross_term():
    mdp, theta = zoo.two_state(), np.zeros((2, 2))
    assert_close(exact.value(mdp, theta), 4.5, VALUE)
    evaluation = exact.evaluate(mdp, theta)
    parts, hessian = evaluation.hessian_parts, evaluation.hessian
    assert_close(parts.local, np.zeros((2, 2, 2, 2)), SECOND)
    assert np.linalg.norm(hessian) > 1
    cross = parts.cross
    assert_close(hessian, cross + np.transpose(cross, (2, 3, 0, 1)), SECOND)
    away = exact.evaluate(mdp, [[0.0, 1.0], [1.0, 0.0]]).hessian_parts
    assert np.linalg.norm(away.local) > 0.1
    assert np.linalg.norm(away.cross) > 0.1


@pytest.mark.parametrize(("theta_at_detour", "sign"), [([5.0, 0.0], 1), ([0.0, 5.0], -1)])
def test_three_state_detour_pays_only_if_it_is_finished(theta_at_detour, sign):
    theta = np.array([[3.0, 0.0], theta_at_detour, [0.0, 0.0]])
    advantage = exact.advantage(zoo.three_state(), theta)
    assert sign * advantage[0, 1] > 0.01


def test_three_state_discounts_until_the_goal():
    """With V(goal) = 1 + γ V(start): V(start) = D (1 + γ V(start)) for the discount D until it."""
    for theta, discount in (([[99, 0], [0, 0], [0, 0]], 0.36 / 0.46), ([[0, 99], [99, 0]], 0.81)):
        mdp = zoo.three_state(gamma=0.9)
        table = np.zeros((3, 2))
        table[: len(theta)] = theta
        assert_close(exact.value(mdp, table), discount / (1 - 0.9 * discount), VALUE)


def test_chain_table():
    mdp = zoo.chain(3, slip=0.25)
    left = [[1.0, 0.0, 0.0], [0.75, 0.0, 0.25], [0.0, 0.75, 0.25]]
    right = [[0.25, 0.75, 0.0], [0.25, 0.0, 0.75], [0.0, 0.25, 0.75]]
    left[0] = [0.75, 0.25, 0.0]
    np.testing.assert_array_equal(mdp.P[:, 0], left)
    np.testing.assert_array_equal(mdp.P[:, 1], right)
    np.testing.assert_array_equal(mdp.R, [[0, 0], [0, 0], [0, 1]])
    assert (mdp.state_labels, mdp.action_labels) == (("0", "1", "2"), ("left", "right"))
    assert mdp.name == "chain 3"
    assert zoo.chain(1).num_states == 1


def test_chain_without_slip_pays_after_the_walk():
    """Always right: the last state is reached after S − 1 steps and pays 1 from then on."""
    theta = np.tile([0.0, 99.0], (6, 1))
    value = exact.value(zoo.chain(6, slip=0.0, gamma=0.9), theta)
    assert_close(value, 0.9**5 / (1 - 0.9), VALUE)


def test_gridworld_moves():
    """A 2x3 grid, cell (0, 1) walled: states (0,0) (0,2) (1,0) (1,1) (1,2)."""
    mdp = zoo.gridworld(2, 3, walls=[(0, 1)], goal=(0, 2), slip=0.2, step_reward=-0.5)
    assert mdp.state_labels == ("0,0", "0,2", "1,0", "1,1", "1,2")
    assert mdp.action_labels == ("up", "right", "down", "left")
    assert mdp.name == "gridworld 2x3"
    np.testing.assert_array_equal(mdp.initial, [1, 0, 0, 0, 0])
    # From (0, 0): right hits the wall, its sides are up (edge) and down.
    assert_close(mdp.P[0, 1], [0.9, 0, 0.1, 0, 0], SAME)
    # From (1, 1): up hits the wall, its sides are right and left.
    assert_close(mdp.P[3, 0], [0, 0, 0.1, 0.8, 0.1], SAME)
    # From (1, 2): up reaches the goal, right hits the edge, left moves.
    assert_close(mdp.P[4, 0], [0, 0.8, 0, 0.1, 0.1], SAME)
    np.testing.assert_array_equal(mdp.P[1, :, 1], np.ones(4))
    np.testing.assert_array_equal(mdp.R[1], np.zeros(4))
    assert_close(mdp.R[4, 0], -0.5 + 0.8, SAME)
    assert (mdp.successor_reward[4, 0, 1], mdp.successor_reward[4, 0, 3]) == (0.5, -0.5)


def test_gridworld_shortest_path_value():
    """Right, right, down, down in a 3x3: the goal pays 1 at the fourth step, and then nothing."""
    mdp = zoo.gridworld(3, 3, gamma=0.9)
    theta = np.zeros((9, 4))
    theta[[0, 1], 1] = theta[[2, 5], 2] = 99.0
    assert_close(exact.value(mdp, theta), 0.9**3, VALUE)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda rng: zoo.random_mdp(0, 2, rng=rng), ValueError, "num_states must be at least 1"),
        (lambda rng: zoo.random_mdp(2, 2.0, rng=rng), TypeError, "num_actions must be an integer"),
        (lambda rng: zoo.random_mdp(2, 2, gamma=1, rng=rng), ValueError, "0 <= gamma < 1"),
        (
            lambda rng: zoo.random_mdp(2, 2, concentration=0, rng=rng),
            ValueError,
            "concentration must be at least 1e-300, received 0",
        ),
        (
            lambda rng: zoo.random_mdp(2, 2, concentration=[1, 2], rng=rng),
            ValueError,
            r"concentration must be one number, received shape \(2,\)",
        ),
        (
            lambda rng: zoo.random_mdp(2, 2, concentration=np.inf, rng=rng),
            ValueError,
            "concentration must be finite",
        ),
        (
            lambda _: zoo.random_mdp(2, 2, rng=7),
            TypeError,
            r"received int; .* needs rng=np\.random",
        ),
        (lambda _: zoo.random_mdp(2, 2, rng=None), TypeError, "rng must be a numpy.random.Gen"),
        (lambda _: zoo.chain(0), ValueError, "num_states must be at least 1"),
        (lambda _: zoo.chain(3, slip=1.1), ValueError, r"slip must lie in \[0, 1\], received 1.1"),
        (lambda _: zoo.gridworld(0, 3), ValueError, "rows must be at least 1"),
        (lambda _: zoo.gridworld(1, 1), ValueError, "start and goal must be different"),
        (lambda _: zoo.gridworld(2, 2, walls=[(0, 0)]), ValueError, r"walls \[\(0, 0\)\]"),
        (lambda _: zoo.gridworld(2, 2, walls=[(2, 0)]), ValueError, r"a wall .*received \(2, 0\)"),
        (lambda _: zoo.gridworld(2, 2, goal=(0.5, 1)), ValueError, "goal must be whole numbers"),
        (lambda _: zoo.gridworld(2, 2, start=3), TypeError, "start must be a pair .*received 3"),
        (lambda _: zoo.gridworld(2, 2, step_reward=np.nan), ValueError, "step_reward must be fin"),
        (lambda _: zoo.two_state(gamma=1.0), ValueError, "0 <= gamma < 1, received 1.0"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(np.random.default_rng(0))
