"""Every exact number of a report against enumeration of all trajectories."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from tabular import TabularMDP, zoo
from tests.tabular.reference import Reference
from tests.tabular.tolerances import assert_close
from tests.theory.brute import Brute, Numbers, crossing
from tests.theory.cases import CROSSING, NAMES, ROW, dense_random, noisy_rewards, rows_of
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify

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
        # For K > 1 the variance is no multiple of 1/N, and says nothing about another N.
        if not starts or (row.quantity == "meta-gradient" and report.settings["num_steps"] > 1):
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
