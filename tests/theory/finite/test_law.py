"""The exact law of the estimated meta-gradient against nested loops over all trajectories."""

from itertools import product

import numpy as np
import pytest

from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.slow_law import slow_law
from tests.theory.finite.toys import Polynomial, Scalar
from theory.finite.law import meta_gradient_law
from theory.finite.paths import inner_paths

#: Sums of up to 1e5 terms of one sign pattern in another order; a dozen products each.
ENUMERATED = Tolerance(rtol=1e-11, atol=1e-11)
ALPHA = 0.3


def compare(problem, num_steps, counts, shared):
    paths = inner_paths(problem, step_size=ALPHA, num_steps=num_steps, num_trajectories=counts[0])
    law = meta_gradient_law(
        paths, curvature_trajectories=counts[1], outer_trajectories=counts[2], shared=shared
    )
    mean, covariance = slow_law(
        problem, step_size=ALPHA, num_steps=num_steps, counts=counts, shared=shared
    )
    assert_close(paths.probability.sum(), 1.0, ENUMERATED)
    assert_close(law.mean, mean, ENUMERATED)
    assert_close(law.covariance, covariance, ENUMERATED)
    assert_close(law.variance, np.trace(covariance), ENUMERATED)


@pytest.mark.parametrize("counts", list(product((None, 1), repeat=3)))
def test_every_permutation_of_exact_and_sampled(counts):
    compare(Polynomial(1), 2, counts, shared=False)


@pytest.mark.parametrize("counts", [(2, 1, 2), (1, 2, 1), (2, None, None), (3, None, 1)])
def test_averages_of_several_trajectories(counts):
    compare(Polynomial(2), 2, counts, shared=False)


@pytest.mark.parametrize(("num_steps", "count", "outer"), [(1, 3, 1), (2, 2, 2), (3, 1, None)])
def test_shared_samples(num_steps, count, outer):
    compare(Polynomial(3), num_steps, (count, count, outer), shared=True)


def test_shared_and_independent_samples_differ():
    paths = inner_paths(Polynomial(3), step_size=ALPHA, num_steps=2, num_trajectories=1)
    options = {"curvature_trajectories": 1, "outer_trajectories": 1}
    shared = meta_gradient_law(paths, **options, shared=True)
    independent = meta_gradient_law(paths, **options)
    assert np.linalg.norm(shared.mean - independent.mean) > 1e-3


def test_a_deterministic_problem_has_no_variance():
    paths = inner_paths(Polynomial(4), step_size=ALPHA, num_steps=3, num_trajectories=None)
    law = meta_gradient_law(paths, curvature_trajectories=None, outer_trajectories=None)
    assert_close(law.mean, paths.truth, ENUMERATED)
    assert abs(law.variance) < 1e-12 * (1 + law.mean @ law.mean)
    assert paths.error(2) == 0.0


def test_the_truth_is_the_derivative_of_the_final_value():
    for seed in range(5):
        problem, h = Polynomial(seed), 1e-3
        paths = inner_paths(problem, step_size=ALPHA, num_steps=3, num_trajectories=None)
        difference = [
            sum(
                c * problem.value(problem.phi + k * h * u, ALPHA, 3)
                for k, c in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))
            )
            / (12 * h)
            for u in np.eye(2)
        ]
        assert_close(paths.truth, difference, Tolerance(rtol=1e-7, atol=1e-8))


def test_bad_cases_are_refused():
    paths = inner_paths(Scalar(), step_size=1.0, num_steps=1, num_trajectories=2)
    with pytest.raises(ValueError, match="shared samples need"):
        meta_gradient_law(paths, curvature_trajectories=1, outer_trajectories=1, shared=True)
    with pytest.raises(ValueError, match="outer_trajectories must be"):
        meta_gradient_law(paths, curvature_trajectories=1, outer_trajectories=0)
    exact = inner_paths(Scalar(), step_size=1.0, num_steps=1, num_trajectories=None)
    with pytest.raises(ValueError, match="shared samples need"):
        meta_gradient_law(exact, curvature_trajectories=None, outer_trajectories=1, shared=True)


def test_a_tree_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match=r"nodes with .* children each .*, more than"):
        inner_paths(Polynomial(0), step_size=0.1, num_steps=2, num_trajectories=100)
    with pytest.raises(ValueError, match="step_size must be one positive number"):
        inner_paths(Polynomial(0), step_size=0.0, num_steps=1, num_trajectories=1)
