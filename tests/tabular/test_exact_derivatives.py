"""Gradient, Hessian, its products and parts, and the third derivative.

Against autograd at every size, horizon and representation, against 50 digits on tiny MDPs, and
member by member for batches of policies, MDPs, discounts, rewards and directions.
"""

import itertools
from functools import cache

import numpy as np
import pytest

from tabular import exact
from tabular import hessian as hessian_module
from tabular.resolvent import INVERSE_UP_TO, SIDE_BY_SIDE
from tests.tabular.batches import every_batch, make_batch
from tests.tabular.reference import (
    HORIZONS,
    REPRESENTATIONS,
    SIZES,
    TINY_SIZES,
    PreciseReference,
    Reference,
    central_difference,
    make_case,
)
from tests.tabular.tolerances import (
    CONDITIONED,
    FINITE_DIFFERENCE,
    FIRST,
    SAME,
    SECOND,
    THIRD,
    assert_close,
)

every_case = pytest.mark.parametrize(
    ("size", "horizon", "representation"),
    list(itertools.product(SIZES, HORIZONS, REPRESENTATIONS)),
)


@cache
def solved(size, horizon):
    """The case and its reference, with the tables that both representations share."""
    case = make_case(size, horizon)
    return case, Reference(case.mdp, case.theta, **case.options)


@cache
def reference_hessian(size, horizon, role=None):
    _, reference = solved(size, horizon)
    return reference.hessian if role is None else reference.hessian_part(role)


def evaluation_of(size, horizon, representation):
    case, _ = solved(size, horizon)
    return exact.evaluate(REPRESENTATIONS[representation](case.mdp), case.theta, **case.options)


def swap(table):
    """The transpose of a table (S, A, S, A)."""
    return np.moveaxis(table, (-4, -3), (-2, -1))


def contract(table, v):
    return np.einsum("iajb,jb->ia", table, v)


def test_the_registry_reaches_both_factorisations():
    """A size on each side of the change, or the matrix of cases tests one of them twice."""
    assert min(SIZES)[0] <= INVERSE_UP_TO < max(SIZES)[0]


@every_case
def test_gradient_against_autograd(size, horizon, representation):
    _, reference = solved(size, horizon)
    actual = evaluation_of(size, horizon, representation).gradient
    assert_close(actual, reference.gradient, FIRST)


@every_case
def test_hessian_and_parts_against_autograd(size, horizon, representation):
    evaluation = evaluation_of(size, horizon, representation)
    expected = reference_hessian(size, horizon)
    assert_close(evaluation.hessian, expected, SECOND)
    parts = evaluation.hessian_parts
    assert_close(parts.total, expected, SECOND)
    assert_close(parts.local, reference_hessian(size, horizon, "pi"), SECOND)
    assert_close(parts.cross, reference_hessian(size, horizon, "Q"), SECOND)
    assert_close(swap(parts.cross), reference_hessian(size, horizon, "d"), SECOND)
    assert_close(parts.local + parts.cross + swap(parts.cross), expected, SECOND)


@every_case
def test_hvp_and_parts_against_autograd(size, horizon, representation):
    case, reference = solved(size, horizon)
    evaluation = evaluation_of(size, horizon, representation)
    assert_close(evaluation.hvp(case.v), reference.hvp(case.v), SECOND)
    parts = evaluation.hvp_parts(case.v)
    assert parts.keys() == {"local", "cross", "cross_transposed"}
    for name, role in (("local", "pi"), ("cross", "Q"), ("cross_transposed", "d")):
        expected = contract(reference_hessian(size, horizon, role), case.v)
        assert_close(parts[name], expected, SECOND, what=name)
    assert_close(sum(parts.values()), reference.hvp(case.v), SECOND)


@every_case
def test_local_part_stays_within_a_state(size, horizon, representation):
    local = evaluation_of(size, horizon, representation).hessian_parts.local
    states = np.arange(size[0])
    blocks = local[states, :, states, :]
    assert np.count_nonzero(local) == np.count_nonzero(blocks)
    if size[1] > 1:
        assert np.count_nonzero(blocks) > 0


@every_case
def test_third_against_autograd(size, horizon, representation):
    case, reference = solved(size, horizon)
    evaluation = evaluation_of(size, horizon, representation)
    assert_close(evaluation.third(case.u, case.v), reference.third(case.u, case.v), THIRD)
    assert_close(evaluation.third(case.v, case.v), reference.third(case.v, case.v), THIRD)


@pytest.mark.parametrize("size", TINY_SIZES)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_derivatives_against_50_digits(size, horizon, gamma):
    case = make_case(size, horizon, gamma=gamma)
    precise = PreciseReference(case.mdp, case.theta, **case.options)
    u, v = precise.along(case.u), precise.along(case.v)
    evaluation = exact.evaluate(case.mdp, case.theta, **case.options)
    assert_close(evaluation.gradient, precise.table(), FIRST)
    assert_close(evaluation.hvp(case.v), precise.table(v), SECOND)
    assert_close(contract(evaluation.hessian, case.v), precise.table(v), SECOND)
    assert_close(evaluation.third(case.u, case.v), precise.table(u, v), THIRD)


@pytest.mark.parametrize("horizon", [None, 7])
@pytest.mark.parametrize(("gamma", "spread"), [(0.999, 1.0), (0.9, 12.0), (0.999, 12.0)])
def test_hard_cases_against_50_digits(horizon, gamma, spread):
    """Logits up to ±30 and γ close to one: relative to the derivative itself."""
    case = make_case((2, 2), horizon, gamma=gamma)
    theta = spread * case.theta
    precise = PreciseReference(case.mdp, theta, **case.options)
    u, v = precise.along(case.u), precise.along(case.v)
    evaluation = exact.evaluate(case.mdp, theta, **case.options)
    assert_close(evaluation.gradient, precise.table(), CONDITIONED)
    assert_close(evaluation.hvp(case.v), precise.table(v), CONDITIONED)
    assert_close(evaluation.third(case.u, case.v), precise.table(u, v), CONDITIONED)


BATCH_FUNCTIONS = {
    "gradient": exact.gradient,
    "hessian": exact.hessian,
    "local": lambda *a, **k: exact.evaluate(*a, **k).hessian_parts.local,
    "cross": lambda *a, **k: exact.evaluate(*a, **k).hessian_parts.cross,
    "total": lambda *a, **k: exact.evaluate(*a, **k).hessian_parts.total,
}


@every_batch
@pytest.mark.parametrize(("num_states", "horizon"), [(4, None), (4, 3), (60, None)])
def test_each_member_of_a_batch_is_the_single_computation(
    representation, kind, num_states, horizon
):
    batch = make_batch(kind, representation, (num_states, 2))
    for name, function in BATCH_FUNCTIONS.items():
        together = function(batch.mdp, batch.theta, horizon=horizon)
        assert together.shape[: len(batch.shape)] == batch.shape
        for index in np.ndindex(batch.shape):
            single = function(*batch.member(index), horizon=horizon)
            assert_close(together[index], single, SAME, what=name)


@pytest.mark.parametrize("num_states", [5, 20])
def test_a_large_batch_of_policies(num_states):
    """Enough policies for the inverses to be made side by side."""
    case = make_case((num_states, 2), None)
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(2, SIDE_BY_SIDE // 2, num_states, 2))
    together = exact.evaluate(case.mdp, theta)
    hessian, third = together.hessian, together.third(case.u, case.v)
    for index in np.ndindex(theta.shape[:2]):
        single = exact.evaluate(case.mdp, theta[index])
        assert_close(hessian[index], single.hessian, SAME)
        assert_close(third[index], single.third(case.u, case.v), SAME)


@pytest.mark.parametrize("piece", [1, 5 * 2 * 10, 3 * 2 * 10, 10**6])
def test_the_hessian_may_be_filled_in_pieces_of_any_size(monkeypatch, piece):
    """One row of states at a time, the five of them in 3 + 2, or all at once."""
    monkeypatch.setattr(hessian_module, "PIECE", piece)
    case = make_case((5, 2), None)
    expected = Reference(case.mdp, case.theta).hessian
    assert_close(exact.hessian(case.mdp, case.theta), expected, SECOND)
    batch = exact.hessian(case.mdp, np.stack([case.theta, case.u]))
    assert_close(batch[0], expected, SECOND)


@every_batch
@pytest.mark.parametrize(("num_states", "horizon"), [(4, None), (4, 3), (60, None)])
def test_directions_are_a_batch_of_their_own(representation, kind, num_states, horizon):
    """Directions (2, 1, ..., S, A) in front of the batch; each product as if it were alone."""
    batch = make_batch(kind, representation, (num_states, 2))
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, 2, *(1,) * len(batch.shape), num_states, 2))
    together = exact.evaluate(batch.mdp, batch.theta, horizon=horizon)
    products, parts, thirds = together.hvp(v), together.hvp_parts(v), together.third(u, v)
    assert products.shape == thirds.shape == (2, *batch.shape, num_states, 2)
    for index in np.ndindex(batch.shape):
        mdp, theta = batch.member(index)
        single = exact.evaluate(mdp, theta, horizon=horizon)
        for k in range(2):
            u_k, v_k = u[k].reshape(num_states, 2), v[k].reshape(num_states, 2)
            assert_close(products[k][index], single.hvp(v_k), SAME)
            assert_close(thirds[k][index], single.third(u_k, v_k), SAME)
            for name, part in single.hvp_parts(v_k).items():
                together_part = np.broadcast_to(parts[name], products.shape)
                assert_close(together_part[k][index], part, SAME, what=name)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("num_states", [4, 60])
@pytest.mark.parametrize("horizon", [None, 3])
def test_directions_cross_the_batch_of_policies(representation, num_states, horizon):
    """Directions (3, S, A) against policies (2, 1, S, A) make (2, 3, S, A), as NumPy would."""
    case = make_case((num_states, 2), None)
    mdp = REPRESENTATIONS[representation](case.mdp)
    rng = np.random.default_rng(2)
    theta, v = rng.normal(size=(2, 1, num_states, 2)), rng.normal(size=(3, num_states, 2))
    for policies in (theta, theta[:1]):
        together = exact.hvp(mdp, policies, v, horizon=horizon)
        for i, k in np.ndindex(len(policies), 3):
            single = exact.hvp(case.mdp, theta[i, 0], v[k], horizon=horizon)
            assert_close(together[i, k], single, SAME)
    assert exact.hvp(mdp, theta[0, 0], v[:0], horizon=horizon).shape == (0, num_states, 2)


@pytest.mark.parametrize("horizon", [None, 7])
def test_a_gradient_wrong_by_a_twentieth_of_a_percent_is_rejected(horizon):
    """The checks above must be able to fail."""
    case, reference = solved((5, 3), horizon)
    evaluation = exact.evaluate(case.mdp, case.theta, **case.options)
    gradient, hvp = evaluation.gradient, evaluation.hvp(case.v)
    third = evaluation.third(case.u, case.v)
    differences = central_difference(
        lambda theta: exact.gradient(case.mdp, theta, **case.options), case.theta, case.v
    )
    checks = [
        (gradient, reference.gradient, FIRST),
        (hvp, reference.hvp(case.v), SECOND),
        (third, reference.third(case.u, case.v), THIRD),
        (hvp, differences, FINITE_DIFFERENCE),
    ]
    for actual, expected, tolerance in checks:
        assert_close(actual, expected, tolerance)
        with pytest.raises(AssertionError, match="differs by"):
            assert_close(actual * 1.0005, expected, tolerance)
        one_entry = actual.copy()
        one_entry[0, 0] *= 1.0005
        with pytest.raises(AssertionError, match="differs by"):
            assert_close(one_entry, expected, tolerance)


def test_the_comparison_refuses_to_compare_nothing():
    table = np.ones((2, 2))
    with pytest.raises(AssertionError, match="empty"):
        assert_close(table[:0], table[:0], FIRST)
    with pytest.raises(AssertionError, match="shape"):
        assert_close(table[0], table, FIRST)
    with pytest.raises(AssertionError, match="not finite"):
        assert_close(table * np.nan, table, FIRST)
    with pytest.raises(AssertionError, match="reference that is not finite"):
        assert_close(table, table * np.nan, FIRST)
