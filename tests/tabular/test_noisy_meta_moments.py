"""Moments over a noisy baseline against quadrature: one z for each estimate, S = 2."""

import itertools

import numpy as np
import pytest

from tabular import estimate_law, exact
from tabular.baselines import NoisyBaseline
from tabular.meta_moments import PathLaw, meta_moments
from tabular.metagradient import EXACT, adapt, meta_gradient
from tabular.problems import Lirpg, Maml
from tabular.sources import Mean, Sampled
from tests.tabular.meta_reference import tiny_case
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import assert_mean

NOISE = NoisyBaseline(1.5)
ALPHA = 0.8
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def nodes():
    """z (9, 2) and weights: exact for polynomials of degree five in each entry."""
    x, w = np.polynomial.hermite_e.hermegauss(3)
    w = w / w.sum()
    return [(np.array([x[i], x[j]]), w[i] * w[j]) for i, j in itertools.product(range(3), repeat=2)]


def quadrature(case, num_steps, curvature, outer):
    """Mean and covariance over every estimate's own z."""
    mdp, phi = case.problem.mdp, case.phi
    options = {"step_size": ALPHA, "num_steps": num_steps}
    thetas = adapt(case.problem, phi, **options)
    # The inner rewards of LIRPG contain φ; the outer ones do not.
    inner = mdp.add_reward(phi) if isinstance(case.problem, Lirpg) else mdp
    worlds = [inner] * num_steps + [mdp]
    values = [exact.state_value(world, theta) for world, theta in zip(worlds, thetas, strict=True)]
    noisy = [(curvature is not EXACT)] * num_steps + [outer is not EXACT]
    choices = [nodes() if on else [(np.zeros(2), 1.0)] for on in noisy]
    mean, second = 0.0, 0.0
    for drawn in itertools.product(*choices):
        tables = [
            value + NOISE.scale(value) * z for value, (z, _) in zip(values, drawn, strict=True)
        ]

        def baseline(world, theta, rng, tables=tables):
            found = [np.array_equal(theta, at) for at in thetas]
            return tables[found.index(True)]

        sources = [
            x if x is EXACT else Sampled(x.estimator, x.num_trajectories, x.horizon, baseline)
            for x in (curvature, outer)
        ]
        found = meta_moments(case.problem, phi, curvature=sources[0], outer=sources[1], **options)
        weight = np.prod([w for _, w in drawn])
        mean = mean + weight * found.mean
        second = second + weight * (found.covariance + np.multiply.outer(found.mean, found.mean))
    return mean, second - np.multiply.outer(mean, mean)


def noisy_source(estimator, count=3):
    return Sampled(estimator, count, 3, NOISE)


@every_estimator
@pytest.mark.parametrize("name", ["maml", "lirpg"])
@pytest.mark.parametrize(
    ("num_steps", "sampled"),
    [
        (1, "curvature outer"),
        (1, "curvature"),
        (2, "curvature"),
        (2, "outer"),
        pytest.param(2, "curvature outer", marks=pytest.mark.slow),
    ],
)
def test_against_quadrature(estimator, name, num_steps, sampled):
    case = tiny_case(name, (2, 2), "by successor")
    curvature = noisy_source(estimator) if "curvature" in sampled else EXACT
    outer = noisy_source("lvc", 2) if "outer" in sampled else EXACT
    options = {"step_size": ALPHA, "num_steps": num_steps}
    found = meta_moments(case.problem, case.phi, curvature=curvature, outer=outer, **options)
    mean, covariance = quadrature(case, num_steps, curvature, outer)
    assert_close(found.mean, mean, SECOND, what="mean")
    assert_close(found.covariance, covariance, SECOND, what="covariance")


def test_without_the_lasting_part_quadrature_disagrees(monkeypatch):
    case = tiny_case("maml", (2, 2))
    monkeypatch.setattr(estimate_law, "mean_table", lambda law: np.zeros(law.shape))
    source = noisy_source("lvc")
    options = {"step_size": ALPHA, "num_steps": 1}
    found = meta_moments(case.problem, case.phi, curvature=source, **options)
    _, covariance = quadrature(case, 1, source, EXACT)
    with pytest.raises(AssertionError, match="covariance differs"):
        assert_close(found.covariance, covariance, SECOND, what="covariance")


@every_estimator
def test_noise_without_size_is_none(estimator):
    case = tiny_case("maml", (3, 2))
    options = {"step_size": ALPHA, "num_steps": 2}
    silent = Sampled(estimator, 2, 4, NoisyBaseline(0.0))
    certain = Sampled(estimator, 2, 4)
    one, other = (
        meta_moments(case.problem, case.phi, curvature=x, outer=x, **options)
        for x in (silent, certain)
    )
    assert_close(one.mean, other.mean, SAME)
    assert_close(one.covariance, other.covariance, SAME)


@pytest.mark.slow
@every_estimator
def test_against_simulation(estimator):
    """Estimates from `meta_gradient` with the same sources scatter as their law says."""
    case = tiny_case("maml", (3, 2))
    source = noisy_source(estimator, 4)
    options = {"step_size": ALPHA, "num_steps": 2, "curvature": source, "outer": source}
    found = meta_moments(case.problem, case.phi, **options)
    phi = np.broadcast_to(case.phi, (40_000, *case.phi.shape))
    draws = meta_gradient(case.problem, phi, rng=np.random.default_rng(0), **options)
    # One action of each state: those of the other are their negatives.
    draws, mean = draws.reshape(len(phi), -1)[:, ::2], found.mean.ravel()[::2]
    assert_mean(draws, mean)
    errors = draws - mean
    table = found.covariance.reshape(6, 6)[::2, ::2]
    assert_mean(np.einsum("bi,bj->bij", errors, errors), table)


def test_what_sources_share_is_computed_once():
    case = tiny_case("maml", (3, 2))
    options = {"step_size": ALPHA, "num_steps": 2}
    together = PathLaw(case.problem, case.phi, path=Mean(noisy_source("lvc")), **options)
    for estimator, count in itertools.product(("ad", "loaded_dice", "lvc"), (2, 5)):
        sources = {"curvature": noisy_source(estimator, count), "outer": noisy_source("lvc", 3)}
        alone = meta_moments(
            case.problem, case.phi, path=Mean(noisy_source("lvc")), **sources, **options
        )
        found = together.moments(**sources)
        assert_close(found.mean, alone.mean, SAME)
        assert_close(found.covariance, alone.covariance, SAME)
    # One expansion an estimator, whatever N is; one law a step, whatever the estimator.
    assert len(together._terms) == 3
    assert len(together._laws) == 3


def test_the_law_of_a_critic_has_no_noise():
    """MGRL's critic is fixed: a noisy source uses it as it is."""
    case = tiny_case("mgrl", (2, 2))
    options = {"step_size": ALPHA, "num_steps": 2}
    noisy, certain = (
        meta_moments(case.problem, case.phi, curvature=x, **options)
        for x in (noisy_source("lvc"), Sampled("lvc", 3, 3))
    )
    assert_close(noisy.covariance, certain.covariance, SAME)


def test_maml_is_the_problem_of_the_paper():
    """With exact path the mean over noise is that with the exact baseline."""
    case = tiny_case("maml", (3, 2))
    assert isinstance(case.problem, Maml)
    options = {"step_size": ALPHA, "num_steps": 2}
    source = noisy_source("loaded_dice")
    found = meta_moments(case.problem, case.phi, curvature=source, outer=source, **options)
    mean = Mean(Sampled("loaded_dice", 3, 3))
    assert_close(
        found.mean,
        meta_gradient(case.problem, case.phi, curvature=mean, outer=mean, **options),
        SAME,
    )
