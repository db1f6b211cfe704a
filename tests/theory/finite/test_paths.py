"""The tree of inner paths against every ordered tuple of trajectories."""

from collections import defaultdict

import numpy as np
import pytest

from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.slow_law import tuples
from tests.theory.finite.toys import Polynomial, Scalar
from theory.finite.paths import inner_paths

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
