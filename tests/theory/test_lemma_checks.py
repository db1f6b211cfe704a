"""Lemmas H.2, H.3, H.5, H.7 and H.8 over drawn trajectories."""

import dataclasses

import numpy as np

from tabular import covariance
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.cases import dense_random, noisy_rewards
from theory.bounds import BoundCheck
from theory.inner_path import InnerPath
from theory.lemma_checks import DRAWN, lemma_checks
from theory.settings import Settings
from theory.shared_objective import SharedObjective, shared_objectives
from theory.statements.compositional_bias import Loop

#: Draws whose variances are averaged.
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


def test_the_vectors():
    """X = ĝ and Y = Ĥ p of single trajectories, and of H.7 their halves; sums written out."""
    one = dataclasses.replace(objective().source("loaded_dice"), num_trajectories=1)
    problem, start = objective().problem, objective().start
    many = np.broadcast_to(start, (DRAWN, *start.shape))
    drawn = one(problem.inner(many, many), np.random.default_rng(np.random.SeedSequence(3)))
    exact = problem.inner(start, start).exact().gradient
    x = drawn.gradient.reshape(DRAWN, -1)
    y = drawn.hvp(np.broadcast_to(exact, many.shape)).reshape(DRAWN, -1)
    checks = {check.name: check for check in run(3)}

    def variance(values):
        return sum(np.sum((v - values.mean(axis=0)) ** 2) for v in values) / len(values)

    norms = [sum(np.linalg.norm(v) for v in values) / DRAWN for values in (x, y)]
    assert_close(checks["Lemma H.2"].lhs, np.linalg.norm(x.mean(axis=0)), SUMS)
    assert_close(checks["Lemma H.2"].rhs, norms[0], SUMS)
    assert_close(list(checks["Lemma H.3"].terms.values()), norms, SUMS)
    third = checks["Lemma H.5 (iii)"].setting
    assert_close([third["V[X]"], third["V[Y]"]], [variance(x), variance(y)], SUMS)
    half = DRAWN // 2
    within = (variance(x[:half]) + variance(x[half:])) / 2
    parts = checks["Lemma H.7"].setting
    assert_close(list(parts.values()), [within, variance(x) - within], SUMS)
    assert checks["Lemma H.8"].setting == {"independent": True}
    assert checks["Lemma H.8"].rounding > 0
    first = checks["Lemma H.5 (i)"]
    assert first.rhs == 0
    assert first.rounding > 0


def test_one_trajectorys_estimate_is_unbiased():
    """The drawn vectors are of one trajectory each: their spread is that of one."""
    one = objective()
    path = InnerPath(one.mdp, one.source("loaded_dice"), 0.5, 1, one.problem)
    exact = covariance.gradient_variance(path.law(0))
    found = []
    for seed in range(MANY):
        (check,) = (c for c in run(seed) if c.name == "Lemma H.5 (iii)")
        found.append(check.setting["V[X]"] * DRAWN / (DRAWN - 1))
    assert abs(np.mean(found) - exact) < 5 * np.std(found) / MANY**0.5


def test_the_same_stream_draws_the_same():
    for one, two in zip(run(3), run(3), strict=True):
        assert_close(one.lhs, two.lhs, SUMS, what=one.name)
    assert [c.lhs for c in run(3)] != [c.lhs for c in run(4)]
