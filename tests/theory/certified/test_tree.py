"""Everything over all sampled paths against brute force in floats."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.certified.cases import CASES, Case, brute
from theory.certified.balls import arb, column, ctx, norm, rational
from theory.certified.constants import lipschitz
from theory.certified.estimates import in_balls
from theory.certified.tree import Tree, slope

#: Sums of up to 2,000 products of floats of order one; a norm is the root of a square.
FLOATS = Tolerance(rtol=1e-11, atol=1e-12)
#: Δ_H = 0 is a norm of rounding errors in floats.
ZERO = 1e-13
ALPHA = 0.75
SETTINGS = {
    "one step": ("plain", 1, 1),
    "two trajectories": ("by successor", 1, 2),
    "two steps": ("by successor", 2, 1),
    "two steps of two": ("bandit", 2, 2),
    "three steps": ("bandit", 3, 1),
    "certain": ("certain", 2, 1),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=list(SETTINGS))
def test_all_paths(setting, name):
    which, K, N = setting
    case = CASES[which]
    expected = brute(case, name, ALPHA, K, N)
    with ctx.workprec(128):
        every = case.enumeration(name)
        outcomes = in_balls(every, N)
        tree = Tree(
            outcomes,
            column(case.start()),
            step_size=rational(ALPHA),
            num_steps=K,
            num_trajectories=N,
            everywhere=lipschitz(every),
        )
        u, M, own_u, own_M = tree.moments.sampled
        bias = [norm(u - tree.meta_gradient), norm(own_u - tree.meta_gradient)]
        pairs = ((u, M), (own_u, own_M))
        variance = [second.trace() - norm(mean) ** 2 for mean, second in pairs]
    found = [*tree.moments[:3], *bias, *variance, *tree.noise, *tree.lipschitz]
    wanted = [*expected[:3], *expected.bias, *expected.variance, *expected[5:]]
    for ball, number in zip(found, wanted, strict=True):
        if number < ZERO:
            assert float(ball.upper()) < ZERO
        else:
            assert_close(float(ball), number, FLOATS)
            assert float(ball.rad()) < 1e-17 * number


def test_unbiased_hessians_have_no_bias():
    with ctx.workprec(128):
        every = CASES["plain"].enumeration("dice")
        outcomes = in_balls(every, 1)
        tree = Tree(
            outcomes,
            column(CASES["plain"].start()),
            step_size=rational(ALPHA),
            num_steps=1,
            num_trajectories=1,
            everywhere=lipschitz(every),
        )
    assert tree.noise.Delta_H.contains(0)
    assert float(tree.noise.Delta_H.upper()) < 1e-34


@pytest.mark.parametrize(
    ("constant", "logit", "alpha", "K", "without"),
    [("c1", 0.0, 2.0, 2, 0.18562), ("c1", 2.0, 2.0, 2, 0.17763), ("m1", 2.0, 8.0, 1, 0.19523)],
    ids=["slope of ∇J", "‖H‖ on the exact path", "‖p‖ at its end"],
)
def test_every_part_of_a_constant_counts(constant, logit, alpha, K, without):
    """Two arms, long steps: the named part is the largest, above the next one, `without` it."""
    mdp = TabularMDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), 0.5, 0)
    case = Case(mdp, np.array([[logit, 0.0]]), 1, np.array([0.4]))
    every = case.enumeration("lvc")
    with ctx.workprec(128):
        tree = Tree(
            in_balls(every, 1),
            column(case.start()),
            step_size=rational(alpha),
            num_steps=K,
            num_trajectories=1,
            everywhere=lipschitz(every),
        )
    found = float(getattr(tree.lipschitz, constant))
    assert_close(found, getattr(brute(case, "lvc", alpha, K, 1), constant), FLOATS)
    assert found > 1.02 * without


def test_slopes():
    """Never above the bound for every θ, which also stands in where points may meet."""
    assert slope(arb(1), arb(4), arb(2)) == 0.25
    assert slope(arb(4), arb(1), arb(2)) == 2
    assert slope(arb(1), arb(0, 1), arb(2)) == 2
    assert slope(arb(1), arb(1, 2), arb(2)) == 2
    assert slope(arb(0), arb(0), arb(2)) == 2


def test_the_exact_path_alone_when_samples_agree():
    """One action: nothing is sampled that matters."""
    case = CASES["plain"]
    one = case._replace(mdp=case.mdp.with_reward(np.zeros((2, 2))), baseline=np.zeros(2))
    every = one.enumeration("lvc")
    with ctx.workprec(64):
        tree = Tree(
            in_balls(every, 2),
            column(one.start()),
            step_size=rational(ALPHA),
            num_steps=1,
            num_trajectories=2,
            everywhere=lipschitz(every),
        )
    assert tree.moments.distance == 0
    assert all(x == 0 for x in tree.noise)
