"""Exact, sampled and mean sources, and the decomposition of a meta-gradient into them."""

import itertools
from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tabular.baselines import NoisyBaseline, exact_baseline, zero_baseline
from tabular.estimators import Estimate
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tabular.sampling import sample
from tabular.sources import Exact, Mean, Sampled, Update
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import PROBLEMS, Enumerated, Estimates, assert_mean, meta_case

every_problem = pytest.mark.parametrize("name", PROBLEMS)
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)

# One source.


def test_exact_is_the_problems_own_differential():
    differential = object()
    update = Update(None, None, exact=lambda: differential)
    assert Exact()(update, None) is differential


@every_estimator
def test_mean_is_the_sum_over_trajectories(estimator):
    problem, _, phi = meta_case("maml", (2, 2))
    source = Sampled(estimator, 3, 3, gae_lambda=0.6)
    mean = Mean(source)(problem.inner(phi, phi), None)
    each = Estimates.at(problem.mdp, phi, estimator, horizon=3, gae_lambda=0.6)
    assert_close(mean.gradient.ravel(), each.mean(each.gradients), SECOND)
    u = np.random.default_rng(0).normal(size=(2, 2))
    assert_close(mean.vjp(u).ravel(), u.ravel() @ each.mean(each.hessians), SECOND)


@every_estimator
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_sampled_is_an_estimate_on_fresh_trajectories(estimator, batch):
    problem, _, phi = meta_case("maml", (3, 2))
    theta = phi + np.random.default_rng(1).normal(size=(*batch, 3, 2))
    source = Sampled(estimator, 5, 4, gae_lambda=0.6)
    drawn = source(problem.inner(theta, theta), np.random.default_rng(2))
    rng = np.random.default_rng(2)
    again = sample(problem.mdp, theta, horizon=4, num_trajectories=5, rng=rng)
    baseline = exact.state_value(problem.mdp, theta)
    options = {"estimator": estimator, "baseline": baseline, "gae_lambda": 0.6}
    expected = Estimate(problem.mdp, theta, again, **options)
    u = np.random.default_rng(3).normal(size=(3, 2))
    assert np.array_equal(drawn.gradient, expected.gradient)
    assert np.array_equal(drawn.vjp(u), expected.hvp(u))


@pytest.mark.parametrize("mean", [False, True])
def test_critic_and_lambda_of_the_update_come_first(mean):
    """MGRL fixes V_b and λ: what the source says of them does not matter."""
    problem, _, phi = meta_case("mgrl", (3, 2))
    update = problem.inner(phi, problem.start(phi))
    gradients = []
    for settings in ({}, {"baseline": zero_baseline, "gae_lambda": 0.1}):
        source = Sampled("lvc", 4, 5, **settings)
        source = Mean(source) if mean else source
        gradients.append(source(update, np.random.default_rng(4)).gradient)
    assert np.array_equal(*gradients)
    options = Sampled("lvc", 4).advantage_options(update, None)
    assert options["baseline"] is problem.critic
    assert options["gae_lambda"] == phi[1]


def test_the_baseline_follows_the_policy():
    """It is called once an estimate, with the update's own MDP and θ and the generator."""
    problem, _, phi = meta_case("lirpg", (3, 2))
    calls = []

    def baseline(*call: Any) -> Any:
        calls.append(call)
        return exact_baseline(*call)

    source, rng = Sampled("lvc", 4, 5, baseline=baseline), np.random.default_rng(5)
    meta_gradient(problem, phi, step_size=1.0, num_steps=2, curvature=source, outer=source, rng=rng)
    (mdp, _, _), (_, _, _), (last, _, _) = calls
    assert all(call[2] is rng for call in calls)
    assert len({call[1].tobytes() for call in calls}) == 3
    assert_close(mdp.R, problem.mdp.R + phi, SAME)
    assert last is problem.mdp


def test_sources_are_values():
    assert Sampled("ad", 2) == Sampled("ad", 2, horizon=20, baseline=exact_baseline)
    assert Sampled("ad", 2) != Sampled("ad", 2, baseline=zero_baseline)
    assert Sampled("ad", 2, baseline=NoisyBaseline()) == Sampled("ad", 2, baseline=NoisyBaseline())
    assert len({Exact(), EXACT, Mean(Sampled("ad", 2)), Mean(Sampled("ad", 2))}) == 2
    with pytest.raises(AttributeError):
        Sampled("ad", 2).horizon = 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("maml", 2), ValueError, "unknown estimator 'maml'; choose one of ad, dice, loaded_dice"),
        (("ad", 0), ValueError, "num_trajectories must be at least 1, received 0"),
        (("ad", 2.0), TypeError, "num_trajectories must be an integer, received 2.0"),
        (("ad", True), TypeError, "num_trajectories must be an integer, received True"),
        (("ad", 2, 0), ValueError, "horizon must be at least 1, received 0"),
        (("ad", 2, None), TypeError, "horizon must be an integer, received None"),
        (("ad", 2, 5, exact_baseline, 1.5), ValueError, r"gae_lambda must lie in \[0, 1\]"),
        (("ad", 2, 5, exact_baseline, float("nan")), ValueError, "gae_lambda must be finite"),
    ],
)
def test_bad_settings(arguments, error, message):
    with pytest.raises(error, match=message):
        Sampled(*arguments)


def test_a_baseline_of_the_wrong_shape_is_refused():
    problem, _, phi = meta_case("maml", (3, 2))
    source = Sampled("ad", 2, baseline=lambda mdp, theta, rng: np.zeros(4))
    for choice in (source, Mean(source)):
        with pytest.raises(ValueError, match=r"baseline must have shape \(..., 3\)"):
            choice(problem.inner(phi, phi), np.random.default_rng(0))


def test_a_batch_of_mdps_cannot_be_sampled():
    problem, _, phi = meta_case("maml", (3, 2))
    stacked = Maml(TabularMDP.stack([problem.mdp, problem.mdp]))
    with pytest.raises(ValueError, match="sampling needs one MDP"):
        Sampled("ad", 2)(stacked.inner(phi, phi), np.random.default_rng(0))


# Who uses what, and in which order.


class Recorder:
    """A source that hands on `of`, keeps the iterates it saw, and forbids some attributes."""

    def __init__(self, of: Any, *forbidden: str) -> None:
        self.of, self.forbidden, self.seen = of, forbidden, []

    def __call__(self, update: Any, rng: Any) -> Any:
        self.seen.append(update.theta)
        return Guarded(self.of(update, rng), self.forbidden)


class Guarded:
    def __init__(self, inner: Any, forbidden: tuple[str, ...]) -> None:
        self._inner, self._forbidden = inner, forbidden

    def __getattr__(self, name: str) -> Any:
        assert name not in self._forbidden, f"{name} must not be used"
        return getattr(self._inner, name)


PRODUCTS = ("vjp", "hvp", "cross_reward", "cross_gamma", "cross_lambda")


@every_problem
def test_each_source_plays_its_own_part(name):
    """The path lends its values, the curvature its derivatives at the path's iterates."""
    problem, _, phi = meta_case(name, (3, 2))
    sources = {
        "path": Recorder(Sampled("lvc", 3, 4), *PRODUCTS),
        "curvature": Recorder(Sampled("loaded_dice", 2, 4), "gradient"),
        "outer": Recorder(Sampled("ad", 5, 4), *PRODUCTS),
    }
    rng = np.random.default_rng(0)
    result = meta_gradient(problem, phi, step_size=1.0, num_steps=3, rng=rng, **sources)
    assert result.shape == phi.shape
    path, curvature, outer = (sources[part].seen for part in ("path", "curvature", "outer"))
    assert len(path) == len(curvature) == 3
    assert len(outer) == 1
    assert np.array_equal(path, curvature)
    assert not any(np.array_equal(outer[0], theta) for theta in path)


@pytest.mark.parametrize("shared", [False, True])
def test_sampled_sources_draw_in_the_stated_order(shared):
    """Two steps written out: path, curvature, path, curvature, outer; shared draws once a step."""
    mdp, alpha = random_mdp(np.random.default_rng(3), (3, 2)), 0.8
    theta = np.random.default_rng(4).normal(size=(5, 3, 2))
    inner, last = Sampled("loaded_dice", 3, 4), Sampled("lvc", 7, 2)
    actual = meta_gradient(
        Maml(mdp),
        theta,
        step_size=alpha,
        num_steps=2,
        path=inner,
        curvature=inner,
        outer=last,
        shared=shared,
        rng=np.random.default_rng(5),
    )

    rng = np.random.default_rng(5)

    def estimate(source: Sampled, theta: Any) -> Estimate:
        size = {"horizon": source.horizon, "num_trajectories": source.num_trajectories}
        drawn = sample(mdp, theta, rng=rng, **size)
        baseline = exact.state_value(mdp, theta)
        return Estimate(mdp, theta, drawn, estimator=source.estimator, baseline=baseline)

    first = estimate(inner, theta)
    first_curvature = first if shared else estimate(inner, theta)
    theta = theta + alpha * first.gradient
    second = estimate(inner, theta)
    second_curvature = second if shared else estimate(inner, theta)
    theta = theta + alpha * second.gradient
    p = estimate(last, theta).gradient
    p = p + alpha * second_curvature.hvp(p)
    assert_close(actual, p + alpha * first_curvature.hvp(p), SAME)


@every_problem
@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize("shared", [False, True])
def test_same_seed_same_bits(name, batch, shared):
    problem, _, phi = meta_case(name, (3, 2))
    phi = np.broadcast_to(phi, (*batch, *phi.shape))
    source = Sampled("lvc", 3, 5, baseline=NoisyBaseline())
    options = {"step_size": 1.0, "num_steps": 2, "path": source, "curvature": source}
    options |= {"outer": Sampled("ad", 2, 3), "shared": shared}
    first, second, other = (
        meta_gradient(problem, phi, rng=np.random.default_rng(seed), **options)
        for seed in (7, 7, 8)
    )
    assert first.shape == phi.shape
    assert np.all(np.isfinite(first))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


# The decomposition in expectation, on a problem with 32 trajectories.

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
