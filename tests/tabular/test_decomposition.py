"""The decomposition in expectation, on a problem with 32 trajectories."""

import itertools
from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tabular.sources import Mean, Sampled
from tests.tabular.reference import Reference
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import SECOND, assert_close
from tests.tabular.unroll import Enumerated, Estimates, assert_mean, meta_case

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)

PERMUTATIONS = list(itertools.product("ES", repeat=3))
ALPHA, HORIZON = 2.0, 2


@pytest.fixture(scope="module", name="tiny")
def _tiny() -> tuple[TabularMDP, Any]:
    rng = np.random.default_rng(12)
    rows = rng.dirichlet(np.ones(2), size=(2, 2))
    return TabularMDP(rows, [[1.0, -0.5], [0.3, 2.0]], 0.9, 0), rng.normal(size=(2, 2))


def expected_meta_gradient(
    mdp: TabularMDP, theta: Any, estimator: str, parts: Any, *, shared: bool = False
) -> Any:
    """E[(I + α Ĥ) p̂(θ + α ĝ)] for one step and N = 1, summed over trajectories."""
    here, reference = (
        Estimates.at(mdp, theta, estimator, horizon=HORIZON),
        Reference(mdp, theta),
    )
    path, curvature, outer = parts
    moves, chances = [reference.gradient.ravel()], [1.0]
    if path == "S":
        moves, chances = here.gradients, here.probability
    hessian = here.mean(here.hessians) if curvature == "S" else reference.hessian.reshape(4, 4)
    total = np.zeros(4)
    for i, (chance, move) in enumerate(zip(chances, moves, strict=True)):
        after = theta + ALPHA * move.reshape(2, 2)
        if outer == "S":
            there = Estimates.at(mdp, after, estimator, horizon=HORIZON)
            p = there.mean(there.gradients)
        else:
            p = Reference(mdp, after).gradient.ravel()
        total += chance * (p + ALPHA * (here.hessians[i] if shared else hessian) @ p)
    return total.reshape(2, 2)


def every_pair(estimator: str, mdp: TabularMDP, theta: Any) -> tuple[Any, Enumerated, Enumerated]:
    """p(τ) p(τ') and sources that give τ to the path and τ' to the curvature."""
    p = Estimates.at(mdp, theta, estimator, horizon=HORIZON).probability
    every = np.arange(len(p))
    first, second = np.repeat(every, len(p)), np.tile(every, len(p))
    sources = (Enumerated(estimator, 1, HORIZON, index=index) for index in (first, second))
    return np.outer(p, p).ravel(), *sources


@every_estimator
@pytest.mark.parametrize("parts", PERMUTATIONS, ids="".join)
def test_expectation_of_each_permutation(tiny, estimator, parts):
    mdp, theta = tiny
    chances, first, second = every_pair(estimator, mdp, theta)
    draws = meta_gradient(
        Maml(mdp),
        np.broadcast_to(theta, (len(chances), 2, 2)) if parts[:2] == ("E", "E") else theta,
        step_size=ALPHA,
        num_steps=1,
        path=EXACT if parts[0] == "E" else first,
        curvature=EXACT if parts[1] == "E" else second,
        outer=EXACT if parts[2] == "E" else Mean(Sampled(estimator, 1, HORIZON)),
    )
    draws = np.broadcast_to(draws, (len(chances), 2, 2))
    expected = expected_meta_gradient(mdp, theta, estimator, parts)
    assert_close(np.tensordot(chances, draws, 1), expected, SECOND)


@every_estimator
def test_expectation_with_shared_trajectories(tiny, estimator):
    """Sharing couples Ĥ with θ¹: the expectation moves by more than the Hessian's own bias."""
    mdp, theta = tiny
    p = Estimates.at(mdp, theta, estimator, horizon=HORIZON).probability
    each = Enumerated(estimator, 1, HORIZON, index=np.arange(len(p)))
    options = {"step_size": ALPHA, "num_steps": 1, "path": each, "curvature": each}
    draws = meta_gradient(Maml(mdp), theta, shared=True, **options)
    expected = expected_meta_gradient(mdp, theta, estimator, "SSE", shared=True)
    assert_close(np.tensordot(p, draws, 1), expected, SECOND)
    independent = expected_meta_gradient(mdp, theta, estimator, "SSE")
    assert np.linalg.norm(expected - independent) > 0.05 * np.linalg.norm(independent)


@pytest.mark.parametrize("estimator", ["lvc", "loaded_dice"])
@pytest.mark.parametrize("parts", [*PERMUTATIONS, "shared"], ids="".join)
def test_mean_of_many_trials(tiny, estimator, parts):
    mdp, theta = tiny
    shared = parts == "shared"
    parts = "SSS" if shared else parts
    path, curvature, outer = (
        EXACT if part == "E" else Sampled(estimator, 1, HORIZON) for part in parts
    )
    draws = meta_gradient(
        Maml(mdp),
        np.broadcast_to(theta, (20_000, 2, 2)),
        step_size=ALPHA,
        num_steps=1,
        path=path,
        curvature=curvature,
        outer=outer,
        shared=shared,
        rng=np.random.default_rng(6),
    )
    expected = expected_meta_gradient(mdp, theta, estimator, parts, shared=shared)
    truth = meta_gradient(Maml(mdp), theta, step_size=ALPHA, num_steps=1)
    if parts == ("E", "E", "E"):
        assert_close(draws, np.broadcast_to(truth, draws.shape), SECOND)
        return
    assert_mean(draws, expected)
    if estimator == "lvc" or parts[0] == "S":
        # There is a bias, and this many trials can see it.
        with pytest.raises(AssertionError, match="standard errors away"):
            assert_mean(draws, truth)


def test_mean_of_a_sampled_curvature_is_the_mean_source():
    """E S E over several steps: multilinear, so `Mean` in each factor gives the expectation."""
    problem, _, phi = meta_case("maml", (3, 2))
    options = {"step_size": 2.0, "num_steps": 4}
    source = Sampled("lvc", 2, 5)
    expected = meta_gradient(problem, phi, curvature=Mean(source), **options)
    many = np.broadcast_to(phi, (20_000, 3, 2))
    rng = np.random.default_rng(9)
    draws = meta_gradient(problem, many, curvature=source, rng=rng, **options)
    assert_mean(draws, expected)
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(draws, meta_gradient(problem, phi, **options))
