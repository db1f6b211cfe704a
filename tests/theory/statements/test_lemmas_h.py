"""Lemmas H.2, H.3, H.5, H.7 and H.8: they hold for every finite law, and wrong versions fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.strategies import distributions
from tests.theory.finite.random_vectors import ENTRIES, joint_laws
from theory.finite.vectors import FiniteLaw
from theory.statements.lemma_h2 import lemma_h2
from theory.statements.lemma_h3 import lemma_h3
from theory.statements.lemma_h5 import lemma_h5
from theory.statements.lemma_h7 import lemma_h7
from theory.statements.lemma_h8 import independent, lemma_h8

COIN = FiniteLaw([0.5, 0.5])
FAIR = np.array([[1.0], [-1.0]])
#: Two independent coins: all four outcomes alike.
COINS = FiniteLaw([0.25] * 4)
FIRST, SECOND = np.array([[1.0, 1, -1, -1], [1, -1, 1, -1]])[..., None]
#: Rounding is a few hundred units in the last place at most.
FEW = 1e-12


def all_hold(checks):
    for check in checks:
        assert check.holds, check
        assert np.isfinite(check.rounding)


@given(joint_laws())
def test_h2_holds(joint):
    all_hold(lemma_h2(FiniteLaw(joint.probability), joint.x))


@given(joint_laws())
def test_h3_holds(joint):
    all_hold(lemma_h3(FiniteLaw(joint.probability), joint.x, joint.y))


@given(joint_laws(), st.integers(0, 4))
def test_h5_holds(joint, at):
    all_hold(lemma_h5(FiniteLaw(joint.probability), joint.x, joint.y, joint.y[at % len(joint.y)]))


@given(joint_laws(), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_h7_holds(joint, labels):
    law = FiniteLaw(joint.probability)
    all_hold([lemma_h7(law, joint.x, labels[: len(joint.x)])])


@st.composite
def products(draw):
    """Two laws and matrices ψ (Y, m, n), φ (Z, n, p), ϕ (Y, p, q)."""
    Z, Y = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    m, n, p, q = draw(st.tuples(*[st.integers(1, 2)] * 4))
    shapes = (Y, m, n), (Z, n, p), (Y, p, q)
    parts = [draw(st_numpy.arrays(np.float64, shape, elements=ENTRIES)) for shape in shapes]
    scale = draw(st.sampled_from((1.0, 1e-80, 1e97)))
    parts = [scale * part for part in parts]
    return draw(distributions((), Z)), draw(distributions((), Y)), *parts


@given(products())
def test_h8_holds_for_independent_factors(case):
    zeta, eta, *parts = case
    check = lemma_h8(independent(zeta, eta), *parts)
    assert check.setting == {"independent": True}
    assert check.rhs == 0
    all_hold([check])


@given(products(), st.data())
def test_h8_without_independence_is_cauchy_schwarz(case, data):
    zeta, eta, *parts = case
    joint = data.draw(distributions((), len(zeta) * len(eta))).reshape(len(zeta), len(eta))
    all_hold([lemma_h8(joint, *parts)])


def test_attained():
    first, squares, second = lemma_h2(COIN, [[3.0], [3.0]])
    assert first.lhs == first.rhs == 3
    assert squares.ratio == second.ratio == 1
    first, second = lemma_h3(COIN, FAIR, 2 * FAIR)
    assert first.lhs == first.rhs == second.lhs == second.rhs == 3
    check = lemma_h5(COIN, FAIR, 2 * FAIR, [0.0])[2]
    assert check.setting["uncorrelated"] is False
    assert check.lhs == check.rhs == 9


def test_rounding_is_small():
    rng = np.random.default_rng(0)
    law, x, y = FiniteLaw(rng.dirichlet(np.ones(50))), *rng.normal(size=(2, 50, 4))
    checks = [*lemma_h2(law, x), *lemma_h3(law, x, y), *lemma_h5(law, x, y, y[0])]
    checks.append(lemma_h7(law, x, np.arange(50) % 7))
    psi, phi, varphi = rng.normal(size=(3, 6, 2, 2))
    uniform = np.full(6, 1 / 6)
    checks.append(lemma_h8(independent(uniform, uniform), psi, phi, varphi))
    assert max(check.rounding for check in checks) < 100 * FEW


# What the statements do not say is found to be false.


def test_h2_is_not_about_squared_norms_of_one_sign():
    """E‖X‖² <= ‖E X‖², and E‖X‖ <= ‖E X‖, fail for a fair coin."""
    first, squares, second = lemma_h2(COIN, FAIR)
    assert first.lhs == squares.lhs == 0
    assert first.rhs == second.rhs == 1


def test_h3_needs_norms_not_squared_norms():
    """E‖X + Y‖² = 4 for X = Y, while E‖X‖² + E‖Y‖² = 2."""
    second = lemma_h3(COIN, FAIR, FAIR)[1]
    assert second.lhs**2 == 4
    assert sum(term**2 for term in second.terms.values()) == 2
    assert second.holds


def test_h5_additivity_needs_no_correlation():
    apart = lemma_h5(COINS, FIRST, SECOND, [0.0])[2]
    assert apart.setting == {"uncorrelated": True, "covariance": 0.0, "V[X]": 1.0, "V[Y]": 1.0}
    assert apart.rhs == 0
    opposite = lemma_h5(COIN, FAIR, -FAIR, [0.0])[2]
    assert opposite.setting["uncorrelated"] is False
    assert opposite.lhs == 0  # not V[X] + V[Y] = 2
    assert opposite.rhs == 4
    assert opposite.holds


def test_h5_uncorrelated_is_enough():
    """X uniform on {−1, 0, 1} and Y = X²: dependent, but V[X + Y] = V[X] + V[Y]."""
    x = np.array([-1.0, 0.0, 1.0])
    check = lemma_h5(FiniteLaw(np.full(3, 1 / 3)), x, x**2, 0.0)[2]
    assert check.setting["uncorrelated"] is True
    assert check.holds


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_h5_finds_a_small_correlation(size):
    x = size * np.array([1.0, -1.0])
    check = lemma_h5(COIN, x, [1.0, -1.0 + 1e-9], [0.0])[2]
    assert check.setting["uncorrelated"] is False


def test_h7_needs_the_variance_of_the_conditional_mean():
    """E V[X | Y] alone falls short unless Y says nothing about E X."""
    check = lemma_h7(COIN, FAIR, ["heads", "tails"])
    assert check.setting == {"E V[X | Y]": 0.0, "V[E[X | Y]]": 1.0}
    blind = lemma_h7(COIN, FAIR, ["none", "none"])
    assert blind.setting == {"E V[X | Y]": 1.0, "V[E[X | Y]]": 0.0}


def test_h8_fails_for_dependent_factors():
    """ζ = η = ±1: E[η (ζ − E ζ)] = 1, and the general bound is attained."""
    signs = FAIR[:, :, None]
    check = lemma_h8([[0.5, 0.0], [0.0, 0.5]], signs, signs, np.ones((2, 1, 1)))
    assert check.setting == {"independent": False}
    assert check.lhs == check.rhs == 1


@pytest.mark.parametrize("size", [1e-100, 1e60, 1e100])
def test_h8_of_products_whose_squares_are_no_floats(size):
    signs = size * FAIR[:, :, None]
    check = lemma_h8([[0.5, 0.0], [0.0, 0.5]], signs, signs, np.full((2, 1, 1), size))
    assert check.lhs == pytest.approx(size**3, rel=1e-14, abs=0)
    assert check.rhs == pytest.approx(size**3, rel=1e-14, abs=0)
    assert check.holds


@pytest.mark.parametrize("tiny", [1.7e-199, 5e-324])
def test_h8_of_factors_of_very_different_sizes(tiny):
    """A square that underflows is no zero where the other factors are 1e97."""
    psi, varphi = np.full((1, 1, 1), tiny), np.array([[[0.0], [1e97]]])
    phi = np.zeros((3, 1, 2))
    phi[2, 0, 1] = 1e97
    assert lemma_h8(np.full((3, 1), 1 / 3), psi, phi, varphi).holds


def test_h8_is_about_a_function_of_eta():
    """With ψ(ζ), as the paper's proof writes it, ψ and φ depend on one coin: no zero mean."""
    signs, one = FAIR[:, :, None], np.ones((2, 1, 1))
    right = lemma_h8(independent([0.5, 0.5], [0.5, 0.5]), signs, signs, one)
    assert right.lhs == 0
    misread = lemma_h8(np.diag([0.5, 0.5]), signs, signs, one)
    assert misread.lhs == 1


def test_a_slight_dependence_is_noticed():
    joint = independent([0.5, 0.5], [0.5, 0.5]) + 1e-12 * np.array([[1, -1], [-1, 1]])
    signs, one = FAIR[:, :, None], np.ones((2, 1, 1))
    assert lemma_h8(joint, signs, signs, one).setting == {"independent": False}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lemma_h3(COIN, FAIR, np.ones((2, 2))), "same dimension, received 1 and 2"),
        (lambda: lemma_h5(COIN, FAIR, FAIR, [0.0, 0.0]), r"point must have shape \(..., 1\)"),
        (lambda: lemma_h5(COIN, FAIR, FAIR, [[0.0]]), r"received \(1, 1\)"),
        (lambda: lemma_h7(COIN, FAIR, [1]), r"labels must have shape \(2,\)"),
        (lambda: lemma_h8([0.5, 0.5], *[np.ones((2, 1, 1))] * 3), r"joint must have shape"),
        (
            lambda: lemma_h8(np.full((1, 2), 0.5), *[np.ones((2, 1, 1))] * 3),
            r"phi must have shape \(1, rows, columns\)",
        ),
        (
            lambda: lemma_h8(
                np.full((2, 2), 0.25), np.ones((2, 1, 2)), np.ones((2, 1, 1)), np.ones((2, 1, 1))
            ),
            r"received shapes \(1, 2\), \(1, 1\) and \(1, 1\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
