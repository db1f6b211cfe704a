"""Nothing inside an MDP can be written to, whatever way the MDP came about."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import TabularMDP, exact, zoo
from tabular._frozen import freeze, frozen

SIZE = (4, 3)


def out_of_band(mdp):
    """A pickle whose arrays lie elsewhere, as in shared memory or a file mapped into it."""
    buffers = []
    state = pickle.dumps(mdp, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(state, buffers=[bytearray(buffer) for buffer in buffers])


WAYS = {
    "as built": lambda mdp: mdp,
    "pickle": lambda mdp: pickle.loads(pickle.dumps(mdp)),
    "oldest pickle": lambda mdp: pickle.loads(pickle.dumps(mdp, protocol=2)),
    "pickle out of band": out_of_band,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def make(kind):
    rng = np.random.default_rng(0)
    mdp = zoo.random_mdp(*SIZE, concentration=0.3, rng=rng)
    full = TabularMDP(mdp.P, rng.normal(size=mdp.P.shape), 0.9, 0).add_reward(np.ones(SIZE))
    match kind:
        case "dense":
            return full
        case "sparse":
            return full.sparse().add_reward(rng.normal(size=SIZE)).add_reward(np.ones(SIZE))
        case "batch of MDPs":
            return TabularMDP.stack([mdp, mdp]).with_gamma([0.1, 0.9])
        case "batch of rewards":
            return full.add_reward(rng.normal(size=(5, *SIZE)))


KINDS = ["dense", "sparse", "batch of MDPs", "batch of rewards"]


def arrays(value, seen):
    """Every array that can be reached from a value through attributes, CSR parts included."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        yield value
    elif sp.issparse(value):
        yield from (value.data, value.indices, value.indptr)
    elif hasattr(value, "__dict__"):
        for part in vars(value).values():
            yield from arrays(part, seen)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_array_can_be_written_to(kind, way):
    mdp = WAYS[way](make(kind))
    if not mdp.batch_shape:
        assert mdp.transitions.rows.nnz  # made on demand
    found = list(arrays(mdp, {}))
    assert len(found) >= 4
    for array in found:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_is_the_same_mdp(kind, way):
    mdp = make(kind)
    again = WAYS[way](mdp)
    assert repr(again) == repr(mdp)
    theta = np.random.default_rng(1).normal(size=SIZE)
    for quantity in (exact.value, exact.gradient):
        np.testing.assert_array_equal(quantity(again, theta), quantity(mdp, theta))
    assert again.transitions.is_sparse == mdp.is_sparse
    if mdp.is_sparse:
        assert np.shares_memory(again.transitions.rows.data, again.P.data)
    else:
        assert np.shares_memory(again.transitions.P, again.P)


def test_a_pickle_holds_every_table_once():
    mdp = zoo.random_mdp(30, 4, concentration=1.0, rng=np.random.default_rng(2))
    assert mdp.transitions.rows.nnz  # a table that is not kept
    assert len(pickle.dumps(mdp)) < 1.1 * (mdp.P.nbytes + mdp.R.nbytes + mdp.initial.nbytes) + 1000


@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array])
def test_duplicate_and_unsorted_entries_are_put_in_order_once(container):
    P = zoo.random_mdp(*SIZE, concentration=0.3, rng=np.random.default_rng(3)).P.reshape(-1, 4)
    row, column = (np.repeat(index, 2)[::-1] for index in np.nonzero(P))
    given = container(sp.coo_array((P[row, column] / 2, (row, column)), shape=P.shape))
    before = given.copy()
    mdp = TabularMDP(given, given, 0.9, 0)
    for table in (mdp.P, mdp.successor_reward, mdp.transitions.rows):
        assert table.has_canonical_format
        np.testing.assert_allclose(table.toarray(), P, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(given.toarray(), before.toarray())
    given.data[0] = 7.0  # the caller's own arrays stay writable
    assert exact.value(mdp, np.zeros(SIZE)) == pytest.approx(
        exact.value(TabularMDP(P.reshape(4, 3, 4), P.reshape(4, 3, 4), 0.9, 0), np.zeros(SIZE))
    )


def test_sparse_algebra_works_on_frozen_parts():
    """What scipy is asked to do with a kernel's own arrays; none of it may need to write."""
    rows = make("sparse").transitions.rows
    dense, square = rows.toarray(), rows[:4]
    weights = np.arange(12.0)[:, None]
    np.testing.assert_allclose(rows.multiply(weights).toarray(), dense * weights)
    np.testing.assert_allclose((rows @ square).toarray(), dense @ square.toarray(), atol=1e-15)
    np.testing.assert_allclose((rows.T @ rows).toarray(), dense.T @ dense, atol=1e-15)
    np.testing.assert_allclose(sp.block_diag([rows, rows]).toarray()[:12, :4], dense)
    np.testing.assert_allclose((rows - rows * 0.5).toarray(), dense / 2)
    assert rows.tocsc().has_sorted_indices
    frozen_square = freeze(sp.csr_array(0.5 * np.eye(4) - 0.1 * dense[:4]))
    b = np.ones(4)
    x = np.linalg.solve(frozen_square.toarray(), b)
    np.testing.assert_allclose(sp.linalg.splu(frozen_square.tocsc()).solve(b), x)
    np.testing.assert_allclose(sp.linalg.spsolve(frozen_square, b), x)
    np.testing.assert_allclose(sp.linalg.gmres(frozen_square, b, rtol=1e-12)[0], x)
    writable = rows.copy()
    writable.data[:] = 0.0
    writable.eliminate_zeros()
    assert writable.nnz == 0


def test_frozen_copies_and_freeze_does_not():
    given = np.zeros(3)
    copied = frozen(given)
    given[0] = 1.0
    assert copied[0] == 0.0
    assert freeze(given) is given
    assert not given.flags.writeable
