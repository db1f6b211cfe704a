"""A bias that is zero but for rounding violates nothing; a real one of its size does."""

from dataclasses import replace

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.theory.finite.toys import Scalar
from theory.finite.constants import realisable_constants
from theory.finite.paths import inner_paths
from theory.finite.rounding import hidden_rounding
from theory.finite.tabular import TabularFinite
from theory.statements import theorem_4_5_bias

HORIZON = 2


def exact_paths(mdp, critic, phi):
    source = Sampled("lvc", 1, HORIZON, FixedBaseline(critic))
    problem = TabularFinite(Maml(mdp, HORIZON, critic), phi, source)
    return inner_paths(problem, step_size=1.0, num_steps=1, num_trajectories=None)


def one_action(rng):
    P, start = rng.dirichlet(np.ones(3), size=(3, 1)), rng.dirichlet(np.ones(3))
    mdp = TabularMDP(P, rng.normal(size=(3, 1)), 0.9, start)
    return exact_paths(mdp, rng.normal(size=3), np.zeros((3, 1)))


def saturated(rng):
    mdp = TabularMDP(np.ones((1, 2, 1)), rng.normal(size=(1, 2)), 0.9, np.ones(1))
    return exact_paths(mdp, rng.normal(size=1), np.array([[0.0, rng.uniform(15, 35)]]))


@pytest.mark.parametrize("draw", [one_action, saturated])
def test_only_rounding_is_no_violation(draw):
    """With the exact inner steps and curvature the bias is zero, and so is the bound."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        paths = draw(rng)
        check = theorem_4_5_bias.check(paths, curvature_trajectories=None, outer_trajectories=1)
        assert check.rhs == 0
        assert check.holds


def test_a_bias_beyond_rounding_is_a_violation():
    """With Δ_H put to zero `lvc` violates the bound even at a policy near saturation."""
    rng = np.random.default_rng(0)
    mdp = TabularMDP(
        rng.dirichlet(np.ones(2), size=(2, 2)), rng.normal(size=(2, 2)), 0.9, np.ones(2) / 2
    )
    paths = exact_paths(mdp, rng.normal(size=2), np.array([[0.0, 5.0], [5.0, 0.0]]))
    lipschitz, noise = realisable_constants(paths)
    blind = lipschitz, replace(noise, Delta_H=0.0)
    check = theorem_4_5_bias.check(
        paths, curvature_trajectories=1, outer_trajectories=1, constants=blind
    )
    assert not check.holds


def test_the_distance_of_a_biased_mean_is_not_taken_for_rounding():
    paths = one_action(np.random.default_rng(0))
    known = hidden_rounding(paths, 1.0, 1e-12, unbiased=True)
    assert hidden_rounding(paths, 1.0, 1e-12, unbiased=False) <= known


def test_the_two_parts():
    """p̂ is 3 ∓ 1 and q̂ ∓5, means off by 1e-10 and 2e-10; ζ̄_K = 10."""
    noise = np.zeros((2, 5))
    noise[:, 3], noise[:, 4] = [-1.0, 1.0 + 2e-10], [-5.0, 5.0 + 4e-10]
    problem = Scalar(p=lambda t: 3.0 + 0.0 * t, noise=noise)
    paths = inner_paths(problem, step_size=1.0, num_steps=1, num_trajectories=None)
    sizes, missed = 1e-6 * (10 * 4 + 5), 10 * 1e-10 + 2e-10
    for unbiased, expected in ((False, sizes), (True, sizes + missed)):
        found = hidden_rounding(paths, 10.0, 1e-6, unbiased=unbiased)
        assert found == pytest.approx(expected, rel=1e-9, abs=0)


def test_biased_estimates_are_no_rounding():
    """V^π moves: E p̂ is off by 0.3, Assumption 4.2 fails, and so does a bound that trusts it."""
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=np.random.default_rng(4))
    problem = TabularFinite(Maml(mdp), np.zeros((2, 2)), Sampled("loaded_dice", 1, 1))
    paths = inner_paths(problem, step_size=1e-3, num_steps=1, num_trajectories=None)
    known = realisable_constants(paths, sampled_outer=False)
    check = theorem_4_5_bias.check(
        paths, curvature_trajectories=None, outer_trajectories=1, constants=known
    )
    assert check.lhs > 0.05
    assert check.rhs == 0
    assert not check.holds
