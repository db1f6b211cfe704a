"""MDPs as files: what is written comes back, and what is no MDP is refused by name."""

import os
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from tabular import TabularMDP, zoo
from tabular.files import FORMAT, load, save
from tests.strategies import mdps

P, R = np.array([[[0.5, 0.5]], [[0.0, 1.0]]]), np.array([[1.0], [2.0]])
BY_HAND = {"P": P, "R": R, "gamma": 0.9, "initial": [1.0, 0.0]}
SPARSE = TabularMDP(**BY_HAND).sparse()


def assert_identical(actual, expected):
    for key in ("P", "R", "gamma", "initial", "successor_reward"):
        left, right = getattr(actual, key), getattr(expected, key)
        assert sp.issparse(left) == sp.issparse(right)
        if sp.issparse(right):
            left, right = left.toarray(), right.toarray()
        np.testing.assert_array_equal(left, right)
    for key in ("state_labels", "action_labels", "name"):
        assert getattr(actual, key) == getattr(expected, key)


def stored(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize(
    "mdp",
    [
        zoo.two_state(),
        zoo.gridworld(3, 3, walls=[(1, 1)], slip=0.1),
        zoo.gridworld(3, 3).sparse(),
        zoo.chain(5).sparse(),
        TabularMDP.stack([zoo.chain(3), zoo.chain(3, slip=0.4, gamma=0.5)]),
        zoo.chain(3).with_gamma([[0.1, 0.2]]),
        TabularMDP(P, R, 0.9, 0, state_labels=("θ, λ", ""), name="naïve ∂"),
    ],
    ids=lambda mdp: mdp.name,
)
def test_round_trip(mdp, tmp_path):
    save(mdp, tmp_path / "mdp.npz")
    again = load(tmp_path / "mdp.npz")
    assert_identical(again, mdp)
    assert again.R.dtype == again.P.dtype == np.float64


@given(mdp=mdps())
def test_round_trip_of_any_mdp(mdp, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "mdp.npz"
    for member in (mdp, mdp.sparse()):
        save(member, path)
        assert_identical(load(path), member)


def test_content_is_plain(tmp_path):
    path = tmp_path / "mdp.npz"
    save(zoo.two_state(), str(path))
    content = stored(path)
    assert set(content) == {
        *("format", "P", "R", "gamma", "initial", "state_labels", "action_labels", "name"),
    }
    assert content["format"] == FORMAT == "gmrl-mdp-1"
    assert content["state_labels"].tolist() == ["poor", "rich"]
    save(SPARSE, path)
    content = stored(path)
    parts = tuple(content[f"P_{part}"] for part in ("data", "indices", "indptr"))
    np.testing.assert_array_equal(sp.csr_array(parts, content["P_shape"]).toarray(), P[:, 0])
    assert "P" not in content
    save(zoo.gridworld(2, 2), path)
    assert stored(path)["R"].shape == (4, 4, 4)


@pytest.mark.parametrize("initial", [[1.0, 0.0], 0])
def test_a_file_made_by_hand(initial, tmp_path):
    path = tmp_path / "hand.npz"
    np.savez(path, **BY_HAND | {"initial": initial})
    assert_identical(load(path), TabularMDP(**BY_HAND))


def test_save_writes_the_very_path_and_replaces(tmp_path):
    path = tmp_path / "no-suffix"
    save(zoo.chain(3), path)
    save(zoo.chain(4), path)
    assert os.listdir(tmp_path) == ["no-suffix"]
    assert load(path).num_states == 4


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "mdp.npz"
    save(zoo.chain(3), path)

    def full_disk(stream, **_):
        stream.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(zoo.chain(4), path)
    assert os.listdir(tmp_path) == ["mdp.npz"]
    assert load(path).num_states == 3


def test_save_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"directory .*nowhere does not exist; make it"):
        save(zoo.chain(3), tmp_path / "nowhere" / "mdp.npz")
    assert os.listdir(tmp_path) == []
    with pytest.raises(TypeError, match="needs a TabularMDP, received dict"):
        save(BY_HAND, tmp_path / "mdp.npz")
    with pytest.raises(ValueError, match=r"rewards of batch shape \(5,\).*one file per table"):
        save(zoo.chain(3).with_reward(np.zeros((5, 3, 2))), tmp_path / "mdp.npz")
    with pytest.raises(OSError, match="directory"):
        save(zoo.chain(3), tmp_path)
    assert os.listdir(tmp_path) == []


def test_load_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        load(tmp_path / "missing.npz")


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def encrypted(path):
    """Sets the flag of encryption in every entry of the archive's directory."""
    np.savez(path, **BY_HAND)
    content = bytearray(path.read_bytes())
    for at in range(content.index(b"PK\x01\x02"), len(content)):
        if content[at : at + 4] == b"PK\x01\x02":
            content[at + 8] |= 1
    path.write_bytes(bytes(content))


def truncated(path):
    save(zoo.gridworld(4, 4), path)
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path):
    save(zoo.gridworld(4, 4), path)
    content = bytearray(path.read_bytes())
    content[content.index(b"P.npy") + 60] ^= 0xFF  # in the compressed bytes of P
    path.write_bytes(bytes(content))


def one_array(path):
    with path.open("wb") as stream:
        np.save(stream, P)


def pickled(path):
    np.savez(path, **BY_HAND | {"state_labels": np.array([{"a": 1}, None], dtype=object)})


def a_zip_of_text(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays")


def archive(**content):
    return lambda path: np.savez(path, **content)


def sparse_archive(**changes):
    """A stored sparse MDP with changed arrays."""

    def write(path):
        save(SPARSE, path)
        np.savez(path, **stored(path) | changes)

    return write


UNREADABLE = r"is not a readable \.npz archive of plain arrays"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_bytes(b"states, actions\n"), UNREADABLE),
        (write_bytes(b""), UNREADABLE),
        (write_bytes(b"PK\x03\x04 no more"), UNREADABLE),
        (truncated, UNREADABLE),
        (damaged, UNREADABLE),
        (encrypted, UNREADABLE + ".*encrypted"),
        (one_array, UNREADABLE + r" \(it holds one array\)"),
        (pickled, UNREADABLE + ".*pickled objects, which are refused"),
        (a_zip_of_text, "is not an MDP: it lacks P, R, gamma, initial and holds readme.txt"),
        (archive(), "it lacks P, R, gamma, initial and holds nothing"),
        (archive(P=P, gamma=0.9), "it lacks R, initial and holds P, gamma; an MDP needs"),
        (archive(P_data=[1.0], R=R, gamma=0.9, initial=0), "lacks P_indices, P_indptr, P_shape"),
        (archive(**BY_HAND, format="gmrl-mdp-9"), "format 'gmrl-mdp-9'; this version reads"),
        (archive(**BY_HAND | {"gamma": 1.0}), "not an MDP: gamma must satisfy 0 <= gamma < 1"),
        (archive(**BY_HAND | {"P": 2 * P}), "not an MDP: each row .* received 2 at state 0"),
        (archive(**BY_HAND | {"P": "text"}), "not an MDP: P must be an array of real numbers"),
        (archive(**BY_HAND | {"initial": [0.5, 0.6]}), "not an MDP: initial must be a prob"),
        (archive(**BY_HAND | {"initial": 5}), r"not an MDP: the start state must lie in 0\.\.1"),
        (archive(**BY_HAND, state_labels=["a"]), "state_labels must hold 2 names, received 1"),
        (archive(**BY_HAND, action_labels="go"), "not an MDP: "),
        (sparse_archive(P_indices=[0, 1, 99]), "not an MDP: .*ind.* must be < 2"),
        (sparse_archive(P_indices=[0, -1, 1]), "not an MDP: .*ind.* must be >= 0"),
        (sparse_archive(P_indptr=[0, 5, 3]), "not an MDP: .*non-decreasing"),
        (sparse_archive(P_indptr=[0, 2, 77]), "not an MDP: "),
        (sparse_archive(P_shape=[2]), "not an MDP: "),
        (sparse_archive(P_data=[0.5, 0.5, 0.7]), "not an MDP: each row .* received 0.7"),
    ],
)
def test_load_refuses(write, message, tmp_path):
    path = tmp_path / "given.npz"
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
