"""All statements on one MDP, as a report carries them, and what is wrong with them."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import exact_baseline
from tests.tabular.tolerances import assert_close
from tests.theory.cases import dense_random
from tests.theory.test_curves import SAME_SUMS
from theory import shared_objective
from theory.bound_checks import add_bounds, bound_curves, bounds_note
from theory.report import Report
from theory.second_order import SampledLoop
from theory.settings import Settings
from theory.verdict import DISAGREE, disagreements, violations
from theory.verification import verify

SETTINGS = Settings(horizon=3, num_trajectories=32, num_steps=2)


def make(settings: Settings = SETTINGS) -> Report:
    mdp = dense_random()
    return add_bounds(verify(mdp, settings), mdp, settings)


@cache
def report() -> Report:
    return make()


def test_what_is_added():
    mdp, stages = dense_random(), []
    bare = verify(mdp, SETTINGS)
    full = add_bounds(bare, mdp, SETTINGS, stages.append)
    assert stages == ["bounds"]
    without = dataclasses.replace(full, bounds=(), bounds_note="", curves=None)
    assert without == bare
    assert full.digest() == bare.digest()
    assert full.bounds == report().bounds
    assert full.as_dict() == report().as_dict()
    obtained = {check.obtained for check in full.bounds}
    assert obtained == {
        "exact",
        "exact moments",
        "sampling",
        "enumeration",
        "leading order",
        "drawn law",
    }


def test_another_seed_changes_sampled_sides_only():
    other = make(dataclasses.replace(SETTINGS, seed=1))
    for one, two in zip(report().bounds, other.bounds, strict=True):
        assert (one.name, one.setting["of"]) == (two.name, two.setting["of"])
        if one.obtained == "drawn law":
            assert one.rhs != two.rhs or one.rhs == 0
        else:
            assert (one.rhs, one.setting) == (two.rhs, two.setting)
            assert (one.lhs == two.lhs) == (one.obtained != "sampling")


def test_sampled_sides_do_not_hang_on_how_many_estimators_there_are():
    alone = make(dataclasses.replace(SETTINGS, estimators=("loaded_dice",)))
    whole = {(c.name, c.scope, repr(c.setting)): c for c in report().bounds}
    for check in alone.bounds:
        if check.obtained in ("sampling", "drawn law"):
            same = whole[check.name, check.scope, repr(check.setting)]
            assert_close(check.lhs, same.lhs, SAME_SUMS, what=check.name)


def test_the_note():
    mdp = dense_random()
    note = bounds_note(mdp, SETTINGS, 3)
    assert "T = 3" in note
    assert "K = 2, N = 32" in note
    assert "T = 20" in bounds_note(mdp, SETTINGS, 50)
    assert '"paths": over all of them with T = 2, K = 1, N = 1' in bounds_note(mdp, Settings(), 3)
    assert "over all" not in bounds_note(dense_random(51, 2), SETTINGS, 3)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_curves_are_those_of_the_checks_objective(num_steps):
    mdp, theta = dense_random(), np.zeros((4, 3))
    settings = dataclasses.replace(SETTINGS, num_steps=num_steps)
    curves = bound_curves(mdp, settings, 3, 0.5)
    K = max(2, num_steps)
    table = exact_baseline(mdp, theta, None)
    loop = SampledLoop(mdp, theta, 0.5, K, 3, table)
    counts = curves.over_counts
    assert_close(counts.spread, loop.spread(counts.x), SAME_SUMS)
    assert_close(counts.bias, np.linalg.norm(loop.iterate_coefficient) / counts.x, SAME_SUMS)
    steps = curves.over_steps
    for k, bias in zip(steps.x, steps.bias, strict=True):
        own = SampledLoop(mdp, theta, 0.5, int(k), 3, table).iterate_coefficient
        assert_close(bias, np.linalg.norm(own) / 32, SAME_SUMS)
    assert steps.bias[0] == 0
    assert curves.horizon == 3
    for curve in (counts, curves.over_step_sizes, steps):
        for part in (curve.spread, curve.bias, curve.empirical, curve.certified):
            assert part.shape == curve.x.shape
            assert np.isfinite(part).all()
        assert (curve.certified >= curve.empirical).all()
        assert (curve.empirical >= curve.spread * (1 - 1e-12)).all()


def test_curves_of_dice_alone_are_without_a_critic():
    settings = dataclasses.replace(SETTINGS, estimators=("dice",))
    found = bound_curves(dense_random(), settings, 3, 0.5)
    zero = bound_curves(dense_random(), dataclasses.replace(SETTINGS, baseline="zero"), 3, 0.5)
    assert (found.label, bound_curves(dense_random(), SETTINGS, 3, 0.5).label) == (
        "V_b zero",
        "V_b exact",
    )
    assert_close(found.over_counts.spread, zero.over_counts.spread, SAME_SUMS)


@pytest.mark.parametrize("seed", [1, 2, 6])
@pytest.mark.parametrize("num_steps", [1, 2])
def test_two_arms_whose_estimates_are_constant(seed, num_steps):
    """At θ = 0 with the exact critic ĝ is the same for both arms; its variance is below zero."""
    rewards = np.random.default_rng(seed).normal(size=(1, 2))
    arms = TabularMDP(np.ones((1, 2, 1)), rewards, 0.8, 0)
    settings = Settings(horizon=1, num_trajectories=8, num_steps=num_steps)
    told = add_bounds(verify(arms, settings), arms, settings)
    assert violations([told]) == []
    assert all(np.isfinite([check.lhs, check.rhs]).all() for check in told.bounds)
    assert np.isfinite(told.curves.over_counts.spread).all()


@pytest.mark.parametrize("num_steps", [1, 3])
def test_equal_rewards_over_a_long_horizon(num_steps):
    """Without a critic estimates scatter, and ∇J and its derivatives are rounding."""
    mdp = TabularMDP(np.ones((1, 3, 1)), np.full((1, 3), 1.7), 0.99, 0)
    settings = Settings(horizon=20, num_trajectories=2, num_steps=num_steps, baseline="zero")
    assert violations([add_bounds(verify(mdp, settings), mdp, settings)]) == []


def test_what_holds_is_not_reported():
    assert violations([report()]) == []


def test_a_broken_bound_is_a_violation(monkeypatch):
    right = shared_objective.certified_noise
    monkeypatch.setattr(
        shared_objective,
        "certified_noise",
        lambda *arguments: dataclasses.replace(right(*arguments), sigma_in=1e-6),
    )
    lines = violations([make()])
    assert any(
        line.startswith("random 4x3, Lemma 4.4, second moment, V_b exact: ") for line in lines
    )


def test_empirical_constants_are_no_violation():
    wrong = tuple(
        dataclasses.replace(check, rhs=-1.0) if not check.certified else check
        for check in report().bounds
    )
    assert violations([dataclasses.replace(report(), bounds=wrong)]) == []
    proved = tuple(dataclasses.replace(check, rhs=-1.0) for check in report().bounds)
    found = violations([dataclasses.replace(report(), bounds=proved)])
    assert len(found) == sum(check.certified for check in report().bounds)


def test_what_is_not_measured_is_no_violation():
    silent = tuple(
        dataclasses.replace(check, lhs=np.nan, obtained="not measured") for check in report().bounds
    )
    assert not any(check.holds for check in silent)
    assert violations([dataclasses.replace(report(), bounds=silent)]) == []


def test_scores_that_are_too_large_disagree():
    assert disagreements([report()]) == []
    (row, *rest) = report().rows
    far = dataclasses.replace(row, z_mean=-DISAGREE - 0.1, z_sd=0.0)
    (line,) = disagreements([dataclasses.replace(report(), rows=(far, *rest))])
    assert line == "random 4x3, gradient, ad: z of the mean = -5.1"
    silent = dataclasses.replace(far, z_sd=None)
    assert disagreements([dataclasses.replace(report(), rows=(silent, *rest))]) == []
