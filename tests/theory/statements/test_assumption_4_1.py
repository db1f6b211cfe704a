"""The norms of Assumption 4.1 against full tensors by autograd, and the verdicts."""

import dataclasses

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.metagradient import adapt
from tabular.problems import Lirpg, Maml, Mgrl
from tests.tabular.reference import Reference, random_mdp
from tests.theory.cases import DEGENERATE, dense_random
from theory.certified_constants import certified_lipschitz
from theory.statements.assumption_4_1 import check

NAMES = ("c1", "c2", "rho1", "rho2", "m1", "mu1", "mu2")
#: Autograd and the engine differ by rounding; iterations stop a little short.
NORM = 1e-9


def by_name(checks):
    assert [c.name.removeprefix("Assumption 4.1, ") for c in checks] == list(NAMES)
    return dict(zip(NAMES, checks, strict=True))


def trilinear_norm(tensor, rng):
    """The norm of T[w, u, u], from below, on the full tensor: many starts, improved in turn."""
    u = rng.normal(size=(200, tensor.shape[1]))
    best = 0.0
    for _ in range(60):
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        w = np.einsum("wij,ki,kj->kw", tensor, u, u)
        size = np.linalg.norm(w, axis=1, keepdims=True)
        best = max(best, size.max())
        u = np.einsum("wij,kw,kj->ki", tensor, w / size, u)
    return best


def full_third(reference, D, shape):
    units = np.eye(D).reshape(-1, *shape)
    return np.array([[reference.third(u, v).ravel() for v in units] for u in units])


@pytest.mark.parametrize("horizon", [None, 3])
def test_maml_norms_are_those_of_full_tensors(horizon):
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, (2, 3))
    V_b = None if horizon is None else rng.normal(size=2)
    theta = rng.normal(size=(2, 3))
    found = by_name(check(Maml(mdp, horizon, V_b), theta, theta[None]))
    reference = Reference(mdp, theta, horizon, V_b)
    assert found["m1"].lhs == pytest.approx(np.linalg.norm(reference.gradient), rel=NORM)
    hessian = np.linalg.norm(reference.hessian.reshape(6, 6), 2)
    assert found["c1"].lhs == pytest.approx(hessian, rel=NORM)
    assert found["mu1"].lhs == pytest.approx(hessian, rel=NORM)
    third = trilinear_norm(full_third(reference, 6, (2, 3)), rng)
    assert 0.98 * third <= found["rho1"].lhs <= third * (1 + NORM)
    assert all(c.holds and c.certified for c in found.values())


@pytest.mark.parametrize("horizon", [None, 3])
def test_lirpg_norms_are_those_of_full_tensors(horizon):
    """J is linear in the rewards: G and its derivative are stacks over unit reward tables."""
    rng = np.random.default_rng(2)
    mdp = random_mdp(rng, (2, 3))
    V_b = None if horizon is None else rng.normal(size=2)
    theta, phi = rng.normal(size=(2, 2, 3))
    found = by_name(check(Lirpg(mdp, theta, horizon, V_b), phi, theta[None]))
    units = [Reference(mdp.with_reward(w), theta, horizon) for w in np.eye(6).reshape(-1, 2, 3)]
    G = np.array([one.gradient.ravel() for one in units])
    assert found["c2"].lhs == pytest.approx(np.linalg.norm(G, 2), rel=NORM)
    slope = trilinear_norm(np.array([one.hessian.reshape(6, 6) for one in units]), rng)
    assert 0.98 * slope <= found["rho2"].lhs <= slope * (1 + NORM)
    for name, one in (("c1", mdp.add_reward(phi)), ("mu1", mdp)):
        hessian = Reference(one, theta, horizon, V_b).hessian.reshape(6, 6)
        assert found[name].lhs == pytest.approx(np.linalg.norm(hessian, 2), rel=NORM)
    assert found["mu2"].lhs == found["mu2"].rhs == 0.0
    assert all(c.holds for c in found.values())


def test_large_and_small_are_told_alike(monkeypatch):
    rng = np.random.default_rng(3)
    mdp, theta, phi = random_mdp(rng, (5, 3)), *rng.normal(size=(2, 5, 3))
    problem = Lirpg(mdp, theta)
    formed = by_name(check(problem, phi, theta[None]))
    monkeypatch.setattr("theory.norms.DENSE", 1)
    monkeypatch.setattr("theory.statements.assumption_4_1.DENSE", 1)
    for name, found in by_name(check(problem, phi, theta[None])).items():
        assert 0.97 * formed[name].lhs <= found.lhs <= formed[name].lhs * (1 + NORM)


def test_the_largest_value_along_a_path_counts():
    mdp = dense_random()
    problem, phi = Maml(mdp), np.zeros((4, 3))
    path = adapt(problem, phi, step_size=5.0, num_steps=3)
    whole = by_name(check(problem, phi, path))
    each = [by_name(check(problem, phi, theta[None])) for theta in path]
    for name in NAMES:
        assert whole[name].lhs == pytest.approx(max(one[name].lhs for one in each), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_random_problems_hold_and_small_constants_do_not(seed):
    """One state's two actions come near every constant: half of it is refuted."""
    rng = np.random.default_rng(seed)
    mdp = TabularMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 0.5, 0)
    thetas = np.concatenate([rng.normal(size=(200, 1, 2)), np.zeros((1, 1, 2))])
    phi = rng.normal(size=(1, 2))
    problem = Lirpg(mdp, thetas[0])
    assert all(c.holds for c in check(problem, phi, thetas))
    constants = certified_lipschitz(problem, phi)
    for name in NAMES[:-1]:
        small = dataclasses.replace(constants, **{name: getattr(constants, name) / 2})
        assert not by_name(check(problem, phi, thetas, small))[name].holds


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_mdps(name):
    mdp = DEGENERATE[name][0]
    theta = np.random.default_rng(0).normal(size=mdp.R.shape)
    for problem in (Maml(mdp), Maml(mdp, 3, np.arange(float(mdp.num_states))), Lirpg(mdp, theta)):
        assert all(c.holds for c in check(problem, theta, theta[None]))


@pytest.mark.parametrize("num_states", [1, 2])
def test_ends_far_from_zero_and_no_rewards(num_states):
    """V_b has no span, or a small one: rounding is that of its size."""
    mdp = random_mdp(np.random.default_rng(3), (num_states, 2)).with_reward(
        np.zeros((num_states, 2))
    )
    V_b, thetas = np.full(num_states, 1e6 / 3), np.random.default_rng(4).normal(size=(9, 1, 2))
    thetas = np.repeat(thetas, num_states, axis=1)
    assert all(c.holds for c in check(Maml(mdp, 2, V_b), thetas[0], thetas))


@pytest.mark.parametrize("name", ["FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4"])
def test_gymnasium_mdps_of_hundreds_of_states(name):
    mdp = TabularMDP.from_gymnasium(name, gamma=0.99)
    mdp = mdp.sparse() if name == "Taxi-v4" else mdp
    phi = np.zeros(mdp.R.shape)
    for problem in (Maml(mdp), Maml(mdp, 20, np.zeros(mdp.num_states)), Lirpg(mdp, phi)):
        assert all(c.holds and np.isfinite(c.rhs) for c in check(problem, phi, phi[None]))


def test_wrong_input():
    mdp = dense_random()
    with pytest.raises(TypeError, match="Maml and Lirpg"):
        check(Mgrl(mdp, np.zeros((4, 3)), np.zeros(4)), [0.9, 0.9], np.zeros((1, 4, 3)))
    with pytest.raises(ValueError, match="theta must have shape"):
        check(Maml(mdp), np.zeros((4, 3)), np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="at least one"):
        check(Maml(mdp), np.zeros((4, 3)), np.zeros((0, 4, 3)))
