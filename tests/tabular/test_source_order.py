"""Which source of a meta-gradient is asked for what, and in which order they draw."""

from typing import Any

import numpy as np
import pytest

from tabular import exact
from tabular.baselines import NoisyBaseline
from tabular.estimators import Estimate
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tabular.sampling import sample
from tabular.sources import Sampled
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import SAME, assert_close
from tests.tabular.unroll import PROBLEMS, meta_case

every_problem = pytest.mark.parametrize("name", PROBLEMS)


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
