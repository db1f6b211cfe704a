"""Lemmas H.2 to H.8 over drawn trajectories."""

import dataclasses

import numpy as np

from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.cases import dense_random, noisy_rewards
from theory.bounds import BoundCheck
from theory.lemma_checks import DRAWN, lemma_checks
from theory.settings import Settings
from theory.shared_objective import SharedObjective, shared_objectives
from theory.statements.compositional_bias import Loop

#: Means of many draws of the sides, of which each has a spread of its own size.
MANY = 400
#: Sums in another order.
SUMS = Tolerance(rtol=1e-12, atol=1e-15)


def objective(mdp=None, horizon: int = 4) -> SharedObjective:
    mdp = dense_random() if mdp is None else mdp
    return shared_objectives(mdp, Settings(), horizon, Loop(0.5, 1, 4))[0]


def run(seed: int = 0, **options) -> list[BoundCheck]:
    return list(lemma_checks(objective(**options), np.random.SeedSequence(seed)))


def test_every_lemma_holds():
    checks = run()
    assert len({check.name for check in checks}) == len(checks) == 10
    assert {check.name[:9] for check in checks} == {f"Lemma H.{k}" for k in (2, 3, 5, 7, 8)}
    for mdp in (None, noisy_rewards(), noisy_rewards().sparse(), dense_random(30, 3)):
        for check in run(mdp=mdp):
            assert check.holds
            assert check.obtained == "drawn law"
            assert check.certified


def test_the_vectors_are_one_trajectorys_gradient_and_hessian_product():
    """Over many draws E‖ĝ‖² and E‖ĝ + Ĥp‖² are those of the exact moments and of long samples."""
    one = dataclasses.replace(objective().source("loaded_dice"), num_trajectories=1)
    problem = objective().problem
    start = objective().start
    exact = problem.inner(start, start).exact().gradient
    many = np.broadcast_to(start, (MANY * DRAWN, *start.shape))
    estimate = one(problem.inner(many, many), np.random.default_rng(7))
    squares = {
        "Lemma H.2, second moment": (estimate.gradient**2).sum(axis=(-2, -1)),
        "Lemma H.3, second moment": None,
    }
    drawn = {name: [] for name in squares}
    for seed in range(MANY):
        for check in run(seed):
            if check.name in drawn:
                drawn[check.name].append(check)
    (name, values), *_ = squares.items()
    found = np.array([check.rhs for check in drawn[name]])
    error = np.hypot(found.std() / MANY**0.5, values.std() / len(values) ** 0.5)
    assert abs(found.mean() - values.mean()) < 5 * error
    both = estimate.gradient + estimate.hvp(np.broadcast_to(exact, many.shape))
    root = np.sqrt((both.reshape(MANY, DRAWN, -1) ** 2).sum(axis=-1).mean(axis=-1))
    found = np.array([check.lhs for check in drawn["Lemma H.3, second moment"]])
    error = np.hypot(found.std(), root.std()) / MANY**0.5
    assert abs(found.mean() - root.mean()) < 5 * error


def test_the_same_stream_draws_the_same():
    for one, two in zip(run(3), run(3), strict=True):
        assert_close(one.lhs, two.lhs, SUMS, what=one.name)
    assert [c.lhs for c in run(3)] != [c.lhs for c in run(4)]
