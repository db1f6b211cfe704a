"""The curves against the laws and bounds that they are read off."""

import numpy as np
import pytest

from tabular import TabularMDP, exact, zoo
from tabular.metagradient import adapt
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.sample_paths import ENDS, finite
from theory import curves
from theory.constants import Lipschitz, Noise
from theory.curves import ErrorCurve, make_curves
from theory.finite.paths import inner_paths
from theory.hessian_error import hessian_error_curve
from theory.second_order import SampledLoop
from theory.statements.compositional_bias import Loop

#: The same sums in another order.
SAME_SUMS = Tolerance(rtol=1e-11, atol=0.0)
RNG = np.random.default_rng(11)
ARMS, ARMS_THETA = random_mdp(RNG, (1, 2), 0.0), RNG.normal(size=(1, 2))
MDP, THETA, BASELINE = random_mdp(RNG, (3, 2), 0.8), RNG.normal(size=(3, 2)), RNG.normal(size=3)
SETTING = Loop(0.2, 2, 8)


def test_exact_where_the_law_is_given():
    problem = finite(SampledLoop(ARMS, ARMS_THETA, 0.2, 1, 1))
    found = make_curves(ARMS, ARMS_THETA, SETTING, horizon=1, counts=[1, 8], finite=problem)
    for curve, field in (
        (found.over_counts, "num_trajectories"),
        (found.over_step_sizes, "step_size"),
        (found.over_steps, "num_steps"),
    ):
        assert curve.exact.all()
        assert curve.reliable.all()
        for x, spread, bound in zip(curve.x, curve.spread, curve.empirical, strict=True):
            options = SETTING._asdict() | {field: int(x) if field.startswith("num") else x}
            assert_close(spread, inner_paths(problem, **options).error(2), ENDS)
            assert bound > 0.9 * spread
    assert_close(found.over_step_sizes.x, 0.2 * 2.0 ** np.arange(-2, 3), SAME_SUMS)


def test_leading_order_elsewhere():
    certified = (
        Lipschitz(5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, "every θ"),
        Noise(9.0, *[0.0] * 8, "every θ"),
    )
    found = make_curves(
        MDP, THETA, SETTING, horizon=3, baseline=BASELINE, counts=[4, 16], certified=certified
    )
    loop = SampledLoop(MDP, THETA, 0.2, 2, 3, BASELINE)
    assert not found.over_counts.exact.any()
    assert_close(found.over_counts.spread, loop.spread([4, 16]), SAME_SUMS)
    c1 = max(np.linalg.norm(H, 2) for H in loop.hessians)
    sigma = max(np.trace(noise) for noise in loop.noises) ** 0.5
    a = 1 + 0.2 * c1
    assert_close(
        found.over_counts.empirical,
        0.2 * sigma * np.sqrt((1 + a**2) / np.array([4, 16])),
        SAME_SUMS,
    )
    proved = 0.2 * 9.0 * np.sqrt((1 + 2.0**2) / np.array([4, 16]))
    assert_close(found.over_counts.certified, proved, SAME_SUMS)
    steps = found.over_steps
    assert_close(steps.x, np.arange(1.0, 5.0), SAME_SUMS)
    assert steps.exact.tolist() == [True, False, False, False]
    for K, spread in zip((1, 2, 3, 4), steps.spread, strict=True):
        assert_close(spread, SampledLoop(MDP, THETA, 0.2, K, 3, BASELINE).spread(8), SAME_SUMS)
    for curve in (found.over_counts, found.over_step_sizes, found.over_steps):
        assert (curve.empirical >= curve.spread * (1 - 1e-12)).all()


def test_every_step_counts_by_then():
    """Constants are the largest values over i < K, wherever they are met; ‖c_K‖/N is the bias."""
    theta, alpha, N = np.zeros((3, 2)), 20.0, 8
    found = make_curves(MDP, theta, Loop(alpha, 2, N), horizon=3).over_steps
    loop = SampledLoop(MDP, theta, alpha, 4, 3)
    norms = [np.linalg.norm(H, 2) for H in loop.hessians]
    sigmas = [np.sqrt(np.trace(noise)) for noise in loop.noises]
    assert max(sigmas) > 1.1 * sigmas[-1]
    assert max(norms) > 1.1 * norms[-1]
    for K, bias, bound in zip((1, 2, 3, 4), found.bias, found.empirical, strict=True):
        a = 1 + alpha * max(norms[:K])
        growth = np.sqrt(sum(a ** (2 * j) for j in range(K)))
        assert_close(bound, alpha * max(sigmas[:K]) * growth / np.sqrt(N), SAME_SUMS)
        own = SampledLoop(MDP, theta, alpha, K, 3).iterate_coefficient
        assert_close(bias, np.linalg.norm(own) / N, SAME_SUMS)


def test_more_steps_than_the_curve_over_steps():
    found = make_curves(MDP, THETA, Loop(0.2, 3, 8), horizon=3, most_steps=2)
    own = SampledLoop(MDP, THETA, 0.2, 3, 3)
    assert_close(found.over_counts.spread, own.spread(found.over_counts.x), SAME_SUMS)
    assert len(found.over_steps.x) == 2


def test_laws_of_too_many_ends_are_left_out(monkeypatch):
    """Two outcomes, K = 2: 2² ends of N = 1 and 9² of N = 8."""
    monkeypatch.setattr(curves, "FEW_ENDS", 10)
    problem = finite(SampledLoop(ARMS, ARMS_THETA, 0.2, 1, 1))
    found = make_curves(ARMS, ARMS_THETA, SETTING, horizon=1, counts=[1, 8], finite=problem)
    assert found.over_counts.exact.tolist() == [True, False]
    assert found.over_steps.exact.tolist() == [True, False, False, False]


def test_one_logit_is_the_limit():
    x, spread, exact_ones = np.ones(3), np.array([0.99, 1.01, 1.01]), np.array([False, False, True])
    curve = ErrorCurve("N", x, spread, exact_ones, x, x, None, SETTING)
    assert curve.reliable.tolist() == [True, False, True]


def test_a_leading_order_beyond_a_logit_is_not_relied_on():
    found = make_curves(MDP, THETA, Loop(50.0, 2, 1), horizon=3, most_steps=2)
    assert found.over_counts.spread.max() > 1
    assert (found.over_counts.reliable == (found.over_counts.spread < 1)).all()
    assert found.over_steps.reliable[0]


def test_large_problems_take_one_step(monkeypatch):
    whole = make_curves(MDP, THETA, SETTING._replace(num_steps=1), horizon=3, most_steps=1)
    monkeypatch.setattr(curves, "LARGEST", 5)
    found = make_curves(MDP, THETA, SETTING, horizon=3)
    assert found.over_counts.setting.num_steps == 1
    for name in ("over_counts", "over_step_sizes", "over_steps"):
        assert getattr(found, name).exact.all()
        assert_close(getattr(found, name).spread, getattr(whole, name).spread, SAME_SUMS)
        assert_close(getattr(found, name).empirical, getattr(found, name).spread, SAME_SUMS)


def test_hessian_errors_are_in_units_of_one_over_alpha():
    found = make_curves(MDP, THETA, SETTING, horizon=3, hessian_errors=[0.1, 10.0])
    assert [curve.num_steps for curve in found.over_hessian_errors] == [2, 3, 4]
    for curve in found.over_hessian_errors:
        own = hessian_error_curve(
            Maml(MDP), THETA, [0.5, 50.0], step_size=0.2, num_steps=curve.num_steps
        )
        assert_close(curve.bias, own.bias, SAME_SUMS)
        assert_close(curve.bound, own.bound, SAME_SUMS)
        assert (curve.bias <= curve.bound).all()


@pytest.mark.parametrize(
    ("setting", "change", "message"),
    [
        (Loop(0.2, 2, 0), {}, "num_trajectories"),
        (Loop(0.0, 2, 8), {}, "step_size"),
        (SETTING, {"counts": [4, 0]}, "counts must be at least 1"),
        (SETTING, {"most_steps": 0}, "most_steps must be at least 1"),
        (SETTING, {"step_sizes": [0.1, -0.1]}, "step_size"),
    ],
)
def test_bad_input(setting, change, message):
    with pytest.raises(ValueError, match=message):
        make_curves(MDP, THETA, setting, horizon=3, **change)


@pytest.mark.slow
def test_leading_order_is_that_of_sampled_loops():
    """Sixteen states, three steps of 400 trajectories: within five standard errors of 600 loops.

    The next order is c/N of it; at N = 400 less than the standard error, which is 3%.
    """
    mdp: TabularMDP = zoo.random_mdp(16, 3, concentration=1.0, rng=np.random.default_rng(12))
    theta, T, N, trials = np.zeros((16, 3)), 20, 400, 600
    step_size = 0.5 / np.linalg.norm(exact.hessian(mdp, theta).reshape(48, 48), 2)
    table = exact.state_value(mdp, theta)
    loop = SampledLoop(mdp, theta, step_size, 3, T, table)
    source = Sampled("ad", N, T, lambda *_: table)
    problem, rng, ends = (
        Maml(mdp, horizon=T, terminal_value=table),
        np.random.default_rng(13),
        theta,
    )
    ends = np.zeros((trials, 16, 3))
    for _ in range(3):
        ends = ends + step_size * source(problem.inner(ends, ends), rng).gradient
    assert_close(
        adapt(problem, theta, step_size=step_size, num_steps=3)[-1], loop.iterates[-1], ENDS
    )
    squares = ((ends - loop.iterates[-1]) ** 2).sum(axis=(1, 2))
    error = squares.std() / np.sqrt(trials)
    assert abs(squares.mean() - loop.spread(N) ** 2) < 5 * error
    assert error < 0.1 * squares.mean()
