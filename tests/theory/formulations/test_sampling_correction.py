import numpy as np
import pytest

from tabular import TabularMDP, exact
from tabular.estimators import Estimate
from tabular.policy import project
from tabular.sampling import sample
from tests.tabular.tolerances import FINITE_DIFFERENCE, assert_close
from tests.tabular.unroll import assert_mean
from tests.theory.formulations.cases import LAW, certain, dense
from tests.theory.formulations.nested import Nested
from theory.formulations.maml import TinyMaml
from theory.formulations.objective import sampled_gradient, sampled_objective
from theory.formulations.samples import MAX_PATHS, Samples
from theory.formulations.sampling_correction import CorrectionLaw, law, small_step_variance

T, ALPHA = 2, 1.5


def maml(tiny, estimator="ad", baseline=True):
    table = tiny.baseline if baseline else None
    return TinyMaml(tiny.mdp, tiny.phi, horizon=T, estimator=estimator, baseline=table)


@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice"])
@pytest.mark.parametrize(
    ("make", "K", "N", "outer"), [(dense, 2, 1, 1), (certain, 2, 2, 1), (certain, 1, 2, 2)]
)
def test_against_every_estimate(estimator, make, K, N, outer):
    tiny, b = make(), 0.3
    options = {"horizon": T, "estimator": estimator, "baseline": tiny.baseline, "alpha": ALPHA}
    every = Nested(tiny.mdp, tiny.phi, **options).estimates(K, N, outer, b)
    found = law(
        maml(tiny, estimator),
        step_size=ALPHA,
        num_steps=K,
        num_trajectories=N,
        outer_trajectories=outer,
        return_baseline=b,
    )
    assert_close(every.probability.sum(), 1.0, LAW)
    assert_close(found.path_mean, every.mean(every.X), LAW)
    assert_close(found.correction_mean, every.mean(every.Y), LAW)
    assert_close(found.path_variance, every.covariance(every.X, every.X), LAW)
    assert_close(found.correction_variance, every.covariance(every.Y, every.Y), LAW)
    assert_close(found.covariance, every.covariance(every.X, every.Y), LAW)
    steps = [every.covariance(term, term) for term in every.terms]
    assert_close(found.step_variance, steps, LAW)
    both = every.X + 0.4 * every.Y
    assert_close(found.mean(0.4), every.mean(both), LAW)
    assert_close(found.variance(0.4), every.covariance(both, both), LAW)


def test_three_steps_against_every_estimate():
    tiny = certain()
    options = {"horizon": T, "estimator": "ad", "baseline": tiny.baseline, "alpha": ALPHA}
    every = Nested(tiny.mdp, tiny.phi, **options).estimates(3, 1, 1, 0.0)
    steps = {"step_size": ALPHA, "num_steps": 3, "num_trajectories": 1}
    found = law(maml(tiny), **steps, outer_trajectories=1)
    assert_close(found.mean(), every.mean(every.X + every.Y), LAW)
    assert_close(found.covariance, every.covariance(every.X, every.Y), LAW)
    assert_close(found.correction_variance, every.covariance(every.Y, every.Y), LAW)


def test_exact_outer_quantities_leave_the_variance_of_conditional_means():
    steps = {"step_size": ALPHA, "num_steps": 2, "num_trajectories": 1}
    exact_outer = law(maml(dense()), **steps)
    many = law(maml(dense()), **steps, outer_trajectories=10**9)
    one = law(maml(dense()), **steps, outer_trajectories=1)
    for name in ("path_variance", "correction_variance", "covariance"):
        limit = getattr(exact_outer, name)
        assert abs(getattr(many, name) - limit) < 1e-8 * max(1.0, abs(getattr(one, name)))
    assert_close(exact_outer.mean(), one.mean(), LAW)
    assert one.correction_variance > 1.01 * exact_outer.correction_variance


@pytest.mark.parametrize(("K", "N"), [(1, 1), (1, 3), (2, 2), (3, 1)])
def test_the_gradient_is_that_of_the_enumerated_objective(K, N):
    tiny, steps = dense(1), {"step_size": ALPHA, "num_steps": K, "num_trajectories": N}
    problem = maml(tiny, baseline=False)
    found = law(problem, **steps, return_baseline=0.7)
    assert_close(found.mean(), sampled_gradient(problem, **steps), LAW)
    assert_close(found.objective, sampled_objective(problem, problem.start, **steps), LAW)
    # Three steps of size 1.5 have fifth derivatives of 1e6: h⁴/30 of that is 5e-11.
    h, units = 2e-4, np.eye(problem.start.size)
    shifts = np.array([1, -1, 2, -2])[:, None, None] * h * units
    near, back, far, far_back = sampled_objective(problem, problem.start + shifts, **steps)
    differences = (8 * (near - back) - (far - far_back)) / (12 * h)
    assert_close(found.mean(), differences, FINITE_DIFFERENCE)


def test_one_estimate_is_sampled():
    """20000 sampled estimates: means, second moments and the cross moment, 5 standard errors."""
    tiny, K, N, b, B = dense(2), 2, 2, 0.2, 20_000
    rng = np.random.default_rng(5)
    theta = np.broadcast_to(tiny.phi, (B, 2, 2))
    jacobian = np.broadcast_to(np.eye(4).reshape(2, 2, 4), (B, 2, 2, 4))
    total = np.zeros((B, 4))

    def draw(theta):
        drawn = sample(tiny.mdp, theta, horizon=T, num_trajectories=N, rng=rng)
        return drawn, Estimate(tiny.mdp, theta, drawn, estimator="ad")

    for _ in range(K):
        drawn, estimate = draw(theta)
        x = drawn.states[:-1] * 2 + drawn.actions
        counts = np.eye(4)[x].sum(axis=(0, 2)).reshape(B, 2, 2)
        score = project(estimate.pi, counts).reshape(B, 1, 4)
        total += (score @ jacobian.reshape(B, 4, 4))[:, 0]
        H = estimate.hessian.reshape(B, 4, 4)
        jacobian = jacobian + ALPHA * (H @ jacobian.reshape(B, 4, 4)).reshape(jacobian.shape)
        theta = theta + ALPHA * estimate.gradient
    drawn, estimate = draw(theta)
    X = (estimate.gradient.reshape(B, 1, 4) @ jacobian.reshape(B, 4, 4))[:, 0]
    returns = (drawn.rewards * 0.9 ** np.arange(T)[:, None, None]).sum(axis=0).mean(axis=-1)
    Y = (returns - b)[:, None] * total
    found = law(
        maml(tiny, baseline=False),
        step_size=ALPHA,
        num_steps=K,
        num_trajectories=N,
        outer_trajectories=N,
        return_baseline=b,
    )
    assert_mean(X, found.path_mean)
    assert_mean(Y, found.correction_mean)
    noise_X, noise_Y = X - found.path_mean, Y - found.correction_mean
    assert_mean((noise_X**2).sum(axis=1), found.path_variance)
    assert_mean((noise_Y**2).sum(axis=1), found.correction_variance)
    assert_mean((noise_X * noise_Y).sum(axis=1), found.covariance)


@pytest.mark.parametrize(
    ("K", "N", "outer", "b"), [(1, 1, None, 0.0), (2, 2, 2, 0.4), (3, 1, 1, 0)]
)
def test_the_correction_of_small_steps(K, N, outer, b):
    """V[Y] is K N E‖s‖² (V R̂/n_o + (J − b)²) + O(α): the difference is linear in α."""
    problem, counts = maml(dense(3)), {"num_steps": K, "num_trajectories": N}
    options = counts | {"outer_trajectories": outer, "return_baseline": b}
    limit = small_step_variance(problem, **options)
    slopes = [
        (law(problem, step_size=alpha, **options).correction_variance - limit) / alpha
        for alpha in (1e-5, 2e-5)
    ]
    assert abs(slopes[0] / slopes[1] - 1) < 1e-3
    assert abs(1e-5 * slopes[0]) < 1e-3 * limit


def test_the_best_coefficient_is_the_best_of_a_grid():
    problem, steps = maml(dense(4)), {"step_size": ALPHA, "num_steps": 2, "num_trajectories": 1}
    found, grid = law(problem, **steps), np.linspace(0, 1, 1001)
    inside = 0
    for target in (found.mean(), found.path_mean, -10 * found.mean(), found.mean() * 0.5):
        best = found.best_coefficient(target)
        errors = [found.squared_error(target, c) for c in grid]
        assert abs(best - grid[int(np.argmin(errors))]) <= 5e-4 + 1e-9
        assert found.squared_error(target, best) <= min(errors) + 1e-12
        inside += 0 < best < 1
    assert inside


@pytest.mark.parametrize(
    ("target", "best"), [(-4.0, 0.0), (1.0, 0.0), (2.0, 0.2), (3.5, 0.8), (4.5, 1.0), (7.0, 1.0)]
)
def test_the_best_coefficient_by_hand(target, best):
    """V[Y] + ‖E Y‖² = 1 + 4 and Cov(X, Y) = −1: the vertex is (1 + 2 (target − 2))/5."""
    by_hand = CorrectionLaw(
        objective=0.0,
        path_mean=np.array([2.0]),
        correction_mean=np.array([2.0]),
        score_mean=np.zeros(1),
        score_variance=1.0,
        path_variance=3.0,
        correction_variance=1.0,
        covariance=-1.0,
        step_variance=np.ones(1),
    )
    assert_close(by_hand.best_coefficient(np.array([target])), best, LAW)


def test_the_best_coefficient_of_no_correction():
    """One action: every score is zero, and so is the correction."""
    mdp = TabularMDP(np.full((2, 1, 2), 0.5), [[1.0], [0.0]], 0.9, 0)
    problem = TinyMaml(mdp, np.zeros((2, 1)), horizon=2)
    found = law(problem, step_size=1.0, num_steps=2, num_trajectories=2)
    assert found.correction_variance == 0.0
    assert found.best_coefficient(np.ones(2)) == 0.0
    assert_close(found.objective, exact.value(mdp, np.zeros((2, 1)), horizon=2), LAW)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"step_size": 0.0}, "step_size"),
        ({"num_steps": 0}, "num_steps"),
        ({"num_trajectories": 0}, "num_trajectories"),
        ({"outer_trajectories": 0}, "outer_trajectories"),
        ({"return_baseline": np.nan}, "return_baseline"),
        ({"num_steps": 9}, "paths"),
        ({"num_trajectories": 40}, "paths"),
        ({"step_size": 1e200, "num_steps": 3}, "smaller step_size"),
    ],
)
def test_errors(change, error):
    options = {"step_size": 1.0, "num_steps": 1, "num_trajectories": 1} | change
    with pytest.raises(ValueError, match=error):
        law(maml(dense()), **options)


@pytest.mark.parametrize(("K", "N"), [(3, 2), (2, 4), (1, 18)])
def test_how_many_trajectories_of_eight_outcomes_fit(K, N):
    """One more trajectory a step is refused; C(25, 18) = 480 700."""
    with pytest.raises(ValueError, match=f"{K} steps of {N + 1} trajectories with 8 outcomes"):
        Samples.of(8, N + 1, K)
    if K > 1:
        assert len(Samples.of(8, N, K).orders) ** K <= MAX_PATHS


@pytest.mark.parametrize(("outcomes", "num"), [(1, 3), (3, 1), (3, 4), (5, 2)])
def test_multisets_are_the_ordered_samples(outcomes, num):
    rng = np.random.default_rng(0)
    single, values = rng.dirichlet(np.ones(outcomes)), rng.normal(size=(outcomes, 2))
    samples = Samples.of(outcomes, num, 1)
    probability, means = samples.probability(single[None])[0], samples.mean(values[None])[0]
    index = np.indices((outcomes,) * num).reshape(num, -1)
    ordered, ordered_means = single[index].prod(axis=0), values[index].mean(axis=0)
    for power in (0, 1, 2, 3):
        assert_close(probability @ means**power, ordered @ ordered_means**power, LAW)
    assert len(probability) <= index.shape[1] <= MAX_PATHS
