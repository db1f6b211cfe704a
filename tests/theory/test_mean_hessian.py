"""The mean Hessian in one walk against S·A products with the mean (`tabular.moments`)."""

import numpy as np
import pytest

from tabular import TabularMDP, exact, moments
from tabular.registry import ESTIMATORS
from tests.tabular.tolerances import assert_close
from tests.theory.cases import NAMES, ROW, dense_random, noisy_rewards
from theory.mean_hessian import mean_hessian

MDPS = {
    "dense": dense_random(),
    "noisy rewards": noisy_rewards(),
    "sparse": TabularMDP.from_gymnasium("FrozenLake-v1").sparse(),
    "gamma = 0": dense_random(3, 2).with_gamma(0.0),
}


@pytest.mark.parametrize("exact_critic", [True, False])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", MDPS)
def test_column_by_column(case, name, exact_critic):
    mdp = MDPS[case]
    theta = np.random.default_rng(0).normal(size=mdp.R.shape)
    table = exact.state_value(mdp, theta) if exact_critic else None
    mean = moments.Expectation(mdp, theta, name, horizon=7, baseline=table)
    expected = mean.hessian
    scale = np.abs(expected).max()
    assert_close(mean_hessian(mean, ESTIMATORS[name]), expected, ROW, scale=scale)
