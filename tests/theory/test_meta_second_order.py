"""The meta-gradient's coefficient of 1/N against sums over all samples."""

import numpy as np
import pytest

from tabular.registry import find_estimator
from tabular.sources import Sampled
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import ENUMERATED, Tolerance, assert_close
from tests.theory.sample_paths import Slow
from theory import meta_second_order
from theory.meta_second_order import (
    coupling,
    maml,
    mean_source,
    meta_coefficient,
    remaining_gradient,
)
from theory.second_order import SampledLoop, contract_third

#: Central differences of order six with h = 0.05/‖L‖: h⁶/560 = 3e-11 of an eighth derivative, which
#: for a softmax of a few actions is below a hundred times the third.
DIFFERENCES = Tolerance(rtol=1e-8, atol=1e-11)
ARMS = random_mdp(np.random.default_rng(4), (1, 2), 0.0)
ARMS_THETA = np.array([[0.4, -0.3]])
SMALL = random_mdp(np.random.default_rng(5), (2, 2), 0.7)
SMALL_THETA = np.random.default_rng(6).normal(size=(2, 2))
NAMES = ["ad", "lvc", "loaded_dice", "dice"]
#: One trajectory of one step: `lvc` is `loaded_dice`.
ONE_STEP = ["ad", "loaded_dice", "dice"]


def arms(name: str, K: int) -> tuple[SampledLoop, Slow]:
    baseline = np.zeros(1) if name == "dice" else np.array([0.3])
    loop = SampledLoop(ARMS, ARMS_THETA, 0.6, K, 1, baseline)
    return loop, Slow(ARMS, 0.6, 1, baseline, name)


def small(name: str, K: int) -> tuple[SampledLoop, Slow]:
    baseline = np.zeros(2) if name == "dice" else np.array([0.3, -0.5])
    loop = SampledLoop(SMALL, SMALL_THETA, 0.05, K, 2, baseline)
    return loop, Slow(SMALL, 0.05, 2, baseline, name)


def off(slow: Slow, loop: SampledLoop, coefficient, counts, *, shared: bool) -> np.ndarray:
    """‖N bias − coefficient‖/‖coefficient‖ at each N."""
    K, theta = loop.num_steps, loop.theta0
    truth = slow.mean_along_exact_path(theta, K)
    found = []
    for N in counts:
        bias = slow.mean_meta_gradient(theta, K, N, shared=shared) - truth
        found.append(np.linalg.norm(N * bias - coefficient.ravel()))
    return np.array(found) / np.linalg.norm(coefficient)


@pytest.mark.parametrize("shared", [False, True], ids=["independent", "shared"])
@pytest.mark.parametrize("name", ONE_STEP)
@pytest.mark.parametrize(("K", "counts"), [(1, (64, 128)), (2, (16, 32)), (3, (10, 20))])
def test_bias_tends_to_the_coefficient(name, K, counts, shared):
    """The remainder is c/N: doubling N halves it, up to the next order."""
    loop, slow = arms(name, K)
    errors = off(slow, loop, meta_coefficient(loop, name, shared=shared), counts, shared=shared)
    assert errors[-1] < 0.1
    assert abs(errors[0] / errors[1] - 2) < 0.2


@pytest.mark.parametrize("shared", [False, True], ids=["independent", "shared"])
@pytest.mark.parametrize("name", NAMES)
def test_several_states_and_steps_in_time(name, shared):
    """Sixteen or more trajectories: N = 1 and 2, at a small step."""
    loop, slow = small(name, 1)
    errors = off(slow, loop, meta_coefficient(loop, name, shared=shared), (1, 2), shared=shared)
    assert errors[-1] < 0.05
    assert 1.8 < errors[0] / errors[1] < 2.2


@pytest.mark.parametrize("name", ["ad", "loaded_dice"])
def test_what_is_missing_is_caught(name):
    loop, slow = arms(name, 2)
    whole, path = (meta_coefficient(loop, name, shared=shared) for shared in (True, False))
    N = (32,)
    assert off(slow, loop, path, N, shared=True)[0] > 0.3  # no coupling
    assert off(slow, loop, whole, N, shared=False)[0] > 0.3  # a coupling too many
    assert off(slow, loop, 2 * path, N, shared=False)[0] > 0.4  # no ½
    assert off(slow, loop, -path, N, shared=False)[0] > 1.9


@pytest.mark.parametrize("name", NAMES)
def test_coupling_is_the_mean_over_all_trajectories(name):
    loop, slow = small(name, 1)
    B = np.random.default_rng(7).normal(size=(4, 4))
    probability, gradient, hessian = slow.outcomes(SMALL_THETA)
    noise = gradient - probability @ gradient
    centred = hessian - np.tensordot(probability, hessian, axes=1)
    expected = np.einsum("m,mij,jk,mk->i", probability, centred, B, noise)
    found = coupling(loop, find_estimator(name), 0, B)
    assert_close(found.ravel(), expected, ENUMERATED)


def test_remaining_gradients_are_meta_gradients():
    loop, slow = small("loaded_dice", 2)
    source = mean_source(loop, "loaded_dice")
    for steps in range(3):
        expected = slow.mean_along_exact_path(SMALL_THETA, steps)
        found = remaining_gradient(loop, source, steps)(SMALL_THETA)
        assert_close(found.ravel(), expected, ENUMERATED)
    assert maml(loop).horizon == 2


def test_differences_are_derivatives(monkeypatch):
    """Where both are known, at the last step, differences agree with the closed forms."""
    loop, _ = small("loaded_dice", 1)
    source = mean_source(loop, "loaded_dice")
    exactly = contract_third(loop.evaluations[-1], 0.05**2 * loop.noises[0])
    monkeypatch.setattr(meta_second_order, "TOGETHER", 24)  # one direction at a time
    assert_close(meta_second_order.differences(loop, source, 0), exactly, DIFFERENCES)
    assert_close(meta_second_order.jacobian(loop, source, 0), loop.last_hessian, DIFFERENCES)


@pytest.mark.parametrize("name", ["ad", "lvc"])
def test_jacobian_of_what_is_no_gradient(name):
    """With a biased Hessian p_1 is no gradient, and Dp_1 not symmetric: columns by differences.

    With h = 1e-5 they are exact to 1e-10: h² of a third derivative, and rounding of 1e-16/h.
    """
    loop = SampledLoop(SMALL, SMALL_THETA, 0.8, 2, 2, [0.3, -0.5])
    slow = Slow(SMALL, 0.8, 2, loop.baseline, name)
    h, at = 1e-5, loop.iterates[1]
    columns = [
        slow.mean_along_exact_path(at + u, 1) - slow.mean_along_exact_path(at - u, 1)
        for u in h * np.eye(4).reshape(4, 2, 2)
    ]
    expected = np.stack(columns, axis=1) / (2 * h)
    found = meta_second_order.jacobian(loop, mean_source(loop, name), 0)
    assert np.abs(expected - expected.T).max() > 1e-5
    assert np.abs(found - expected).max() < 1e-9


def test_dice_has_no_baseline():
    loop, _ = small("ad", 1)
    with pytest.raises(ValueError, match="uses no baseline"):
        meta_coefficient(loop, "dice")


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["independent", "shared"])
@pytest.mark.parametrize("name", ["ad", "lvc", "loaded_dice"])
def test_sampled_meta_gradients_have_this_bias(name, shared):
    """Four states, T = 4, K = 1, N = 256: within five standard errors of 20000 meta-gradients.

    What first order moves them by is subtracted, its mean being known exactly. Then the noise is
    about as large as the bias, its mean's a hundredth, and the next order is c/N of the bias.
    """
    mdp, rng = random_mdp(np.random.default_rng(14), (4, 2), 0.9), np.random.default_rng(15)
    theta, table, N, trials = np.zeros((4, 2)), np.array([0.5, -0.2, 0.1, 0.3]), 256, 20_000
    loop = SampledLoop(mdp, theta, 0.3, 1, 4, table)
    problem, source = maml(loop), Sampled(name, N, 4, lambda *_: table)
    mean = mean_source(loop, name)(problem.inner(theta, theta), None)
    last, off = loop.evaluations[-1], []
    for _ in range(20):
        start = np.broadcast_to(theta, (trials // 20, 4, 2))
        estimate = source(problem.inner(start, start), rng)
        noise = estimate.gradient - loop.evaluations[0].gradient
        outer = problem.outer(theta, theta + 0.3 * estimate.gradient).exact().gradient
        moved = last.hvp(0.3 * noise)
        curvature = estimate if shared else mean
        first = moved + 0.3 * (curvature.vjp(last.gradient) + mean.vjp(moved))
        whole = outer + 0.3 * curvature.vjp(outer)
        off.append(whole - first - last.gradient)
    shift = np.concatenate(off).reshape(trials, -1)
    expected = meta_coefficient(loop, name, shared=shared).ravel() / N
    error = shift.std(axis=0) / np.sqrt(trials)
    assert (np.abs(shift.mean(axis=0) - expected) < 5 * error + 1e-15).all()
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(expected)
