"""Rationals, roots and norms in balls, and the message where python-flint is missing."""

import runpy
import sys

import numpy as np
import pytest

from theory.certified import balls
from theory.certified.balls import arb, arb_mat, ctx, fmpq, rational, root, square, symmetric_norm

#: Of 128 bits a norm keeps half.
NARROW = 1e-17


def matrix(table):
    return arb_mat(len(table), len(table), [arb(rational(x)) for row in table for x in row])


@pytest.mark.parametrize("value", [0.1, -3.0, 5e-324, 1e300, 0.0])
def test_floats_are_exact_rationals(value):
    found = rational(value)
    assert int(found.p) / int(found.q) == value
    assert rational(0.1) != fmpq(1, 10)


TABLES = {
    "symmetric": np.array([[2.0, -1.0, 0.5], [-1.0, 0.0, 3.0], [0.5, 3.0, -4.0]]),
    "opposite eigenvalues": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "multiple": np.eye(4) * -2.5,
    "of rank one": np.ones((5, 5)),
    "tiny": np.eye(2) * 1e-200,
    "huge": np.array([[1e200, 1.0], [1.0, 0.0]]),
    "zero": np.zeros((3, 3)),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_operator_norm(table):
    with ctx.workprec(128):
        found = symmetric_norm(matrix(table))
    expected = np.abs(np.linalg.eigvalsh(table)).max()
    assert float(found) == pytest.approx(expected, rel=1e-14, abs=0)
    assert float(found.rad()) <= NARROW * expected


def test_operator_norm_contains_the_truth():
    """√2 and 7: eigenvalues known exactly, enclosed at any precision."""
    for bits in (16, 53, 128, 400):
        with ctx.workprec(bits):
            assert symmetric_norm(matrix([[1.0, 1.0], [1.0, -1.0]])).overlaps(arb(2).sqrt())
            assert symmetric_norm(matrix([[3.0, 4.0], [4.0, 3.0]])).contains(7)


def test_operator_norm_of_uncertain_entries():
    """Every matrix in the balls has its norm in the ball."""
    rng = np.random.default_rng(0)
    middle = rng.integers(-8, 9, size=(3, 3)).astype(float)
    middle = middle + middle.T
    with ctx.workprec(128):
        uncertain = arb_mat(3, 3, [arb(rational(x), 0.125) for x in middle.ravel()])
        found = symmetric_norm(uncertain)
        for _ in range(50):
            shift = rng.integers(-8, 9, size=(3, 3)) / 64
            inside = middle + np.triu(shift) + np.triu(shift, 1).T
            assert found.overlaps(symmetric_norm(matrix(inside)))


def test_squares_of_balls_around_zero():
    assert square(arb(0, 0.5)).contains(0.25)
    assert float(square(arb(0, 0.5)).upper()) < 0.26
    assert square(arb(-3)) == 9


def test_roots_of_balls_that_reach_below_zero():
    uncertain = root(arb(0, 0.25))
    assert uncertain.contains(0)
    assert uncertain.contains(0.5)
    assert root(arb(0)) == 0
    assert root(arb(9)) == 3


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"pip install 'gmrl\[certify\]'"):
        runpy.run_path(balls.__file__)
