"""Bias against variance: the exact parts, and where mean squared errors cross."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq

from figures.experiments import tradeoff
from figures.experiments.paper import random_mdp
from figures.sweep.cell import stream
from tabular.baselines import NoisyBaseline
from tabular.meta_moments import meta_moments
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.figures.experiments.small import ESTIMATORS, SIGMAS, SMALL
from tests.tabular.tolerances import SAME, assert_close

SETTINGS = {
    **SMALL,
    "estimators": ESTIMATORS,
    "N": (2, 8),
    "alpha": 3.0,
    "K": 1,
    "noises": (0.0, 1.0),
    "mdp": 1,
}
OPTIONS = {"step_size": 3.0, "num_steps": 1}
ZERO = np.zeros((3, 3))


def source(name, noise, N):
    return Sampled(name, N, SETTINGS["horizon"], NoisyBaseline(noise))


def everywhere():
    for i, noise in enumerate(SETTINGS["noises"]):
        for j, name in enumerate(SETTINGS["estimators"]):
            yield i, j, noise, name


def test_datasets_are_labelled(smoke, smoke_figures):
    data, settings = smoke["tradeoff"], smoke_figures["tradeoff"].settings
    for name in ("bias", "falling", "lasting"):
        assert data[name].dims == ("noise", "estimator", "mdp")
    for name in ("square", "square_sd"):
        assert data[name].dims == ("noise", "estimator", "N", "mdp")
    assert data.truth.dims == ("mdp",)
    assert set(data.crossover.dims) == {"pair", "noise", "mdp"}
    assert list(data.pair.values) == ["ad to lvc", "ad to loaded_dice", "lvc to loaded_dice"]
    assert tuple(data.N.values) == settings["N"]
    for name in data.data_vars:
        assert data[name].attrs["long_name"]
        assert not np.isnan(data[name]).any()
    assert (data.lasting.sel(noise=0.0) < 1e-12 * data.falling.sel(noise=0.0)).all()


def test_the_parts_add_up_to_the_mean_squared_error_for_every_N():
    found = tradeoff.simulate(SETTINGS)
    problem = Maml(random_mdp(SETTINGS, 1))
    truth = meta_gradient(problem, ZERO, **OPTIONS)
    assert found["truth"] == pytest.approx(np.linalg.norm(truth))
    for i, j, noise, name in everywhere():
        for N in (1, 3, 10, 1000):
            law = meta_moments(problem, ZERO, curvature=source(name, noise, N), **OPTIONS)
            variance = np.trace(law.covariance.reshape(9, 9))
            parts = found["lasting"][i, j] + found["falling"][i, j] / N
            assert_close(parts, variance, SAME, scale=found["falling"][i, j])
            assert found["bias"][i, j] == pytest.approx(np.linalg.norm(law.mean - truth))


def test_simulated_squares_again_one_by_one():
    found = tradeoff.simulate(SETTINGS)
    problem = Maml(random_mdp(SETTINGS, 1))
    truth = meta_gradient(problem, ZERO, **OPTIONS)
    for i, j, noise, name in everywhere():
        for k, N in enumerate(SETTINGS["N"]):
            rng = stream(0, "tradeoff", name, noise, N, "mdp", 1)
            trials = np.stack([ZERO] * SETTINGS["trials"])
            draws = meta_gradient(
                problem, trials, curvature=source(name, noise, N), rng=rng, **OPTIONS
            )
            squares = [((draw - truth) ** 2).sum() for draw in draws]
            assert_close(found["square"][i, j, k], np.mean(squares), SAME)
            assert_close(found["square_sd"][i, j, k], np.std(squares, ddof=1), SAME)


def test_exact_parts_against_many_trials():
    """And without the part that lasts, the noisy critic's error is found to be too small."""
    settings = {**SETTINGS, "trials": 4000}
    found = tradeoff.simulate(settings)
    N = np.array(settings["N"])
    unit = found["square_sd"] / np.sqrt(settings["trials"])
    short = (found["bias"] ** 2)[..., None] + found["falling"][..., None] / N
    assert (abs(found["square"] - short - found["lasting"][..., None]) < SIGMAS * unit).all()
    ad = SETTINGS["estimators"].index("ad")
    assert (found["square"] - short > SIGMAS * unit)[1, ad].all()


def fake(bias, falling, lasting):
    """Data of two estimators, "a" and "b", on as many MDPs as numbers are given."""
    dims = ("noise", "estimator", "mdp")
    parts = {"bias": bias, "falling": falling, "lasting": lasting}
    return xr.Dataset(
        {name: (dims, np.array([values], dtype=float)) for name, values in parts.items()},
        {"estimator": ["a", "b"]},
    )


def test_crossovers_are_where_mean_squared_errors_are_equal():
    rng = np.random.default_rng(3)
    bias, falling, lasting = rng.exponential(size=(3, 2, 200))
    found = tradeoff.crossover(fake(bias, falling, lasting), "a", "b").values[0]

    def margin(N, m):
        """Mean squared error of b minus that of a."""
        one, two = (bias[e, m] ** 2 + lasting[e, m] + falling[e, m] / N for e in (0, 1))
        return two - one

    kinds = set()
    for m, at in enumerate(found):
        if np.isinf(at):
            kinds.add("never")
            assert margin(1e12, m) > 0
        elif at == 1:
            kinds.add("always")
            assert margin(1.0, m) <= 0
            assert margin(1e12, m) < 0
        else:
            kinds.add("from N* on")
            assert at == pytest.approx(brentq(margin, 0.5, 1e12, args=(m,), xtol=1e-9), rel=1e-6)
            assert margin(at * 1.01, m) < 0 < margin(at / 1.01, m)
    assert kinds == {"never", "always", "from N* on"}


@pytest.mark.parametrize(
    ("falling", "expected"), [((1, 2), np.inf), ((2, 1), np.inf), ((1, 1), np.inf)]
)
def test_equal_limits_never_cross(falling, expected):
    data = fake([[1], [1]], [[falling[0]], [falling[1]]], [[0], [0]])
    assert tradeoff.crossover(data, "a", "b").item() == expected


def test_crossovers_of_the_figure(smoke):
    """Every exact curve is on the side that its crossover says."""
    data = smoke["tradeoff"]
    square = data.bias**2 + data.lasting
    for pair in map(str, data.pair.values):
        first, second = pair.split(" to ")
        at = data.crossover.sel(pair=pair)
        gap = square.sel(estimator=second, drop=True) - square.sel(estimator=first, drop=True)
        cost = data.falling.sel(estimator=second, drop=True) - data.falling.sel(
            estimator=first, drop=True
        )
        assert (at >= 1).all()
        twice = gap + cost / (2 * at)
        assert (twice.where(np.isfinite(at), -1) < 0).all()
        assert (gap.where(np.isinf(at), 0) >= 0).all()
