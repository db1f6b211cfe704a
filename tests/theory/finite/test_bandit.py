"""The contextual bandit against enumerated trajectories."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.tolerances import FIRST, SECOND, VALUE, assert_close
from theory.finite.bandit import Bandit

RNG = np.random.default_rng(0)
MDP = random_mdp(RNG, (2, 3), 0.0)
THETA = RNG.normal(size=(4, 2, 3))
BASELINE = RNG.normal(size=2)


@pytest.mark.parametrize("name", ["ad", "lvc", "loaded_dice", "dice"])
def test_outcomes_are_the_trajectories_estimates(name):
    bandit = Bandit(MDP, THETA[0], name, BASELINE)
    batch = bandit.inner_outcomes(THETA.reshape(4, 6))
    outer = bandit.outer_outcomes(THETA.reshape(4, 6))
    for i, theta in enumerate(THETA):
        every, probability = enumerate_trajectories(MDP, theta, horizon=1)
        one = Estimate(MDP, theta, every, estimator=name, baseline=BASELINE)
        x = every.states[0, :, 0] * 3 + every.actions[0, :, 0]
        assert_close(batch.probability[i], np.bincount(x, probability), VALUE)
        assert_close(batch.gradient[i, x], one.gradient.reshape(-1, 6), VALUE)
        assert_close(batch.hessian[i, x], one.hessian.reshape(-1, 6, 6), VALUE)
        assert_close(outer.gradient[i], batch.gradient[i], VALUE)
    assert not batch.cross.any()
    assert not outer.direct.any()


def test_exact_derivatives_are_the_means():
    bandit = Bandit(MDP, THETA[0], "loaded_dice", BASELINE)
    flat = THETA.reshape(4, 6)
    here, one = bandit.inner(flat), bandit.inner_outcomes(flat)
    assert_close(here.gradient, np.einsum("im,imd->id", one.probability, one.gradient), FIRST)
    assert_close(here.hessian, np.einsum("im,imde->ide", one.probability, one.hessian), SECOND)
    assert_close(bandit.outer(flat).gradient, here.gradient, VALUE)
    reference = Reference(MDP, THETA[1])
    assert_close(here.gradient[1], reference.gradient.ravel(), FIRST)
    assert_close(here.hessian[1], reference.hessian.reshape(6, 6), SECOND)
    assert_close(bandit.start, flat[0], VALUE)
    assert_close(bandit.start_jacobian, np.eye(6), VALUE)


@pytest.mark.parametrize(
    "mdp",
    [MDP.with_gamma(0.5), TabularMDP(MDP.P, np.ones((2, 3, 2)), 0.0, 0)],
    ids=["discount", "rewards by successor"],
)
def test_what_is_no_bandit(mdp):
    with pytest.raises(ValueError, match="gamma = 0"):
        Bandit(mdp, THETA[0])
