"""Laws that hold for every MDP and every finite logits, however extreme.

The MDPs of `tests.strategies` have deterministic, nearly deterministic and full rows, γ from 0 to
0.999, one state or one action; their logits go up to ±700. Identities are held to the rounding
error of their largest terms, whose size is known beforehand: with L the discounted length of an
episode and r the largest reward, |V| <= r L, |∇J| <= 2 r L², and one power of L more for each
derivative, or for a difference of two solutions, whose relative error is of order L.
"""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tabular import TabularMDP
from tests.tabular.problem_cases import (
    Problem,
    discounted_length,
    every_problem,
    extreme,
    over_a_horizon,
    problems,
    tables,
)
from tests.tabular.reference import central_difference
from tests.tabular.tolerances import FINITE_DIFFERENCE, IDENTITY, assert_close


@given(problems())
@every_problem
@over_a_horizon
def test_everything_is_finite(problem):
    evaluation = problem.evaluate()
    quantities = {
        name: getattr(evaluation, name)
        for name in ("value", "V", "Q", "advantage", "occupancy", "gradient", "hessian")
    }
    quantities |= evaluation.hvp_parts(problem.v) | {
        "hvp": evaluation.hvp(problem.v),
        "total": evaluation.hessian_parts.total,
        "third": evaluation.third(problem.u, problem.v),
        "cross_reward": evaluation.cross_reward(problem.u),
        "cross_gamma": evaluation.cross_gamma(),
    }
    assert [name for name, table in quantities.items() if not np.all(np.isfinite(table))] == []


@given(problems())
@every_problem
@over_a_horizon
def test_derivatives_sum_to_zero_over_the_actions_of_each_state(problem):
    evaluation = problem.evaluate()
    zero = np.zeros(problem.mdp.num_states)
    for table, power in (
        (evaluation.gradient, 2),
        (evaluation.hvp(problem.v), 3),
        (evaluation.cross_gamma(), 3),
        (evaluation.third(problem.u, problem.v), 4),
    ):
        assert_close(table.sum(axis=-1), zero, IDENTITY, scale=problem.scale(power))


@given(problems())
@every_problem
@over_a_horizon
def test_hessian_is_symmetric_and_ignores_constants_added_in_a_state(problem):
    evaluation, size = problem.evaluate(), problem.mdp.R.size
    hessian = evaluation.hessian.reshape(size, size)
    assert_close(hessian, hessian.T, IDENTITY, scale=problem.scale(3))
    product = (hessian @ problem.v.ravel()).reshape(problem.v.shape)
    assert_close(product, evaluation.hvp(problem.v), IDENTITY, scale=problem.scale(3))
    constants = np.broadcast_to(problem.v[:, :1], problem.v.shape)
    nothing = np.zeros(problem.v.shape)
    assert_close(evaluation.hvp(constants), nothing, IDENTITY, scale=problem.scale(3))
    third = evaluation.third(problem.u, constants)
    assert_close(third, nothing, IDENTITY, scale=problem.scale(4))
    length = discounted_length(problem.mdp.gamma, problem.options)
    assert_close(evaluation.cross_reward(constants), nothing, IDENTITY, scale=length**2)


@given(problems())
@every_problem
@over_a_horizon
def test_third_derivative_is_symmetric(problem):
    evaluation, u, v = problem.evaluate(), problem.u, problem.v
    third = evaluation.third(u, v)
    assert_close(third, evaluation.third(v, u), IDENTITY, scale=problem.scale(4))
    turned = (evaluation.third(u, u) * v).sum()
    assert_close((third * u).sum(), turned, IDENTITY, scale=problem.mdp.R.size * problem.scale(4))


@given(problems(), st.sampled_from([-1000.0, 0.5, 30.0]))
@example(extreme(), 30.0)
def test_derivatives_ignore_a_constant_added_to_every_reward(problem, offset):
    """J moves by offset · Σ_t γ^t, whatever the policy."""
    evaluation = problem.evaluate()
    raised = problem._replace(mdp=problem.mdp.with_reward(problem.mdp.R + offset))
    shifted = raised.evaluate()
    length = discounted_length(problem.mdp.gamma, problem.options)
    for power, moved, still in (
        (2, shifted.value, evaluation.value + offset * length),
        (3, shifted.gradient, evaluation.gradient),
        (4, shifted.hessian, evaluation.hessian),
        (5, shifted.third(problem.u, problem.v), evaluation.third(problem.u, problem.v)),
    ):
        scale = problem.scale(power) + raised.scale(power)
        assert_close(moved, still, IDENTITY, scale=scale)


@given(problems(), st.data())
def test_everything_is_linear_in_the_rewards(problem, data):
    problem.options.pop("terminal_value", None)
    other = problem._replace(
        mdp=problem.mdp.with_reward(data.draw(tables(problem.mdp.R.shape, 10.0)))
    )
    both = problem._replace(mdp=problem.mdp.with_reward(2 * problem.mdp.R - 3 * other.mdp.R))
    evaluations = [p.evaluate() for p in (problem, other, both)]
    for power, quantity in (
        (2, lambda e: e.V),
        (3, lambda e: e.gradient),
        (4, lambda e: e.hvp(problem.v)),
        (4, lambda e: e.cross_gamma()),
        (5, lambda e: e.third(problem.u, problem.v)),
    ):
        scale = 2 * problem.scale(power) + 3 * other.scale(power)
        one, two, sum_of_both = (quantity(e) for e in evaluations)
        assert_close(sum_of_both, 2 * one - 3 * two, IDENTITY, scale=scale)


@given(problems())
@every_problem
@over_a_horizon
def test_logits_matter_only_up_to_a_constant_in_each_state(problem):
    """Adding an integer power of two to integer logits rounds nothing."""
    theta = np.round(problem.theta)
    moved = theta + 64.0 * np.arange(problem.mdp.num_states)[:, None]
    here, there = (problem._replace(theta=t).evaluate() for t in (theta, moved))
    np.testing.assert_array_equal(here.gradient, there.gradient)
    np.testing.assert_array_equal(here.hvp(problem.v), there.hvp(problem.v))


@given(problems(limit=2.0, gammas=(0.0, 0.5, 0.9)))
def test_derivatives_match_differences_at_moderate_logits(problem):
    """Value to gradient, gradient to Hessian, Hessian to third, along random directions."""
    evaluation, u, v = problem.evaluate(), problem.u, problem.v

    def at(theta):
        return problem._replace(theta=theta).evaluate()

    slope = central_difference(lambda theta: at(theta).value, problem.theta, v)
    assert_close((evaluation.gradient * v).sum(), slope, FINITE_DIFFERENCE, scale=problem.scale(2))
    bend = central_difference(lambda theta: at(theta).gradient, problem.theta, v)
    assert_close(evaluation.hvp(v), bend, FINITE_DIFFERENCE, scale=problem.scale(3))
    turn = central_difference(lambda theta: at(theta).hvp(v), problem.theta, u)
    assert_close(evaluation.third(u, v), turn, FINITE_DIFFERENCE, scale=problem.scale(4))


@given(problems())
@every_problem
@over_a_horizon
def test_dense_and_sparse_agree(problem):
    dense = problem.evaluate()
    sparse = problem._replace(mdp=problem.mdp.sparse()).evaluate()
    u, v = problem.u, problem.v
    assert_close(sparse.value, dense.value, IDENTITY, scale=problem.scale(2))
    assert_close(sparse.gradient, dense.gradient, IDENTITY, scale=problem.scale(3))
    assert_close(sparse.hessian, dense.hessian, IDENTITY, scale=problem.scale(4))
    assert_close(sparse.third(u, v), dense.third(u, v), IDENTITY, scale=problem.scale(5))


@given(problems(), st.randoms(use_true_random=False))
def test_relabelling_states_and_actions_relabels_the_answers(problem, random):
    mdp = problem.mdp
    states, actions = list(range(mdp.num_states)), list(range(mdp.num_actions))
    random.shuffle(states)
    random.shuffle(actions)
    grid = np.ix_(states, actions)
    options = dict(problem.options)
    if "terminal_value" in options:
        options["terminal_value"] = options["terminal_value"][states]
    relabelled = Problem(
        TabularMDP(
            mdp.P[np.ix_(states, actions, states)], mdp.R[grid], mdp.gamma, mdp.initial[states]
        ),
        problem.theta[grid],
        options,
        problem.u[grid],
        problem.v[grid],
    )
    here, there = problem.evaluate(), relabelled.evaluate()
    assert_close(there.gradient, here.gradient[grid], IDENTITY, scale=problem.scale(3))
    assert_close(
        there.hvp(relabelled.v), here.hvp(problem.v)[grid], IDENTITY, scale=problem.scale(4)
    )
