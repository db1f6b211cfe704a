"""Sparse LU and GMRES: which of them, how much memory, and what happens without convergence."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import TabularMDP, exact
from tabular import resolvent as resolvent_module
from tabular.resolvent import resolvent
from tests.tabular.counting import count_calls, every_quantity
from tests.tabular.reference import Reference, central_difference, make_case
from tests.tabular.tolerances import FINITE_DIFFERENCE, ITERATIVE, SAME, assert_close


def banded(num_states, num_actions, rng):
    """Each state reaches its neighbours within four steps: sparse LU has little fill."""
    steps = np.arange(-4, 5)
    rows = np.repeat(np.arange(num_states * num_actions), steps.size)
    columns = np.repeat(np.arange(num_states), num_actions)[:, None] + steps
    return rows, np.clip(columns, 0, num_states - 1).ravel()


def scattered(num_states, num_actions, rng):
    """Each pair reaches eight states anywhere: an LU would fill in completely."""
    rows = np.repeat(np.arange(num_states * num_actions), 8)
    return rows, rng.integers(num_states, size=rows.size)


def large_mdp(pattern, num_states, num_actions=2, gamma=0.95):
    rng = np.random.default_rng(0)
    rows, columns = pattern(num_states, num_actions, rng)
    shape = (num_states * num_actions, num_states)
    P = sp.csr_array((rng.random(rows.size) + 0.1, (rows, columns)), shape=shape)
    P.sum_duplicates()
    P = sp.csr_array(sp.dia_array(((1 / P.sum(axis=1))[None], [0]), shape=(shape[0],) * 2) @ P)
    initial = rng.random(num_states)
    return TabularMDP(P, rng.normal(size=(num_states, num_actions)), gamma, initial / initial.sum())


PATTERNS = {"banded": (banded, "splu"), "scattered": (scattered, "gmres")}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_large_sparse_mdp_never_becomes_dense(monkeypatch, name):
    """Gradient and product at S = 20000 stay within a few times nnz(P): S² would be 3.2 GB."""
    pattern, solver = PATTERNS[name]
    num_states = 20_000
    mdp = large_mdp(pattern, num_states)
    rng = np.random.default_rng(1)
    theta, v = rng.normal(size=(2, num_states, 2))
    calls = count_calls(monkeypatch, resolvent_module.spla, solver)
    (other,) = {"splu", "gmres"} - {solver}
    monkeypatch.delattr(resolvent_module.spla, other)  # an LU of this size would never end
    tracemalloc.start()
    evaluation = exact.evaluate(mdp, theta)
    gradient, product = evaluation.gradient, evaluation.hvp(v)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert calls
    # 12 bytes store a nonzero of CSR; 60 Krylov vectors of 8 S bytes come to 30 more.
    assert peak < 150 * mdp.P.nnz < 0.05 * 8 * num_states**2
    if solver == "splu":
        factors = evaluation.discounted._resolvent._lu
        # SuperLU's own memory is not traced: its fill is bounded instead.
        assert factors.nnz < 10 * evaluation.chain.P_pi.nnz
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient).max() > 0
    for table in (gradient, product):
        assert_close(table.sum(axis=-1), np.zeros(num_states), ITERATIVE)
    difference = central_difference(lambda logits: exact.gradient(mdp, logits), theta, v)
    # Σ_s d(s) = 20 is spread over S states: components are of size 20/S.
    assert_close(product, difference, FINITE_DIFFERENCE, scale=20 / num_states)


@pytest.mark.parametrize("name", PATTERNS)
def test_sparse_solvers_agree_with_the_dense_one(monkeypatch, name):
    """Both sparse branches at a size where the dense answer is at hand."""
    pattern, solver = PATTERNS[name]
    if solver == "gmres":
        monkeypatch.setattr(resolvent_module, "_is_banded", lambda P_pi, block: False)
    mdp = large_mdp(pattern, 70)
    dense = TabularMDP(mdp.P.toarray().reshape(70, 2, 70), mdp.R, mdp.gamma, mdp.initial)
    theta, v = np.random.default_rng(1).normal(size=(2, 70, 2))
    calls = count_calls(monkeypatch, resolvent_module.spla, solver)
    actual, expected = exact.evaluate(mdp, theta), exact.evaluate(dense, theta)
    assert_close(expected.gradient, Reference(dense, theta).gradient, SAME)
    for a, b in zip(every_quantity(actual, v), every_quantity(expected, v), strict=True):
        assert_close(a, b, ITERATIVE)
    assert calls


def test_gmres_that_does_not_converge_gives_way_to_lu(monkeypatch):
    monkeypatch.setattr(resolvent_module, "_is_banded", lambda P_pi, block: False)
    monkeypatch.setattr(resolvent_module.spla, "gmres", lambda m, b, **_: (np.zeros_like(b), 1))
    case = make_case((60, 2), None)
    made = count_calls(monkeypatch, resolvent_module.spla, "splu")
    actual = exact.gradient(case.mdp.sparse(), case.theta)
    assert_close(actual, exact.gradient(case.mdp, case.theta), SAME)
    assert len(made) == 1


@pytest.mark.parametrize("num_states", [300, 1000, 2600])
def test_random_graphs_are_not_factorised(num_states):
    """Their sparse LU is nearly full: 0.85 S² entries were measured at S = 1000."""
    rng = np.random.default_rng(0)
    columns = rng.integers(num_states, size=(num_states, 5))
    P = sp.csr_array(
        (np.full(columns.size, 0.2), columns.ravel(), np.arange(0, columns.size + 1, 5)),
        shape=(num_states, num_states),
    )
    P.sum_duplicates()
    factors = resolvent(P, 0.95)
    assert factors._lu is None
    b = rng.normal(size=num_states)
    expected = np.linalg.solve(np.eye(num_states) - 0.95 * P.toarray(), b)
    np.testing.assert_allclose(factors.solve(b), expected, rtol=1e-9, atol=1e-9)


def test_gmres_without_convergence_on_many_states_is_an_error(monkeypatch):
    monkeypatch.setattr(resolvent_module, "LAST_RESORT_UP_TO", 3)
    monkeypatch.setattr(resolvent_module, "_is_banded", lambda P_pi, block: False)
    monkeypatch.setattr(resolvent_module.spla, "gmres", lambda *args, **kwargs: (args[1], 1))
    with pytest.raises(np.linalg.LinAlgError, match="GMRES did not reach a relative residual"):
        resolvent(sp.csr_array(np.full((4, 4), 0.25)), 0.9).solve(np.ones(4))
