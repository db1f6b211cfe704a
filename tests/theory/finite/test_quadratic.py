"""The quadratic with additive noise: a loop in closed form."""

import numpy as np
import pytest

from tests.tabular.tolerances import FIRST, assert_close
from tests.theory.sample_paths import ENDS
from theory.constants import Lipschitz, Noise
from theory.finite.paths import inner_paths
from theory.finite.quadratic import Quadratic
from theory.statements.compositional_bias import Loop
from theory.statements.lemma_4_4 import second_moment_bound

PROBLEM = Quadratic(c1=0.8, sigma=1.5, theta0=-0.3)


def bound(c1: float, sigma: float, loop: Loop) -> float:
    lipschitz = Lipschitz(c1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, "every θ")
    noise = Noise(sigma, *[0.0] * 8, "every θ")
    return second_moment_bound(lipschitz, noise, **loop._asdict())


@pytest.mark.parametrize("K", [1, 2, 3])
def test_quadratic_attains_the_bound(K):
    loop = Loop(2.0, K, 7)
    paths = inner_paths(PROBLEM, **loop._asdict())
    assert_close(paths.error(2), bound(0.8, 1.5, loop), ENDS)
    assert paths.error(2) > 1.01 * bound(0.8, 1.48, loop)
    if K > 1:
        assert paths.error(2) > bound(0.79, 1.5, loop)
    assert_close(paths.iterates[:, 0], -0.3 * 2.6 ** np.arange(K + 1), FIRST)
    assert_close(paths.probability @ paths.ends, paths.iterates[-1], ENDS, scale=100.0)


def test_derivatives_and_outcomes():
    theta = np.array([[0.5], [-2.0]])
    here, one = PROBLEM.inner(theta), PROBLEM.inner_outcomes(theta)
    assert_close(here.gradient, 0.8 * theta, FIRST)
    assert_close(np.einsum("bm,bmd->bd", one.probability, one.gradient), here.gradient, FIRST)
    noise = one.gradient - here.gradient[:, None]
    assert_close(np.einsum("bm,bmd->b", one.probability, noise**2), np.full(2, 1.5**2), FIRST)
    assert_close(one.hessian, np.broadcast_to(here.hessian[:, None], one.hessian.shape), FIRST)
    assert not here.cross.any()
    assert not one.cross.any()
    outer, sampled = PROBLEM.outer(theta), PROBLEM.outer_outcomes(theta)
    assert_close(outer.gradient, theta, FIRST)
    assert_close(sampled.gradient[:, 0], theta, FIRST)
    assert not outer.direct.any()
    assert not sampled.direct.any()
    assert_close(PROBLEM.start_jacobian, np.eye(1), FIRST)


@pytest.mark.parametrize("name", ["c1", "sigma"])
def test_bad_input(name):
    with pytest.raises(ValueError, match=name):
        Quadratic(**{name: 0.0})
