"""The T that a verification takes by itself, and what it leaves out to save time."""

import dataclasses
import math

import numpy as np
import pytest

import theory.effort
from tabular import TabularMDP, zoo
from tabular.registry import ESTIMATORS
from tests.theory.cases import dense_random
from theory.effort import Effort, choose_horizon, effective_horizon
from theory.settings import MAX_STEPS, Settings
from theory.verification import verify

LOADED, LVC = ESTIMATORS["loaded_dice"], ESTIMATORS["lvc"]


@pytest.mark.parametrize(
    ("gamma", "steps"), [(0.0, 1), (0.01, 1), (0.5, 7), (0.8, 20), (0.99, 437)]
)
def test_effective_horizon(gamma, steps):
    assert effective_horizon(gamma) == steps


@pytest.mark.parametrize("gamma", [0.013, 0.3, 0.8, 0.999, 1 - 1e-9])
def test_the_effective_horizon_is_the_first(gamma):
    """γ^T ≤ 1/80 < γ^{T−1}, in logarithms."""
    T = effective_horizon(gamma)
    assert T * math.log(gamma) <= -math.log(80) < (T - 1) * math.log(gamma)


def test_a_given_horizon_is_taken():
    for steps in (1, 20, 5000):
        settings = Settings(horizon=steps)
        chosen = choose_horizon(zoo.two_state().with_gamma(0.999), settings)
        assert chosen.steps == steps
        assert chosen.note.startswith(f"T = {steps}, γ^T = ")
        assert "shortened" not in chosen.note


@pytest.mark.parametrize(
    ("mdp", "note"),
    [
        (dense_random(20, 5), "T = 20, γ^T = 1.2 %"),
        (zoo.two_state().with_gamma(0.99), "T = 437, γ^T = 1.2 %"),
        (zoo.two_state().with_gamma(0.0), "T = 1, γ^T = 0 %"),
    ],
)
def test_the_effective_horizon_is_taken_where_it_is_affordable(mdp, note):
    assert choose_horizon(mdp, Settings()).note == note


def test_a_large_mdp_has_a_shorter_one():
    """Taxi, S = 501 and D = 3006, at γ = 0.999: the longest T of which two traces fit."""
    mdp = TabularMDP.from_gymnasium("Taxi", gamma=0.999)
    chosen = choose_horizon(mdp, Settings())
    P_pi = mdp.transitions.under(np.full(mdp.R.shape, 1 / 6))
    entries = P_pi.nnz if hasattr(P_pi, "nnz") else np.count_nonzero(P_pi)

    def work(T: int) -> float:
        return 2 * (T * (5e5 + 10 * 501 * entries) + 3 * T**2 * 3006)

    assert work(chosen.steps) <= 1.5e10 < work(chosen.steps + 1)
    assert 437 < chosen.steps < 4380
    share = f"{100 * 0.999**chosen.steps:.2g} %"
    assert chosen.note == (
        f"T = {chosen.steps}, γ^T = {share} (shortened to save time; -T 4380 for 1.2 %)"
    )
    assert choose_horizon(mdp.sparse(), Settings()) == chosen
    assert choose_horizon(mdp.with_gamma(0.99), Settings()).steps == 437


def test_it_is_shortened_no_further_than_to_20(monkeypatch):
    monkeypatch.setattr(theory.effort, "WORK", 1.0)
    mdp = zoo.two_state()
    assert choose_horizon(mdp.with_gamma(0.99), Settings()).steps == 20
    assert choose_horizon(mdp.with_gamma(0.5), Settings()).steps == 7


@pytest.mark.parametrize("gamma", [0.99, 1 - 1e-9, np.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("num_trajectories", [1, 32, MAX_STEPS // 7, MAX_STEPS])
def test_the_limit_of_time_steps_is_kept(gamma, num_trajectories):
    settings = Settings(num_trajectories=num_trajectories)
    chosen = choose_horizon(zoo.two_state().with_gamma(gamma), settings)
    assert 1 <= chosen.steps * num_trajectories <= MAX_STEPS
    Settings(num_trajectories=num_trajectories, horizon=chosen.steps)
    if "-T " in chosen.note:
        longer = int(chosen.note.split("-T ")[1].split(" ")[0])
        Settings(num_trajectories=num_trajectories, horizon=longer)


def test_a_chosen_horizon_gives_the_report_of_a_given_one():
    mdp, chosen = dense_random(3, 2), Settings(num_trajectories=2, estimators=("lvc",))
    automatic = verify(mdp, chosen)
    given = verify(mdp, dataclasses.replace(chosen, horizon=20))
    assert (automatic.horizon, given.horizon) == (20, 20)
    assert automatic.settings["horizon"] is None
    assert automatic.rows == given.rows
    assert automatic.digest() != given.digest()


def test_what_fits():
    lake = Effort.of(TabularMDP.from_gymnasium("FrozenLake8x8"))
    taxi = Effort.of(TabularMDP.from_gymnasium("Taxi"))
    paper = Effort.of(TabularMDP.random(20, 5, rng=np.random.default_rng(0)))
    assert (lake.size, taxi.size, paper.size) == (260, 3006, 100)
    assert lake.fits_hessian(437)
    assert not taxi.fits_hessian(20)
    assert paper.fits_hessian_spread(LOADED, 20)
    assert not lake.fits_hessian_spread(LOADED, 437)
    assert lake.fits_hessian_spread(LVC, 437)
    assert taxi.fits_meta_spread(LOADED, 437, 1)
    assert paper.fits_meta_spread(LOADED, 20, 3)
    assert not lake.fits_meta_spread(LOADED, 437, 2)
    assert lake.fits_meta_spread(LVC, 437, 2)
    assert not taxi.fits_meta_spread(LVC, 20, 2)
