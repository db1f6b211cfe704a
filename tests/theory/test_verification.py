"""The verification table against enumeration of every trajectory, and its simulations.

`Brute` computes each number a second time: the truth by autograd, means and covariances as sums
over all trajectories, crossings by bisection. Only the sampled estimators themselves
(`tabular.estimators`, tested elsewhere against autograd) are shared.
"""

import dataclasses
import json
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

import theory.laws
import theory.verification
from tabular import TabularMDP, exact, zoo
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.registry import ESTIMATORS
from tabular.sources import Mean
from tests.tabular.reference import Reference
from tests.tabular.tolerances import Tolerance, assert_close
from tests.tabular.unroll import maml, state_value
from theory.report import Report, Row
from theory.settings import Settings
from theory.verification import spectral_norm, verify

#: Of the truth's norm. A row subtracts vectors of the truth's size; γ = 0.99 loses two digits
#: and each of K steps up to one.
ROW = Tolerance(rtol=1e-10, atol=1e-11)
#: A crossing divides by a difference of squared biases: 1e-11 of b² over the smallest
#: difference that counts in these tests, 1e-3 b².
CROSSING = Tolerance(rtol=1e-7, atol=0.0)
#: Standard errors allowed between a simulation and its law.
STANDARD_ERRORS = 5.0
SAMPLED = {"z", "sampled_rmse", "compositional", "compositional_se"}
NAMES = tuple(ESTIMATORS)


def dense_random(num_states: int = 4, num_actions: int = 3, seed: int = 0) -> TabularMDP:
    rng = np.random.default_rng(seed)
    return TabularMDP.random(num_states, num_actions, concentration=1.0, rng=rng)


def noisy_rewards() -> TabularMDP:
    """Three states whose rewards hang on the successor, from a random start."""
    rng = np.random.default_rng(7)
    P = rng.dirichlet(np.ones(3), size=(3, 2))
    return TabularMDP(P, rng.normal(size=(3, 2, 3)), 0.7, [0.2, 0.3, 0.5], name="noisy")


class Every(NamedTuple):
    """Every trajectory's probability (M,), gradient (M, D) and Hessian (M, D, D)."""

    probability: Any
    gradients: Any
    hessians: Any

    @classmethod
    def at(cls, mdp: TabularMDP, theta: Any, name: str, settings: Settings) -> "Every":
        exact_critic = settings.baseline == "exact"
        baseline = state_value(mdp, theta) if exact_critic else np.zeros(mdp.num_states)
        every, probability = enumerate_trajectories(mdp, theta, horizon=settings.horizon)
        estimate = Estimate(mdp, theta, every, estimator=name, baseline=baseline)
        M, D = len(probability), theta.size
        return cls(probability, estimate.gradient.reshape(M, D), estimate.hessian.reshape(M, D, D))

    def mean(self, values: Any) -> Any:
        return np.tensordot(self.probability, values, axes=1)

    def variance(self, values: Any) -> float:
        """E‖x − E x‖² of one trajectory's x (M, ...)."""
        squares = ((values - self.mean(values)) ** 2).reshape(len(values), -1).sum(axis=1)
        return float(self.probability @ squares)


class Numbers(NamedTuple):
    """Truth, mean, the unbiased estimator's mean, and one trajectory's variance."""

    truth: Any
    mean: Any
    unbiased: Any
    variance: float


class Brute:
    """All numbers of a report without the closed forms."""

    def __init__(self, mdp: TabularMDP, settings: Settings) -> None:
        self.mdp, self.settings = mdp, settings
        self.theta = np.zeros(mdp.R.shape)
        reference = Reference(mdp, self.theta)
        D = self.theta.size
        self.value, self.gradient = float(reference.value), reference.gradient.ravel()
        self.hessian = reference.hessian.reshape(D, D)
        self.hessian_norm = float(np.abs(np.linalg.eigvalsh(self.hessian)).max())
        self.step_size = settings.step_size or 0.5 / self.hessian_norm
        options = {"step_size": self.step_size, "num_steps": settings.num_steps}
        self.meta = maml(mdp).meta_gradient(self.theta, **options).ravel()

    def at(self, name: str, theta: Any = None) -> Every:
        theta = self.theta if theta is None else theta
        return Every.at(self.mdp, theta, name, self.settings)

    def numbers(self, name: str) -> dict[str, Numbers]:
        own, good = self.at(name), self.at("dice" if name == "dice" else "loaded_dice")
        u = self.gradient / np.linalg.norm(self.gradient)
        H, H_good = own.mean(own.hessians), good.mean(good.hessians)
        return {
            "gradient": Numbers(
                self.gradient,
                own.mean(own.gradients),
                good.mean(good.gradients),
                own.variance(own.gradients),
            ),
            "hessian": Numbers(self.hessian, H, H_good, own.variance(own.hessians)),
            "hessian·u": Numbers(
                self.hessian @ u, H @ u, H_good @ u, own.variance(own.hessians @ u)
            ),
            "meta-gradient": self._meta(name),
        }

    def _meta(self, name: str) -> Numbers:
        """Π (I + α E Ĥ_i) p along expected steps, and its second moment for N trajectories."""
        alpha, N, theta = self.step_size, self.settings.num_trajectories, self.theta
        steps, good = [], []
        for _ in range(self.settings.num_steps):
            steps.append(self.at(name, theta))
            good.append(self.at("dice" if name == "dice" else "loaded_dice", theta))
            move = steps[-1].mean(steps[-1].gradients)
            theta = theta + alpha * move.reshape(theta.shape)
        mean = unbiased = Reference(self.mdp, theta).gradient.ravel()
        second = np.outer(mean, mean)
        for own, other in zip(reversed(steps), reversed(good), strict=True):
            H = own.mean(own.hessians)
            L = np.eye(len(H)) + alpha * H
            Delta = own.hessians - H
            spread = np.einsum(
                "m,mij,jk,mkl->il", own.probability, Delta, second, Delta, optimize=True
            )
            second = L @ second @ L + alpha**2 / N * spread
            mean = mean + alpha * H @ mean
            unbiased = unbiased + alpha * other.mean(other.hessians) @ unbiased
        return Numbers(self.meta, mean, unbiased, N * np.trace(second - np.outer(mean, mean)))


def crossing(bias: float, variance: float, better_bias: float, better_variance: float) -> float:
    """The N from which the less biased estimator wins, by bisection in log N; 0 is always."""

    def gain(log_n: float) -> float:
        ours, theirs = bias**2 + variance / 10**log_n, better_bias**2 + better_variance / 10**log_n
        return ours - theirs

    low, high = -15.0, 15.0
    assert gain(high) > 0, "the less biased estimator never wins"
    if gain(low) > 0:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if gain(middle) > 0 else (middle, high)
    return 10**high


def rows_of(report: Report) -> dict[tuple[str, str], Row]:
    return {(row.quantity, row.estimator): row for row in report.rows}


CASES = {
    "random": (dense_random(), Settings(horizon=2, num_trajectories=8)),
    "random, V_b = 0": (dense_random(), Settings(horizon=2, num_trajectories=3, baseline="zero")),
    "random, K = 2": (dense_random(seed=1), Settings(horizon=2, num_trajectories=5, num_steps=2)),
    "random, K = 3": (
        dense_random(3, 2),
        Settings(horizon=3, num_trajectories=2, num_steps=3, step_size=2.5),
    ),
    "noisy rewards": (noisy_rewards(), Settings(horizon=3, num_trajectories=1, num_steps=2)),
    "two-state": (zoo.two_state(), Settings(horizon=5, num_trajectories=4, num_steps=3)),
    "FrozenLake": (TabularMDP.from_gymnasium("FrozenLake-v1"), Settings(horizon=2)),
}
every_case = pytest.mark.parametrize("case", CASES)


@cache
def computed(case: str) -> tuple[Report, Brute, dict[str, dict[str, Numbers]]]:
    mdp, settings = CASES[case]
    brute = Brute(mdp, settings)
    return verify(mdp, settings), brute, {name: brute.numbers(name) for name in NAMES}


@every_case
def test_every_exact_number_of_a_row(case):
    report, _, numbers = computed(case)
    N = report.settings["num_trajectories"]
    assert [(row.quantity, row.estimator) for row in report.rows] == [
        (quantity, name) for quantity in numbers["ad"] for name in NAMES
    ]
    for row in report.rows:
        x = numbers[row.estimator][row.quantity]
        truth = float(np.linalg.norm(x.truth))
        expected = {
            "truth": truth,
            "bias": np.linalg.norm(x.mean - x.truth),
            "truncation": np.linalg.norm(x.unbiased - x.truth),
            "hessian": np.linalg.norm(x.mean - x.unbiased),
            "sd": np.sqrt(x.variance / N),
        }
        if row.quantity == "gradient":
            assert row.hessian is None
            del expected["hessian"]
        for key, value in expected.items():
            where = f"{case}, {row.quantity}, {row.estimator}, {key}"
            assert_close(getattr(row, key), value, ROW, scale=truth, what=where)


@every_case
def test_the_head_of_a_report(case):
    report, brute, _ = computed(case)
    assert (report.mdp, report.gamma) == (brute.mdp.name, brute.mdp.gamma)
    assert (report.num_states, report.num_actions) == brute.mdp.R.shape
    assert report.settings == dataclasses.asdict(brute.settings)
    assert_close(report.value, brute.value, ROW)
    assert_close(report.gradient_norm, np.linalg.norm(brute.gradient), ROW)
    assert_close(report.hessian_norm, brute.hessian_norm, ROW)
    assert_close(report.step_size, brute.step_size, ROW)
    if brute.settings.step_size is None:
        assert_close(report.step_size * report.hessian_norm, 0.5, ROW)


@every_case
def test_beaten_by_and_from(case):
    report, _, numbers = computed(case)
    seen = 0
    for row in report.rows:
        bias = {
            name: float(np.linalg.norm(law[row.quantity].mean - law[row.quantity].truth))
            for name, law in numbers.items()
        }
        variance = {name: law[row.quantity].variance for name, law in numbers.items()}
        mine, my_variance = bias[row.estimator], variance[row.estimator]
        less = [name for name in NAMES if bias[name] < (1 - 1e-6) * mine]
        starts = {name: crossing(mine, my_variance, bias[name], variance[name]) for name in less}
        if not starts:
            assert (row.beaten_by, row.beaten_from) == (None, None)
            continue
        seen += 1
        first = min(starts.values())
        winners = {name for name, start in starts.items() if start <= (1 + 1e-6) * first}
        least = min(bias[name] for name in winners)
        assert row.beaten_by in {name for name in winners if bias[name] <= (1 + 1e-6) * least}
        assert_close(row.beaten_from, first, CROSSING, what=f"{row.quantity}, {row.estimator}")
    assert seen >= 4


def test_a_crossing_is_where_the_mean_squared_errors_meet():
    """b² + v/N with b² = 4 against 1 and v = 2 against 8 meet at N = (8 − 2)/(4 − 1) = 2."""
    assert_close(crossing(2.0, 2.0, 1.0, 8.0), 2.0, CROSSING)
    assert crossing(2.0, 8.0, 1.0, 2.0) == 0.0


@every_case
def test_ad_misses_the_whole_hessian_if_the_critic_is_exact(case):
    report, brute, _ = computed(case)
    row = rows_of(report)["hessian", "ad"]
    if brute.settings.baseline == "exact":
        assert_close(row.bias, row.truth, ROW)
    else:
        assert abs(row.bias / row.truth - 1) > 1e-3


def test_lvc_has_no_hessian_part_left_where_all_curvature_is_in_the_cross_term():
    """Two equally likely actions have ψψᵀ = F: LVC is as wrong as AD (`zoo.two_state`)."""
    rows = rows_of(computed("two-state")[0])
    lvc, ad = rows["hessian", "lvc"], rows["hessian", "ad"]
    assert_close([lvc.bias, lvc.hessian], [lvc.truth, ad.hessian], ROW)


@pytest.mark.parametrize(("N", "K"), [(1, 1), (1, 3), (2, 2), (2, 3)])
def test_meta_spread_from_every_combination_of_samples(N, K):
    """With T = 2 the two-state MDP has four trajectories: all (4^N)^K outcomes are written out."""
    mdp, settings = zoo.two_state(), Settings(horizon=2, num_trajectories=N, num_steps=K)
    brute = Brute(mdp, settings)
    rows = rows_of(verify(mdp, settings))
    for name in NAMES:
        theta, levels = brute.theta, []
        for _ in range(K):
            every = brute.at(name, theta)
            index = np.stack(np.meshgrid(*[np.arange(4)] * N), axis=-1).reshape(-1, N)
            levels.append((every.probability[index].prod(axis=1), every.hessians[index].mean(1)))
            move = every.mean(every.gradients).reshape(theta.shape)
            theta = theta + brute.step_size * move
        weights, draws = np.ones(1), Reference(mdp, theta).gradient.reshape(1, -1)
        for probability, hessians in reversed(levels):
            moved = draws[:, None] + brute.step_size * np.einsum("mij,nj->nmi", hessians, draws)
            weights, draws = np.outer(weights, probability).ravel(), moved.reshape(-1, 4)
        assert len(draws) == 4 ** (N * K)
        mean = weights @ draws
        row = rows["meta-gradient", name]
        scale = row.truth
        assert_close(row.bias, np.linalg.norm(mean - brute.meta), ROW, scale=scale)
        variance = weights @ ((draws - mean) ** 2).sum(axis=1)
        assert_close(row.sd, np.sqrt(variance), ROW, scale=scale)


# Simulation against the exact numbers.


SEEDS = 60
CHECKED = ("gradient", "hessian·u", "meta-gradient")


def seeded(settings: Settings, mdp: TabularMDP, seeds: int = SEEDS) -> list[Report]:
    return [verify(mdp, dataclasses.replace(settings, seed=seed)) for seed in range(seeds)]


@cache
def many_reports() -> list[Report]:
    return seeded(Settings(horizon=3, num_trajectories=5), dense_random(3, 3))


def z_scores(reports: list[Report], quantity: str) -> Any:
    """(seeds, estimators); estimators and seeds draw independent samples, quantities share them."""
    return np.array([[row.z for row in r.rows if row.quantity == quantity] for r in reports])


def assert_standard(z: Any) -> None:
    """Mean 0 ± 1/√n and mean square 1 ± √(2/n) of n independent N(0, 1), within five of each."""
    mean, square = z.mean() * np.sqrt(z.size), (np.mean(z**2) - 1) * np.sqrt(z.size / 2)
    assert abs(mean) < STANDARD_ERRORS, f"the mean of z is {mean:.1f} standard errors from 0"
    assert abs(square) < STANDARD_ERRORS, f"that of z² is {square:.1f} standard errors from 1"


@pytest.mark.parametrize("quantity", CHECKED)
def test_z_is_standard_normal(quantity):
    z = z_scores(many_reports(), quantity)
    assert z.shape == (SEEDS, len(NAMES))
    assert_standard(z)
    assert np.abs(z).max() < 5.0
    assert len(np.unique(z)) == z.size


@pytest.mark.parametrize("quantity", CHECKED)
def test_a_halved_variance_would_be_flagged(quantity, monkeypatch):
    for name in ("gradient_variance_along", "hvp_variance_along"):
        right = getattr(theory.laws.covariance, name)
        monkeypatch.setattr(
            theory.laws.covariance,
            name,
            lambda *arguments, right=right: 0.5 * right(*arguments),
        )
    mdp, settings = dense_random(3, 3), Settings(horizon=3, num_trajectories=5)
    wrong = z_scores([verify(mdp, settings)], quantity)
    right = z_scores(many_reports(), quantity)
    np.testing.assert_allclose(wrong[0], np.sqrt(2) * right[0], rtol=1e-12, atol=0)
    with pytest.raises(AssertionError, match="of z² is"):
        assert_standard(np.sqrt(2) * right)


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
        assert row.z is None or abs(row.z) < 5.0
    monkeypatch.setattr(theory.laws, "Mean", WrongMean)
    rows = rows_of(verify(mdp, settings))
    for name in ("ad", "lvc", "loaded_dice"):
        assert abs(rows["gradient", name].z) > 5.0


@pytest.mark.parametrize("check_steps", [theory.laws.CHECK_STEPS, 6])
def test_sampled_errors_scatter_as_the_row_says(check_steps, monkeypatch):
    """The mean square of ‖estimate − truth‖ is ‖bias‖² + variance / check_trajectories."""
    if check_steps == theory.laws.CHECK_STEPS:
        reports, N, count = many_reports(), 5, 5
    else:
        monkeypatch.setattr(theory.laws, "CHECK_STEPS", check_steps)
        settings = Settings(horizon=3, num_trajectories=5)
        reports, N, count = seeded(settings, dense_random(3, 3), 20), 5, 2
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
def test_z_of_the_meta_gradient_needs_a_variance_for_as_many_trajectories(K, known, monkeypatch):
    """For K > 1 the variance is no multiple of 1/N: a check with fewer has no z."""
    monkeypatch.setattr(theory.laws, "CHECK_STEPS", 6)
    settings = Settings(horizon=3, num_trajectories=5, num_steps=K, estimators=("lvc",))
    rows = rows_of(verify(dense_random(3, 3), settings))
    assert (rows["meta-gradient", "lvc"].z is not None) == known
    assert rows["hessian·u", "lvc"].z is not None


def test_the_norm_of_a_shift_loses_what_the_noise_adds():
    """Means 2 of {1, 3} and 0 of {1, −1}: noise (2 + 2)/2 = 2, shift √(2² − 2)."""
    samples = np.array([[[3.0, 1.0]], [[1.0, -1.0]]])
    shift, error = theory.laws.mean_shift(samples, np.zeros((1, 2)))
    assert_close([shift, error], np.sqrt([2.0, 2.0]), ROW)
    assert theory.laws.mean_shift(samples, np.array([[2.0, 0.0]]))[0] == 0.0


@pytest.mark.parametrize("K", [1, 2])
def test_compositional_part(K):
    """Against the mean over all paths of one trajectory a step."""
    mdp, settings = dense_random(3, 2), Settings(horizon=2, num_trajectories=1, num_steps=K)
    brute = Brute(mdp, settings)
    reports = [rows_of(report) for report in seeded(settings, mdp, 20)]
    for name in NAMES:
        weights, paths = np.ones(1), [(brute.theta, np.eye(6))]
        for _ in range(K):
            moved, new_weights = [], []
            for weight, (theta, product) in zip(weights, paths, strict=True):
                every = brute.at(name, theta)
                after = product + brute.step_size * product @ every.mean(every.hessians)
                for gradient in every.gradients:
                    moved.append((theta + brute.step_size * gradient.reshape(3, 2), after))
                new_weights.append(weight * every.probability)
            weights, paths = np.concatenate(new_weights), moved
        assert len(paths) == 36**K
        outer = exact.gradient(mdp, np.stack([theta for theta, _ in paths])).reshape(-1, 6)
        draws = np.einsum("mij,mj->mi", np.stack([product for _, product in paths]), outer)
        center = weights @ draws
        shift = float(np.linalg.norm(center - brute.numbers(name)["meta-gradient"].mean))
        noise = weights @ ((draws - center) ** 2).sum(axis=1) / theory.laws.NUM_PATHS
        # The estimated shift is off by a vector of mean square `noise`, and its norm is reduced
        # by at most one standard error.
        allowed = (STANDARD_ERRORS + 1) * np.sqrt(noise)
        found = np.array([report["meta-gradient", name].compositional for report in reports])
        assert np.all(np.abs(found - shift) < allowed), name
        assert np.median(found) > 0
        squares = np.array(
            [report["meta-gradient", name].compositional_se ** 2 for report in reports]
        )
        spread = squares.std(ddof=1) / np.sqrt(len(squares))
        assert abs(squares.mean() - noise) < STANDARD_ERRORS * spread, name


# One run beside another.


def test_same_settings_give_the_same_report():
    mdp, settings = dense_random(), Settings(horizon=2, num_trajectories=4)
    first, second = verify(mdp, settings), verify(dense_random(), Settings(**settings.as_dict()))
    assert first.as_dict() == second.as_dict()
    assert first.digest() == second.digest()


def test_another_seed_changes_sampled_fields_only():
    mdp, settings = dense_random(), Settings(horizon=2, num_trajectories=4)
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
                scale = 1.0 if key == "z" else max(other.truth, value)
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
    monkeypatch.setattr(theory.verification, "_lean", lambda mdp: mdp)
    assert_same_report(verify(mdp, settings), by_itself)
    assert set(seen[: len(seen) // 2]) == {True}
    assert set(seen[len(seen) // 2 :]) == {False}


def test_large_tables_leave_out_what_needs_the_full_matrix(monkeypatch):
    """No Hessian as a whole, and for K > 1 no spread and no z of the meta-gradient."""
    settings = Settings(horizon=2, num_trajectories=4, num_steps=2)
    small = rows_of(verify(dense_random(3, 2), settings))
    monkeypatch.setattr(theory.laws, "FULL_MATRIX", 5)
    large = rows_of(verify(dense_random(3, 2), settings))
    assert set(small) - set(large) == {("hessian", name) for name in NAMES}
    gone = {"sd": None, "z": None, "beaten_by": None, "beaten_from": None}
    for (quantity, name), row in large.items():
        changes = gone if quantity == "meta-gradient" else {}
        assert row == dataclasses.replace(small[quantity, name], **changes)
    monkeypatch.setattr(theory.laws, "FULL_MATRIX", 6)
    assert rows_of(verify(dense_random(3, 2), settings)) == small


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


# Degenerate MDPs.


def free_transitions(num_states: int) -> TabularMDP:
    """Actions pay differently and move alike; two of them: ∇²J = 0 at θ = 0, ∇J is not."""
    rng = np.random.default_rng(0)
    P = np.repeat(rng.dirichlet(np.ones(num_states), size=(num_states, 1)), 2, axis=1)
    return TabularMDP(P, rng.random((num_states, 2)), 0.9, 0, name=f"free {num_states}")


def one_action(num_states: int) -> TabularMDP:
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(num_states), size=(num_states, 1))
    return TabularMDP(P, rng.random((num_states, 1)), 0.9, 0, name=f"one action {num_states}")


NO_REWARD = dense_random().with_reward(np.zeros((4, 3)))
#: Name -> (MDP, quantities whose truth is not zero). "large" is S·A > 50, where Lanczos starts.
ALL = ("gradient", "hessian", "hessian·u", "meta-gradient")
DEGENERATE = {
    "one state, one action": (TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.9, 0), ()),
    "one state": (TabularMDP(np.ones((1, 3, 1)), [[1.0, 0.2, -0.4]], 0.9, 0), ALL),
    "one action": (one_action(4), ()),
    "one action, large": (one_action(51), ()),
    "gamma = 0": (dense_random().with_gamma(0.0), ALL),
    "zero reward": (NO_REWARD, ()),
    "zero reward, large": (dense_random(26, 2).with_reward(np.zeros((26, 2))), ()),
    "constant reward": (dense_random().with_reward(np.full((4, 3), 2.5)), ()),
    "action-independent transitions": (free_transitions(4), ("gradient", "meta-gradient")),
    "action-independent transitions, large": (
        free_transitions(26),
        ("gradient", "meta-gradient"),
    ),
    "reward out of reach": (zoo.chain(6), ALL),
    "tiny rewards": (dense_random().with_reward(1e-30 * dense_random().R), ALL),
}


@cache
def degenerate_report(name: str, num_steps: int = 1) -> Report:
    settings = Settings(horizon=2, num_trajectories=4, num_steps=num_steps)
    return verify(DEGENERATE[name][0], settings)


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
            assert row.z is None or abs(row.z) < 5.0
        else:
            assert row.truth == 0
            assert row.z is None
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
        assert (row.sd, row.z) == (0.0, None)
        assert row.bias == row.truth == row.truncation > 0
        assert rows[quantity, "lvc"].sd > 0
    assert rows["gradient", "ad"].z is not None


def test_a_saturating_step_leaves_no_rounding_errors_that_look_like_a_disagreement():
    """At α = 1e6 the policy is deterministic after one step: ∇J(θ¹) is rounding, times α."""
    rows = rows_of(verify(dense_random(), Settings(("lvc",), 2, 2, step_size=1e6)))
    row = rows["meta-gradient", "lvc"]
    assert (row.truth, row.z) == (0.0, None)


# What is refused.


def test_a_batch_is_refused():
    batch = TabularMDP.stack([zoo.chain(3), zoo.chain(3)])
    with pytest.raises(ValueError, match=r"one MDP at a time, received a batch \(2,\)"):
        verify(batch, Settings())


def test_an_mdp_too_large_for_the_tables_is_refused(monkeypatch):
    monkeypatch.setattr(theory.verification, "MAX_TABLE", 47)
    with pytest.raises(ValueError, match=r"random 4x3 has 4 states and 3 actions.*S\*S\*A = 48"):
        verify(dense_random(), Settings(horizon=2))
    monkeypatch.setattr(theory.verification, "MAX_TABLE", 48)
    verify(dense_random(), Settings(horizon=2, estimators=("ad",)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimators": ()}, ValueError, "at least one estimator of ad, lvc, loaded_dice, dice"),
        ({"estimators": ("ad", "maml")}, ValueError, "unknown estimator 'maml'; choose one of"),
        ({"estimators": "ad"}, ValueError, "unknown estimator 'a'"),
        *(
            ({name: value}, error, f"{name} must be")
            for name in ("num_trajectories", "horizon", "num_steps")
            for value, error in [
                (0, ValueError),
                (-1, ValueError),
                (1.5, TypeError),
                (True, TypeError),
                ("3", TypeError),
                (None, TypeError),
            ]
        ),
        *(
            ({"step_size": value}, ValueError, "step_size must be positive and finite, received")
            for value in (0.0, -1.0, np.inf, np.nan)
        ),
        ({"baseline": "noisy"}, ValueError, "unknown baseline 'noisy'; choose one of exact, zero"),
        ({"seed": -1}, ValueError, "seed must not be negative, received -1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, received 0.5"),
        ({"seed": None}, TypeError, "seed must be an integer, received None"),
    ],
)
def test_settings_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        Settings(**arguments)


def test_settings_are_plain_values():
    settings = Settings()
    assert json.loads(json.dumps(settings.as_dict(), allow_nan=False)) == {
        "estimators": ["ad", "lvc", "loaded_dice", "dice"],
        "num_trajectories": 32,
        "horizon": 20,
        "num_steps": 1,
        "step_size": None,
        "baseline": "exact",
        "seed": 0,
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 1
