"""Toys against differences, and the pieces of the search against simple cases."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tabular.tolerances import FINITE_DIFFERENCE, assert_close
from tests.theory.search.ascent import ascend
from tests.theory.search.bounds import TRUE, violations
from tests.theory.search.case import uncovered
from tests.theory.search.designs import (
    BUDGET,
    random_tabular,
    random_toy,
    random_x,
    scalar_design,
    toy_design,
    work,
)
from tests.theory.search.mutants import MUTANTS
from tests.theory.search.toys import Polynomial, Toy
from theory.finite.paths import inner_paths

STEP = 1e-3


def difference(f, size):
    """The Jacobian of f at zero by central differences of order four, (..., size)."""
    columns = []
    for e in np.eye(size) * STEP:
        near, far = f(e) - f(-e), f(2 * e) - f(-2 * e)
        columns.append((8 * near - far) / (12 * STEP))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("d", [1, 2])
def test_jacobian_of_a_polynomial_is_its_derivative(d):
    rng = np.random.default_rng(d)
    f = Polynomial(rng.normal(size=(4, 2 * d - 1, 3)), d)
    theta = rng.normal(size=d)
    expected = difference(lambda change: f.value(theta + change), d)
    assert_close(f.jacobian(theta), expected, FINITE_DIFFERENCE)


def test_a_toy_is_a_problem_in_phi():
    """∇J^K is q + (dθ^K/dφ)ᵀ p for θ⁰ + Z_0 φ and g(θ) + G(θ)φ."""
    rng, alpha, K = np.random.default_rng(0), 0.3, 3
    design = toy_design(2, 2, 3, K, 1, "EEE", False)
    toy = Toy({name: 0.3 * rng.normal(size=shape) for name, shape in design.shapes.items()})

    def end(phi):
        theta = toy.start + toy.start_jacobian @ phi
        for _ in range(K):
            at = toy.inner(theta)
            theta = theta + alpha * (at.gradient + at.cross @ phi)
        return theta

    p, q = toy.outer(end(np.zeros(2)))
    paths = inner_paths(toy, step_size=alpha, num_steps=K, num_trajectories=None)
    assert_close(paths.truth, q + difference(end, 2).T @ p, FINITE_DIFFERENCE)


def test_noise_of_a_toy_is_centred():
    case = random_toy(np.random.default_rng(3))
    theta = case.paths.ends
    weight, *estimates = case.problem.inner_outcomes(theta)
    bias_H, bias_G = (case.problem.numbers[name] for name in ("bias_H", "bias_G"))
    exact = case.problem.inner(theta)
    truths = (exact.gradient, exact.hessian + bias_H, exact.cross + bias_G)
    for each, truth in zip(estimates, truths, strict=True):
        mean = np.einsum("bm,bm...->b...", weight, each)
        np.testing.assert_allclose(mean, truth, rtol=1e-12, atol=1e-12)


def test_work_counts_the_outcomes_of_a_path():
    assert work(4, 2, 1, 3) == 4**2 * 4 * 3
    assert work(3, 1, 2, 1) == 6 * 3
    assert work(27, 1, 1, 9) <= BUDGET, "three states and actions need a case"


def test_a_constant_below_the_realisable_one_is_reported():
    rng = np.random.default_rng(0)
    case = next(c for c in iter(lambda: random_tabular(rng), None) if c.realisable[0].m1 > 0.1)
    assert uncovered(case) == []
    lipschitz, noise = case.certified
    low = replace(lipschitz, m1=case.realisable[0].m1 / 2)
    broken = replace(case, certified=(low, noise))
    assert len(uncovered(broken)) == 1
    assert uncovered(broken)[0].startswith("m1 = ")
    assert any(line.startswith("m1 = ") for line in violations(broken))


def test_names_of_mutants_differ_and_differ_from_the_theory():
    names = [mutant.name for mutant in (TRUE, *MUTANTS)]
    assert len(set(names)) == len(names)


def test_tables_that_a_design_lacks_are_zero():
    design = scalar_design(1, 1, "SEE", False, "start g1 noise_g")
    x = random_x(design, np.random.default_rng(0))
    toy = design.case(x).problem
    assert x.size == design.size == 1 + 1 + 2 + 2
    assert toy.numbers["g"].shape == (2, 1, 1)
    assert not toy.numbers["p"].any()


def test_ascent_climbs_a_smooth_hill():
    design = scalar_design(1, 1, "SEE", False, "start noise_g")

    def height(case):
        return float(np.exp(-((case.problem.start[0] - 2.0) ** 2)))

    best = ascend(design, height, evaluations=300, rng=np.random.default_rng(0))
    assert best.ratio > 1 - 1e-6
    assert best.case.problem.start[0] == pytest.approx(2.0, abs=1e-3)
