"""The cell of Fig. 5: every choice agrees with PyTorch, and a wrong draw does not."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import with_gmrl
from benchmarks.decomposition import CHOICES, TERMS, Draws, Replay, cell, recorded
from benchmarks.runner import AGREE, distance
from tabular import exact
from tabular.baselines import NoisyBaseline
from tabular.metagradient import meta_gradient
from tabular.moments import Expectation
from tabular.problems import Maml
from tabular.sampling import Trajectories, sample
from tabular.sources import Sampled

#: Every meta-gradient of its own: sums of 640 products in another order, and values of an MDP with
#: a condition number below 9, leave 13 digits of a double.
EACH = 1e-10
ESTIMATORS = ("lvc", "loaded_dice")


def loop():
    """PyTorch's side."""
    pytest.importorskip("torch")
    from benchmarks import with_torch_loop

    return with_torch_loop


def replayed(problem, draws=None, estimator=None):
    """All eight meta-gradients of ours from given draws."""
    draws = recorded(problem) if draws is None else draws
    estimator = estimator or problem.estimator
    sampled = {term: Replay(estimator, draws[term]) for term in TERMS}
    return with_gmrl.meta_gradients(problem, problem.phi, sampled, None)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_choice_agrees(estimator):
    problem = cell(estimator, 32, 1)
    ours = with_gmrl.decomposition(problem).result()
    theirs = np.asarray(loop().decomposition(problem).result())
    assert ours.shape == (len(CHOICES), 20, 5)
    for choice, expected, actual in zip(CHOICES, ours, theirs, strict=True):
        assert distance(actual, expected) <= EACH, choice


def test_the_choices_differ():
    results = replayed(cell("loaded_dice", 8, 1))
    for i, one in enumerate(results):
        for other in results[:i]:
            assert distance(one, other) > 1e-3


def test_nothing_sampled_is_the_exact_meta_gradient():
    problem = cell("lvc", 4, 3)
    expected = meta_gradient(Maml(problem.mdp), problem.phi, step_size=10.0, num_steps=1)
    timed = with_gmrl.decomposition(problem).call()[CHOICES.index("EEE")]
    assert timed.shape == (3, 20, 5)
    assert distance(timed, np.broadcast_to(expected, timed.shape)) <= EACH
    by_torch = loop().decomposition(problem).call()[CHOICES.index("EEE")]
    assert distance(np.asarray(by_torch), expected) <= EACH


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_replay_is_the_timed_source_on_the_same_draws(estimator):
    problem = cell(estimator, 5, 1)
    theta, u = np.random.default_rng(1).normal(size=(2, 20, 5))
    update = Maml(problem.mdp).inner(theta, theta)
    timed = Sampled(estimator, 5, 20, NoisyBaseline())(update, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    drawn = sample(problem.mdp, theta, horizon=20, num_trajectories=5, rng=rng)
    replay = Replay(estimator, Draws(drawn, rng.standard_normal(20)))(update, None)
    assert np.array_equal(replay.gradient, timed.gradient)
    assert np.array_equal(replay.vjp(u), timed.vjp(u))


def test_draws_of_the_outer_term_are_of_the_adapted_policy():
    """After a step of α = 10 the actions are no longer uniform."""
    draws = recorded(cell("lvc", 2000, 1))
    for term, uniform in zip(TERMS, (True, True, False), strict=True):
        share = np.bincount(draws[term].trajectories.actions[0], minlength=5) / 2000
        deviation = np.abs(share - 0.2).max() / np.sqrt(0.2 * 0.8 / 2000)
        assert (deviation < 4.5) == uniform, term


@pytest.mark.parametrize("wrong", ["estimator", "noise", "path as curvature", "one trajectory"])
def test_a_wrong_draw_is_seen(wrong):
    problem = cell("loaded_dice", 32, 1)
    draws = recorded(problem)
    expected = replayed(problem, draws)
    path = draws["path"]
    if wrong == "estimator":
        actual = replayed(problem, draws, "lvc")
    elif wrong == "noise":
        noisy = {term: draws[term]._replace(z=draws[term].z / 2) for term in TERMS}
        actual = replayed(problem, noisy)
    elif wrong == "path as curvature":
        actual = replayed(problem, {**draws, "curvature": path})
    else:
        fewer = Draws(Trajectories(*(x[:, 1:] for x in path.trajectories)), path.z)
        actual = replayed(problem, {**draws, "path": fewer})
    assert distance(actual, expected) > 1e4 * AGREE


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_loop_draws_from_the_policy(estimator):
    """Mean of ⟨ĝ, u⟩ over 400 trajectories of the loop, within 4 standard errors of its law's."""
    torch_loop = loop()
    import torch

    problem = cell(estimator, 1, 1)
    theta, u = np.random.default_rng(3).normal(size=(2, 20, 5))
    V = exact.state_value(problem.mdp, theta)
    trajectories = torch_loop.draw_trajectories(
        problem.mdp, torch.tensor(theta), 20, 400, np.random.default_rng(4)
    )
    slopes = []
    for drawn in trajectories:
        parameter = torch.tensor(theta, requires_grad=True)
        torch_loop.mean_surrogate(
            estimator, parameter, V.tolist(), problem.mdp.gamma, [drawn]
        ).backward()
        slopes.append(np.vdot(parameter.grad.numpy(), u))
    law = Expectation(problem.mdp, theta, estimator, horizon=20, baseline=V)
    error = np.mean(slopes) - np.vdot(law.gradient, u)
    assert abs(error) <= 4 * np.std(slopes) / np.sqrt(len(slopes))


def test_ours_does_all_trials_at_once():
    problem = cell("lvc", 4, 6)
    assert with_gmrl.decomposition(problem).work == 6
    assert with_gmrl.decomposition(replace(problem, trials=1)).call().shape == (8, 1, 20, 5)
