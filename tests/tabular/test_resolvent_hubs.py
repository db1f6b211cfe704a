"""An absorbing state that all others lead to does not hide the band of a sparse chain."""

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import TabularMDP, exact
from tabular import resolvent as resolvent_module
from tabular.resolvent import DIRECT_UP_TO, MAX_HUBS, resolvent
from tests.tabular.tolerances import SAME, assert_close


def walk_with_hubs(num_states, num_hubs):
    """A walk on a line that falls into each of the last states with probability 1/(20 hubs)."""
    line = num_states - num_hubs
    P = np.zeros((num_states, num_states))
    for s in range(line):
        P[s, [max(s - 1, 0), min(s + 1, line - 1)]] += 0.475
        P[s, line:] = 0.05 / num_hubs
    P[range(line, num_states), range(line, num_states)] = 1.0
    return P


@pytest.mark.parametrize("num_hubs", [1, MAX_HUBS])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_band_with_hubs_is_factorised_without_fill(num_hubs, transposed):
    P = walk_with_hubs(600, num_hubs)
    factors = resolvent(sp.csr_array(P), 0.99)
    assert factors._lu.nnz < 3 * np.count_nonzero(P)
    b = np.random.default_rng(0).normal(size=600)
    matrix = np.eye(600) - 0.99 * P
    expected = np.linalg.solve(matrix.T if transposed else matrix, b)
    solved = factors.solve(b, transposed=transposed)
    assert_close(solved, expected, SAME, scale=np.abs(expected).max())


def test_many_hubs_are_no_band():
    assert resolvent(sp.csr_array(walk_with_hubs(600, 60)), 0.99)._lu is None


def test_taxi_is_factorised(monkeypatch):
    assert DIRECT_UP_TO < 501
    monkeypatch.delattr(resolvent_module.spla, "gmres")
    taxi = TabularMDP.from_gymnasium("Taxi-v4")
    theta = np.random.default_rng(0).normal(size=(501, 6))
    sparse = exact.gradient(taxi.sparse(), theta)
    dense = exact.gradient(taxi, theta)
    assert_close(sparse, dense, SAME, scale=np.abs(dense).max())
