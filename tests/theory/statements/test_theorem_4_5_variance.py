"""The variance bound: attained part by part, never violated, and caught when it is made wrong."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import zero_baseline
from tabular.problems import Lirpg, Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.toys import Polynomial, Scalar
from tests.theory.statements.attained import ALPHA, MU, SLOPE, C, constant, signs
from theory.finite.constants import realisable_constants
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.statements import theorem_4_5_variance

#: A variance is a difference of second moments a hundred times larger.
ATTAINED = Tolerance(rtol=1e-11, atol=1e-13)
LINEAR = {"g": lambda t: C * t, "H": constant(C), "zeta0": 1.0}

#: Problem, K, (N of path, curvature, outer), shared, and a constant whose half is caught.
CASES = {
    "outer": (Scalar(**LINEAR, noise=signs(p=0.9)), 3, (None, None, 2), False, "sigma_p"),
    "direct": (Scalar(noise=signs(q=0.9)), 2, (None, None, 3), False, "sigma_q"),
    "Hessian": (
        Scalar(p=constant(SLOPE), noise=signs(H=0.9), zeta0=1.0),
        3,
        (None, 2, None),
        False,
        "sigma_H",
    ),
    "cross": (Scalar(p=constant(SLOPE), noise=signs(G=0.9)), 1, (None, 2, None), False, "sigma_J"),
    "path": (
        Scalar(**LINEAR, p=lambda t: MU * t, noise=signs(g=0.9)),
        1,
        (1, None, None),
        False,
        "mu1",
    ),
    "shared": (
        Scalar(p=constant(SLOPE), noise=signs(G=0.9)),
        1,
        (2, 2, None),
        True,
        "sigma_JF",
    ),
}


def run(problem, num_steps, counts, shared, wrong=None):
    paths = inner_paths(problem, step_size=ALPHA, num_steps=num_steps, num_trajectories=counts[0])
    constants = realisable_constants(paths)
    if wrong:
        constants = tuple(
            replace(part, **{wrong: getattr(part, wrong) / 2}) if hasattr(part, wrong) else part
            for part in constants
        )
    return theorem_4_5_variance.check(
        paths,
        curvature_trajectories=counts[1],
        outer_trajectories=counts[2],
        shared=shared,
        constants=constants,
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_part_is_attained_somewhere(case):
    *arguments, wrong = case
    result = run(*arguments)
    assert result.holds
    assert result.rhs > 1e-2
    assert_close(result.lhs, result.rhs, ATTAINED)
    assert not replace(result, rhs=0.999 * result.rhs).holds
    assert not run(*arguments, wrong=wrong).holds


@pytest.mark.parametrize("counts", list(product((None, 2), (None, 1), (None, 1))))
@pytest.mark.parametrize("seed", range(4))
def test_polynomials(seed, counts):
    for alpha in (0.05, 0.5):
        paths = inner_paths(
            Polynomial(seed), step_size=alpha, num_steps=2, num_trajectories=counts[0]
        )
        result = theorem_4_5_variance.check(
            paths, curvature_trajectories=counts[1], outer_trajectories=counts[2]
        )
        assert result.holds
        if counts[0] is not None:
            assert theorem_4_5_variance.check(
                paths,
                curvature_trajectories=counts[0],
                outer_trajectories=counts[2],
                shared=True,
            ).holds


@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice", "dice"])
@pytest.mark.parametrize("family", [Maml, Lirpg])
def test_tiny_mdps(estimator, family):
    rng = np.random.default_rng(11)
    mdp = TabularMDP.random(2, 2, gamma=0.9, concentration=0.5, rng=rng)
    phi, theta = rng.normal(size=(2, 2, 2))
    problem = family(mdp, *(() if family is Maml else (theta,)), 2)
    finite = TabularFinite(problem, phi, Sampled(estimator, 1, 2, zero_baseline))
    for alpha, shared in product((0.1, 2.0), (False, True)):
        paths = inner_paths(finite, step_size=alpha, num_steps=2, num_trajectories=1)
        result = theorem_4_5_variance.check(
            paths, curvature_trajectories=1, outer_trajectories=1, shared=shared
        )
        assert result.holds
        assert 0 < result.ratio < 1
        assert set(result.terms) == {"estimators", "path"}


def test_nothing_sampled_means_no_variance():
    paths = inner_paths(Polynomial(0), step_size=0.3, num_steps=2, num_trajectories=None)
    result = theorem_4_5_variance.check(paths, curvature_trajectories=None, outer_trajectories=None)
    assert result.rhs == 0.0
    assert result.holds
