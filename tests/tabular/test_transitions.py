"""The two kernels P against their definitions, against each other and as adjoints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from tabular import TabularMDP, zoo
from tabular.policy import softmax
from tabular.transitions import DenseTransitions, SparseTransitions, state_average
from tests.strategies import mdps, mdps_with_logits
from tests.tabular.tolerances import SAME, assert_close

KINDS = ["dense", "sparse"]
#: Leading dimensions of v, c and π.
LEADING = [(1,), (4,), (2, 3)]


def kernel(mdp, kind):
    return (mdp if kind == "dense" else mdp.sparse()).transitions


def random_case(seed, size=(5, 3)):
    rng = np.random.default_rng(seed)
    return zoo.random_mdp(*size, concentration=0.2, rng=rng), rng


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leading", LEADING)
def test_expect_and_push_against_loops(kind, leading):
    mdp, rng = random_case(1)
    v, c = rng.normal(size=(*leading, 5)), rng.normal(size=(*leading, 5, 3))
    expected, pushed = np.zeros_like(c), np.zeros_like(v)
    for s, a, successor in np.ndindex(5, 3, 5):
        expected[..., s, a] += mdp.P[s, a, successor] * v[..., successor]
        pushed[..., successor] += c[..., s, a] * mdp.P[s, a, successor]
    assert_close(kernel(mdp, kind).expect(v), expected, SAME)
    assert_close(kernel(mdp, kind).push(c), pushed, SAME)


@pytest.mark.parametrize("kind", KINDS)
def test_under_against_loops(kind):
    mdp, rng = random_case(2)
    pi = softmax(rng.normal(size=(5, 3)))
    expected = np.zeros((5, 5))
    for s, a, successor in np.ndindex(5, 3, 5):
        expected[s, successor] += pi[s, a] * mdp.P[s, a, successor]
    P_pi = kernel(mdp, kind).under(pi)
    assert_close(P_pi if kind == "dense" else P_pi.toarray(), expected, SAME)


def test_under_many_policies_is_a_batch_or_block_diagonal():
    mdp, rng = random_case(3)
    pi = softmax(rng.normal(size=(2, 2, 5, 3)))
    dense = kernel(mdp, "dense").under(pi)
    assert dense.shape == (2, 2, 5, 5)
    sparse = kernel(mdp, "sparse").under(pi)
    assert_close(sparse.toarray(), block_diag(*dense.reshape(4, 5, 5)), SAME)
    one = kernel(mdp, "sparse").under(pi[:1, 0])
    assert_close(one.toarray(), dense[0, 0], SAME)


@given(mdps_with_logits())
def test_dense_and_sparse_agree(pair):
    mdp, theta = pair
    dense, sparse = kernel(mdp, "dense"), kernel(mdp, "sparse")
    assert (dense.num_states, dense.num_actions) == (sparse.num_states, sparse.num_actions)
    pi = softmax(theta)
    v, c = np.arange(1.0, mdp.num_states + 1)[None], pi[None]
    assert_close(sparse.expect(v), dense.expect(v), SAME)
    assert_close(sparse.push(c), dense.push(c), SAME)
    assert_close(sparse.under(pi).toarray(), dense.under(pi), SAME)
    assert_close(dense.rows.toarray(), sparse.rows.toarray(), SAME)


@given(mdps(), st.integers(0, 2**32 - 1))
def test_push_is_the_adjoint_of_expect(mdp, seed):
    rng = np.random.default_rng(seed)
    v, c = rng.normal(size=(1, mdp.num_states)), rng.normal(size=(1, *mdp.R.shape))
    scale = np.abs(c).sum() * np.abs(v).max()
    for kind in KINDS:
        P = kernel(mdp, kind)
        assert_close((c * P.expect(v)).sum(), (P.push(c) * v).sum(), SAME, scale=scale)


@given(mdps_with_logits())
def test_laws_of_a_kernel(pair):
    mdp, theta = pair
    pi = softmax(theta)
    for kind in KINDS:
        P = kernel(mdp, kind)
        ones = np.ones((1, mdp.num_states))
        assert_close(P.expect(ones), np.ones((1, *mdp.R.shape)), SAME)
        assert_close(np.asarray(P.under(pi).sum(axis=1)), ones[0], SAME)
        occupancy = mdp.initial[None, :, None] * pi
        assert_close(P.push(occupancy), (P.under(pi).T @ mdp.initial)[None], SAME)


def test_a_batch_of_kernels_is_each_of_them():
    members = [random_case(seed)[0] for seed in range(3)]
    batch = TabularMDP.stack(members).transitions
    assert batch.batch_shape == (3,)
    rng = np.random.default_rng(7)
    v, c = rng.normal(size=(3, 2, 5)), rng.normal(size=(3, 2, 5, 3))
    pi = softmax(rng.normal(size=(3, 5, 3)))
    for i, member in enumerate(members):
        one = member.transitions
        assert_close(batch.expect(v)[i], one.expect(v[i]), SAME)
        assert_close(batch.push(c)[i], one.push(c[i]), SAME)
        assert_close(batch.under(pi)[i], one.under(pi[i]), SAME)
    with pytest.raises(
        ValueError, match=r"needs one MDP, received a batch of shape \(3,\).*mdp\[i"
    ):
        _ = batch.rows


def test_one_vector_has_no_leading_dimension():
    mdp, rng = random_case(4)
    v, c = rng.normal(size=5), rng.normal(size=(5, 3))
    for kind in KINDS:
        P = kernel(mdp, kind)
        assert_close(P.expect(v), P.expect(v[None])[0], SAME)
        assert_close(P.push(c), P.push(c[None])[0], SAME)


def test_state_average_of_any_rows():
    rng = np.random.default_rng(8)
    matrix, pi = rng.normal(size=(4 * 3, 7)), softmax(rng.normal(size=(4, 3)))
    averaged = state_average(SparseTransitions(matrix).rows, pi)
    assert_close(averaged.toarray(), np.einsum("sa,saj->sj", pi, matrix.reshape(4, 3, 7)), SAME)


def test_the_kinds_name_themselves():
    mdp, _ = random_case(9)
    assert isinstance(mdp.transitions, DenseTransitions)
    assert isinstance(mdp.sparse().transitions, SparseTransitions)
    assert (mdp.is_sparse, mdp.sparse().is_sparse) == (False, True)
