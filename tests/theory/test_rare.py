"""How much squares scatter by events: over all trajectories, by hand, and of products."""

import numpy as np
import pytest

from tabular import TabularMDP, covariance, zoo
from tabular.baselines import FixedBaseline, exact_baseline
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.exact import evaluate
from tabular.policy import softmax
from tabular.registry import find_estimator
from tabular.sources import Sampled
from tabular.trajectory_law import TrajectoryLaw
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.cases import lottery, rows_of
from theory.inner_path import InnerPath, adjoints
from theory.laws import estimator_laws
from theory.point import Point
from theory.rare import score_square, square_moments
from theory.scatter import gradient_scatter, hessian_scatter, product_scatter
from theory.settings import Settings
from theory.verdict import disagreements
from theory.verification import verify

#: Sums over at most a few thousand trajectories.
SUMS = Tolerance(rtol=1e-10, atol=1e-12)


def law_of(mdp: TabularMDP, theta, horizon: int, baseline) -> TrajectoryLaw:
    return TrajectoryLaw(mdp, theta, horizon=horizon, baseline=baseline, gae_lambda=1.0)


def enumerated(mdp, theta, horizon, V_b, q, order) -> tuple[float, float]:
    """Both sums on every trajectory, conditional expectations by sums over those that agree."""
    every, probability = enumerate_trajectories(mdp, theta, horizon=horizon)
    s, a, after = (x[..., 0] for x in (every.states[:-1], every.actions, every.states[1:]))
    delta = every.rewards[..., 0] + float(mdp.gamma) * V_b[after] - V_b[s]
    surprises = float(mdp.gamma) ** (2 * np.arange(horizon))[:, None] * delta**2
    summands = q[s, a]

    def given(numbers, t):
        """E[numbers | x_t] on every trajectory."""
        same = (s[t][:, None] == s[t]) & (a[t][:, None] == a[t])
        return same @ (probability * numbers) / (same @ probability)

    sums = np.cumsum(summands, axis=0) ** order
    first = sum(surprises[t] * given(sums[t], t) for t in range(horizon))
    second = sum(summands[t] ** order * given(surprises[t:].sum(axis=0), t) for t in range(horizon))
    means = [float(probability @ W) for W in (first, second)]
    variances = [
        float(probability @ (W - m) ** 2) for W, m in zip((first, second), means, strict=True)
    ]
    which = int(np.argmax(variances))
    return means[which], variances[which] ** 0.5


@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("scale", [0.1, 4.0])
def test_against_all_trajectories(horizon, order, scale):
    """With even and with concentrated policies and transitions: either sum may be the larger."""
    rng = np.random.default_rng(horizon)
    P = rng.dirichlet(np.full(2, 1 / scale), size=(2, 2))
    mdp = TabularMDP(P, rng.normal(size=(2, 2, 2)), 0.7, rng.dirichlet(np.ones(2)))
    theta, V_b, q = scale * rng.normal(size=(2, 2)), rng.normal(size=2), rng.random(size=(2, 2))
    found = square_moments(law_of(mdp, theta, horizon, V_b), q, order)
    assert_close(found, enumerated(mdp, theta, horizon, V_b, q, order), SUMS)


def test_squares_of_scores():
    pi = softmax(np.random.default_rng(0).normal(size=(3, 4)))
    each = np.eye(4) - pi[:, None, :]
    assert_close(score_square(pi), (each**2).sum(axis=-1), SUMS)


def test_a_rare_reward_by_hand():
    """A prize of chance p in one step: squares of 0 or ½ have the variance p(1 − p)/4."""
    found = square_moments(
        law_of(lottery(0.04), np.zeros((2, 2)), 1, np.zeros(2)), np.full((2, 2), 0.5), 1
    )
    assert_close(found, (0.02, 0.5 * np.sqrt(0.04 * 0.96)), SUMS)


def test_sizes_of_rewards():
    mdp = TabularMDP.random(3, 2, rng=np.random.default_rng(0))
    theta, V_b, weight = np.zeros((3, 2)), np.arange(3.0), np.ones((3, 2))
    expected = square_moments(law_of(mdp, theta, 4, V_b), weight, 1)
    for size in (1e-45, 1e45):
        scaled = law_of(mdp.with_reward(size * mdp.R), theta, 4, size * V_b)
        assert_close(np.divide(square_moments(scaled, weight, 1), size**2), expected, SUMS)


def test_nothing_scatters_without_surprises_or_choices():
    equal = zoo.chain(3).with_reward(np.ones((3, 2))).with_gamma(0.0)
    assert square_moments(law_of(equal, np.zeros((3, 2)), 5, np.ones(3)), np.ones((3, 2)), 1) == (
        0.0,
        0.0,
    )
    lone = TabularMDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.5, 0)
    law = law_of(lone, np.zeros((1, 1)), 5, np.zeros(1))
    assert square_moments(law, score_square(law.pi), 1) == (0.0, 0.0)


def path_of(mdp: TabularMDP, step_size: float = 1.0, horizon: int = 1, **options) -> InnerPath:
    source = Sampled("loaded_dice", 1, horizon, **options)
    return InnerPath(mdp, source, step_size, 1)


def scatter_at(path: InnerPath, i: int) -> float:
    law = path.law(i)
    return gradient_scatter(law, covariance.gradient_variance(law))


def test_the_scatter_along_a_path_by_hand():
    """x = δψ with δ = 1 of chance p, ‖ψ‖² = ½: a square of ½ over the variance p/2 − ‖E x‖²."""
    path, p = path_of(lottery(0.04), baseline=FixedBaseline(np.zeros(2))), 0.04
    for i in range(2):
        assert_close(scatter_at(path, i), (1 - p) / p, SUMS)


def test_a_rare_action_of_a_nearly_deterministic_policy():
    """Arms of rewards ±1 after a step of size 10: seldom does one choose the other arm."""
    arms = TabularMDP(np.ones((1, 2, 1)), np.array([[1.0, -1.0]]), 0.5, 0)
    path = path_of(arms, 10.0, baseline=FixedBaseline(np.zeros(1)))
    rare = float(softmax(path.iterates[1])[0, 1])
    assert rare < 1e-3
    assert 0.5 / rare < scatter_at(path, 1) < 2 / rare


def test_where_all_but_a_rare_event_cancels():
    """δψ is the same for both arms; all the variance is that of a return of chance 1e-5."""
    P = np.array([[[1 - 1e-5, 1e-5]] * 2, [[1.0, 0.0]] * 2])
    mdp = TabularMDP(P, np.array([[0.0, 0.0], [0.0, 1.0]]), 0.5, 1)
    assert scatter_at(path_of(mdp, horizon=7, baseline=exact_baseline), 0) > 1e4


@pytest.mark.parametrize("step_size", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_tails_of_factors_multiply(step_size, num_steps):
    """Against products of all trajectories' factors; 128 samples of three show no such tail."""
    P = np.broadcast_to([0.9, 0.1], (2, 2, 2))
    R = np.broadcast_to([[0.0, 10.0], [0.3, 8.0]], (2, 2, 2))
    mdp = TabularMDP(P, R, 0.5, 0)
    source, kind = Sampled("loaded_dice", 1, 2, exact_baseline), find_estimator("loaded_dice")
    path = InnerPath(mdp, source, step_size, num_steps)
    means = path.adjoints(path.means(source))
    last, mean = means[-1], means[0].ravel()

    products, weight = last.reshape(1, 4), np.ones(1)
    for theta in reversed(path.iterates[:-1]):
        every, probability = enumerate_trajectories(mdp, theta, horizon=2)
        baseline = exact_baseline(mdp, theta, None)
        each = Estimate(mdp, theta, every, estimator="loaded_dice", baseline=baseline)
        factors = np.eye(4) + step_size * each.hessian.reshape(-1, 4, 4)
        products = np.einsum("mij,nj->mni", factors, products).reshape(-1, 4)
        weight = np.outer(probability, weight).ravel()
    assert_close(weight @ products, mean, SUMS)
    square = ((products - mean) ** 2).sum(axis=1)
    truth = weight @ square**2 / (weight @ square) ** 2 - 1

    rng = np.random.default_rng(0)
    estimates = [path.repeat(source, i, 128, rng) for i in range(num_steps)]
    found = product_scatter(kind, path, estimates, means, 1, weight @ square)
    assert truth / 3 < found < 3 * truth
    if num_steps == 3 and step_size >= 1:
        trials = np.broadcast_to(last, (128, *last.shape))
        few = ((adjoints(trials, estimates, step_size)[0] - means[0]) ** 2).sum(axis=(1, 2))
        assert few.var() / few.mean() ** 2 < truth / 5


@pytest.mark.parametrize("name", ["ad", "lvc"])
@pytest.mark.parametrize("along", [False, True])
def test_the_scatter_of_one_step_is_that_of_the_squares(name, along):
    """With T = 1, Ĥ = δ Φ: the variance of its square over that of Ĥ, squared, by hand."""
    rng = np.random.default_rng(3)
    mdp = TabularMDP(rng.dirichlet(np.ones(2), size=(2, 3)), rng.normal(size=(2, 3)), 0.7, 0)
    theta, V_b, kind = rng.normal(size=(2, 3)), rng.normal(size=2), find_estimator(name)
    v = rng.normal(size=(2, 3)) if along else None
    every, probability = enumerate_trajectories(mdp, theta, horizon=1)
    each = Estimate(mdp, theta, every, estimator=name, baseline=V_b)
    x = each.hessian if v is None else each.hvp(np.broadcast_to(v, (len(probability), 2, 3)))
    x = x.reshape(len(probability), -1)
    square = (x**2).sum(axis=1)
    variance = float(probability @ ((x - probability @ x) ** 2).sum(axis=1))
    expected = float(probability @ (square - probability @ square) ** 2) / variance**2
    found = hessian_scatter(law_of(mdp, theta, 1, V_b), kind, variance, v)
    assert_close(found, expected, SUMS)


def seldom_prize(chance: float) -> TabularMDP:
    """The first of two actions may pay; nothing else does."""
    P = np.broadcast_to([1.0 - chance, chance], (2, 2, 2))
    return TabularMDP(P, np.array([[[0.0, 1.0], [0.0, 0.0]]] * 2), 0.5, 0)


@pytest.mark.parametrize("number", [1, 4])
def test_one_factor_has_the_scatter_of_the_larger_one(number):
    """Of the events' where samples have not met them, over N; of the samples' otherwise."""
    kind, rng = find_estimator("loaded_dice"), np.random.default_rng(0)
    for mdp, rare in ((seldom_prize(1e-6), True), (seldom_prize(0.5), False)):
        source = Sampled("loaded_dice", number, 3, FixedBaseline(np.zeros(2)))
        path = InnerPath(mdp, source, 1.0, 1)
        means, law = path.adjoints(path.means(source)), path.law(0)
        estimates = [path.repeat(source, 0, 128, rng)]
        trials = np.broadcast_to(means[1], (128, 2, 2))
        square = ((estimates[0].vjp(trials) - path.means(source)[0].vjp(means[1])) ** 2).sum((1, 2))
        seen = square.var() / square.mean() ** 2
        direction = means[1] / np.linalg.norm(means[1])
        single = covariance.hvp_variance(law, kind, direction)
        events = hessian_scatter(law, kind, single, direction) / number
        assert (events > 100 * seen) == rare
        variance = covariance.hvp_variance(law, kind, means[1])
        found = product_scatter(kind, path, estimates, means, number, variance)
        assert_close(found, max(seen, events), Tolerance(rtol=1e-6, atol=0.0))


@pytest.mark.parametrize("number", [1, 3])
def test_every_simulation_has_its_quantitys_scatter(number):
    """As handed to the scores, for estimates of N trajectories."""
    mdp = seldom_prize(0.01)
    settings = Settings(horizon=4, num_trajectories=number)
    theta = np.zeros((2, 2))
    point = Point(mdp, evaluate(mdp, theta), settings, 4, 1.0, 1e-14)
    for name in ("ad", "lvc", "loaded_dice"):
        laws, kind = estimator_laws(point, name, np.random.SeedSequence(0)), find_estimator(name)
        path = point.path(kind)
        assert (
            laws["gradient"].simulation.scatter
            == gradient_scatter(path.law(0), laws["gradient"].variance) / number
            > 10
        )
        for quantity, v in (("hessian", None), ("hessian·u", point.u)):
            law = laws[quantity]
            expected = hessian_scatter(path.law(0), kind, law.variance, v) / number
            assert law.simulation.scatter == expected
            assert expected > 10 or law.variance < 1e-20
        if laws["meta-gradient"].variance > 1e-20:
            assert laws["meta-gradient"].simulation.scatter > 10


def test_a_return_of_chance_1e_5_raises_no_alarm():
    """All exact variances are right and no simulation meets what they rest on."""
    P = np.array([[[1 - 1e-5, 1e-5]] * 2, [[1.0, 0.0]] * 2])
    mdp = TabularMDP(P, np.array([[0.0, 0.0], [0.0, 1.0]]), 0.5, 1)
    for gamma in (0.5, 0.99):
        report = verify(mdp.with_gamma(gamma), Settings())
        assert disagreements([report]) == []
        assert rows_of(report)["gradient", "ad"].z_sd is None
