"""Proposition 3.1 on tabular problems of any size and on finite ones; wrong gradients fail."""

from dataclasses import replace

import numpy as np
import pytest

from tabular import TabularMDP, problems
from tabular.games import MarkovGame
from tabular.lola import Lola
from tabular.metagradient import meta_gradient
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sources import Sampled
from tests.theory.finite.toys import Polynomial
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.statements import proposition_3_1

RNG = np.random.default_rng(12)
SMALL = TabularMDP.random(3, 2, gamma=0.9, concentration=0.5, rng=RNG)
LARGE = TabularMDP.random(100, 4, gamma=0.95, concentration=0.01, rng=RNG)
THETA, PHI = RNG.normal(size=(2, 3, 2))
GAME = MarkovGame(
    RNG.dirichlet(np.ones(3), size=(3, 2, 2)), *RNG.normal(size=(2, 3, 2, 2)), gamma=0.8, initial=0
)
CASES = {
    "maml": (Maml(SMALL), PHI),
    "maml, finite horizon": (Maml(SMALL, 3, np.ones(3)), PHI),
    "lirpg": (Lirpg(SMALL, THETA), PHI),
    "lirpg, finite horizon": (Lirpg(SMALL, THETA, 3, np.ones(3)), PHI),
    "mgrl": (Mgrl(SMALL, THETA, np.ones(3)), np.array([0.8, 0.6])),
    "lola": (Lola(GAME, THETA), PHI),
    "large": (Maml(LARGE), RNG.normal(size=(100, 4))),
    "large lirpg": (Lirpg(LARGE, RNG.normal(size=(100, 4))), RNG.normal(size=(100, 4))),
}


@pytest.mark.parametrize(("problem", "phi"), CASES.values(), ids=CASES)
@pytest.mark.parametrize(("num_steps", "alpha"), [(1, 0.5), (4, 0.5), (2, 5.0)])
def test_differences(problem, phi, num_steps, alpha):
    for direction in (None, np.random.default_rng(1).normal(size=phi.shape)):
        result = proposition_3_1.check(
            problem, phi, step_size=alpha, num_steps=num_steps, direction=direction
        )
        slope = result.setting["directional derivative"]
        assert result.holds
        # Sharp enough to see a thousandth of the gradient along itself.
        assert result.rounding < 1e-4 * abs(slope) or direction is not None


@pytest.mark.parametrize("name", ["maml", "lirpg", "mgrl"])
def test_a_wrong_gradient_fails(name, monkeypatch):
    problem, phi = CASES[name]

    def wrong(problem, phi, **options):
        return meta_gradient(problem, phi, **options | {"step_size": 0.501})

    monkeypatch.setattr(proposition_3_1, "meta_gradient", wrong)
    assert not proposition_3_1.check(problem, phi, step_size=0.5, num_steps=2).holds


def test_a_forgotten_hessian_fails(monkeypatch):
    """First-order MAML is not the gradient."""
    problem, phi = CASES["maml"]

    def first_order(problem, phi, *, step_size, num_steps):
        end = phi
        for _ in range(num_steps):
            end = end + step_size * problem.inner(phi, end).exact().gradient
        return problem.outer(phi, end).exact().gradient

    monkeypatch.setattr(proposition_3_1, "meta_gradient", first_order)
    assert not proposition_3_1.check(problem, phi, step_size=0.5, num_steps=2).holds


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_products(num_steps):
    for seed in range(5):
        problem = Polynomial(seed)
        result = proposition_3_1.check_products(problem, step_size=0.05, num_steps=num_steps)
        assert result.holds
        assert result.rounding < 1e-10
    for tabular, phi in (CASES["maml"], CASES["lirpg"], CASES["mgrl"], CASES["lola"]):
        finite = TabularFinite(tabular, phi, Sampled("ad", 1, 1))
        assert proposition_3_1.check_products(finite, step_size=0.5, num_steps=num_steps).holds


@pytest.mark.parametrize("wrong", ["order", "transpose", "direct"])
def test_wrong_products_fail(wrong, monkeypatch):
    right = proposition_3_1.product_formula

    def formula(paths):
        exact, outer = paths.exact, paths.exact_outer
        if wrong == "order":
            paths = replace(paths, exact=exact._replace(hessian=exact.hessian[::-1]))
        elif wrong == "transpose":
            paths = replace(paths, exact=exact._replace(cross=exact.cross.swapaxes(-1, -2)))
        else:
            return right(paths) - outer.direct[0]
        return right(paths)

    monkeypatch.setattr(proposition_3_1, "product_formula", formula)
    assert not proposition_3_1.check_products(Polynomial(1), step_size=0.2, num_steps=3).holds


def test_the_formula_is_the_derivative_of_the_final_value():
    problem, h = Polynomial(3), 1e-5
    paths = inner_paths(problem, step_size=0.2, num_steps=3, num_trajectories=None)
    for gradient, u in zip(proposition_3_1.product_formula(paths), np.eye(2), strict=True):
        up, down = (problem.value(problem.phi + s * h * u, 0.2, 3) for s in (1, -1))
        assert abs((up - down) / (2 * h) - gradient) < 1e-6 * (1 + abs(gradient))


def test_a_gradient_of_zero_holds():
    mdp = SMALL.with_reward(np.zeros((3, 2)))
    result = proposition_3_1.check(problems.Maml(mdp), PHI, step_size=0.5, num_steps=2)
    assert result.holds
    assert result.lhs == 0.0


def test_bad_input():
    problem, phi = CASES["maml"]
    options = {"step_size": 0.5, "num_steps": 1}
    with pytest.raises(ValueError, match="direction must have the shape"):
        proposition_3_1.check(problem, phi, **options, direction=np.ones(2))
    with pytest.raises(ValueError, match="direction must not be zero"):
        proposition_3_1.check(problem, phi, **options, direction=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="difference must be one positive number"):
        proposition_3_1.check(problem, phi, **options, difference=-1.0)
