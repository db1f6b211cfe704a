"""Mean and covariance of the estimated meta-gradient against sums over all trajectories."""

import numpy as np
import pytest

from tabular import TabularMDP, covariance, moments, reward_covariance
from tabular.estimate_law import trajectory_law
from tabular.meta_moments import meta_moments
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sources import Exact, Mean, Sampled
from tests.tabular.meta_reference import Choice, enumerated_moments, tiny_case
from tests.tabular.surrogates import ESTIMATORS
from tests.tabular.tolerances import ENUMERATED, SAME, SECOND, assert_close
from tests.tabular.unroll import MetaCase, assert_mean

ALPHA = 0.8
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
every_problem = pytest.mark.parametrize("name", ["maml", "lirpg", "mgrl"])


def assert_moments(
    case: MetaCase, num_steps: int, curvature: Choice | None, outer: Choice | None
) -> None:
    options = {"step_size": ALPHA, "num_steps": num_steps}
    sources = {
        name: EXACT if choice is None else choice.source
        for name, choice in (("curvature", curvature), ("outer", outer))
    }
    actual = meta_moments(case.problem, case.phi, **options, **sources)
    expected = enumerated_moments(case, **options, curvature=curvature, outer=outer)
    assert_close(actual.mean, expected.mean, ENUMERATED, what="mean")
    assert_close(actual.covariance, expected.covariance, ENUMERATED, what="covariance")


@every_problem
@every_estimator
@pytest.mark.parametrize("num_steps", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("outer", ["exact", "sampled"])
def test_moments_are_sums_over_trajectories(name, estimator, num_steps, count, outer):
    last = Choice("lvc", 3 - count, 2) if outer == "sampled" else None
    assert_moments(tiny_case(name, (2, 2)), num_steps, Choice(estimator, count, 3), last)


@every_problem
@every_estimator
def test_moments_of_the_outer_gradient_alone(name, estimator):
    assert_moments(tiny_case(name, (2, 2)), 2, None, Choice(estimator, 2, 3))


@every_problem
@every_estimator
@pytest.mark.parametrize(
    "settings",
    [
        {"gae_lambda": 0.5},
        {"gae_lambda": 0.0, "baseline": "zero"},
        {"baseline": np.array([2.0, -1.0]), "gae_lambda": 0.7},
        {"horizon": 1},
        {"horizon": 4},
    ],
    ids=["lambda", "zero", "table", "short", "long"],
)
def test_moments_for_other_advantages(name, estimator, settings):
    choice = Choice(**{"estimator": estimator, "num_trajectories": 2, "horizon": 3} | settings)
    assert_moments(tiny_case(name, (2, 2), "by successor"), 2, choice, choice)


@every_problem
@every_estimator
@pytest.mark.parametrize("kind", ["sparse by successor", "by successor and action", "no discount"])
@pytest.mark.parametrize("size", [(1, 3), (3, 2), (2, 3)], ids=str)
def test_moments_for_other_mdps(name, estimator, kind, size):
    choice = Choice(estimator, 2, 2, 0.6)
    assert_moments(tiny_case(name, size, kind), 2, choice, choice)


@pytest.mark.slow
@every_problem
@every_estimator
def test_moments_for_longer_trajectories(name, estimator):
    case = tiny_case(name, (3, 2), "by successor")
    assert_moments(case, 3, Choice(estimator, 1, 4), Choice("ad", 5, 4))


def test_a_joint_covariance_wrong_by_a_thousandth_is_found(monkeypatch):
    right = reward_covariance.joint_covariance
    arguments = tiny_case("lirpg", (2, 2)), 2, Choice("loaded_dice", 1, 3), None
    assert_moments(*arguments)
    monkeypatch.setattr(reward_covariance, "joint_covariance", lambda *a: 1.001 * right(*a))
    with pytest.raises(AssertionError, match="covariance differs"):
        assert_moments(*arguments)


@every_problem
@every_estimator
@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_path_of_expected_estimates(name, estimator, num_steps):
    """The mean is that of `meta_gradient` with means; the path itself is without noise."""
    case = tiny_case(name, (3, 2))
    source = Sampled(estimator, 2, 5)
    options = {"step_size": ALPHA, "num_steps": num_steps, "path": Mean(source)}
    actual = meta_moments(case.problem, case.phi, curvature=source, outer=source, **options)
    means = {"curvature": Mean(source), "outer": Mean(source)}
    assert_close(actual.mean, meta_gradient(case.problem, case.phi, **means, **options), SAME)
    exactly = meta_moments(case.problem, case.phi, **options)
    assert not np.any(exactly.covariance)


@every_problem
def test_every_mean_is_evaluated_once(name, monkeypatch):
    case, calls = tiny_case(name, (3, 2)), []
    for source in (Exact, Mean):
        right = source.__call__
        counted = lambda *a, right=right: calls.append(a) or right(*a)  # noqa: E731
        monkeypatch.setattr(source, "__call__", counted)
    source = Sampled("loaded_dice", 2, 5)
    options = {"step_size": ALPHA, "num_steps": 3, "outer": source}
    for path, evaluations in ((EXACT, 2 * 3 + 1), (Mean(source), 3 + 1)):
        calls.clear()
        meta_moments(case.problem, case.phi, path=path, curvature=source, **options)
        assert len(calls) == evaluations


@every_problem
@every_estimator
def test_sparse_is_dense(name, estimator):
    source = Sampled(estimator, 3, 6)
    case = tiny_case(name, (5, 3))
    thin = {
        "maml": lambda mdp: Maml(mdp),
        "lirpg": lambda mdp: Lirpg(mdp, case.problem.theta0),
        "mgrl": lambda mdp: Mgrl(mdp, case.problem.theta0, case.problem.critic),
    }[name](case.problem.mdp.sparse())
    dense, sparse = (
        meta_moments(
            problem, case.phi, step_size=ALPHA, num_steps=2, curvature=source, outer=source
        )
        for problem in (case.problem, thin)
    )
    assert_close(sparse.mean, dense.mean, SAME)
    assert_close(sparse.covariance, dense.covariance, SECOND)


@every_problem
def test_exact_sources_have_no_variance(name):
    case = tiny_case(name, (4, 3))
    options = {"step_size": ALPHA, "num_steps": 3}
    found = meta_moments(case.problem, case.phi, **options)
    assert_close(found.mean, meta_gradient(case.problem, case.phi, **options), SAME)
    assert not np.any(found.covariance)


@every_problem
@every_estimator
def test_the_covariance_is_one_and_shrinks_with_n(name, estimator):
    """Symmetric and nonnegative; N Cov falls to a limit when E λ λᵀ loses its own noise."""
    case = tiny_case(name, (3, 2))
    tables = []
    for count in (1, 10_000, 1_000_000):
        source = Sampled(estimator, count, 4)
        options = {"step_size": ALPHA, "num_steps": 2, "curvature": source, "outer": source}
        found = meta_moments(case.problem, case.phi, **options)
        if name == "maml":  # θ + c is the same policy
            assert np.abs(found.covariance.sum(axis=(1, 3))).max() < 1e-13
        tables.append(count * found.covariance.reshape(case.phi.size, -1))
    one, many, more = tables
    assert_close(one, one.T, SECOND)
    assert np.linalg.eigvalsh(one).min() > -1e-13 * np.trace(one)
    assert np.trace(one) > 1.01 * np.trace(many)
    # The terms beyond 1/N are at most 1e-4 of the first trace.
    assert 0 < np.trace(many) - np.trace(more) < 1e-4 * np.trace(one)


@every_estimator
def test_a_saturated_policy_has_no_variance(estimator):
    """E λ λᵀ = 0 has no eigenvector to start from."""
    mdp = tiny_case("maml", (2, 2)).problem.mdp
    phi = np.array([[800.0, 0.0], [0.0, 800.0]])
    source = Sampled(estimator, 1, 3)
    for problem in (Maml(mdp), Lirpg(mdp, phi)):
        found = meta_moments(problem, phi, step_size=ALPHA, num_steps=2, curvature=source)
        assert np.all(found.mean == 0)
        assert np.all(found.covariance == 0)


# One step.


@every_estimator
def test_the_law_of_a_source_is_that_of_its_moments(estimator):
    case = tiny_case("mgrl", (3, 2))
    update = case.problem.inner(case.phi, case.problem.theta0)
    source = Sampled(estimator, 1, 4)
    law, kind = trajectory_law(update, source)
    assert kind.name == estimator
    assert law.gamma == 0.85
    assert law.gae_lambda == (1.0 if estimator == "dice" else 0.6)
    expected = moments.gradient_variance(
        update.mdp, update.theta, estimator, horizon=4, baseline=case.problem.critic, gae_lambda=0.6
    )
    assert_close(covariance.gradient_variance(law), expected, SAME)


# Real samples.


@every_problem
@every_estimator
@pytest.mark.parametrize("outer", ["exact", "sampled"])
def test_many_trials_have_these_moments(name, estimator, outer):
    """Means and second moments of 20000 meta-gradients, K = 2: each a mean, with |z| < 5.

    With N = 2 the squares of `dice` have tails too heavy for an estimated standard error.
    """
    case = tiny_case(name, (3, 2))
    options = {"step_size": ALPHA, "num_steps": 2, "curvature": Sampled(estimator, 8, 3)}
    options["outer"] = EXACT if outer == "exact" else Sampled("loaded_dice", 8, 3)
    found = meta_moments(case.problem, case.phi, **options)
    rng = np.random.default_rng(2)
    trials = np.broadcast_to(case.phi, (20_000, *case.phi.shape))
    draws = meta_gradient(case.problem, trials, rng=rng, **options).reshape(20_000, -1)
    # For MAML one action of each state: those of the other are their negatives. DiCE has no λ.
    step = 2 if name == "maml" or (name, estimator) == ("mgrl", "dice") else 1
    mean, table = found.mean.ravel()[::step], found.covariance.reshape(case.phi.size, -1)
    draws, table = draws[:, ::step], table[::step, ::step]
    assert_mean(draws, mean)
    errors = draws - mean
    assert_mean(np.einsum("bi,bj->bij", errors, errors), table)
    with pytest.raises(AssertionError, match="standard errors away"):
        assert_mean(np.einsum("bi,bj->bij", errors, errors), 1.2 * table)


# Errors.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1"),
        ({"step_size": -1.0}, ValueError, "step_size must be one positive number"),
        ({"phi": np.zeros((3, 2, 2))}, ValueError, r"one phi .* received phi of shape \(3, 2, 2"),
        ({"phi": np.zeros(2)}, ValueError, "phi must have shape"),
    ],
)
def test_bad_arguments(change, error, message):
    case = tiny_case("maml", (2, 2))
    options = {"phi": case.phi, "step_size": 1.0, "num_steps": 1} | change
    with pytest.raises(error, match=message):
        meta_moments(case.problem, **options)


def test_other_problems_have_no_closed_form():
    case = tiny_case("maml", (2, 2))
    with pytest.raises(TypeError, match="problem must be a Maml, Lirpg or Mgrl, received"):
        meta_moments(case.problem.mdp, case.phi, step_size=1.0, num_steps=1)


@pytest.mark.parametrize(
    ("which", "source"),
    [("path", None), ("path", Sampled("lvc", 4, 3)), ("curvature", "lvc"), ("outer", Exact)],
)
def test_a_source_of_the_wrong_kind_is_refused(which, source):
    problem = Maml(TabularMDP.random(3, 2, rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=f"{which} must be Exact"):
        meta_moments(problem, np.zeros((3, 2)), step_size=1.0, num_steps=1, **{which: source})


def test_a_batch_of_starting_points_is_refused():
    case = tiny_case("lirpg", (2, 2))
    problem = Lirpg(case.problem.mdp, np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match=r"one theta0 at a time.*theta0 of shape \(3, 2, 2\)"):
        meta_moments(problem, case.phi, step_size=1.0, num_steps=1)
