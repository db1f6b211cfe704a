"""Derivatives in balls: those of the float engine, narrow, and nested as the precision grows."""

import numpy as np
import pytest

from tabular import exact, moments
from tabular.registry import ESTIMATORS
from tests.tabular.tolerances import ENUMERATED, assert_close
from tests.theory.certified.cases import CASES, make
from theory.certified.balls import column, ctx
from theory.certified.estimates import Estimates, in_balls

cases = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
names = pytest.mark.parametrize("name", ESTIMATORS)
#: Radii at 128 bits, with some 30 roundings of numbers of order one.
NARROW = 1e-35


def at(case, name, bits=128):
    with ctx.workprec(bits):
        return Estimates(in_balls(case.enumeration(name), 1), column(case.start()))


def assert_encloses(balls, floats, what):
    """Balls are narrow, and their midpoints are the floats up to the floats' rounding."""
    entries = balls.entries()
    middle = np.array([float(x) for x in entries]).reshape(np.shape(floats))
    assert_close(middle, floats, ENUMERATED, what=what)
    assert max(float(x.rad()) for x in entries) < NARROW, what


@cases
@names
def test_objective(case, name):
    with ctx.workprec(128):
        found = at(case, name).objective()
    options = {"horizon": case.horizon, "terminal_value": case.terminal(name)}
    assert_encloses(found.gradient, exact.gradient(case.mdp, case.theta, **options).ravel(), "∇J")
    hessian = exact.hessian(case.mdp, case.theta, **options).ravel()
    assert_encloses(found.hessian, hessian, "∇²J")


@cases
@names
def test_means(case, name):
    with ctx.workprec(128):
        found = at(case, name).mean()
    gradient = moments.expected_gradient(case.mdp, case.theta, **case.options(name))
    hessian = moments.expected_hessian(case.mdp, case.theta, **case.options(name))
    assert_encloses(found.gradient, gradient.ravel(), "E ĝ")
    assert_encloses(found.hessian, hessian.ravel(), "E Ĥ")


@cases
@names
def test_assumption_4_2_holds(case, name):
    """E ĝ = ∇J_T with terminal V_b: the two balls overlap, and are narrow."""
    with ctx.workprec(128):
        here = at(case, name)
        assert here.mean().gradient.overlaps(here.objective().gradient)
        second = here.mean().hessian.overlaps(here.objective().hessian)
    assert second == (name in {"loaded_dice", "dice"} or (name == "lvc" and case.horizon == 1))


@cases
@names
def test_covariance(case, name):
    with ctx.workprec(128):
        here = at(case, name)
        mean = here.mean().gradient
        covariance = here.gradient_second_moment() - mean * mean.transpose()
        variance = here.gradient_variance(mean)
        assert variance.overlaps(covariance.trace())
        assert sum(p for p, _ in here.single_hessians()).contains(1)
    expected = moments.gradient_covariance(case.mdp, case.theta, **case.options(name))
    assert_encloses(covariance, expected.ravel(), "Cov ĝ")


@cases
def test_higher_precision_is_inside(case):
    """The midpoints at 400 bits lie in the balls at 24, 53 and 128."""
    with ctx.workprec(400):
        fine = at(case, "loaded_dice", 400)
        truth = [*fine.mean().hessian.entries(), *fine.mean().gradient.entries()]
    for bits in (24, 53, 128):
        with ctx.workprec(bits):
            coarse = at(case, "loaded_dice", bits)
            found = [*coarse.mean().hessian.entries(), *coarse.mean().gradient.entries()]
            assert all(x.overlaps(y) for x, y in zip(found, truth, strict=True))
            assert all(x.contains(y.mid()) for x, y in zip(found, truth, strict=True))


def test_saturated_policies():
    """Logits of ±700: probabilities of 1e-608, beyond floats, keep their digits."""
    case = make(2, 2, 2)._replace(theta=np.array([[700.0, -700.0], [-700.0, 700.0]]))
    with ctx.workprec(128):
        here = at(case, "ad")
        rare = here.policy[1]
    assert rare.rel_accuracy_bits() > 110
    assert 0 < rare < 1e-300
    assert (here.policy[0] + rare).contains(1)
