"""QuantEcon's and pymdptoolbox's conventions, both ways and bit for bit."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from tabular import TabularMDP, exact, interchange, zoo
from tests.strategies import mdps
from tests.tabular.tolerances import SAME, VALUE, assert_close

P = np.array([[[0.5, 0.5], [0.0, 1.0], [0.3, 0.7]], [[1.0, 0.0], [0.25, 0.75], [0.6, 0.4]]])
R = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
R_NEXT = np.arange(12.0).reshape(2, 3, 2)
SPARSE = {"dense": lambda mdp: mdp, "sparse": lambda mdp: mdp.sparse()}
representations = pytest.mark.parametrize("represent", SPARSE.values(), ids=SPARSE)
BATCHES = {
    r"one MDP, .* \(2,\): .*mdp\[i\]": TabularMDP.stack([zoo.two_state(), zoo.two_state()]),
    r"one discount, .* \(2,\): .*with_gamma": zoo.two_state().with_gamma([0.1, 0.2]),
    r"one reward table, .*with_reward": zoo.two_state().with_reward(np.zeros((2, 2, 2))),
}


def assert_identical(actual, expected):
    for key in ("P", "R", "successor_reward"):
        left, right = getattr(actual, key), getattr(expected, key)
        if sp.issparse(right):
            assert sp.issparse(left)
            left, right = left.toarray(), right.toarray()
        np.testing.assert_array_equal(left, right)
    assert actual.gamma == expected.gamma
    np.testing.assert_array_equal(actual.initial, expected.initial)


def test_quantecon_arrays():
    reward, kernel, beta = interchange.to_quantecon(TabularMDP(P, R, 0.9, 0))
    np.testing.assert_array_equal(reward, R)
    np.testing.assert_array_equal(kernel, P)
    assert beta == 0.9
    reward[...] = 0.0  # the caller's own


@representations
@pytest.mark.parametrize("num_actions", [1, 2])
def test_what_goes_out_is_the_callers_own(represent, num_actions):
    mdp = zoo.random_mdp(3, num_actions, concentration=1.0, rng=np.random.default_rng(0))
    mdp = represent(mdp)
    tables = [*interchange.to_quantecon(mdp)[:2]]
    for table in interchange.to_pymdptoolbox(mdp)[:2]:
        tables += table if isinstance(table, list) else [table]
    for table in tables:
        (table.data if sp.issparse(table) else table)[...] = 0.0


def test_quantecon_pairs():
    sparse = TabularMDP(P, R, 0.9, 0).sparse()
    reward, kernel, beta, s, a = interchange.to_quantecon(sparse)
    assert beta == 0.9
    for i in range(6):
        assert reward[i] == R[s[i], a[i]]
        np.testing.assert_array_equal(kernel.toarray()[i], P[s[i], a[i]])


@representations
@given(mdp=mdps(successor_rewards=False))
def test_quantecon_round_trip(represent, mdp):
    mdp = represent(mdp)
    again = interchange.from_quantecon(*interchange.to_quantecon(mdp), initial=mdp.initial)
    assert_identical(again, mdp)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_matrix])
def test_quantecon_pairs_in_any_order(kind):
    order = [3, 0, 5, 1, 4, 2]
    s, a = np.divmod(order, 3)
    mdp = interchange.from_quantecon(
        R.ravel()[order], kind(P.reshape(6, 2)[order]), 0.9, s, a, initial=1
    )
    expected = TabularMDP(P, R, 0.9, 1)
    assert_identical(mdp, expected if kind is np.asarray else expected.sparse())


def test_quantecon_has_mean_rewards_only():
    mdp = TabularMDP(P, R_NEXT, 0.9, 0)
    np.testing.assert_array_equal(interchange.to_quantecon(mdp)[0], mdp.R)


PAIRS = [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (np.where(R == 6, -np.inf, R), P, 0.9),
            "action 2 is infeasible in state 1 .*softmax.*copy of a feasible",
        ),
        (
            (np.where(R == 2, -np.inf, R).ravel(), P.reshape(6, 2), 0.9, *PAIRS),
            "action 1 is infeasible in state 0",
        ),
        (
            (R.ravel()[:5], P.reshape(6, 2)[:5], 0.9, PAIRS[0][:5], PAIRS[1][:5]),
            "action 2 is infeasible in state 1",
        ),
        ((R.ravel(), P.reshape(6, 2), 0.9, PAIRS[0], [0, 1, 2, 0, 1, 1]), "each pair once"),
        ((R.ravel(), P.reshape(6, 2), 0.9, [0, 0, 0, 2, 2, 2], PAIRS[1]), "states below 2"),
        ((R.ravel(), P.reshape(6, 2), 0.9, PAIRS[0], PAIRS[1][:5]), "one integer >= 0 for each"),
        ((R.ravel(), P.reshape(6, 2), 0.9, PAIRS[0], None), "one integer >= 0 for each"),
        ((R.ravel(), P.reshape(6, 2), 0.9, PAIRS[0], [-1, 1, 2, 0, 1, 2]), "one integer >= 0"),
        ((R, P, 1.0), "0 <= gamma < 1"),
        ((np.where(R == 6, np.nan, R), P, 0.9), "R must be finite"),
    ],
)
def test_quantecon_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        interchange.from_quantecon(*arguments, initial=0)


@pytest.mark.parametrize("message", BATCHES)
@pytest.mark.parametrize("export", ["to_quantecon", "to_pymdptoolbox"])
def test_a_batch_is_refused(export, message):
    with pytest.raises(ValueError, match=f"{export} needs {message}"):
        getattr(interchange, export)(BATCHES[message])


def test_pymdptoolbox_arrays():
    transitions, reward, discount = interchange.to_pymdptoolbox(TabularMDP(P, R, 0.9, 0))
    assert transitions.shape == (3, 2, 2)
    for s, a in np.ndindex(2, 3):
        np.testing.assert_array_equal(transitions[a, s], P[s, a])
    np.testing.assert_array_equal(reward, R)
    assert discount == 0.9
    reward = interchange.to_pymdptoolbox(TabularMDP(P, R_NEXT, 0.9, 0))[1]
    for s, a in np.ndindex(2, 3):
        np.testing.assert_array_equal(reward[a, s], R_NEXT[s, a])


@representations
@given(mdp=mdps())
def test_pymdptoolbox_round_trip(represent, mdp):
    mdp = represent(mdp)
    again = interchange.from_pymdptoolbox(*interchange.to_pymdptoolbox(mdp), initial=mdp.initial)
    assert_identical(again, mdp)


def test_pymdptoolbox_rewards_by_state_and_lists():
    transitions = np.moveaxis(P, 1, 0)
    mdp = interchange.from_pymdptoolbox(transitions, [1.0, 2.0], 0.9, initial=0)
    np.testing.assert_array_equal(mdp.R, [[1, 1, 1], [2, 2, 2]])
    sparse = interchange.from_pymdptoolbox(
        tuple(sp.csr_matrix(table) for table in transitions), [1.0, 2.0], 0.9, initial=0
    )
    np.testing.assert_array_equal(sparse.R, mdp.R)
    assert sparse.is_sparse
    from_lists = interchange.from_pymdptoolbox(list(transitions), R, 0.9, initial=0)
    np.testing.assert_array_equal(from_lists.P, P)


@pytest.mark.parametrize(
    ("transitions", "reward", "message"),
    [
        (P, R, r"\(\.\.\., S, A, S\)"),
        (np.moveaxis(P, 1, 0), R.T, r"R must have shape \(2, 3\)"),
        (np.moveaxis(P, 1, 0) * 2, R, "sum to 1"),
    ],
)
def test_pymdptoolbox_refuses(transitions, reward, message):
    with pytest.raises(ValueError, match=message):
        interchange.from_pymdptoolbox(transitions, reward, 0.9, initial=0)


# --- as the packages themselves read the arrays ---------------------------------------------------
# The two recursions are written from their documentation. The solvers of QuantEcon 0.11.4 and
# pymdptoolbox 4.0b3 give the same values; neither is worth its dependencies here.


def greedy_value(mdp, Q):
    """V of the policy that is greedy for Q (S, A), by the engine."""
    best = np.where(np.arange(mdp.num_actions) == Q.argmax(axis=1)[:, None], 0.0, -700.0)
    return exact.state_value(mdp, best)


@representations
def test_the_optimum_by_quantecons_pairs_and_tables(represent):
    """v(s) = max_a R(s, a) + β Σ_s' Q(s, a, s') v(s'), over tables or a list of pairs."""
    mdp = represent(zoo.random_mdp(6, 3, concentration=0.3, rng=np.random.default_rng(0)))
    R, Q, beta, *pairs = interchange.to_quantecon(mdp)
    s, a = pairs or np.divmod(np.arange(18), 3)
    kernel = Q if pairs else Q.reshape(18, 6)
    backup, V = np.empty((6, 3)), np.zeros(6)
    for _ in range(300):
        backup[s, a] = np.ravel(R) + beta * (kernel @ V)
        V = backup.max(axis=1)
    assert_close(greedy_value(mdp, backup), V, VALUE)


@representations
@pytest.mark.parametrize("with_successors", [False, True])
def test_the_optimum_by_pymdptoolboxs_lists_of_actions(represent, with_successors):
    """V(s) = max_a Σ_s' P[a][s, s'] (R[a][s, s'] + γ V(s')), or with R[s, a]."""
    mdp = zoo.gridworld(3, 4, slip=0.2, step_reward=-0.1, gamma=0.9)
    mdp = represent(mdp if with_successors else mdp.with_reward(mdp.R))
    transitions, reward, discount = interchange.to_pymdptoolbox(mdp)
    P_by_action = [sp.csr_array(P).toarray() for P in transitions]
    if with_successors:
        means = [
            (P * sp.csr_array(r).toarray()).sum(1) for P, r in zip(P_by_action, reward, strict=True)
        ]
    else:
        means = list(reward.T)
    V = np.zeros(12)
    for _ in range(600):
        Q = np.stack([r + discount * P @ V for P, r in zip(P_by_action, means, strict=True)], 1)
        V = Q.max(axis=1)
    assert_close(greedy_value(mdp, Q), V, SAME)
