"""The tree of inner paths against every ordered tuple of trajectories."""

from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import multinomial

from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.slow_law import tuples
from tests.theory.finite.toys import Polynomial, Scalar
from theory.finite.paths import inner_paths
from theory.finite.quadratic import Quadratic

SAME = Tolerance(rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("num_steps", "count"), [(1, 1), (2, 2), (1, 4), (3, 1)])
def test_tuples(num_steps, count):
    problem, alpha = Polynomial(1), 0.3
    paths = inner_paths(problem, step_size=alpha, num_steps=num_steps, num_trajectories=count)
    nodes = [(1.0, problem.start)]
    for _ in range(num_steps):
        nodes = [
            (weight * chance, theta + alpha * g)
            for weight, theta in nodes
            for chance, (g, _, _) in tuples(
                problem.inner_outcomes(theta), problem.inner(theta), count
            )
        ]
    law = [defaultdict(float), defaultdict(float)]
    for weight, theta in nodes:
        law[0][tuple(np.round(theta, 9) + 0.0)] += weight
    for weight, theta in zip(paths.probability, paths.ends, strict=True):
        law[1][tuple(np.round(theta, 9) + 0.0)] += weight
    assert len(law[0]) == len(law[1]) == len(paths.ends)
    for theta, weight in law[0].items():
        assert_close(law[1][theta], weight, SAME)
    theta = problem.start
    for i in range(num_steps):
        assert_close(paths.iterates[i], theta, SAME)
        assert_close(paths.levels[i].probability.sum(), 1.0, SAME)
        theta = theta + alpha * problem.inner(theta).gradient
    distances = [np.linalg.norm(node - theta) for _, node in nodes]
    weights = [weight for weight, _ in nodes]
    assert_close(paths.error(1), np.dot(weights, distances), SAME)
    assert_close(paths.error(2), np.sqrt(np.dot(weights, np.square(distances))), SAME)


def test_averages_of_an_average():
    """Each level's children average the outcomes, in mean and in probability."""
    paths = inner_paths(Polynomial(2), step_size=0.3, num_steps=2, num_trajectories=3)
    for level in paths.levels:
        assert level.children.probability.shape == (len(level.theta), 10)
        for one, mean in zip(level.outcomes[1:], level.children[1:], strict=True):
            expected = np.einsum("bm,bm...->b...", level.outcomes.probability, one)
            assert_close(
                np.einsum("bm,bm...->b...", level.children.probability, mean), expected, SAME
            )


@pytest.mark.parametrize("count", [20, 1000, 2000, 100_000])
def test_many_trajectories(count):
    """θ̂¹ is binomial: Stirling's series of E|θ̂¹ − θ¹|, whose coefficients no float holds."""
    paths = inner_paths(Quadratic(), step_size=1.0, num_steps=1, num_trajectories=count)
    assert len(paths.ends) == count + 1
    assert_close(paths.probability.sum(), 1.0, SAME)
    assert_close(paths.error(2), count**-0.5, SAME)
    stirling = 1 - 1 / (4 * count) + 1 / (32 * count**2) + 5 / (128 * count**3)
    expected = stirling * np.sqrt(2 / (np.pi * count))
    assert_close(paths.error(1), expected, Tolerance(rtol=1e-6, atol=0.0))


class Rare(Scalar):
    """Three outcomes, one of them of probability zero at θ⁰."""

    def _weights(self, theta):
        return np.broadcast_to([1e-3, 1 - 1e-3, 0.0], (*theta.shape[:-1], 3))


def test_multinomial_weights_of_rare_outcomes():
    """Those of SciPy; the digits of a sum say which outcomes were drawn."""
    noise = [(g, 0.0, 0.0, 0.0, 0.0) for g in (1.0, 10.0, 100.0)]
    paths = inner_paths(Rare(noise=noise), step_size=1.0, num_steps=1, num_trajectories=4)
    children = paths.levels[0].children
    assert children.probability.shape == (1, 15)
    for weight, mean in zip(children.probability[0], children.gradient[0, :, 0], strict=True):
        drawn = [round(4 * mean) // unit % 10 for unit in (1, 10, 100)]
        expected = multinomial.pmf(drawn, 4, [1e-3, 1 - 1e-3, 0.0])
        assert weight == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_a_tree_that_does_not_fit_is_refused_before_it_is_made():
    """A thousand outcomes, two at a time: half a million multisets of a thousand numbers."""
    many = Scalar(noise=np.zeros((1000, 5)))
    with pytest.raises(ValueError, match=r"500500 children each .* 500500000 numbers"):
        inner_paths(many, step_size=1.0, num_steps=1, num_trajectories=2)


def test_an_exact_path_is_one_path():
    paths = inner_paths(Polynomial(2), step_size=0.3, num_steps=3, num_trajectories=None)
    assert [len(level.theta) for level in paths.levels] == [1, 1, 1]
    assert_close(paths.ends, paths.iterates[-1:], SAME)
    assert paths.error(1) == 0.0
    with pytest.raises(ValueError, match="num_trajectories must be"):
        inner_paths(Polynomial(2), step_size=0.3, num_steps=3, num_trajectories=0)


def test_steps_that_diverge_are_refused():
    squares = Scalar(g=lambda t: t**2, theta0=1e200)
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match="theta must stay finite, received NaN or infinity"),
    ):
        inner_paths(squares, step_size=1.0, num_steps=1, num_trajectories=1)
