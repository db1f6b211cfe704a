"""Simulation against the exact numbers: scores are standard normal, and a wrong law is noticed."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import theory.inner_path
import theory.laws
import theory.point
from tabular import TabularMDP
from tabular.sources import Mean
from tests.theory.cases import NAMES, STANDARD_ERRORS, dense_random, rows_of, seeded
from theory.report import Report
from theory.settings import Settings
from theory.verdict import disagreements
from theory.verification import verify

SEEDS = 60
SETTINGS = Settings(horizon=3, num_trajectories=5)
#: Quantities whose variance along the truth is exact for every estimator, and those with an sd.
CHECKED = ("gradient", "hessian·u", "meta-gradient")
SPREAD = (*CHECKED, "hessian")


@pytest.fixture(scope="module")
def many_reports() -> list[Report]:
    return seeded(SETTINGS, dense_random(3, 3), SEEDS)


def z_scores(reports: list[Report], quantity: str, which: str = "z_mean") -> Any:
    """(seeds, estimators); estimators and seeds draw independent samples, quantities share them."""
    return np.array(
        [[getattr(row, which) for row in r.rows if row.quantity == quantity] for r in reports]
    )


def assert_standard(z: Any) -> None:
    """Mean 0 ± 1/√n and mean square 1 ± √(2/n) of n independent N(0, 1), within five of each."""
    mean, square = z.mean() * np.sqrt(z.size), (np.mean(z**2) - 1) * np.sqrt(z.size / 2)
    assert abs(mean) < STANDARD_ERRORS, f"the mean of z is {mean:.1f} standard errors from 0"
    assert abs(square) < STANDARD_ERRORS, f"that of z² is {square:.1f} standard errors from 1"


@pytest.mark.parametrize("quantity", CHECKED)
def test_z_is_standard_normal(quantity, many_reports):
    z = z_scores(many_reports, quantity)
    assert z.shape == (SEEDS, len(NAMES))
    assert_standard(z)
    assert np.abs(z).max() < 5.0
    assert len(np.unique(z)) == z.size


def test_z_of_the_whole_hessian_is_standard_normal(many_reports):
    """Exact for AD and LVC; studentised, where enough estimates count, for the others."""
    z = z_scores(many_reports, "hessian")
    assert_standard(z[:, :2].astype(float))
    studentised = np.array([x for x in z[:, 2:].ravel() if x is not None])
    assert len(studentised) > 0.9 * z[:, 2:].size
    assert_standard(studentised)


@pytest.mark.parametrize("quantity", CHECKED)
def test_a_halved_variance_would_be_flagged(quantity, monkeypatch, many_reports):
    for name in ("gradient_variance_along", "hvp_variance_along"):
        right = getattr(theory.laws.covariance, name)
        monkeypatch.setattr(
            theory.laws.covariance,
            name,
            lambda *arguments, right=right: 0.5 * right(*arguments),
        )
    wrong = z_scores([verify(dense_random(3, 3), SETTINGS)], quantity)
    right = z_scores(many_reports, quantity)
    np.testing.assert_allclose(wrong[0], np.sqrt(2) * right[0], rtol=1e-12, atol=0)
    with pytest.raises(AssertionError, match="of z² is"):
        assert_standard(np.sqrt(2) * right)


@pytest.mark.parametrize("quantity", SPREAD)
def test_the_score_of_the_sd_is_about_standard_normal(quantity, many_reports):
    """Studentised and of heavy-tailed squares: a mean within 0.5, a mean square within 2 of 1."""
    z = z_scores(many_reports, quantity, "z_sd")
    assert z.shape == (SEEDS, len(NAMES))
    assert abs(z.mean()) < 0.5
    assert 0.5 < np.mean(z**2) < 2.0
    assert np.abs(z).max() < 5.0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_variance_wrong_by_a_factor_of_two_has_a_large_score(factor, monkeypatch, many_reports):
    """z is off by ln 2 over the relative standard error of a mean of 128 squares."""
    for name in ("gradient_variance", "hvp_variance", "hessian_variance"):
        right = getattr(theory.laws.covariance, name)
        monkeypatch.setattr(
            theory.laws.covariance,
            name,
            lambda *arguments, right=right: factor * right(*arguments),
        )
    rows, right = rows_of(verify(dense_random(3, 3), SETTINGS)), rows_of(many_reports[0])
    for key, row in rows.items():
        assert row.z_mean == right[key].z_mean
        off = row.z_sd - right[key].z_sd
        assert np.sign(off) == (1 if factor < 1 else -1)
        assert abs(off) > 5.0, key
    assert sum(abs(row.z_sd) > 7.0 for row in rows.values()) > len(rows) / 2


class WrongMean(Mean):
    """An expectation whose gradient and Hessian are 5% too large."""

    def __call__(self, update, rng):
        return Scaled(super().__call__(update, rng))


class Scaled(NamedTuple):
    right: Any

    @property
    def gradient(self):
        return 1.05 * self.right.gradient

    @property
    def hessian(self):
        return 1.05 * self.right.hessian

    def vjp(self, u):
        return 1.05 * self.right.vjp(u)


def test_a_wrong_exact_mean_would_be_flagged(monkeypatch):
    """With N = 500 one estimate scatters by less than its mean, 128 by a tenth of that."""
    mdp, settings = dense_random(3, 2), Settings(horizon=4, num_trajectories=500)
    for row in verify(mdp, settings).rows:
        # With two actions LVC's Hessian is zero on every trajectory.
        assert row.z_mean is None or abs(row.z_mean) < 5.0
    monkeypatch.setattr(theory.inner_path, "Mean", WrongMean)
    rows = rows_of(verify(mdp, settings))
    for name in ("ad", "lvc", "loaded_dice"):
        assert abs(rows["gradient", name].z_mean) > 5.0


@pytest.mark.parametrize("check_steps", [theory.point.CHECK_STEPS, 6])
def test_sampled_errors_scatter_as_the_row_says(check_steps, monkeypatch, many_reports):
    """The mean square of ‖estimate − truth‖ is ‖bias‖² + variance / check_trajectories."""
    if check_steps == theory.point.CHECK_STEPS:
        reports, N, count = many_reports, 5, 5
    else:
        monkeypatch.setattr(theory.point, "CHECK_STEPS", check_steps)
        reports, N, count = seeded(SETTINGS, dense_random(3, 3), 20), 5, 2
    assert {report.check_trajectories for report in reports} == {count}
    for key, row in rows_of(reports[0]).items():
        squares = np.array([rows_of(report)[key].sampled_rmse ** 2 for report in reports])
        error = squares.std(ddof=1) / np.sqrt(len(squares))
        expected = row.bias**2 + row.sd**2 * N / count
        assert error > 0
        assert abs(squares.mean() - expected) < STANDARD_ERRORS * error, key
    for quantity in CHECKED:
        assert_standard(z_scores(reports, quantity))


@pytest.mark.parametrize(("K", "known"), [(1, True), (2, False)])
def test_the_spread_of_the_meta_gradient_is_known_for_as_many_trajectories(K, known, monkeypatch):
    """For K > 1 the variance is no multiple of 1/N: a check with fewer says nothing of the sd."""
    monkeypatch.setattr(theory.point, "CHECK_STEPS", 6)
    settings = Settings(horizon=3, num_trajectories=5, num_steps=K, estimators=("lvc",))
    rows = rows_of(verify(dense_random(3, 3), settings))
    assert (rows["meta-gradient", "lvc"].z_sd is not None) == known
    assert rows["meta-gradient", "lvc"].z_mean is not None
    assert rows["hessian·u", "lvc"].z_sd is not None


@pytest.mark.parametrize(
    ("seed", "num_steps", "step_size"), [(0, 3, None), (2, 3, None), (0, 4, None), (0, 2, 100.0)]
)
def test_products_of_heavy_tails_raise_no_alarm(seed, num_steps, step_size):
    """One trajectory a step, or a policy that is nearly deterministic after one: rare is unseen."""
    mdp = TabularMDP.random(2, 2, concentration=1.0, rng=np.random.default_rng(seed))
    N = 1 if step_size is None else 32
    settings = Settings(num_steps=num_steps, num_trajectories=N, step_size=step_size, seed=seed)
    report = verify(mdp, settings)
    assert disagreements([report]) == []
    scores = [row.z_sd for row in report.rows if row.quantity != "meta-gradient"]
    assert sum(z is not None for z in scores) >= 8
