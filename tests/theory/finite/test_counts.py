"""The law by counts against every sequence of samples."""

import math

import numpy as np
import pytest

from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.sample_paths import Slow
from theory.finite.bandit import Bandit
from theory.finite.counts import compositions, count_ends, end_law
from theory.finite.quadratic import Quadratic
from theory.statements.compositional_bias import Loop, spread_bound

#: Factorials of N as exponentials of log-gammas lose a few digits.
COUNTED = Tolerance(rtol=1e-11, atol=1e-13)
RNG = np.random.default_rng(1)
MDP = random_mdp(RNG, (1, 3), 0.0)
THETA = RNG.normal(size=(1, 3))
BASELINE = np.array([0.2])


@pytest.mark.parametrize(("K", "N"), [(1, 1), (1, 4), (2, 2), (2, 3), (3, 1)])
def test_law_is_that_of_every_sequence(K, N):
    law = end_law(
        Bandit(MDP, THETA, baseline=BASELINE), step_size=0.7, num_steps=K, num_trajectories=N
    )
    slow = Slow(MDP, 0.7, 1, BASELINE)
    weight, ends = slow.ends(THETA, K, N)
    exact = slow.exact_path(THETA, K)[-1].ravel()
    ends = ends.reshape(-1, 3)
    assert len(weight) == 3 ** (K * N) >= len(law.probability)
    assert_close(law.exact, exact, COUNTED)
    assert_close(law.probability.sum(), 1.0, COUNTED)
    for f in (np.sin, np.exp, lambda x: x):
        assert_close(law.shift(f(law.theta), f(exact)), weight @ f(ends) - f(exact), COUNTED)
    off = np.linalg.norm(ends - exact, axis=1)
    assert_close(law.error(), weight @ off, COUNTED)
    assert_close(law.spread(), np.sqrt(weight @ off**2), COUNTED)


def test_compositions_are_all():
    rows = compositions(5, 4)
    assert len(rows) == math.comb(8, 3) == len(np.unique(rows, axis=0))
    assert (rows.sum(axis=1) == 5).all()
    assert (rows >= 0).all()


@pytest.mark.parametrize("K", [1, 2, 3])
def test_quadratic_attains_the_bound(K):
    problem = Quadratic(c1=0.8, sigma=1.5, theta0=-0.3)
    law = end_law(problem, step_size=2.0, num_steps=K, num_trajectories=7)
    assert_close(law.spread(), spread_bound(0.8, 1.5, Loop(2.0, K, 7)), COUNTED)
    if K > 1:
        assert law.spread() < 0.999 * spread_bound(0.81, 1.5, Loop(2.0, K, 7))
    assert_close(law.shift(law.theta, law.exact), np.zeros(1), COUNTED, scale=100.0)
    one = problem.inner_outcomes(np.array([0.5]))
    assert_close(one.probability @ one.gradient, problem.inner(np.array([0.5])).gradient, COUNTED)
    assert_close(one.hessian[0], problem.inner(np.array([0.5])).hessian, COUNTED)


def test_too_many_ends():
    assert count_ends(Quadratic(), 3, 9) == 1000
    with pytest.raises(ValueError, match="ends"):
        end_law(Quadratic(), step_size=1.0, num_steps=4, num_trajectories=100)
