"""The solver behind the engine: which factorisation, how often, how much memory, how accurate."""

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import chain as chain_module
from tabular import compiled, exact
from tabular import resolvent as resolvent_module
from tabular.evaluation import Evaluation
from tabular.resolvent import INVERSE_UP_TO, PIVOTS, SIDE_BY_SIDE, resolvent
from tests.tabular.counting import count_calls, every_quantity
from tests.tabular.reference import REPRESENTATIONS, make_case
from tests.tabular.tolerances import VALUE, assert_close

SIZES = [1, 2, 7, INVERSE_UP_TO, INVERSE_UP_TO + 1, 90]


def random_chain(num_states, *, batch=(), seed=0):
    rows = np.random.default_rng(seed).gamma(0.3, size=(*batch, num_states, num_states)) + 1e-3
    return rows / rows.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("num_states", SIZES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.95])
def test_solve_against_the_geometric_series(num_states, transposed, make, gamma):
    """x = Σ_t γ^t P^t b, summed until γ^t is below 1e-17."""
    P = random_chain(num_states)
    b = np.random.default_rng(1).normal(size=(3, num_states))
    solved = resolvent(make(P), gamma).solve(b, transposed=transposed)
    term, expected = b, np.zeros_like(b)
    for _ in range(800 if gamma else 1):
        expected = expected + term
        term = gamma * term @ (P if transposed else P.T)
    assert_close(solved, expected, VALUE, scale=1 / (1 - gamma))


@pytest.mark.parametrize("num_states", [5, 60])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("batch", "lead"),
    [
        ((3,), (3,)),
        ((3,), ()),
        ((3,), (4, 3)),
        ((3,), (4, 1)),
        ((2, 3), (2, 3)),
        ((2, 1), (3,)),
        ((2, 1), (4, 1, 3)),
        ((1,), (5,)),
        ((), (2, 3)),
        ((3,), (0, 3)),
    ],
)
def test_right_hand_sides_broadcast_against_the_batch(num_states, transposed, batch, lead):
    P = random_chain(num_states, batch=batch)
    gamma = np.random.default_rng(2).random(batch)
    b = np.random.default_rng(3).normal(size=(*lead, num_states))
    solved = resolvent(P, gamma).solve(b, transposed=transposed)
    shape = np.broadcast_shapes(batch, lead)
    assert solved.shape == (*shape, num_states)
    P = np.broadcast_to(P, (*shape, num_states, num_states))
    gamma, b = np.broadcast_to(gamma, shape), np.broadcast_to(b, solved.shape)
    for i in np.ndindex(shape):
        matrix = np.eye(num_states) - gamma[i] * P[i]
        expected = np.linalg.solve(matrix.T if transposed else matrix, b[i])
        assert_close(solved[i], expected, VALUE, scale=100)


def deterministic_chain(num_states, *, batch=(), seed=0):
    """Every state moves to one other: the hardest case for an elimination without pivots."""
    successors = np.random.default_rng(seed).integers(num_states, size=(*batch, num_states))
    return np.eye(num_states)[successors]


@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.999999])
@pytest.mark.parametrize("num_states", [1, 2, PIVOTS, PIVOTS + 1, 23, INVERSE_UP_TO])
@pytest.mark.parametrize("make", [random_chain, deterministic_chain])
@pytest.mark.parametrize("batch", [(SIDE_BY_SIDE,), (2, SIDE_BY_SIDE // 2), (SIDE_BY_SIDE, 1)])
@pytest.mark.parametrize("loops", [True, False])
def test_many_chains_are_solved_side_by_side(monkeypatch, gamma, num_states, make, batch, loops):
    P = make(num_states, batch=batch)
    b = np.random.default_rng(1).normal(size=(*batch, num_states))
    if not loops:
        monkeypatch.setattr(compiled, "kernels", lambda module: None)
    alone = count_calls(monkeypatch, np.linalg, "inv")
    together = resolvent(P, gamma)
    assert not alone
    for transposed in (False, True):
        matrix = np.eye(num_states) - gamma * (np.swapaxes(P, -1, -2) if transposed else P)
        x = together.solve(b, transposed=transposed)
        assert_close((matrix @ x[..., None])[..., 0], b, VALUE, scale=np.abs(x).max())


@pytest.mark.parametrize("num_states", [1, 5, 60])
@pytest.mark.parametrize("batch", [(), (1,), (2, 3), (SIDE_BY_SIDE,)])
@pytest.mark.parametrize("loops", [True, False])
def test_the_inverse_as_a_table(monkeypatch, num_states, batch, loops):
    if not loops:
        monkeypatch.setattr(compiled, "kernels", lambda module: None)
    P = random_chain(num_states, batch=batch)
    expected = np.linalg.inv(np.eye(num_states) - 0.9 * P)
    assert_close(resolvent(P, 0.9).inverse, expected, VALUE, scale=10)


@pytest.mark.parametrize("gamma", [0.9, 0.999, 0.999999])
@pytest.mark.parametrize("num_states", [4, 60])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_residual_stays_small_as_gamma_approaches_one(gamma, num_states, make):
    P = random_chain(num_states)
    b = np.random.default_rng(1).normal(size=num_states)
    for transposed in (False, True):
        matrix = np.eye(num_states) - gamma * (P.T if transposed else P)
        x = resolvent(make(P), gamma).solve(b, transposed=transposed)
        assert_close(matrix @ x, b, VALUE, scale=np.abs(x).max())


FACTORISATIONS = {
    "dense": (resolvent_module.lapack, "dgetrf"),
    "sparse": (resolvent_module.spla, "splu"),
}


@pytest.mark.parametrize("evaluate", [exact.evaluate, Evaluation])
@pytest.mark.parametrize("num_states", [8, 60])
@pytest.mark.parametrize("representation", FACTORISATIONS)
def test_one_factorisation_serves_every_quantity(monkeypatch, evaluate, representation, num_states):
    case = make_case((num_states, 2), None)
    mdp = REPRESENTATIONS[representation](case.mdp)
    inverted = count_calls(monkeypatch, np.linalg, "inv")
    made = {key: count_calls(monkeypatch, *where) for key, where in FACTORISATIONS.items()}
    evaluation = evaluate(mdp, case.theta)
    assert not any(made.values()), "nothing is factorised before it is needed"
    every_quantity(evaluation, case.v)
    assert {key: len(calls) for key, calls in made.items()} == {
        key: int(key == representation) for key in FACTORISATIONS
    }
    assert not inverted


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_finite_horizon_factorises_nothing(monkeypatch, representation):
    case = make_case((60, 2), 3)
    mdp = REPRESENTATIONS[representation](case.mdp)
    chosen = count_calls(monkeypatch, chain_module, "resolvent")
    every_quantity(exact.evaluate(mdp, case.theta, **case.options), case.v)
    assert not chosen


def test_one_policy_and_many_rewards_share_one_factorisation(monkeypatch):
    case = make_case((60, 2), None)
    rewards = np.random.default_rng(0).normal(size=(5, 60, 2))
    made = count_calls(monkeypatch, resolvent_module.lapack, "dgetrf")
    exact.gradient(case.mdp.with_reward(rewards), case.theta)
    assert len(made) == 1
