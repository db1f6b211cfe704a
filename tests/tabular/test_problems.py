"""Meta-learning problems: where φ enters, and which φ are refused."""

from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sources import Exact, Mean, Sampled
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.tolerances import SAME, SECOND, assert_close
from tests.tabular.unroll import META, PROBLEMS, meta_case

SIZE = (3, 2)


def make_mdp(*, successor_rewards: bool = False) -> TabularMDP:
    rng = np.random.default_rng(int(successor_rewards))
    mdp = random_mdp(rng, SIZE)
    if successor_rewards:
        return TabularMDP(mdp.P, rng.normal(size=(*SIZE, 3)), 0.9, mdp.initial)
    return mdp


def tables(count: int) -> Any:
    return np.random.default_rng(10).normal(size=(count, *SIZE))


# Where φ enters.


def test_maml_starts_at_phi_and_climbs_one_objective():
    mdp, (theta, phi) = make_mdp(), tables(2)
    problem = Maml(mdp)
    assert problem.start(phi) is phi
    for update in (problem.inner(phi, theta), problem.outer(phi, theta)):
        assert_close(update.exact().gradient, Reference(mdp, theta).gradient, SECOND)
        assert update.critic is None
    u = theta + 1
    assert np.array_equal(problem.start_vjp(u), u)
    assert problem.cross(update.exact(), u) is None


def test_maml_over_a_finite_horizon():
    mdp, (theta, phi) = make_mdp(), tables(2)
    end = {"horizon": 4, "terminal_value": [1.0, -2.0, 3.0]}
    expected = Reference(mdp, theta, 4, np.array(end["terminal_value"]))
    for update in (Maml(mdp, **end).inner(phi, theta), Maml(mdp, **end).outer(phi, theta)):
        assert_close(update.exact().gradient, expected.gradient, SECOND)
        u = phi + theta
        assert_close(update.exact().vjp(u), expected.hvp(u), SECOND)


def test_lirpg_adds_phi_inside_only():
    mdp, (theta, phi, start) = make_mdp(), tables(3)
    problem = Lirpg(mdp, start)
    inside = Reference(mdp.with_reward(mdp.R + phi), theta)
    inner, outer = problem.inner(phi, theta).exact(), problem.outer(phi, theta).exact()
    assert_close(inner.gradient, inside.gradient, SECOND)
    assert_close(outer.gradient, Reference(mdp, theta).gradient, SECOND)
    u = theta + 1
    assert_close(problem.cross(inner, u), inside.cross_reward(u), SECOND)
    assert np.array_equal(problem.start(phi), start)
    assert problem.start_vjp(u) is None


def test_lirpg_keeps_the_randomness_of_rewards():
    """Sampled rewards are R(s,a,s') + φ(s,a); their mean R + φ would have less variance."""
    mdp, (theta, phi) = make_mdp(successor_rewards=True), tables(2)
    source = Sampled("lvc", 3, 4)
    draws = []
    for given in (mdp, TabularMDP(mdp.P, mdp.R, 0.9, mdp.initial)):
        update = Lirpg(given, theta).inner(phi, theta)
        draws.append(source(update, np.random.default_rng(0)).gradient)
        assert_close(update.mdp.R, mdp.R + phi, SAME)
    assert np.abs(draws[0] - draws[1]).max() > 0.01
    shifted = TabularMDP(mdp.P, mdp.successor_reward + phi[..., None], 0.9, mdp.initial)
    expected = source(Maml(shifted).inner(theta, theta), np.random.default_rng(0)).gradient
    assert_close(draws[0], expected, SECOND)


def test_mgrl_discounts_with_phi_inside_and_with_the_mdp_outside():
    mdp, (theta, start) = make_mdp(), tables(2)
    phi, critic = np.array([0.6, 0.3]), [1.0, -2.0, 0.5]
    problem = Mgrl(mdp, start, critic)
    inner, outer = problem.inner(phi, theta), problem.outer(phi, theta)
    assert inner.mdp.gamma == 0.6
    assert inner.gae_lambda == 0.3
    np.testing.assert_array_equal(inner.critic, critic)
    assert outer.mdp is mdp
    assert outer.critic is None
    assert_close(outer.exact().gradient, Reference(mdp, theta).gradient, SECOND)
    assert np.array_equal(problem.start(phi), start)
    assert problem.start_vjp(theta) is None
    differential, u = inner.exact(), theta + 1
    by_gamma, by_lambda = problem.cross(differential, u)
    assert by_gamma == pytest.approx((differential.cross_gamma() * u).sum(), rel=1e-14)
    assert by_lambda == pytest.approx((differential.cross_lambda() * u).sum(), rel=1e-14)


@pytest.mark.parametrize("horizon", [1, 5])
def test_mgrl_over_a_finite_horizon_is_what_samples_estimate(horizon):
    problem, _, phi = meta_case("mgrl", SIZE)
    finite = Mgrl(problem.mdp, problem.theta0, problem.critic, horizon=horizon)
    update = finite.inner(phi, problem.theta0)
    expected = Mean(Sampled("lvc", 1, horizon))(update, None)
    assert_close(Exact()(update, None).gradient, expected.gradient, SAME)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_exact_differential_belongs_to_the_update(name):
    """vjp is the derivative of the gradient along θ, cross the one along φ, of the same pairing."""
    problem, unroll, phi = meta_case(name, SIZE)
    (theta, u, v), step = tables(3), 1e-5
    differential = problem.inner(phi, theta).exact()

    def paired(phi: Any, theta: Any) -> float:
        return float((unroll.update(phi, theta) * u).sum())

    slope = (paired(phi, theta + step * v) - paired(phi, theta - step * v)) / (2 * step)
    # Differences of order two: truncation h² = 1e-10, rounding 1e-16/h = 1e-11.
    assert (differential.vjp(u) * v).sum() == pytest.approx(slope, rel=1e-7, abs=1e-8)
    w = np.random.default_rng(1).normal(size=phi.shape)
    slope = (paired(phi + step * w, theta) - paired(phi - step * w, theta)) / (2 * step)
    cross = problem.cross(differential, u)
    pairing = 0.0 if cross is None else (cross * w).sum()
    assert pairing == pytest.approx(slope, rel=1e-7, abs=1e-8)


# Batches.


@pytest.mark.parametrize("name", ["lirpg", "mgrl"])
@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_theta0_is_repeated_over_the_trials(name, batch):
    problem, _, phi = meta_case(name, SIZE)
    start = problem.start(np.broadcast_to(phi, (*batch, *phi.shape)))
    assert_close(start, np.broadcast_to(problem.theta0, (*batch, *SIZE)), SAME)


@pytest.mark.parametrize("name", ["lirpg", "mgrl"])
def test_theta0_may_differ_from_trial_to_trial(name):
    problem, _, phi = meta_case(name, SIZE)
    starts = tables(4)
    extra = {"critic": problem.critic} if name == "mgrl" else {}
    options = {"step_size": 1.0, "num_steps": 2}
    together = meta_gradient(type(problem)(problem.mdp, starts, **extra), phi, **options)
    assert together.shape == (4, *phi.shape)
    for i in range(4):
        single = type(problem)(problem.mdp, starts[i], **extra)
        assert_close(together[i], meta_gradient(single, phi, **options), META)


@pytest.mark.parametrize("name", PROBLEMS)
def test_there_are_k_plus_one_iterates_from_the_start_on(name):
    problem, _, phi = meta_case(name, SIZE)
    iterates = adapt(problem, phi, step_size=0.01, num_steps=5)
    assert len(iterates) == 6
    assert_close(iterates[0], problem.start(phi), SAME)


@pytest.mark.parametrize("name", ["maml", "maml-finite"])
def test_small_steps_of_maml_climb(name):
    problem, unroll, phi = meta_case(name, SIZE)
    values = [unroll.value(theta) for theta in adapt(problem, phi, step_size=0.01, num_steps=5)]
    assert np.all(np.diff(values) > 0)


# Errors.


@pytest.mark.parametrize(
    ("name", "phi", "error", "message"),
    [
        ("maml", np.zeros((2, 3)), ValueError, r"phi must have shape \(..., 3, 2\), received"),
        ("maml", np.zeros(2), ValueError, r"phi must have shape \(..., 3, 2\), received \(2,\)"),
        ("maml", np.full((3, 2), np.nan), ValueError, "phi must be finite"),
        ("maml", "logits", TypeError, "phi must be an array of real numbers"),
        ("lirpg", np.zeros((3, 3)), ValueError, r"phi must have shape \(..., 3, 2\)"),
        ("lirpg", np.full((3, 2), np.inf), ValueError, "phi must be finite"),
        ("mgrl", np.zeros(3), ValueError, r"phi must have shape \(..., 2\), received \(3,\)"),
        ("mgrl", 0.9, ValueError, r"phi must have shape \(..., 2\)"),
        ("mgrl", [1.0, 0.5], ValueError, "needs 0 <= gamma < 1 and 0 <= lambda <= 1, received"),
        ("mgrl", [-0.1, 0.5], ValueError, "needs 0 <= gamma < 1"),
        ("mgrl", [0.9, 1.1], ValueError, "0 <= lambda <= 1"),
        ("mgrl", [0.9, -0.1], ValueError, "0 <= lambda <= 1"),
        ("mgrl", [[0.9, 0.5], [0.9, 2.0]], ValueError, "0 <= lambda <= 1"),
    ],
)
def test_bad_phi(name, phi, error, message):
    problem = meta_case(name, SIZE).problem
    with pytest.raises(error, match=message):
        meta_gradient(problem, phi, step_size=1.0, num_steps=1)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (lambda mdp: Lirpg(mdp, np.zeros((2, 3))), r"theta0 must have shape \(..., 3, 2\)"),
        (lambda mdp: Mgrl(mdp, np.zeros(3), np.zeros(3)), r"theta0 must have shape \(..., 3, 2\)"),
        (lambda mdp: Mgrl(mdp, np.zeros(SIZE), np.zeros(2)), r"critic must have shape \(..., 3\)"),
        (lambda mdp: Maml(mdp, horizon=0), "horizon must be at least 1"),
        (lambda mdp: Maml(mdp, terminal_value=np.zeros(3)), "terminal_value needs a horizon"),
        (lambda mdp: Maml(mdp, 3, np.zeros(2)), r"terminal_value must have shape \(..., 3\)"),
        (lambda mdp: Lirpg(mdp, np.zeros(SIZE), horizon=0), "horizon must be at least 1"),
        (
            lambda mdp: Lirpg(mdp, np.zeros(SIZE), terminal_value=np.zeros(3)),
            "terminal_value needs a horizon",
        ),
    ],
)
def test_bad_parts(problem, message):
    """Named when the problem is made."""
    mdp = make_mdp()
    with pytest.raises(ValueError, match=message):
        problem(mdp)
