"""The solver behind the engine: which factorisation, how often, how much memory, how accurate."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import TabularMDP, compiled, exact
from tabular import chain as chain_module
from tabular import resolvent as resolvent_module
from tabular.evaluation import Evaluation
from tabular.resolvent import INVERSE_UP_TO, PIVOTS, SIDE_BY_SIDE, resolvent
from tests.tabular.reference import REPRESENTATIONS, Reference, central_difference, make_case
from tests.tabular.tolerances import FINITE_DIFFERENCE, ITERATIVE, SAME, VALUE, assert_close

SIZES = [1, 2, 7, INVERSE_UP_TO, INVERSE_UP_TO + 1, 90]


def random_chain(num_states, *, batch=(), seed=0):
    rows = np.random.default_rng(seed).gamma(0.3, size=(*batch, num_states, num_states)) + 1e-3
    return rows / rows.sum(axis=-1, keepdims=True)


def count_calls(monkeypatch, module, name):
    """Replace module.name by itself, appending to the returned list at each call."""
    calls, original = [], getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


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


def every_quantity(evaluation, v):
    """Ask an Evaluation for all it has."""
    return [
        evaluation.value,
        evaluation.V,
        evaluation.Q,
        evaluation.advantage,
        evaluation.occupancy,
        evaluation.gradient,
        evaluation.hvp(v),
        evaluation.hvp_parts(v)["cross"],
        evaluation.hessian,
        evaluation.hessian_parts.total,
        evaluation.third(v, v),
        evaluation.cross_reward(v),
        evaluation.cross_gamma(),
    ]


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
    other = {"splu": "gmres", "gmres": "splu"}[solver]  # an LU of this size would never end
    monkeypatch.delattr(resolvent_module.spla, other)
    tracemalloc.start()
    evaluation = exact.evaluate(mdp, theta)
    gradient, product = evaluation.gradient, evaluation.hvp(v)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert calls
    # 12 bytes store a nonzero of CSR; 60 Krylov vectors of 8 S bytes come to 30 more.
    assert peak < 150 * mdp.P.nnz < 0.05 * 8 * num_states**2
    if solver == "splu":
        factors = evaluation.discounted._resolvent._lu
        # SuperLU's own memory is not traced: its fill is bounded instead.
        assert factors.nnz < 10 * evaluation.chain.P_pi.nnz
    assert 0 < np.abs(gradient).max() < np.inf
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
