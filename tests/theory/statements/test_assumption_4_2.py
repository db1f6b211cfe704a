"""For which objective a mean estimate is the gradient: exact values, bounds and verdicts."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline, NoisyBaseline, exact_baseline, zero_baseline
from tabular.problems import Lirpg, Maml
from tabular.registry import ESTIMATORS
from tabular.sources import Sampled
from tests.tabular.meta_reference import Choice, exact_step, sampled_step, tiny_case
from tests.tabular.reference import random_mdp
from tests.theory.cases import DEGENERATE, dense_random
from theory.objectives import Objective
from theory.statements.assumption_4_2 import bias_bound, check

NAMES = tuple(ESTIMATORS)


@pytest.mark.parametrize("problem", ["maml", "lirpg"])
@pytest.mark.parametrize(("name", "gae_lambda"), [("ad", 1.0), ("loaded_dice", 0.4), ("dice", 1.0)])
def test_the_bias_is_that_of_all_trajectories(problem, name, gae_lambda):
    """Autograd's surrogates of every trajectory against autograd's infinite-horizon gradient."""
    case = tiny_case(problem, (2, 2))
    theta = np.random.default_rng(0).normal(size=(2, 2))
    table = np.array([0.7, -0.4])
    choice = Choice(name, 1, 2, gae_lambda, table if name != "dice" else np.zeros(2))
    source = Sampled(name, 1, 2, FixedBaseline(table), gae_lambda)
    (found,) = check(case.problem, case.phi, theta[None], source)
    one, exact = sampled_step(case, theta, choice), exact_step(case, theta)
    bias = one.probability @ one.gradients - exact.gradients[0]
    assert found.lhs == pytest.approx(np.linalg.norm(bias), rel=1e-9)
    assert found.holds


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("horizon", [1, 4])
def test_it_holds_exactly_for_the_estimators_own_objective(name, horizon):
    rng = np.random.default_rng(horizon)
    mdp, thetas = random_mdp(rng, (3, 2)), rng.normal(size=(20, 3, 2))
    V_b = rng.normal(size=3) if name != "dice" else np.zeros(3)
    source = Sampled(name, 1, horizon, FixedBaseline(V_b))
    inner, outer = check(Maml(mdp, horizon, V_b), thetas[0], thetas, source, source)
    for found in (inner, outer):
        assert found.rhs == 0.0
        assert found.holds
        assert found.lhs < 1e-12


@pytest.mark.parametrize(
    ("baseline", "gae_lambda"),
    [(exact_baseline, 1.0), (FixedBaseline([0.5, 1.0, 1.5]), 1.0), (zero_baseline, 0.5)],
)
def test_other_combinations_do_not_satisfy_it(baseline, gae_lambda):
    """They have a bias, which the bound covers and names."""
    rng = np.random.default_rng(5)
    mdp, thetas = random_mdp(rng, (3, 2)), rng.normal(size=(20, 3, 2))
    source = Sampled("ad", 1, 3, baseline, gae_lambda)
    for problem in (Maml(mdp), Maml(mdp, 3, np.array([3.0, 0.0, -2.0]))):
        (found,) = check(problem, thetas[0], thetas, source)
        assert 1e-3 < found.lhs <= found.rhs
        assert found.rhs == pytest.approx(sum(found.terms.values()), rel=1e-14)
        named = {
            "truncation": problem.horizon is None,
            "bootstrap": not (problem.horizon is None and baseline is exact_baseline),
            "lambda": gae_lambda < 1,
        }
        assert {name: value > 0 for name, value in found.terms.items()} == named


def random_combination(rng):
    shape = S, _ = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    mdp = random_mdp(rng, shape, float(rng.choice([0.0, 0.5, 0.9])))
    V_b, horizon = rng.normal(size=S), int(rng.choice([1, 2, 5]))
    baselines = (exact_baseline, zero_baseline, FixedBaseline(V_b))
    source = Sampled(
        str(rng.choice(NAMES)),
        1,
        horizon,
        baselines[rng.integers(3)],
        float(rng.choice([1.0, 0.5])),
    )
    thetas = 2 * rng.normal(size=(6, *shape))
    problem = (Maml(mdp), Maml(mdp, horizon, 2 * V_b), Lirpg(mdp, thetas[0]))[rng.integers(3)]
    return problem, rng.normal(size=shape), thetas, source


def test_random_search_exceeds_no_bound():
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(150):
        (found,) = check(*random_combination(rng))
        assert found.holds
        ratios.append(found.ratio)
    assert max(ratios) > 0.5  # half the bounds would be refuted


@pytest.mark.parametrize("term", ["truncation", "bootstrap", "lambda"])
def test_each_term_is_needed(term):
    """One step decides where to stay: a term that stands alone is nearly met."""
    P, R = np.zeros((3, 2, 3)), np.zeros((3, 2))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1.0
    R[1] = 1.0
    mdp, theta = TabularMDP(P, R, 0.9, 0), np.zeros((1, 3, 2))
    if term == "truncation":  # the policy matters at the second step only: the first is free
        Q = np.zeros((4, 2, 4))
        Q[1:, :, 1:], Q[0, :, 1] = P, 1.0
        R[0, 0] = 1.0
        mdp = TabularMDP(Q, np.vstack([np.zeros(2), R]), 0.9, 0)
        theta = np.zeros((1, 4, 2))
        problem, source = Maml(mdp), Sampled("ad", 1, 1)
    elif term == "bootstrap":
        problem = Maml(mdp, 1, np.array([0.0, 1.0, 0.0]))
        source = Sampled("ad", 1, 1, zero_baseline)
    else:
        problem = Maml(mdp, 2, np.zeros(3))
        source = Sampled("ad", 1, 2, zero_baseline, 0.0)
    (found,) = check(problem, theta[0], theta, source)
    assert found.terms[term] == found.rhs
    assert 0.9 < found.ratio <= 1 + 1e-12


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_mdps(name):
    mdp = DEGENERATE[name][0]
    theta = np.random.default_rng(0).normal(size=mdp.R.shape)
    V_b = np.arange(float(mdp.num_states))
    for baseline in (exact_baseline, zero_baseline, FixedBaseline(V_b)):
        for problem in (Maml(mdp), Maml(mdp, 2, V_b), Lirpg(mdp, theta)):
            source = Sampled("loaded_dice", 1, 2, baseline, 0.7)
            assert check(problem, theta, theta[None], source)[0].holds


def test_wrong_input():
    mdp, theta = dense_random(), np.zeros((1, 4, 3))
    with pytest.raises(ValueError, match="needs an estimator over as many"):
        check(Maml(mdp, 3), theta[0], theta, Sampled("ad", 1, 4))
    with pytest.raises(ValueError, match="FixedBaseline"):
        bias_bound(Objective(mdp), Sampled("ad", 1, 4, NoisyBaseline()))
    with pytest.raises(ValueError, match="FixedBaseline"):
        bias_bound(Objective(mdp), Sampled("ad", 1, 4, lambda mdp, theta, rng: np.zeros(4)))
