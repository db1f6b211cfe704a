"""What TabularMDP refuses: each message names the requirement and what was received."""

import numpy as np
import pytest
import scipy.sparse as sp

from tabular import TabularMDP

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
R = np.array([[1.0, 2.0], [3.0, 4.0]])
R_NEXT = np.arange(8.0).reshape(2, 2, 2)
GOOD = {"P": P, "R": R, "gamma": 0.9, "initial": [0.25, 0.75]}


def changed(array, index, value):
    copy = np.array(array)
    copy[index] = value
    return copy


BAD = {
    "row sum": ({"P": changed(P, (1, 0, 0), 0.9)}, "sum to 1, received 0.9 at state 1, action 0"),
    "row sum in a batch": (
        {"P": np.stack([P, changed(P, (0, 1, 1), 0.8)]), "R": np.stack([R, R])},
        r"received 0.8 at batch index \(1,\), state 0, action 1; divide",
    ),
    "all-zero row": ({"P": changed(P, (0, 1), 0.0)}, "sum to 1, received 0 at state 0, action 1"),
    "negative P": (
        {"P": changed(P, (1, 1), [-0.5, 1.5])},
        "must not be negative, received -0.5 in state 1, action 1",
    ),
    "NaN in P": ({"P": changed(P, (0, 0, 0), np.nan)}, "P must be finite"),
    "infinite P": ({"P": changed(P, (0, 0, 0), np.inf)}, "P must be finite"),
    "P (A, S, S)": ({"P": np.ones((2, 3, 3)) / 3}, r"\(\.\.\., S, A, S\).*\(2, 3, 3\).*pymdp"),
    "P a matrix": ({"P": np.eye(2)}, r"\(\.\.\., S, A, S\).*received \(2, 2\)"),
    "no state": ({"P": np.zeros((0, 1, 0))}, r"S, A >= 1, received \(0, 1, 0\)"),
    "no action": ({"P": np.zeros((2, 0, 2))}, r"S, A >= 1, received \(2, 0, 2\)"),
    "R transposed": ({"R": np.zeros((3, 2))}, r"\(2, 2\) or \(2, 2, 2\), received \(3, 2\)"),
    "R by state": ({"R": np.zeros(2)}, r"R must have shape .* received \(2,\)"),
    "NaN in R": ({"R": changed(R, (0, 0), np.nan)}, "R must be finite"),
    "sparse R alone": ({"R": sp.csr_array((4, 2))}, "sparse R must have the shape .* sparse P"),
    "gamma 1": ({"gamma": 1.0}, "0 <= gamma < 1, received 1.0; .*horizon"),
    "gamma above 1": ({"gamma": 1.5}, "0 <= gamma < 1, received 1.5"),
    "gamma negative": ({"gamma": -0.1}, "0 <= gamma < 1, received -0.1"),
    "gamma NaN": ({"gamma": np.nan}, "gamma must be finite"),
    "gamma batch": (
        {"P": np.stack([P] * 3), "R": np.stack([R] * 3), "gamma": [0.1, 0.2]},
        r"of gamma must broadcast with those of P, \(3,\), received \(2,\)",
    ),
    "initial sum": ({"initial": [0.5, 0.4]}, "received sum 0.9"),
    "initial negative": ({"initial": [1.5, -0.5]}, "smallest entry -0.5"),
    "initial length": ({"initial": [1.0, 0.0, 0.0]}, r"shape \(2,\), received \(3,\)"),
    "initial NaN": ({"initial": [np.nan, 1.0]}, "initial must be finite"),
    "start too large": ({"initial": 2}, r"start state must lie in 0\.\.1, got 2"),
    "start negative": ({"initial": -1}, r"start state must lie in 0\.\.1, got -1"),
    "start a bool": ({"initial": True}, r"initial must have shape \(2,\)"),
    "initial of a batch": (
        {"P": np.stack([P, P]), "R": np.stack([R, R]), "initial": [[1, 0], [0.5, 0.2]]},
        "received sum 0.7",
    ),
    "few state labels": ({"state_labels": ["a"]}, "state_labels must hold 2 names, received 1"),
    "many action labels": ({"action_labels": "abc"}, "action_labels must hold 2 .* received 3"),
    "sparse P shape": ({"P": sp.csr_array(np.ones((3, 2)) / 2)}, r"\(S\*A, S\).*received \(3, 2\)"),
    "sparse P row": (
        {"P": sp.csr_array(changed(P, (1, 0, 0), 0.9).reshape(4, 2))},
        "sum to 1, received 0.9 at state 1, action 0",
    ),
    "sparse P negative": (
        {"P": sp.csr_array(changed(P, (1, 1), [-0.5, 1.5]).reshape(4, 2))},
        "must not be negative, received -0.5 in state 1, action 1",
    ),
    "sparse P NaN": (
        {"P": sp.csr_array(changed(P, (0, 0, 0), np.nan).reshape(4, 2))},
        "P must be finite",
    ),
    "sparse P, dense R(s,a,s')": (
        {"P": sp.csr_array(P.reshape(4, 2)), "R": R_NEXT},
        r"\(2, 2\) or be a sparse \(S\*A, S\), received \(2, 2, 2\)",
    ),
    "sparse P, sparse R of another shape": (
        {"P": sp.csr_array(P.reshape(4, 2)), "R": sp.csr_array((2, 2))},
        r"shape \(S\*A, S\) of a sparse P, received \(2, 2\)",
    ),
    "sparse P, NaN in sparse R": (
        {"P": sp.csr_array(P.reshape(4, 2)), "R": sp.csr_array(np.full((4, 2), np.nan))},
        "R must be finite",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_values(case):
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        TabularMDP(**GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"P": P + 0j}, "P must be an array of real numbers, received ndarray"),
        ({"P": [[[1.0, 0.0], [1.0]]]}, "P must be an array of real numbers, received list"),
        ({"P": sp.eye_array(2) * 1j}, "P must hold real numbers, received a sparse complex128"),
        ({"R": None}, "R must be an array of real numbers, received NoneType"),
        ({"R": [["1", "2"], ["3", "4"]]}, "R must be an array of real numbers, received list"),
        ({"gamma": "0.9"}, "gamma must be an array of real numbers, received str"),
        ({"initial": "start"}, "initial must be an array of real numbers, received str"),
    ],
)
def test_bad_types(changes, message):
    with pytest.raises(TypeError, match=message):
        TabularMDP(**GOOD | changes)
