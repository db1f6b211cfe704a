"""Mean and covariance of the estimated MAML meta-gradient against sums over all trajectories."""

from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP, covariance
from tabular.baselines import NoisyBaseline, zero_baseline
from tabular.meta_moments import MetaMoments, maml_moments, sandwich, trajectory_law
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.surrogates import COVARIANCE, ESTIMATORS
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import META, Estimates, assert_mean

ALPHA = 0.8
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def make_problem(size: tuple[int, int] = (2, 2), *, successor_rewards: bool = False) -> Any:
    """(Maml, φ); the rewards are R(s,a) or R(s,a,s')."""
    rng = np.random.default_rng([*size, successor_rewards])
    mdp = random_mdp(rng, size)
    if successor_rewards:
        mdp = TabularMDP(mdp.P, rng.normal(size=(*size, size[0])), 0.9, mdp.initial)
    return Maml(mdp), rng.normal(size=size)


def average(one: Any, mean: Any, count: int) -> Any:
    """E[x̄ ⊗ x̄] of the mean x̄ of `count` independent x from E[x ⊗ x] and (E x) ⊗ (E x)."""
    return (one + (count - 1) * mean) / count


def estimates(source: Sampled, problem: Maml, theta: Any) -> Estimates:
    """All estimates of one trajectory of the source at θ."""
    baseline = source.baseline(problem.mdp, theta, None)
    return Estimates.at(
        problem.mdp,
        theta,
        source.estimator,
        horizon=source.horizon,
        baseline=baseline,
        gae_lambda=source.gae_lambda,
    )


def enumerated_moments(
    problem: Maml, phi: Any, num_steps: int, curvature: Any, outer: Any
) -> MetaMoments:
    """M_K = E p̂ p̂ᵀ and M_i = E[(I + α Ĥ) M_{i+1} (I + α Ĥ)] as sums over trajectories."""
    size, iterates = phi.size, [phi]
    for _ in range(num_steps):
        iterates.append(iterates[-1] + ALPHA * Reference(problem.mdp, iterates[-1]).gradient)
    mean = Reference(problem.mdp, iterates[-1]).gradient.ravel()
    second = np.outer(mean, mean)
    if isinstance(outer, Sampled):
        each = estimates(outer, problem, iterates[-1])
        mean = each.mean(each.gradients)
        one = each.mean(np.einsum("ti,tj->tij", each.gradients, each.gradients))
        second = average(one, np.outer(mean, mean), outer.num_trajectories)
    for theta in reversed(iterates[:-1]):
        if isinstance(curvature, Sampled):
            each = estimates(curvature, problem, theta)
            factors = np.eye(size) + ALPHA * each.hessians
            factor = each.mean(factors)
            one = np.einsum(
                "t,tij,jk,tlk->il", each.probability, factors, second, factors, optimize=True
            )
            second = average(one, factor @ second @ factor.T, curvature.num_trajectories)
        else:
            hessian = Reference(problem.mdp, theta).hessian.reshape(size, size)
            factor = np.eye(size) + ALPHA * hessian
            second = factor @ second @ factor.T
        mean = factor @ mean
    table = (*phi.shape, *phi.shape)
    return MetaMoments(mean.reshape(phi.shape), (second - np.outer(mean, mean)).reshape(table))


def assert_moments(problem: Maml, phi: Any, num_steps: int, curvature: Any, outer: Any) -> None:
    options = {"curvature": curvature, "outer": outer}
    actual = maml_moments(problem, phi, step_size=ALPHA, num_steps=num_steps, **options)
    expected = enumerated_moments(problem, phi, num_steps, curvature, outer)
    assert_close(actual.mean, expected.mean, META)
    assert_close(actual.covariance, expected.covariance, COVARIANCE)


@every_estimator
@pytest.mark.parametrize("num_steps", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("outer", ["exact", "sampled"])
def test_moments_are_sums_over_trajectories(estimator, num_steps, count, outer):
    problem, phi = make_problem()
    last = Sampled("lvc", 3 - count, 2) if outer == "sampled" else EXACT
    assert_moments(problem, phi, num_steps, Sampled(estimator, count, 3), last)


@every_estimator
def test_moments_of_the_outer_gradient_alone(estimator):
    problem, phi = make_problem()
    assert_moments(problem, phi, 2, EXACT, Sampled(estimator, 2, 3))


@every_estimator
@pytest.mark.parametrize(
    "settings",
    [
        {"gae_lambda": 0.5},
        {"baseline": zero_baseline},
        {"horizon": 1},
        {"horizon": 4},
    ],
    ids=["lambda", "zero", "short", "long"],
)
def test_moments_for_other_advantages(estimator, settings):
    problem, phi = make_problem(successor_rewards=True)
    source = Sampled(estimator, 2, **{"horizon": 3} | settings)
    assert_moments(problem, phi, 2, source, source)


@every_estimator
@pytest.mark.parametrize("size", [(1, 3), (3, 2), (2, 3)])
def test_moments_for_other_sizes(estimator, size):
    problem, phi = make_problem(size)
    source = Sampled(estimator, 2, 2)
    assert_moments(problem, phi, 2, source, source)


@every_estimator
def test_moments_for_longer_trajectories(estimator):
    problem, phi = make_problem((3, 2))
    assert_moments(problem, phi, 3, Sampled(estimator, 1, 4), Sampled("ad", 5, 4))


@every_estimator
def test_sparse_is_dense(estimator):
    problem, phi = make_problem((5, 3))
    source = Sampled(estimator, 3, 6)
    dense, sparse = (
        maml_moments(Maml(mdp), phi, step_size=ALPHA, num_steps=2, curvature=source, outer=source)
        for mdp in (problem.mdp, problem.mdp.sparse())
    )
    assert_close(sparse.mean, dense.mean, SAME)
    assert_close(sparse.covariance, dense.covariance, SECOND)


def test_exact_sources_have_no_variance():
    problem, phi = make_problem((4, 3))
    options = {"step_size": ALPHA, "num_steps": 3}
    moments = maml_moments(problem, phi, **options)
    assert_close(moments.mean, meta_gradient(problem, phi, **options), SAME)
    square = float(np.abs(moments.mean).max()) ** 2
    assert np.abs(moments.covariance).max() < 1e-14 * square


@every_estimator
def test_the_covariance_is_one_and_shrinks_with_n(estimator):
    """Symmetric, nonnegative, zero along constants per state; N Cov falls to a limit."""
    problem, phi = make_problem((3, 2))
    tables = []
    for count in (1, 10_000, 1_000_000):
        source = Sampled(estimator, count, 4)
        options = {"curvature": source, "outer": source}
        moments = maml_moments(problem, phi, step_size=ALPHA, num_steps=2, **options)
        assert np.abs(moments.covariance.sum(axis=(1, 3))).max() < 1e-13
        tables.append(count * moments.covariance.reshape(6, 6))
    one, many, more = tables
    assert_close(one, one.T, SECOND)
    assert np.linalg.eigvalsh(one).min() > -1e-13 * np.trace(one)
    assert np.trace(one) > 1.01 * np.trace(many)
    # The terms beyond 1/N are at most 1e-4 of the first trace.
    assert 0 < np.trace(many) - np.trace(more) < 1e-4 * np.trace(one)


@every_estimator
def test_a_saturated_policy_has_no_variance(estimator):
    """M = 0 has no eigenvector to start from."""
    problem, _ = make_problem()
    phi = np.array([[800.0, 0.0], [0.0, 800.0]])
    source = Sampled(estimator, 1, 3)
    moments = maml_moments(problem, phi, step_size=ALPHA, num_steps=2, curvature=source)
    assert np.all(moments.mean == 0)
    assert np.all(moments.covariance == 0)


# The pieces.


def make_law(estimator: str, size: tuple[int, int], horizon: int) -> Any:
    problem, phi = make_problem(size, successor_rewards=True)
    source = Sampled(estimator, 1, horizon, gae_lambda=0.7)
    law, kind = trajectory_law(problem.inner(phi, phi), source)
    return law, kind, estimates(source, problem, phi)


@every_estimator
@pytest.mark.parametrize("size", [(1, 3), (2, 2), (3, 2)])
def test_variance_along_a_direction(estimator, size):
    law, kind, each = make_law(estimator, size, 3)
    u, v = np.random.default_rng(0).normal(size=(2, *size))

    def variance(values: Any) -> float:
        along = values @ u.ravel()
        return float(each.mean(along**2) - each.mean(along) ** 2)

    of_gradient = covariance.gradient_variance_along(law, u)
    assert_close(of_gradient, variance(each.gradients), SECOND, scale=10)
    full = covariance.gradient_covariance(law)
    assert_close(of_gradient, np.einsum("ia,iajb,jb", u, full, u), SECOND, scale=10)

    of_product = covariance.hvp_variance_along(law, kind, v, u)
    assert_close(of_product, variance(each.hessians @ v.ravel()), SECOND, scale=10)
    full = covariance.hvp_covariance(law, kind, v)
    assert_close(of_product, np.einsum("ia,iajb,jb", u, full, u), SECOND, scale=10)
    assert of_gradient > 0.01
    assert of_product > (0.01 if kind.local else 1e-4)


@every_estimator
@pytest.mark.parametrize("size", [(6, 3), (20, 2)])
def test_variance_along_a_direction_is_the_quadratic_form_of_the_covariance(estimator, size):
    """Sizes beyond enumeration, dense and sparse, over twenty steps."""
    problem, phi = make_problem(size)
    u, v = np.random.default_rng(0).normal(size=(2, *size))
    for mdp in (problem.mdp, problem.mdp.sparse()):
        law, kind = trajectory_law(Maml(mdp).inner(phi, phi), Sampled(estimator, 1, 20))
        full = covariance.gradient_covariance(law)
        expected = np.einsum("ia,iajb,jb", u, full, u)
        assert_close(covariance.gradient_variance_along(law, u), expected, SECOND)
        full = covariance.hvp_covariance(law, kind, v)
        expected = np.einsum("ia,iajb,jb", u, full, u)
        assert_close(covariance.hvp_variance_along(law, kind, v, u), expected, SECOND)


@every_estimator
@pytest.mark.parametrize("rank", [0, 1, 4])
def test_sandwich(estimator, rank):
    """Q(M) = E[ΔĤ M ΔĤ], also for an M with eigenvalues of both signs."""
    law, kind, each = make_law(estimator, (2, 2), 3)
    vectors = np.random.default_rng(1).normal(size=(4, rank))
    M = vectors @ np.diag([1.0, -0.5, 2.0, 0.1][:rank]) @ vectors.T
    noise = each.hessians - each.mean(each.hessians)
    expected = each.mean(noise @ M @ noise)
    actual = sandwich(law, kind, M.reshape(2, 2, 2, 2))
    assert_close(actual.reshape(4, 4), expected, SECOND, scale=10)
    assert (np.abs(expected).max() > 1e-2) == (rank > 0)


# Real samples.


@every_estimator
@pytest.mark.parametrize("outer", ["exact", "sampled"])
def test_many_trials_have_these_moments(estimator, outer):
    """Means and second moments of 20000 meta-gradients, K = 2: each a mean, with |z| < 5.

    With N = 2 the squares of `dice` have tails too heavy for an estimated standard error.
    """
    problem, phi = make_problem((3, 2))
    options = {"step_size": ALPHA, "num_steps": 2, "curvature": Sampled(estimator, 8, 3)}
    options["outer"] = EXACT if outer == "exact" else Sampled("loaded_dice", 8, 3)
    moments = maml_moments(problem, phi, **options)
    rng = np.random.default_rng(2)
    draws = meta_gradient(problem, np.broadcast_to(phi, (20_000, 3, 2)), rng=rng, **options)
    assert_mean(draws, moments.mean)
    errors = draws - moments.mean
    # One action of each state: those of the other are their negatives.
    first, table = errors[:, :, 0], moments.covariance[:, 0, :, 0]
    assert_mean(np.einsum("bi,bj->bij", first, first), table)
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(np.einsum("bi,bj->bij", first, first), 1.2 * table)


# Errors.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1"),
        ({"step_size": -1.0}, ValueError, "step_size must be one positive number"),
        ({"curvature": Sampled("ad", 2, baseline=NoisyBaseline())}, TypeError, "needs rng"),
        ({"outer": Sampled("ad", 2, baseline=NoisyBaseline())}, TypeError, "needs rng"),
        ({"phi": np.zeros((3, 2, 2))}, ValueError, r"one table \(S, A\), received shape \(3, 2, 2"),
        ({"phi": np.zeros(2)}, ValueError, "phi must have shape"),
    ],
)
def test_bad_arguments(change, error, message):
    problem, phi = make_problem()
    options = {"phi": phi, "step_size": 1.0, "num_steps": 1} | change
    with pytest.raises(error, match=message):
        maml_moments(problem, **options)
