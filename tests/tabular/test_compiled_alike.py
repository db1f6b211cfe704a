"""Policies that are all the same are evaluated once, to the bits they have beside another one."""

import numpy as np
import pytest

from tabular import compiled, compiled_evaluation
from tabular.compiled_evaluation import evaluation_of
from tabular.resolvent import factorise
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import SAME, assert_close

needs_numba = pytest.mark.skipif(
    compiled.kernels("kernels") is None, reason="numba is missing or switched off"
)
TABLES = ("pi", "V", "Q", "advantage", "occupancy", "gradient")


def results(evaluation, v):
    """Tables of every policy, products along its own or one direction, and the inverses."""
    found = {name: getattr(evaluation, name) for name in TABLES}
    found |= {"hvp": evaluation.hvp(v), "hvp of one": evaluation.hvp(v[(0,) * (v.ndim - 2)])}
    return found | {"inverse": evaluation.discounted.inverse}


@needs_numba
@pytest.mark.parametrize("size", [(1, 1), (4, 3), (20, 5), (48, 2), (60, 2)])
@pytest.mark.parametrize("batch", [(2,), (20,), (2, 3), (70,)])
def test_alike_as_beside_another(size, batch):
    """Sizes solved side by side and by LAPACK; lanes of one group, and of two."""
    rng = np.random.default_rng(1)
    mdp, theta = random_mdp(rng, size), np.tile(rng.normal(size=size), (*batch, 1, 1))
    v = rng.normal(size=theta.shape)
    alike = evaluation_of(mdp, theta)
    last = (-1,) * len(batch)
    other = theta.copy()
    other[last] += rng.normal(size=size)
    beside = results(evaluation_of(mdp, other), v)
    for name, table in results(alike, v).items():
        kept = np.ones(batch, dtype=bool)
        kept[last] = False
        assert table.shape == beside[name].shape
        np.testing.assert_array_equal(table[kept], beside[name][kept], err_msg=name)
    if size[1] > 1:
        assert np.any(alike.gradient[last] != beside["gradient"][last])


@needs_numba
@pytest.mark.parametrize("kind", ["alike", "one differs", "discounts", "rewards"])
def test_how_many_are_factorised(kind, monkeypatch):
    rng = np.random.default_rng(2)
    mdp, theta = random_mdp(rng, (4, 3)), np.tile(rng.normal(size=(4, 3)), (5, 1, 1))
    if kind == "one differs":
        theta[3, 2, 1] += 1e-12
    elif kind == "discounts":
        mdp = mdp.with_gamma(np.linspace(0.1, 0.9, 5))
    elif kind == "rewards":
        mdp = mdp.with_reward(rng.normal(size=(5, 4, 3)))
    made = []
    monkeypatch.setattr(
        compiled_evaluation, "factorise", lambda m: made.append(m.shape) or factorise(m)
    )
    V = evaluation_of(mdp, theta).V
    assert made == [(1 if kind == "alike" else 5, 4, 4)]
    for i in range(5):
        one = mdp
        if kind == "discounts":
            one = mdp.with_gamma(mdp.gamma[i])
        elif kind == "rewards":
            one = mdp.with_reward(mdp.R[i])
        assert_close(V[i], evaluation_of(one, theta[i]).V, SAME)


@pytest.mark.parametrize("size", [3, 60])
@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("batch", [(1,), (2, 3), (70,)])
def test_factors_repeated(size, loops, batch, monkeypatch):
    if not loops:
        monkeypatch.setattr(compiled, "kernels", lambda module: None)
    rng = np.random.default_rng(3)
    matrix = np.eye(size) - 0.9 * rng.dirichlet(np.ones(size), size=(1, size))
    b = rng.normal(size=(*batch, size))
    one = factorise(matrix.copy())
    repeated = one.repeated(batch)
    for transposed in (False, True):
        factor = matrix[0].T if transposed else matrix[0]
        x = repeated.solve(b, transposed=transposed)
        assert_close(x @ factor.T, b, SAME, scale=10.0)
        assert_close(x, one.solve(b, transposed=transposed), SAME)
    assert repeated.inverse.shape == (*batch, size, size)
