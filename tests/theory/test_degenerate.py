"""Degenerate MDPs: zeros are zeros, and nothing is NaN."""

import dataclasses
import json

import numpy as np
import pytest

from tabular import TabularMDP
from tests.tabular.tolerances import assert_close
from tests.theory.cases import (
    ALL,
    DEGENERATE,
    NAMES,
    NO_REWARD,
    ROW,
    degenerate_report,
    dense_random,
    rows_of,
)
from theory.settings import Settings
from theory.verification import verify


@pytest.mark.parametrize("num_steps", [1, 2])
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_mdps(name, num_steps):
    nonzero, report = DEGENERATE[name][1], degenerate_report(name, num_steps)
    json.dumps(report.as_dict(), allow_nan=False)
    for row in report.rows:
        numbers = [x for x in dataclasses.asdict(row).values() if isinstance(x, float)]
        assert np.all(np.isfinite(numbers))
        if row.quantity in nonzero:
            assert row.truth > 0
            assert all(z is None or abs(z) < 5.0 for z in (row.z_mean, row.z_sd))
        else:
            assert row.truth == 0
            assert row.z_mean is None
    if not {"hessian", "hessian·u"} & set(nonzero):
        assert (report.hessian_norm, report.step_size) == (0.0, 1.0)
    else:
        assert_close(report.hessian_norm * report.step_size, 0.5, ROW)


def test_where_nothing_can_happen_nothing_is_wrong():
    for row in verify(NO_REWARD, Settings(horizon=2, num_trajectories=4)).rows:
        numbers = dataclasses.asdict(row)
        assert {numbers.pop(key) for key in ("quantity", "estimator")} <= {*ALL, *NAMES}
        assert set(numbers.values()) <= {0.0, None}, row


def test_an_estimator_that_sees_no_reward_scatters_by_nothing_and_has_no_z():
    """Three steps from the start of FrozenLake: DiCE sees no reward, the others bootstrap."""
    mdp = TabularMDP.from_gymnasium("FrozenLake-v1")
    rows = rows_of(verify(mdp, Settings(horizon=3, num_trajectories=4)))
    for quantity in ALL[:3]:
        row = rows[quantity, "dice"]
        assert (row.sd, row.z_mean, row.z_sd) == (0.0, None, None)
        assert row.bias == row.truth == row.truncation > 0
        assert rows[quantity, "lvc"].sd > 0
    assert rows["gradient", "ad"].z_mean is not None


def test_a_saturating_step_leaves_no_rounding_errors_that_look_like_a_disagreement():
    """At α = 1e6 the policy is deterministic after one step: ∇J(θ¹) is rounding, times α."""
    rows = rows_of(verify(dense_random(), Settings(("lvc",), 2, 2, step_size=1e6)))
    row = rows["meta-gradient", "lvc"]
    assert (row.truth, row.z_mean, row.z_sd) == (0.0, None, None)


def test_rewards_that_cancel_on_average_are_zeros():
    """Every R(s,a) is a rounding error of rewards of size one."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), size=(5, 3))
    R = rng.normal(size=(5, 3, 5))
    R -= (P * R).sum(axis=-1, keepdims=True)
    report = verify(TabularMDP(P, R, 0.9, np.eye(5)[0]), Settings(horizon=3, num_trajectories=4))
    assert {row.truth for row in report.rows} == {0.0}
    assert report.step_size == 1.0
