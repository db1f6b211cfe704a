"""The alias tables: the probabilities that thresholds and outcomes imply, in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given
from hypothesis import strategies as st

from tabular.alias import alias_table, sparse_alias_table

#: A threshold inherits the rounding error of the bucket masses handed on before it: each is at
#: most 2e-16 K of a mass up to K, so an outcome of mass K p >= 1 is off by at most 2 K eps; one of
#: mass below 1 has its own threshold, off by a few eps.
EPS = float(np.finfo(float).eps)


def implied(table, row=0):
    """{outcome: probability} in exact arithmetic."""
    K, out = table.slots, {}
    for slot in range(row * K, (row + 1) * K):
        keep = Fraction(float(table.threshold[slot]))
        assert 0 <= keep <= 1
        for outcome, mass in ((table.outcome[slot], keep), (table.alias[slot], 1 - keep)):
            out[int(outcome)] = out.get(int(outcome), Fraction(0)) + mass / K
    return out


def assert_implied(table, probabilities, row=0):
    """Every outcome has its probability, to a relative error; none where it is zero."""
    found = implied(table, row)
    exact = [Fraction(float(p)) for p in probabilities]
    total, K = sum(exact), table.slots
    assert sum(found.values()) == 1
    for outcome, p in enumerate(exact):
        q = found.pop(outcome, Fraction(0))
        if p == 0:
            assert q == 0, f"outcome {outcome} is impossible and drawn with {float(q)}"
        else:
            error = float(abs(q * total / p - 1))
            # The row is normalised by its rounded sum: log2(K) + 3 roundings.
            allowed = (2 * K + np.log2(K) + 3) * EPS
            assert error <= allowed, f"outcome {outcome}: {float(q)} for {float(p / total)}"
    assert not found, f"outcomes that are not slots: {found}"


HARD_ROWS = {
    "one slot": [1.0],
    "one-hot": [0.0, 0.0, 1.0, 0.0],
    "one-hot of two": [0.0, 1.0],
    "uniform": [0.25] * 4,
    "thirds": [1 / 3] * 3,
    "uniform of 7": [1 / 7] * 7,
    "tiny and large": [1e-300, 1.0],
    "denormal": [5e-324, 0.5, 0.5],
    "tiny ones": [1e-300, 1e-200, 1e-17, 1.0],
    "nearly uniform": [0.25 + 1e-16, 0.25 - 1e-16, 0.25, 0.25],
    "just above and below": [(1 + 1e-15) / 3, (1 - 1e-15) / 3, 1 / 3],
    "zeros beside heavies just above average": [0.0, 0.2000001, 0.2000001, 0.2000001, 0.3999997],
    "many zeros": [0.0] * 50 + [1 / 3, 2 / 3],
    "two equal of many": [0.5] + [0.0] * 30 + [0.5],
    "not normalised": [1.0, 2.0, 3.0],
    "geometric": list(0.5 ** np.arange(1.0, 60.0)),
}


@pytest.mark.parametrize("name", HARD_ROWS)
def test_hard_rows(name):
    row = np.array(HARD_ROWS[name])
    assert_implied(alias_table(row[None]), row)


@st.composite
def rows(draw):
    """Probability rows of 1 to 40 slots with zeros, tiny and nearly equal entries."""
    size = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["dirichlet", "near-uniform", "scales", "zeros", "one-hot"]))
    if kind == "dirichlet":
        row = rng.dirichlet(np.full(size, draw(st.sampled_from([1e-3, 0.1, 1.0, 100.0]))))
    elif kind == "near-uniform":
        row = 1 / size + draw(st.sampled_from([1e-17, 1e-16, 1e-12])) * rng.normal(size=size)
    elif kind == "scales":
        row = 10.0 ** -rng.uniform(0, 300, size)
    elif kind == "zeros":
        row = rng.integers(0, 4, size).astype(float)
    else:
        row = np.eye(size)[rng.integers(size)]
    if not np.all(np.isfinite(row)) or row.sum() == 0:
        row = np.ones(size)
    return row / row.sum()


@given(row=rows())
@example(row=np.array([1e-300, 1 - 1e-16, 0.0]))
def test_any_row(row):
    assert_implied(alias_table(row[None]), row)


@pytest.mark.parametrize("slots", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("concentration", [1e-3, 1.0, 1e3])
def test_many_rows_at_once(slots, concentration):
    rng = np.random.default_rng(slots)
    weights = (
        rng.gamma(concentration, size=(20, slots)) + np.eye(slots)[rng.integers(slots, size=20)]
    )
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    table = alias_table(probabilities)
    for i, row in enumerate(probabilities):
        assert_implied(table, row, i)


def test_outcomes_name_the_slots():
    probabilities = np.array([[0.2, 0.8, 0.0], [0.0, 0.5, 0.5]])
    names = np.array([[7, 5, 9], [1, 0, 2]])
    table = alias_table(probabilities, names)
    assert implied(table, 0) == pytest.approx({7: 0.2, 5: 0.8, 9: 0.0}, rel=4 * EPS)
    assert implied(table, 1) == pytest.approx({1: 0.0, 0: 0.5, 2: 0.5}, rel=4 * EPS)


def test_sparse_rows_of_different_lengths_with_explicit_zeros():
    matrix = sp.csr_array(
        (
            np.array([1.0, 0.25, 0.0, 0.75, 0.0, 0.3, 0.3, 0.4]),
            np.array([2, 0, 1, 3, 0, 1, 2, 3]),
            np.array([0, 1, 4, 8]),
        ),
        shape=(3, 4),
    )
    table, columns = sparse_alias_table(matrix)
    assert table.slots == 4
    np.testing.assert_array_equal(columns, matrix.indices)
    for i, row in enumerate(matrix.toarray()):
        by_column = {}
        for entry, mass in implied(table, i).items():
            if mass:
                assert matrix.indptr[i] <= entry < matrix.indptr[i + 1]
                assert matrix.data[entry] > 0
                by_column[int(columns[entry])] = float(mass)
        assert by_column == pytest.approx({j: p for j, p in enumerate(row) if p}, rel=8 * EPS)


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 7, 9, 17, 33, 100, 1025, 4097])
def test_a_draw_stays_in_its_row_up_to_the_ends_of_the_unit_interval(slots):
    """The largest uniform, 1 − 2⁻⁵³, times K must not round up to K."""
    rng = np.random.default_rng(slots)
    weights = rng.random((3, slots)) + 0.1
    table = alias_table(weights / weights.sum(axis=1, keepdims=True))
    each = np.repeat(np.arange(3), 2)
    bucket, _ = table.draw(each, np.tile([0.0, 1 - 2.0**-53], 3))
    np.testing.assert_array_equal(bucket // slots, each)
    np.testing.assert_array_equal(bucket % slots, np.tile([0, slots - 1], 3))


@pytest.mark.parametrize("slots", [2, 4, 8, 64])
def test_uniforms_on_a_boundary_draw_nothing_impossible(slots):
    """At k/K the scaled number is exactly zero, and so is the threshold of what cannot be."""
    table = alias_table(np.eye(slots))
    rows = np.repeat(np.arange(slots), slots)
    bucket, keep = table.draw(rows, np.tile(np.arange(slots) / slots, slots))
    drawn = np.where(keep, table.outcome[bucket], table.alias[bucket])
    np.testing.assert_array_equal(drawn, rows)


def test_a_uniform_grid_draws_every_outcome_in_proportion():
    """`draw` uses one number for bucket and threshold: a fine grid recovers p to its spacing."""
    row = np.array([0.05, 0.0, 0.3, 0.125, 0.525])
    table, count = alias_table(row[None]), 100_000
    bucket, keep = table.draw(np.zeros(count, dtype=np.intp), (np.arange(count) + 0.5) / count)
    drawn = np.where(keep, table.outcome[bucket], table.alias[bucket])
    frequency = np.bincount(drawn, minlength=5) / count
    # Each of the K buckets has one boundary inside, off by less than one grid point.
    assert np.max(np.abs(frequency - row)) <= 5 / count
    assert frequency[1] == 0
