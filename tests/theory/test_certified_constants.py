"""How the constants of a problem follow from its objectives."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.problems import Lirpg, Maml
from tests.theory.cases import dense_random, one_action
from theory.certified_constants import certified_lipschitz
from theory.objectives import Objective, inner_objective
from theory.softmax import derivative_bounds


@pytest.mark.parametrize(("horizon", "end"), [(None, None), (4, None), (4, [0.0, 1.0, -2.0, 0.5])])
def test_maml(horizon, end):
    mdp = dense_random()
    bounds = derivative_bounds(
        4,
        mdp.gamma,
        np.ptp(mdp.R),
        horizon=horizon,
        terminal_span=0.0 if end is None else 3.0,
        value_span=Objective(mdp).value_span,
    )
    constants = certified_lipschitz(Maml(mdp, horizon, end), np.zeros((4, 3)))
    assert (constants.c1, constants.mu1) == (bounds.second, bounds.second)
    assert (constants.rho1, constants.m1) == (bounds.third, bounds.first)
    assert (constants.c2, constants.rho2, constants.mu2, constants.zeta0) == (0.0, 0.0, 0.0, 1.0)
    assert constants.scope == "every θ"


def test_lirpg_grows_with_phi_inside_only():
    mdp, theta = dense_random(), np.zeros((4, 3))
    phi = np.random.default_rng(0).normal(size=(4, 3))
    problem = Lirpg(mdp, theta)
    small, large = (certified_lipschitz(problem, scale * phi) for scale in (1, 10))
    bounds = inner_objective(problem, 10 * phi).bounds
    assert (large.c1, large.rho1) == (bounds.second, bounds.third)
    assert large.c1 > 4 * small.c1
    for name in ("c2", "rho2", "m1", "mu1", "mu2", "zeta0"):
        assert getattr(large, name) == getattr(small, name)
    rewards = derivative_bounds(4, mdp.gamma, np.sqrt(2))
    assert (small.c2, small.rho2) == (rewards.first, rewards.second)
    assert small.zeta0 == small.mu2 == 0.0
    rewards = derivative_bounds(4, mdp.gamma, np.sqrt(2), horizon=2)
    finite = certified_lipschitz(Lirpg(mdp, theta, 2, np.arange(4.0)), phi)
    assert (finite.c2, finite.rho2) == (rewards.first, rewards.second)


def test_an_intrinsic_reward_can_make_a_decision():
    """Actions alike in R and P: J is flat, but not for rewards R + φ, whichever they are."""
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.9, 0)
    constants = certified_lipschitz(Lirpg(mdp, np.zeros((1, 2))), [[0.0, 1.0]])
    assert constants.m1 == constants.mu1 == 0.0
    assert constants.c1 > 0
    assert constants.c2 == pytest.approx(5.0, rel=1e-12)  # W/2


def test_one_action_decides_nothing():
    mdp = one_action(4)
    constants = certified_lipschitz(Lirpg(mdp, np.zeros((4, 1))), np.arange(4.0)[:, None])
    assert not any(getattr(constants, n) for n in ("c1", "c2", "rho1", "rho2", "m1", "mu1"))


def test_wrong_input():
    mdp = dense_random()
    with pytest.raises(TypeError, match="proved for Maml and Lirpg, received a str"):
        certified_lipschitz("maml", np.zeros((4, 3)))
    with pytest.raises(ValueError, match="one phi"):
        certified_lipschitz(Maml(mdp), np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="phi must have shape"):
        certified_lipschitz(Maml(mdp), np.zeros((3, 3)))
