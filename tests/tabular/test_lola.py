"""LOLA: against autograd through the whole unroll, finite differences, and known facts."""

from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given
from hypothesis import strategies as st

from tabular.estimators import Estimate
from tabular.games import MarkovGame, iterated_prisoners_dilemma
from tabular.lola import Lola, Shares
from tabular.meta_moments import meta_moments
from tabular.metagradient import adapt, meta_gradient
from tabular.sources import Exact, Mean, Sampled
from tests.tabular.game_reference import games, lola_gradient, objective, random_game, unrolled
from tests.tabular.problem_cases import tables
from tests.tabular.surrogates import (
    ESTIMATORS,
    Sample,
    Setting,
    advantages,
    arbitrary_sample,
    as_trajectories,
    log_policy,
    quietly,
)
from tests.tabular.tolerances import FINITE_DIFFERENCE, SAME, SECOND, Tolerance, assert_close
from tests.tabular.unroll import META, assert_mean

SIZES = [(1, 2, 2), (3, 2, 2), (4, 3, 2), (2, 1, 3)]
STEPS = range(1, 5)
#: A horizon of 300 at γ = 0.9 leaves out γ^300 = 2e-14, times the score of 300 steps.
LONG = 300
TRUNCATED = Tolerance(rtol=1e-10, atol=1e-10)


def make(size: tuple[int, int, int]) -> tuple[MarkovGame, Any, Any]:
    rng = np.random.default_rng(size)
    game = random_game(rng, size)
    return game, rng.normal(size=size[:2]), rng.normal(size=(size[0], size[2]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_steps", STEPS)
def test_exact_is_autograd_through_the_unroll(size, num_steps):
    game, phi, theta = make(size)
    options = {"step_size": 1.5, "num_steps": num_steps}
    actual = meta_gradient(Lola(game, theta), phi, **options)
    assert_close(actual, lola_gradient(game, phi, theta, **options), META)


@given(games(), st.integers(1, 3), st.data())
def test_any_game(game, num_steps, data):
    phi, theta = (data.draw(tables((game.num_states, A), 3.0)) for A in game.num_actions)
    options = {"step_size": 0.7, "num_steps": num_steps}
    actual = meta_gradient(Lola(game, theta), phi, **options)
    assert_close(actual, lola_gradient(game, phi, theta, **options), META, scale=100.0)


def test_differences_of_the_value():
    game = iterated_prisoners_dilemma(gamma=0.9)
    phi, theta, u = np.random.default_rng(0).normal(size=(3, 5, 2))
    options = {"step_size": 1.0, "num_steps": 2}
    along = [unrolled(game, phi + k * 1e-3 * u, theta, **options) for k in (-2, -1, 1, 2)]
    slope = np.dot([1, -8, 8, -1], along) / 12e-3
    actual = (meta_gradient(Lola(game, theta), phi, **options) * u).sum()
    assert_close(actual, slope, FINITE_DIFFERENCE, scale=10.0)


@pytest.mark.parametrize(
    "wrong", ["no q", "the other's q", "no cross", "cross and Hessian swapped"]
)
def test_a_wrong_term_is_found(monkeypatch, wrong):
    game, phi, theta = make((3, 2, 2))
    options = {"step_size": 1.5, "num_steps": 2}
    expected = lola_gradient(game, phi, theta, **options)
    cross, vjp = Shares.cross, Shares.vjp
    if wrong == "no q":
        monkeypatch.setattr(Lola, "direct", lambda self, outer: None)
    elif wrong == "the other's q":
        monkeypatch.setattr(Lola, "direct", lambda self, outer: outer.gradient)
    elif wrong == "no cross":
        monkeypatch.setattr(Shares, "cross", lambda self, u: 0 * cross(self, u))
    else:
        monkeypatch.setattr(Shares, "cross", vjp)
        monkeypatch.setattr(Shares, "vjp", cross)
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(meta_gradient(Lola(game, theta), phi, **options), expected, META)


def test_the_players_of_a_symmetric_game_have_symmetric_gradients():
    """From player 2's side states 2 and 3 of the prisoner's dilemma change places."""
    game = iterated_prisoners_dilemma()
    phi = np.random.default_rng(1).normal(size=(5, 2))
    other_side = [0, 1, 3, 2, 4]
    options = {"step_size": 0.3, "num_steps": 3}
    first = meta_gradient(Lola(game, phi[other_side]), phi, **options)
    second = meta_gradient(Lola(game.swapped(), phi), phi[other_side], **options)
    assert_close(second, first[other_side], SAME)
    assert np.abs(first[2] - first[3]).max() > 1e-3 * np.abs(first).max()


def test_batches_are_the_singles():
    game, phi, theta = make((4, 3, 2))
    rng = np.random.default_rng(2)
    phis, thetas = phi + rng.normal(size=(3, 4, 3)), theta + rng.normal(size=(3, 4, 2))
    options = {"step_size": 1.0, "num_steps": 3}
    singles = [
        [meta_gradient(Lola(game, start), one, **options) for one in (phi, *phis)]
        for start in (theta, *thetas)
    ]
    assert_close(meta_gradient(Lola(game, theta), phis, **options), singles[0][1:], META)
    assert {x.shape for x in adapt(Lola(game, theta), phis, **options)} == {(3, 4, 2)}
    for i, row in enumerate(meta_gradient(Lola(game, thetas), phi, **options)):
        assert_close(row, singles[1 + i][0], META)
    for i, row in enumerate(meta_gradient(Lola(game, thetas), phis, **options)):
        assert_close(row, singles[1 + i][1 + i], META)


def test_a_fixed_opponent_leaves_the_independent_gradient():
    """Short steps of the other player: the meta-gradient tends to q, the gap being linear in α."""
    game, phi, theta = make((3, 2, 2))
    q = grad(lambda x: objective(game, 1, x, theta))(phi)
    gaps = []
    for step_size in (1e-4, 1e-5):
        actual = meta_gradient(Lola(game, theta), phi, step_size=step_size, num_steps=1)
        gaps.append(np.linalg.norm(actual - q))
    assert 9.9 < gaps[0] / gaps[1] < 10.1


def test_small_steps_of_the_other_player_climb_its_value():
    game, phi, theta = make((4, 3, 2))
    values = [
        game.values(phi, x)[1] for x in adapt(Lola(game, theta), phi, step_size=0.01, num_steps=5)
    ]
    assert np.all(np.diff(values) > 0)


def both_learn(curvature: Any) -> Any:
    """Average rewards of two learners that take 300 steps in the prisoner's dilemma."""
    game = iterated_prisoners_dilemma()
    mirror = game.swapped()
    phi, theta = 0.5 * np.random.default_rng(0).normal(size=(2, 5, 2))
    options = {"step_size": 1.0, "num_steps": 1, "curvature": curvature}
    for _ in range(300):
        first = meta_gradient(Lola(game, theta), phi, **options)
        second = meta_gradient(Lola(mirror, phi), theta, **options)
        phi, theta = phi + 0.3 * first, theta + 0.3 * second
    return (1 - game.gamma) * np.array(game.values(phi, theta))


def test_opponent_shaping_brings_cooperation_and_ad_does_not():
    """[Foerster2018b]: mutual defection gives −2 each, mutual cooperation −1."""
    assert np.all(both_learn(Exact()) > -1.2)
    assert np.all(both_learn(Mean(Sampled("ad", 1, 1))) < -1.99)


# Sampled sources.


def mean(estimator: str) -> Mean:
    return Mean(Sampled(estimator, 1, LONG))


@pytest.mark.parametrize("estimator", ["dice", "loaded_dice"])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_dice_is_unbiased(estimator, num_steps):
    game, phi, theta = make((3, 2, 2))
    options = {"step_size": 1.0, "num_steps": num_steps}
    source = mean(estimator)
    actual = meta_gradient(
        Lola(game, theta), phi, path=source, curvature=source, outer=source, **options
    )
    assert_close(actual, lola_gradient(game, phi, theta, **options), TRUNCATED)


def surrogate_of_players(
    estimator: str, logits: Any, old: Any, sample: Sample, setting: Setting
) -> Any:
    """The mean surrogate as a function of (φ, θ), each player's policy for itself."""
    setting, num_other = setting.used_by(estimator), old[1].shape[1]
    own = sample._replace(actions=sample.actions // num_other)
    other = sample._replace(actions=sample.actions % num_other)
    logs, before = (
        [a + b for a, b in zip(log_policy(x, own), log_policy(y, other), strict=True)]
        for x, y in (logits, old)
    )
    total, product = 0.0, 1.0
    for t, advantage in enumerate(advantages(sample, setting)):
        ratio = anp.exp(logs[t] - before[t])
        earlier, product = product, product * ratio
        kinds = {"ad": logs[t], "lvc": ratio}
        factor = kinds.get(estimator, product - earlier)
        total = total + anp.mean(setting.gamma**t * advantage * factor)
    return total


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimates_are_those_of_both_players_surrogates(estimator):
    game, phi, theta = make((3, 2, 3))
    rng = np.random.default_rng(5)
    sample = arbitrary_sample(rng, (3, 6), 4, 5)
    u, baseline = rng.normal(size=(3, 3)), rng.normal(size=3)
    update = Lola(game, theta).inner(phi, theta)
    joint = Estimate(
        update.mdp,
        update.theta,
        as_trajectories([sample]),
        estimator=estimator,
        baseline=baseline,
        gae_lambda=0.7,
    )
    setting = Setting(0.9, 0.7, baseline, np.zeros((3, 6)))

    def value(x: Any, y: Any) -> Any:
        return surrogate_of_players(estimator, (x, y), (phi, theta), sample, setting)

    slope = grad(value, 1)
    actual = update.seen(joint)
    assert_close(actual.gradient, slope(phi, theta), SECOND)
    assert_close(actual.direct, grad(value, 0)(phi, theta), SECOND)

    def along(x: Any, y: Any) -> Any:
        return anp.sum(slope(x, y) * u)

    assert_close(actual.vjp(u), quietly(lambda y: grad(along, 1)(phi, y), theta), SECOND)
    assert_close(actual.cross(u), quietly(lambda x: grad(along, 0)(x, theta), phi), SECOND)


@pytest.mark.parametrize("count", [1, 3])
def test_ad_sees_no_opponent_learning(count):
    """log π¹π² has no mixed derivative: on every sample Gᵀu = 0, and K steps leave q."""
    game, phi, theta = make((3, 2, 2))
    problem = Lola(game, theta)
    source, rng = Sampled("ad", count, 4), np.random.default_rng(3)
    u = rng.normal(size=(3, 2))
    assert np.abs(source(problem.inner(phi, theta), rng).cross(u)).max() < 1e-14
    options = {"step_size": 1.0, "num_steps": 2}
    actual = meta_gradient(problem, phi, curvature=source, rng=rng, **options)
    last = adapt(problem, phi, **options)[-1]
    q = grad(lambda x: objective(game, 1, x, last))(phi)
    assert_close(actual, q, META)
    assert np.linalg.norm(actual - lola_gradient(game, phi, theta, **options)) > 0.01


def test_many_samples_have_the_mean():
    """Curvature and outer gradient sampled; the path is exact, since they are not linear in it."""
    game, phi, theta = make((2, 2, 2))
    source = Sampled("loaded_dice", 4, 3)
    options = {"step_size": 1.0, "num_steps": 1}
    trials = np.broadcast_to(phi, (20_000, *phi.shape))
    rng = np.random.default_rng(4)
    sampled = {"curvature": source, "outer": source}
    draws = meta_gradient(Lola(game, theta), trials, rng=rng, **sampled, **options)
    means = {"curvature": Mean(source), "outer": Mean(source)}
    assert_mean(draws, meta_gradient(Lola(game, theta), phi, **means, **options))


# Errors.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"game": "chess"}, TypeError, "game must be a MarkovGame, received str"),
        ({"theta0": np.zeros((3, 3))}, ValueError, r"theta0 must have shape \(..., 3, 2\)"),
        ({"theta0": np.full((3, 2), np.nan)}, ValueError, "theta0 must be finite"),
    ],
)
def test_bad_parts(change, error, message):
    game, _, theta = make((3, 4, 2))
    with pytest.raises(error, match=message):
        Lola(**{"game": game, "theta0": theta} | change)


def test_bad_phi():
    game, _, theta = make((3, 4, 2))
    with pytest.raises(ValueError, match=r"phi must have shape \(..., 3, 4\), received \(3, 2\)"):
        meta_gradient(Lola(game, theta), theta, step_size=1.0, num_steps=1)


def test_its_law_is_not_known():
    game, phi, theta = make((3, 2, 2))
    with pytest.raises(TypeError, match="problem must be a Maml, Lirpg or Mgrl, received Lola"):
        meta_moments(Lola(game, theta), phi, step_size=1.0, num_steps=1, curvature=Exact())
