"""Laws that hold for every MDP and every finite logits, however extreme.

The MDPs of `tests.strategies` have deterministic, nearly deterministic and full rows, γ from 0 to
0.999, one state or one action; their logits go up to ±700. Identities are held to the rounding
error of their largest terms, whose size is known beforehand: with L the discounted length of an
episode and r the largest reward, |V| <= r L, |∇J| <= 2 r L², and one power of L more for each
derivative, or for a difference of two solutions, whose relative error is of order L.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabular import TabularMDP, exact
from tests.strategies import GAMMAS, logits, mdps
from tests.tabular.reference import central_difference, make_case
from tests.tabular.tolerances import FINITE_DIFFERENCE, IDENTITY, assert_close


class Problem(NamedTuple):
    """An MDP, logits, the keyword arguments of the horizon, and two directions."""

    mdp: TabularMDP
    theta: Any
    options: dict[str, Any]
    u: Any
    v: Any

    def evaluate(self) -> exact.Evaluation:
        return exact.evaluate(self.mdp, self.theta, **self.options)

    def scale(self, power: int) -> float:
        """R L^power, an upper bound on the terms that cancel."""
        largest = max(np.abs(self.mdp.R).max(), np.abs(self.options.get("terminal_value", 0)).max())
        return (largest + 1e-3) * discounted_length(self.mdp.gamma, self.options) ** power


def discounted_length(gamma: float, options: dict[str, Any]) -> float:
    """Σ_t γ^t over the horizon."""
    horizon = options.get("horizon")
    return 1 / (1 - gamma) if horizon is None else float(np.sum(gamma ** np.arange(horizon)))


def tables(shape: tuple[int, ...], bound: float) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.float64, shape, elements=st.floats(-bound, bound, allow_subnormal=False))


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    limit: float = 700.0,
    gammas: Sequence[float] = GAMMAS,
    infinite: bool | None = None,
) -> Problem:
    """An MDP with logits up to `limit`, over either horizon unless one is asked for."""
    mdp = draw(mdps(4, 3, gammas=gammas))
    theta = draw(logits(mdp, limit=limit))
    u, v = (draw(tables(mdp.R.shape, 1.0)) for _ in range(2))
    options: dict[str, Any] = {}
    if infinite is False or (infinite is None and draw(st.booleans())):
        options["horizon"] = draw(st.sampled_from([1, 2, 20]))
        if draw(st.booleans()):
            options["terminal_value"] = draw(tables(mdp.R.shape[:1], 10.0))
    return Problem(mdp, theta, options, u, v)


def extreme(gamma: float = 0.999, **options: Any) -> Problem:
    """Two states that swap or stay, a policy that never swaps, logits 1400 apart."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 1] = P[1, 1, 0] = 1
    mdp = TabularMDP(P, [[1, 0], [-1, 0]], gamma, 0)
    theta = np.array([[700.0, -700.0], [700.0, -700.0]])
    return Problem(mdp, theta, options, np.eye(2), np.ones((2, 2)) - np.eye(2))


every_problem = example(extreme())
over_a_horizon = example(extreme(horizon=20, terminal_value=np.array([5.0, -5.0])))


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
