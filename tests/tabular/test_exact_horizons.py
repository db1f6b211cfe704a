"""Bellman equations, the occupancy, and how a horizon approaches infinity, for every MDP.

With the problems and the bounds on rounding of `tests.tabular.test_exact_properties`.
"""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular import TabularMDP, exact
from tests.tabular.problem_cases import (
    discounted_length,
    every_problem,
    extreme,
    over_a_horizon,
    problems,
)
from tests.tabular.reference import make_case
from tests.tabular.tolerances import IDENTITY, assert_close


@given(problems())
@every_problem
@over_a_horizon
def test_bellman_equations_and_occupancy(problem):
    mdp, evaluation = problem.mdp, problem.evaluate()
    gamma, pi = mdp.gamma, evaluation.pi
    V, Q, d = evaluation.V, evaluation.Q, evaluation.occupancy
    length = discounted_length(gamma, problem.options)
    end = problem.options.get("terminal_value", np.zeros(mdp.num_states))
    after = V if not problem.options else np.concatenate([V[1:], [end]])
    expected = mdp.R + gamma * np.einsum("saz,tz->tsa", mdp.P, after)
    assert_close(Q, expected, IDENTITY, scale=problem.scale(2))
    assert_close(V, (pi * Q).sum(axis=-1), IDENTITY, scale=problem.scale(2))
    assert_close(evaluation.value, V[0] @ mdp.initial, IDENTITY, scale=problem.scale(1))
    assert d.min() >= -1e-13 * length
    assert_close(d.sum(), length, IDENTITY, scale=length**2)
    arrivals = gamma * np.einsum("tsa,saz->tz", d[..., None] * pi, mdp.P)
    before = arrivals if not problem.options else np.concatenate([0 * d[:1], arrivals[:-1]])
    start = np.zeros_like(d)
    start[0] = mdp.initial
    assert_close(d, start + before, IDENTITY, scale=length**2)
    rewards = (d[..., None] * pi * mdp.R).sum()
    rest = 0.0
    if problem.options:
        rest = arrivals[-1] @ end
    assert_close(evaluation.value, rewards + rest, IDENTITY, scale=problem.scale(2))


@given(problems(infinite=True), st.sampled_from([1, 2, 10, 60]))
@example(extreme(), 10)
@example(extreme(gamma=0.5), 60)
def test_a_long_horizon_approaches_the_infinite_one_at_rate_gamma_to_the_T(problem, horizon):
    """J − J_T = γ^T E V(s_T), so |J − J_T| <= γ^T max|V|; and with ‖dπ‖₁ <= 1/2 along a logit,

    |∇J − ∇J_T| <= γ^T (T max|V| + max|Q| / (1 − γ)) / 2.
    """
    mdp, evaluation = problem.mdp, problem.evaluate()
    finite = exact.evaluate(mdp, problem.theta, horizon=horizon)
    gap, gamma = evaluation.value - finite.value, mdp.gamma
    largest_V, largest_Q = np.abs(evaluation.V).max(), np.abs(evaluation.Q).max()
    slack = IDENTITY.atol * problem.scale(2)
    assert abs(gap) <= gamma**horizon * largest_V + slack
    arrivals = exact.evaluate(mdp, problem.theta, horizon=horizon + 1).occupancy[-1]
    assert_close(gap, arrivals @ evaluation.V[0], IDENTITY, scale=problem.scale(2))
    bound = gamma**horizon * (horizon * largest_V + largest_Q / (1 - gamma)) / 2
    error = np.abs(evaluation.gradient - finite.gradient).max()
    assert error <= bound + IDENTITY.atol * problem.scale(3)


@given(problems(infinite=True), st.sampled_from([1, 2, 10]))
@example(extreme(), 2)
def test_ending_with_the_true_values_keeps_J_and_loses_part_of_its_gradient(problem, horizon):
    """∇J − ∇J_T = γ^T E ∇V(s_T): the part of the gradient after T, as V_b is a constant."""
    mdp, evaluation = problem.mdp, problem.evaluate()
    finite = exact.evaluate(mdp, problem.theta, horizon=horizon, terminal_value=evaluation.V[0])
    assert_close(finite.value, evaluation.value, IDENTITY, scale=problem.scale(2))
    for t in range(horizon):
        assert_close(finite.V[t], evaluation.V[0], IDENTITY, scale=problem.scale(2))
    arrivals = exact.evaluate(mdp, problem.theta, horizon=horizon + 1).occupancy[-1]
    missing = np.zeros(mdp.R.shape)
    if arrivals.sum() > 0:
        later = TabularMDP(mdp.P, mdp.R, mdp.gamma, arrivals / arrivals.sum())
        missing = arrivals.sum() * exact.gradient(later, problem.theta)
    gap = evaluation.gradient - finite.gradient
    assert_close(gap, missing, IDENTITY, scale=problem.scale(3))


@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_the_lost_part_of_the_gradient_is_not_small(horizon):
    case = make_case((5, 3), None)
    V = exact.state_value(case.mdp, case.theta)
    full = exact.gradient(case.mdp, case.theta)
    cut = exact.gradient(case.mdp, case.theta, horizon=horizon, terminal_value=V)
    assert np.linalg.norm(full - cut) > 0.5 * case.mdp.gamma**horizon * np.linalg.norm(full)
