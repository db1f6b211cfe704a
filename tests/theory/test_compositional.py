"""The compositional part against all sampled paths of tiny MDPs."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from tabular import exact
from tabular.baselines import FixedBaseline, zero_baseline
from tabular.problems import Maml
from tabular.registry import ESTIMATORS
from tabular.sources import Sampled
from tests.tabular.reference import Reference
from tests.tabular.tolerances import assert_close
from tests.theory.brute import Brute
from tests.theory.cases import NAMES, ROW, STANDARD_ERRORS, dense_random, rows_of, seeded
from theory.compositional import (
    NUM_PATHS,
    Paths,
    compositional,
    last_factor,
    mean_shift,
    sampled_paths,
)
from theory.inner_path import InnerPath
from theory.point import Point
from theory.settings import Settings

MDP = dense_random(3, 2)
#: Components at a sampled mean; all of six within five standard errors.
MANY = 20_000


def settings(K: int) -> Settings:
    return Settings(horizon=2, num_trajectories=1, num_steps=K)


@cache
def brute(K: int) -> Brute:
    return Brute(MDP, settings(K))


def inner_path(name: str, K: int) -> tuple[InnerPath, Any]:
    theta = np.zeros(MDP.R.shape)
    point = Point(MDP, exact.evaluate(MDP, theta), settings(K), 2, brute(K).step_size, 0.0)
    return point.path(ESTIMATORS[name]), point.source(name)


def complete(path: InnerPath, source: Any, sampled: Paths) -> tuple[Any, Any]:
    """F and C with their last factor."""
    mean = path.means(source)[0]
    draws, control = (last_factor(path, mean, x) for x in (sampled.draws, sampled.control))
    return draws, control


@cache
def every_path(name: str, K: int) -> tuple[Any, Any]:
    """All 36^K paths of one trajectory a step: their probabilities and meta-gradients."""
    weights, paths = np.ones(1), [(brute(K).theta, np.eye(6))]
    for _ in range(K):
        moved, new_weights = [], []
        for weight, (theta, product) in zip(weights, paths, strict=True):
            every = brute(K).at(name, theta)
            after = product + brute(K).step_size * product @ every.mean(every.hessians)
            for gradient in every.gradients:
                moved.append((theta + brute(K).step_size * gradient.reshape(3, 2), after))
            new_weights.append(weight * every.probability)
        weights, paths = np.concatenate(new_weights), moved
    assert len(paths) == 36**K
    outer = exact.gradient(MDP, np.stack([theta for theta, _ in paths])).reshape(-1, 6)
    return weights, np.einsum("mij,mj->mi", np.stack([product for _, product in paths]), outer)


def off_in_errors(samples: Any, center: Any) -> float:
    """The largest distance of a mean from its expectation, in standard errors."""
    samples = samples.reshape(len(samples), -1)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return float(np.abs((samples.mean(axis=0) - center) / error).max())


def test_the_norm_of_a_shift_loses_what_the_noise_adds():
    """Means 2 of {1, 3} and 0 of {1, −1}: noise (2 + 2)/2 = 2, shift √(2² − 2)."""
    samples = np.array([[[3.0, 1.0]], [[1.0, -1.0]]])
    shift, error = mean_shift(samples, np.zeros((1, 2)))
    assert_close([shift, error], np.sqrt([2.0, 2.0]), ROW)
    assert mean_shift(samples, np.array([[2.0, 0.0]]))[0] == 0.0


@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_the_control_has_no_mean_and_takes_noise_away(name, K):
    """With and without it the sampled mean is that over all paths."""
    path, source = inner_path(name, K)
    sampled = sampled_paths(path, source, MANY, np.random.default_rng(0))
    found, control = complete(path, source, sampled)
    weights, draws = every_path(name, K)
    assert off_in_errors(control, 0.0) < STANDARD_ERRORS
    assert off_in_errors(found, weights @ draws) < STANDARD_ERRORS
    assert off_in_errors(found - control, weights @ draws) < STANDARD_ERRORS
    before, after = (x.var(axis=0).sum() for x in (found, found - control))
    # Single steps of DiCE are so long that first order says little.
    assert after < before * (1.0 if name == "dice" else 0.5)


def test_a_control_with_a_mean_would_be_noticed():
    """One percent of the noise left in ξ: 0.01 standard deviations, of which one error is 1/141."""
    path, source = inner_path("lvc", 1)
    control = sampled_paths(path, source, 40 * MANY, np.random.default_rng(0)).control
    wrong = control + 0.01 * control.std(axis=0)
    assert off_in_errors(control, 0.0) < STANDARD_ERRORS < off_in_errors(wrong, 0.0)


def test_to_first_order_nothing_but_the_shift_is_left():
    """At α → 0 noise falls as α, what is left of it as α²."""
    path, source = inner_path("loaded_dice", 2)
    left = []
    for step_size in (1e-2, 1e-3):
        short = InnerPath(MDP, path.source, step_size, 2)
        sampled = sampled_paths(short, source, 50, np.random.default_rng(0))
        left.append((sampled.draws - sampled.control).std(axis=0).sum() / step_size)
    assert left[1] < 0.12 * left[0]


def test_at_any_step_size_first_order_is_that_in_the_noise():
    """At N → ∞ noise falls as N^{−1/2}, what is left as 1/N, where the estimates are unbiased."""
    left, table = [], FixedBaseline(np.array([0.3, -0.2, 0.5]))
    for count in (100, 10_000):
        source = Sampled("loaded_dice", count, 2, table)
        path = InnerPath(MDP, source, 2.0, 3, Maml(MDP, 2, table.table))
        sampled = sampled_paths(path, source, 100, np.random.default_rng(0))
        left.append((sampled.draws - sampled.control).std(axis=0).sum() * np.sqrt(count))
    assert left[1] < 0.12 * left[0]


def test_paths_that_are_all_the_same_have_no_shift():
    mdp = MDP.with_reward(np.zeros(MDP.R.shape))
    source = Sampled("ad", 2, 2, zero_baseline)
    path = InnerPath(mdp, source, 1.0, 2)
    assert compositional(path, source, np.random.default_rng(0)) is None


def test_enumerated_control_of_one_step():
    """α L H ξ with autograd's Hessians, over all inner trajectories: mean zero, and the row's ±."""
    reports = [rows_of(report) for report in seeded(settings(1), MDP, 20)]
    theta, alpha = brute(1).theta, brute(1).step_size
    for name in NAMES:
        weights, draws = every_path(name, 1)
        every = brute(1).at(name)
        step = every.mean(every.gradients)
        H = Reference(MDP, theta + alpha * step.reshape(3, 2)).hessian.reshape(6, 6)
        L = np.eye(6) + alpha * every.mean(every.hessians)
        control = alpha * (every.gradients - step) @ (L @ H).T
        assert_close(weights @ control, np.zeros(6), ROW)
        left = draws - control
        noise = weights @ ((left - weights @ left) ** 2).sum(axis=1) / NUM_PATHS
        squares = np.array(
            [report["meta-gradient", name].compositional_se ** 2 for report in reports]
        )
        spread = squares.std(ddof=1) / np.sqrt(len(squares))
        assert abs(squares.mean() - noise) < STANDARD_ERRORS * spread, name


@pytest.mark.parametrize("K", [1, 2])
def test_compositional_part(K):
    """Off by a vector whose mean square is the ± squared, and reduced by one of it at most."""
    reports = [rows_of(report) for report in seeded(settings(K), MDP, 20)]
    for name in NAMES:
        weights, draws = every_path(name, K)
        center = brute(K).numbers(name)["meta-gradient"].mean
        shift = float(np.linalg.norm(weights @ draws - center))
        rows = [report["meta-gradient", name] for report in reports]
        found = np.array([row.compositional for row in rows])
        typical = np.sqrt(np.mean([row.compositional_se**2 for row in rows]))
        assert np.all(np.abs(found - shift) < (STANDARD_ERRORS + 1) * typical), name
        assert np.median(found) > 0
