"""Sums over returns to the same state against dense matrix powers, however they are grouped."""

import numpy as np
import pytest
import scipy.sparse as sp

import tabular.returns
from tabular import TabularMDP, covariance
from tabular.returns import returns
from tests.tabular.surrogates import ESTIMATORS, Tables
from tests.tabular.tiny_cases import Case, law_of, make
from tests.tabular.tolerances import FIRST, SAME, assert_close

HORIZON, TABLES, PASTS = 5, 2, 3


def dense_kernels(case):
    """P and P δ, (S, A, S), from the MDP's plain tables."""
    tables, V = Tables.of(case.mdp), case.options["baseline"]
    delta = tables.R + tables.gamma * V - V[:, None, None]
    return np.stack([tables.P, tables.P * delta])


@pytest.mark.parametrize("kind", ["plain", "sparse by successor", "certain"])
@pytest.mark.parametrize("together", [1, 100, 10**6])
def test_sums_over_returns(kind, together, monkeypatch):
    monkeypatch.setattr(tabular.returns, "TOGETHER", together)
    case = make((6, 3, HORIZON), kind, 0.6, "random")
    law, _ = law_of(case, "lvc")
    S, A = law.shape
    rng = np.random.default_rng(0)
    M = rng.normal(size=(TABLES * S, TABLES * S))
    past, blocks = rng.normal(size=(PASTS, HORIZON, S)), rng.normal(size=(HORIZON, TABLES, S, A))
    kernels = dense_kernels(case)
    given = M if kind == "plain" else sp.csr_array(M)
    seen = []
    for group in returns(law, given, past, blocks, walked=TABLES):
        seen += list(group.own)
        walks = list(group.powers(given))
        assert len(walks) == HORIZON - 1
        for lag, tables in enumerate(walks):
            power = np.linalg.matrix_power(M, lag)[:, group.own].reshape(TABLES, S, -1)
            assert_close(tables, power, FIRST)
            for k in (0, 1):
                whole = np.einsum("saz,nzc->nsac", kernels[k], power)
                own = np.stack([whole[:, s, :, i] for i, s in enumerate(group.own)], axis=1)
                assert_close(group.expect(k, tables), own, FIRST)
            expected = sum(
                np.einsum("ks,nsa->knsa", past[:, t], blocks[t + 1 + lag])
                for t in range(HORIZON - 1 - lag)
            )
            assert_close(group.sums(lag), expected[:, :, group.own], FIRST)
    assert seen == sorted(set(seen))
    assert set(seen) == set(np.flatnonzero(law.state_distribution.any(axis=0)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["sparse by successor", "certain"])
def test_groups_do_not_change_a_trace(estimator, kind, monkeypatch):
    case = make((60, 2, 10), kind, 0.9, "random")
    case = case._replace(mdp=case.mdp.sparse())
    law, entry = law_of(case, estimator)
    whole = np.einsum("iaia", covariance.hvp_covariance(law, entry, case.v))
    for together in (1, 5000, 10**7):
        monkeypatch.setattr(tabular.returns, "TOGETHER", together)
        assert_close(covariance.hvp_variance(law, entry, case.v), whole, SAME)


@pytest.mark.parametrize(("horizon", "visited"), [(1, [0]), (2, [0, 1]), (9, [0, 1, 2])])
def test_states_out_of_reach_have_no_columns(horizon, visited):
    """0 leads to 1 and 1 to 2, which stays; 3 leads to 0."""
    P = np.eye(4)[[[1], [2], [2], [0]]]
    case = Case(TabularMDP(P, np.ones((4, 1)), 0.9, 0), np.zeros((4, 1)), {}, None)
    options = {"horizon": horizon, "baseline": np.zeros(4), "gae_lambda": 1.0}
    law, _ = law_of(case._replace(options=options), "lvc")
    past, blocks = np.zeros((1, horizon, 4)), np.zeros((horizon, 1, 4, 1))
    (group,) = returns(law, np.eye(4), past, blocks, walked=1)
    assert list(group.own) == visited
