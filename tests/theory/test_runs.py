"""One run beside another: same bits, digests, dense and sparse, alone and together."""

import dataclasses

import numpy as np
import pytest

import theory.effort
import theory.verification
from tabular import TabularMDP, exact, zoo
from tests.tabular.reference import Reference
from tests.tabular.tolerances import assert_close
from tests.theory.cases import CROSSING, NAMES, ROW, dense_random, noisy_rewards, rows_of
from theory.norms import spectral_norm
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify

SAMPLED = {"z_mean", "z_sd", "sampled_rmse", "compositional", "compositional_se"}


def test_same_settings_give_the_same_report():
    mdp, settings = dense_random(), Settings(horizon=2, num_trajectories=4)
    first, second = verify(mdp, settings), verify(dense_random(), Settings(**settings.as_dict()))
    assert first.as_dict() == second.as_dict()
    assert first.digest() == second.digest()


def test_another_seed_changes_sampled_fields_only():
    mdp, settings = dense_random(), Settings(horizon=3, num_trajectories=16)
    first, second = (verify(mdp, dataclasses.replace(settings, seed=s)).as_dict() for s in (0, 1))
    changed = set()
    for old, new in zip(first.pop("rows"), second.pop("rows"), strict=True):
        changed |= {key for key in old if old[key] != new[key]}
    assert changed == SAMPLED
    assert (first.pop("settings"), second.pop("settings")) == (
        settings.as_dict(),
        settings.as_dict() | {"seed": 1},
    )
    assert first == second


def test_the_digest_tells_settings_and_mdps_apart():
    mdp, settings = dense_random(3, 2), Settings(horizon=2, num_trajectories=4)
    others = [
        {"estimators": ("ad",)},
        {"num_trajectories": 5},
        {"horizon": 3},
        {"num_steps": 2},
        {"step_size": 1.0},
        {"baseline": "zero"},
        {"seed": 1},
    ]
    assert {key for other in others for key in other} == set(settings.as_dict())
    variants = [(mdp, dataclasses.replace(settings, **other)) for other in others]
    renamed = TabularMDP(mdp.P, mdp.R, mdp.gamma, mdp.initial, name="other")
    # The same mean rewards, with noise: every policy's value and derivatives are the same.
    noise = np.array([1.0, -1.0, 0.0])
    noise = noise - (mdp.P @ noise)[..., None]
    noisy = TabularMDP(mdp.P, mdp.R[..., None] + noise, mdp.gamma, mdp.initial, name=mdp.name)
    changed = (dense_random(3, 2, seed=5), renamed, mdp.with_gamma(0.81), noisy)
    variants += [(mdp, settings), *((other, settings) for other in changed)]
    digests = {verify(*variant).digest() for variant in variants}
    assert len(digests) == len(variants)
    assert all(len(digest) == 8 and int(digest, 16) >= 0 for digest in digests)


def assert_same_report(first: Report, second: Report) -> None:
    assert first.digest() == second.digest()
    heads = [{k: v for k, v in r.as_dict().items() if k != "rows"} for r in (first, second)]
    for key in ("step_size", "value", "gradient_norm", "hessian_norm"):
        assert_close(heads[0].pop(key), heads[1].pop(key), ROW, what=key)
    assert heads[0] == heads[1]
    for one, other in zip(first.rows, second.rows, strict=True):
        for key, value in dataclasses.asdict(one).items():
            expected = getattr(other, key)
            if isinstance(value, float):
                # z is a distance over a standard error: its own size is one.
                scale = 1.0 if key in ("z_mean", "z_sd") else max(other.truth, value)
                assert_close(value, expected, CROSSING, scale=scale, what=f"{one}: {key}")
            else:
                assert value == expected, f"{one}: {key}"


@pytest.mark.parametrize("num_steps", [1, 2])
def test_dense_and_sparse_mdps_give_the_same_report(num_steps):
    settings = Settings(horizon=3, num_trajectories=4, num_steps=num_steps)
    mdp = noisy_rewards()
    assert_same_report(verify(mdp.sparse(), settings), verify(mdp, settings))


def test_a_large_mdp_with_few_successors_is_worked_on_in_sparse_form(monkeypatch):
    rng = np.random.default_rng(0)
    near = (np.arange(101)[:, None, None] + rng.integers(-1, 3, size=(101, 2, 3))) % 101
    P = np.zeros((101, 2, 101))
    np.add.at(P, (np.arange(101)[:, None, None], np.arange(2)[None, :, None], near), 1 / 3)
    mdp = TabularMDP(P, rng.random((101, 2)), 0.8, 0, name="ring")
    settings, seen = Settings(horizon=3, num_trajectories=4), []
    right = exact.evaluate
    monkeypatch.setattr(
        theory.verification.exact,
        "evaluate",
        lambda mdp, theta, **options: seen.append(mdp.is_sparse) or right(mdp, theta, **options),
    )
    by_itself = verify(mdp, settings)
    monkeypatch.setattr(theory.verification, "lean", lambda mdp: mdp)
    assert_same_report(verify(mdp, settings), by_itself)
    assert set(seen[: len(seen) // 2]) == {True}
    assert set(seen[len(seen) // 2 :]) == {False}


def test_large_tables_leave_out_what_needs_the_full_matrix(monkeypatch):
    """No Hessian as a whole, and for K > 1 no spread of the meta-gradient."""
    settings = Settings(horizon=2, num_trajectories=4, num_steps=2)
    small = rows_of(verify(dense_random(3, 2), settings))
    monkeypatch.setattr(theory.effort, "MAX_ENTRIES", 35)
    large = rows_of(verify(dense_random(3, 2), settings))
    assert set(small) - set(large) == {("hessian", name) for name in NAMES}
    gone = {"sd": None, "z_sd": None, "beaten_by": None, "beaten_from": None}
    for (quantity, name), row in large.items():
        changes = gone | {"z_mean": row.z_mean} if quantity == "meta-gradient" else {}
        assert row == dataclasses.replace(small[quantity, name], **changes)
    monkeypatch.setattr(theory.effort, "MAX_ENTRIES", 36)
    assert rows_of(verify(dense_random(3, 2), settings)) == small


def test_a_hessian_spread_that_takes_too_long_is_left_out(monkeypatch):
    """That of Loaded-DiCE and DiCE, with its simulation; the other two are cheap everywhere."""
    settings = Settings(horizon=2, num_trajectories=4)
    whole = rows_of(verify(dense_random(3, 2), settings))
    monkeypatch.setattr(theory.effort, "WORK", 4e6)
    short = rows_of(verify(dense_random(3, 2), settings))
    unknown = ("sd", "z_mean", "z_sd", "sampled_rmse", "beaten_by", "beaten_from")
    for (quantity, name), row in short.items():
        changes = {}
        if quantity == "hessian":
            assert (row.sd is None) == (name in ("loaded_dice", "dice"))
            changes = {field: getattr(row, field) for field in unknown[-2:]}
            if row.sd is None:
                changes |= dict.fromkeys(unknown, None)
        assert row == dataclasses.replace(whole[quantity, name], **changes)


@pytest.mark.parametrize("size", [(5, 3), (40, 2)])
def test_spectral_norm_both_ways(size):
    """The largest singular value of autograd's Hessian, on both sides of S·A = 50."""
    mdp = dense_random(*size, seed=3)
    here = exact.evaluate(mdp, np.zeros(size))
    expected = np.abs(
        np.linalg.eigvalsh(Reference(mdp, np.zeros(size)).hessian.reshape(mdp.R.size, mdp.R.size))
    ).max()
    assert_close(spectral_norm(here), expected, ROW)


def test_progress_is_told_each_estimator_once():
    stages: list[str] = []
    verify(zoo.two_state(), Settings(horizon=2, estimators=("dice", "ad")), stages.append)
    assert stages == ["dice", "ad"]


def test_rows_of_an_estimator_do_not_hang_on_what_else_is_asked():
    mdp = dense_random(3, 2)
    settings = Settings(horizon=2, num_trajectories=4)
    alone = verify(mdp, dataclasses.replace(settings, estimators=("ad",)))
    together = rows_of(verify(mdp, settings))
    for row in alone.rows:
        changes = {"beaten_by": None, "beaten_from": None}
        assert row == dataclasses.replace(together[row.quantity, "ad"], **changes)
