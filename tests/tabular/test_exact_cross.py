"""Cross derivatives ∂_φ ⟨∇_θ J, u⟩ and ∂_γ ∇_θ J against autograd, 50 digits and differences."""

import itertools

import numpy as np
import pytest

from tabular import exact
from tests.tabular.batches import every_batch, make_batch
from tests.tabular.reference import (
    HORIZONS,
    REPRESENTATIONS,
    SIZES,
    TINY_SIZES,
    PreciseReference,
    Reference,
    central_difference,
    make_case,
)
from tests.tabular.tolerances import CONDITIONED, FINITE_DIFFERENCE, SAME, SECOND, assert_close

every_case = pytest.mark.parametrize(
    ("size", "horizon", "representation"),
    list(itertools.product(SIZES, HORIZONS, REPRESENTATIONS)),
)


@every_case
def test_cross_reward_against_autograd(size, horizon, representation):
    case = make_case(size, horizon)
    mdp = REPRESENTATIONS[representation](case.mdp)
    actual = exact.cross_reward(mdp, case.theta, case.u, **case.options)
    expected = Reference(case.mdp, case.theta, **case.options).cross_reward(case.u)
    assert_close(actual, expected, SECOND)


@every_case
def test_cross_gamma_against_autograd(size, horizon, representation):
    case = make_case(size, horizon)
    mdp = REPRESENTATIONS[representation](case.mdp)
    actual = exact.cross_gamma(mdp, case.theta, **case.options)
    expected = Reference(case.mdp, case.theta, **case.options).cross_gamma()
    assert_close(actual, expected, SECOND, scale=10)


@pytest.mark.parametrize("size", TINY_SIZES)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize(
    ("gamma", "tolerance"), [(0.0, SECOND), (0.9, SECOND), (0.999, CONDITIONED)]
)
def test_cross_derivatives_against_50_digits(size, horizon, gamma, tolerance):
    case = make_case(size, horizon, gamma=gamma)
    precise = PreciseReference(case.mdp, case.theta, **case.options)
    evaluation = exact.evaluate(case.mdp, case.theta, **case.options)
    by_reward = precise.table(precise.along(case.u), over="R")
    assert_close(evaluation.cross_reward(case.u), by_reward, tolerance, scale=1 / (1 - gamma) ** 2)
    by_gamma = precise.table(precise.along(gamma=1.0))
    assert_close(evaluation.cross_gamma(), by_gamma, tolerance)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("size", [(3, 2), (60, 2)])
@pytest.mark.parametrize("horizon", [None, 7])
def test_cross_gamma_is_the_slope_of_the_gradient_in_gamma(representation, size, horizon):
    case = make_case(size, horizon)
    mdp = REPRESENTATIONS[representation](case.mdp).with_gamma(0.5)
    slope = central_difference(
        lambda gamma: exact.gradient(mdp.with_gamma(gamma), case.theta, **case.options), 0.5, 1.0
    )
    assert_close(exact.cross_gamma(mdp, case.theta, **case.options), slope, FINITE_DIFFERENCE)


@pytest.mark.parametrize("horizon", [None, 7])
def test_cross_reward_is_exact_because_the_gradient_is_affine_in_rewards(horizon):
    """⟨∂_φ⟨∇J, u⟩, φ⟩ = ⟨∇J(R + φ) − ∇J(R), u⟩ for a φ of any size."""
    case = make_case((5, 3), horizon)
    phi = 100 * np.random.default_rng(0).normal(size=(5, 3))
    shifted = case.mdp.with_reward(case.mdp.R + phi)
    change = exact.gradient(shifted, case.theta, **case.options) - exact.gradient(
        case.mdp, case.theta, **case.options
    )
    table = exact.cross_reward(case.mdp, case.theta, case.u, **case.options)
    assert_close((table * phi).sum(), (change * case.u).sum(), SECOND)


@every_batch
@pytest.mark.parametrize(("num_states", "horizon"), [(4, None), (4, 3), (60, None), (60, 3)])
def test_each_member_of_a_batch_is_the_single_computation(
    representation, kind, num_states, horizon
):
    batch = make_batch(kind, representation, (num_states, 2))
    u = np.random.default_rng(1).normal(size=(2, *(1,) * len(batch.shape), num_states, 2))
    together = exact.evaluate(batch.mdp, batch.theta, horizon=horizon)
    by_gamma = together.cross_gamma()
    by_reward = np.broadcast_to(together.cross_reward(u), (2, *by_gamma.shape))
    assert by_gamma.shape == (*batch.shape, num_states, 2)
    for index in np.ndindex(batch.shape):
        single = exact.evaluate(*batch.member(index), horizon=horizon)
        assert_close(by_gamma[index], single.cross_gamma(), SAME)
        for k in range(2):
            expected = single.cross_reward(u[k].reshape(num_states, 2))
            assert_close(by_reward[k][index], expected, SAME)
