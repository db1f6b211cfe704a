"""Values, advantages and occupancies against autograd, 50 digits, enumeration and hand results.

Also: bad arguments, each with the requirement and the value received in the message.
"""

import itertools

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.batches import every_batch, make_batch
from tests.tabular.reference import (
    HORIZONS,
    REPRESENTATIONS,
    SIZES,
    TINY_SIZES,
    PreciseReference,
    Reference,
    enumerated,
    make_case,
)
from tests.tabular.tolerances import CONDITIONED, FIRST, SAME, VALUE, assert_close

every_case = pytest.mark.parametrize(
    ("size", "horizon", "representation"),
    list(itertools.product(SIZES, HORIZONS, REPRESENTATIONS)),
)


@every_case
def test_value_against_autograd(size, horizon, representation):
    case = make_case(size, horizon)
    actual = exact.value(REPRESENTATIONS[representation](case.mdp), case.theta, **case.options)
    assert_close(actual, Reference(case.mdp, case.theta, **case.options).value, VALUE)


@every_case
def test_tables_against_their_definitions(size, horizon, representation):
    case = make_case(size, horizon)
    mdp = REPRESENTATIONS[representation](case.mdp)
    reference = Reference(case.mdp, case.theta, **case.options)
    pi = reference.policy(case.theta)
    Q = np.stack(reference.action_values(case.theta))
    d = np.stack(reference.occupancies(case.theta))
    V = (pi * Q).sum(axis=-1)
    evaluation = exact.evaluate(mdp, case.theta, **case.options)
    assert_close(evaluation.Q, Q, VALUE)
    assert_close(evaluation.V, V, VALUE)
    assert_close(evaluation.advantage, Q - V[..., None], VALUE, scale=10)
    assert_close(evaluation.occupancy, d, VALUE)
    assert_close(exact.action_value(mdp, case.theta, **case.options), Q[0], VALUE)
    assert_close(exact.state_value(mdp, case.theta, **case.options), V[0], VALUE)
    assert_close(
        exact.advantage(mdp, case.theta, **case.options),
        Q[0] - V[0][:, None],
        VALUE,
        scale=10,
    )
    assert_close(exact.occupancy(mdp, case.theta, **case.options), d.sum(axis=0), VALUE)


@pytest.mark.parametrize("size", TINY_SIZES)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize(("gamma", "tolerance"), [(0.0, VALUE), (0.9, VALUE), (0.999, CONDITIONED)])
def test_value_against_50_digits(size, horizon, gamma, tolerance):
    case = make_case(size, horizon, gamma=gamma)
    actual = exact.value(case.mdp, case.theta, **case.options)
    expected = PreciseReference(case.mdp, case.theta, **case.options).mixed()
    assert_close(actual, expected, tolerance)


@pytest.mark.parametrize(("size", "horizon"), [((1, 2), 3), ((2, 2), 1), ((2, 2), 3), ((3, 2), 2)])
def test_value_and_gradient_against_every_trajectory(size, horizon):
    case = make_case(size, horizon)
    value, gradient = enumerated(case.mdp, case.theta, **case.options)
    assert_close(exact.value(case.mdp, case.theta, **case.options), value, VALUE)
    assert_close(exact.gradient(case.mdp, case.theta, **case.options), gradient, FIRST)


def test_a_chain_solved_by_hand():
    """Stay with reward 1, or leave for good with reward 2: J = (π₀ + 2 π₁)/(1 − γ π₀)."""
    P = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    mdp = TabularMDP(P, [[1, 2], [0, 0]], 0.5, 0)
    theta = np.log([[0.25, 0.75], [0.5, 0.5]])
    assert_close(exact.value(mdp, theta), 1.75 / 0.875, VALUE)
    assert_close(exact.value(mdp, theta, horizon=1), 1.75, VALUE)
    assert_close(exact.value(mdp, theta, horizon=2), 1.75 * 1.125, VALUE)
    assert_close(exact.value(mdp, theta, horizon=1, terminal_value=[8, -8]), -0.25, VALUE)
    assert_close(exact.occupancy(mdp, theta), [1 / 0.875, 2 - 1 / 0.875], VALUE)


def test_no_terminal_value_is_a_terminal_value_of_zero():
    case = make_case((5, 3), 7)
    for function in (exact.value, exact.gradient, exact.hessian, exact.cross_gamma):
        zeros = function(case.mdp, case.theta, horizon=7, terminal_value=np.zeros(5))
        assert_close(function(case.mdp, case.theta, horizon=7), zeros, SAME)


BATCH_FUNCTIONS = [
    exact.value,
    exact.state_value,
    exact.action_value,
    exact.advantage,
    exact.occupancy,
]


@every_batch
@pytest.mark.parametrize("num_states", [4, 60])
@pytest.mark.parametrize("horizon", [None, 3])
def test_each_member_of_a_batch_is_the_single_computation(
    representation, kind, num_states, horizon
):
    batch = make_batch(kind, representation, (num_states, 2))
    for function in BATCH_FUNCTIONS:
        together = function(batch.mdp, batch.theta, horizon=horizon)
        trailing = function(*batch.member((0,) * len(batch.shape)), horizon=horizon).shape
        together = np.broadcast_to(together, (*batch.shape, *trailing))
        for index in np.ndindex(batch.shape):
            single = function(*batch.member(index), horizon=horizon)
            assert_close(together[index], single, SAME, what=function.__name__)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_batch_of_terminal_values(representation):
    case = make_case((4, 2), 3)
    mdp = REPRESENTATIONS[representation](case.mdp)
    rng = np.random.default_rng(0)
    tables, theta = rng.normal(size=(3, 4)), rng.normal(size=(2, 1, 4, 2))
    for function in (exact.value, exact.gradient, exact.hessian, exact.cross_gamma):
        together = function(mdp, theta, horizon=3, terminal_value=tables)
        for i, j in np.ndindex(2, 3):
            single = function(case.mdp, theta[i, 0], horizon=3, terminal_value=tables[j])
            assert_close(together[i, j], single, SAME, what=function.__name__)


TABLE = np.zeros((3, 2))
BAD_ARGUMENTS = {
    "theta transposed": ({"theta": TABLE.T}, ValueError, r"theta .*\(\.\.\., 3, 2\).*\(2, 3\)"),
    "theta flat": ({"theta": np.zeros(6)}, ValueError, r"theta .*\(\.\.\., 3, 2\).*\(6,\)"),
    "theta of scalar": ({"theta": 1.0}, ValueError, r"theta .*\(\.\.\., 3, 2\).*\(\)"),
    "theta NaN": ({"theta": TABLE + np.nan}, ValueError, "theta must be finite, received NaN"),
    "theta infinite": ({"theta": TABLE - np.inf}, ValueError, "theta must be finite"),
    "theta complex": ({"theta": TABLE + 1j}, TypeError, "theta must be .*real numbers, received"),
    "theta text": ({"theta": "logits"}, TypeError, "theta must be .*real numbers, received str"),
    "theta ragged": ({"theta": [[1], [1, 2]]}, TypeError, "theta must be .*received list"),
    "horizon zero": ({"horizon": 0}, ValueError, "horizon must be at least 1, received 0"),
    "horizon negative": ({"horizon": -1}, ValueError, "horizon must be at least 1, received -1"),
    "horizon fraction": ({"horizon": 2.5}, TypeError, "horizon must be an integer, received 2.5"),
    "horizon bool": ({"horizon": True}, TypeError, "horizon must be an integer, received True"),
    "horizon text": ({"horizon": "2"}, TypeError, "horizon must be an integer, received '2'"),
    "terminal alone": ({"terminal_value": np.zeros(3)}, ValueError, "terminal_value needs a horiz"),
    "terminal short": (
        {"horizon": 2, "terminal_value": np.zeros(2)},
        ValueError,
        r"terminal_value must have shape \(\.\.\., 3\), received \(2,\)",
    ),
    "no policies": (
        {"theta": np.zeros((0, 3, 2))},
        ValueError,
        r"theta must hold at least one policy, received shape \(0, 3, 2\)",
    ),
    "terminal NaN": (
        {"horizon": 2, "terminal_value": [0, np.nan, 0]},
        ValueError,
        "terminal_value must be finite, received NaN",
    ),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments_are_refused(name):
    arguments, error, message = BAD_ARGUMENTS[name]
    mdp = make_case((3, 2), None).mdp
    for function in (exact.value, exact.gradient, exact.evaluate):
        with pytest.raises(error, match=message):
            function(mdp, **{"theta": TABLE, **arguments})


@pytest.mark.parametrize("horizon", [None, 2])
@pytest.mark.parametrize(
    ("direction", "error", "message"),
    [
        (np.zeros((2, 3)), ValueError, r"must have shape \(\.\.\., 3, 2\), received \(2, 3\)"),
        (TABLE * np.nan, ValueError, "must be finite, received NaN"),
        ("logits", TypeError, "must be an array of real numbers, received str"),
    ],
)
def test_bad_directions_are_refused(horizon, direction, error, message):
    evaluation = exact.evaluate(make_case((3, 2), None).mdp, TABLE, horizon=horizon)
    with pytest.raises(error, match=f"v {message}"):
        evaluation.hvp(direction)
    with pytest.raises(error, match=f"v {message}"):
        evaluation.hvp_parts(direction)
    with pytest.raises(error, match=f"u {message}"):
        evaluation.third(direction, TABLE)
    with pytest.raises(error, match=f"v {message}"):
        evaluation.third(TABLE, direction)
    with pytest.raises(error, match=f"u {message}"):
        evaluation.cross_reward(direction)


@pytest.mark.parametrize("horizon", [1, np.int64(1), np.int32(1)])
def test_integers_of_any_kind_are_horizons(horizon):
    case = make_case((3, 2), None)
    assert_close(
        exact.value(case.mdp, case.theta, horizon=horizon),
        Reference(case.mdp, case.theta, 1).value,
        VALUE,
    )
