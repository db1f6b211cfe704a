"""The sharper bounds of the compositional bias: constants, leading orders, wrong ones that fail."""

import numpy as np
import pytest

from tabular import TabularMDP
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.bound_cases import tiny
from tests.theory.cases import dense_random
from theory import compositional_checks as module
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.compositional_checks import leading_orders, outer_gradient_bias, theorem_5_3
from theory.finite.law import meta_gradient_law
from theory.finite.paths import Paths, inner_paths
from theory.finite.tabular import TabularFinite
from theory.settings import Settings
from theory.shared_objective import SharedObjective, shared_objectives
from theory.statements.compositional_bias import Loop

#: The distance of N·bias from its limit is of order 1/N.
LIMIT = Tolerance(rtol=0.05, atol=0.0)


def objective(mdp=None, horizon: int = 2, alpha=1.0, K=1, N=1) -> SharedObjective:
    mdp = tiny() if mdp is None else mdp
    return shared_objectives(mdp, Settings(baseline="zero"), horizon, Loop(alpha, K, N))[0]


def enumerated(one: SharedObjective, name: str) -> Paths:
    finite = TabularFinite(one.problem, one.start, one.source(name))
    return inner_paths(finite, **one.loop._asdict())


def orders(one: SharedObjective, name: str = "loaded_dice", left: float = 0.0) -> list[BoundCheck]:
    constants = [(one.proved, one.proved_noise(name))]
    return list(leading_orders(one, constants, name, first=True, left=left))


@pytest.mark.parametrize("K", [1, 2])
def test_leading_orders_are_near_the_enumerated_biases(K):
    """Of two arms, which have few outcomes."""
    N = 64
    arms = TabularMDP(np.ones((1, 2, 1)), [[1.0, 0.2]], 0.0, 0, name="two arms")
    one = objective(arms, horizon=1, alpha=0.5, K=K, N=N)
    paths = enumerated(one, "loaded_dice")
    shift = paths.probability @ paths.outer.gradient - paths.exact_outer.gradient[0]
    law = meta_gradient_law(paths, curvature_trajectories=N, outer_trajectories=None, shared=False)
    first, second = orders(one)
    assert first.name == "Proposition 5.2, bias of p, 1/N"
    assert second.name == "Theorem 5.3, bias, separate, 1/N"
    assert_close(first.lhs, np.linalg.norm(shift), LIMIT)
    assert_close(second.lhs, np.linalg.norm(law.mean - paths.truth), LIMIT)


def test_bounds_of_leading_orders_are_those_of_the_truth():
    one = objective(K=2, N=5)
    constants = (one.proved, one.proved_noise("loaded_dice"))
    first, second = orders(one)
    assert first.rhs == outer_gradient_bias(0.0, one, constants)[1].rhs
    assert second.rhs == theorem_5_3(0.0, one, constants, shared=False).rhs
    for check in (first, second):
        assert check.holds
        assert check.obtained == "leading order"
        assert check.scope == "every θ"


def test_nothing_where_tables_are_too_large(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 3)
    assert orders(objective()) == []


def test_biased_hessians_have_no_theorem_5_3():
    assert [check.name for check in orders(objective(), "ad")] == [
        "Proposition 5.2, bias of p, 1/N"
    ]


def test_constants_of_f():
    """p = ∇J is D₂-Lipschitz, and Dp is D₃-Lipschitz."""
    one = objective(dense_random(3, 2), K=1, N=4, alpha=0.5)
    lipschitz = certified_lipschitz(one.problem, one.start)
    noise = one.proved_noise("ad")
    lemma, proposition = outer_gradient_bias(0.0, one, (lipschitz, noise))
    assert_close(lemma.rhs, lipschitz.mu1 * 0.5 * noise.sigma_in / 2, Tolerance(1e-12, 0.0))
    assert_close(
        proposition.rhs, lipschitz.rho1 * 0.25 * noise.sigma_in**2 / 8, Tolerance(1e-12, 0.0)
    )


def test_the_fourth_derivative_is_in_theorem_5_3_for_two_steps(monkeypatch):
    one = objective(K=2)
    constants = (one.proved, one.proved_noise("loaded_dice"))
    right = theorem_5_3(0.0, one, constants, shared=False).rhs
    inner = module.inner_objective

    class Flat:
        def __init__(self, *arguments):
            self.bounds = inner(*arguments).bounds._replace(fourth=0.0)

    monkeypatch.setattr(module, "inner_objective", Flat)
    assert theorem_5_3(0.0, one, constants, shared=False).rhs < right


def test_a_leading_order_beyond_its_bound_fails(monkeypatch):
    right = module.meta_coefficient
    monkeypatch.setattr(module, "meta_coefficient", lambda *a: 1e6 * right(*a))
    first, second = orders(objective())
    assert first.holds
    assert not second.holds
