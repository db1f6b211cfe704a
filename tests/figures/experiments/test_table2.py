"""Facts of the random MDPs, each from a definition."""

import numpy as np
import pytest

from figures.experiments import table2
from figures.experiments.paper import random_mdp
from tabular import exact
from tabular.problems import Maml
from tabular.sources import Mean, Sampled
from tests.figures.experiments.small import SMALL

SETTINGS = {**SMALL, "mdp": 1, "inner_step_size": 10.0, "inner_steps": 1}


def value(mdp, theta):
    """J and V by iterating the Bellman equation, written out."""
    P, R = np.asarray(mdp.P), np.asarray(mdp.R)
    pi = np.exp(theta) / np.exp(theta).sum(axis=1, keepdims=True)
    V = np.zeros(len(R))
    for _ in range(200):
        V = (pi * (R + mdp.gamma * P @ V)).sum(axis=1)
    return float(np.asarray(mdp.initial) @ V), V


def differences(function, theta, h):
    """Central differences in every logit, (S·A, ...)."""
    units = np.eye(theta.size).reshape(-1, *theta.shape) * h
    return np.array([(function(theta + u) - function(theta - u)) / (2 * h) for u in units])


def test_facts_again_from_their_definitions():
    mdp, theta = random_mdp(SETTINGS, 1), np.zeros((3, 3))
    found = table2.facts(SETTINGS)
    J, V = value(mdp, theta)
    gradient = differences(lambda x: value(mdp, x)[0], theta, 1e-5)
    H = differences(lambda x: exact.gradient(mdp, x).ravel(), theta, 1e-5)
    assert found["value"] == pytest.approx(J, rel=1e-12)
    assert found["gradient"] == pytest.approx(np.linalg.norm(gradient), rel=1e-8)
    assert found["hessian"] == pytest.approx(abs(np.linalg.eigvalsh((H + H.T) / 2)).max(), rel=1e-8)
    assert found["critic_noise"] == pytest.approx(np.sqrt((V**2).sum()) / 3, rel=1e-12)
    mean = Mean(Sampled("lvc", 1, SETTINGS["horizon"]))(Maml(mdp).inner(theta, theta), None)
    table = mean.vjp(np.eye(9).reshape(9, 3, 3)).reshape(9, 9)
    lack = np.sqrt(((table - H) ** 2).sum() / (H**2).sum())
    assert found["lvc_bias"] == pytest.approx(lack, rel=1e-7)
    P = np.asarray(mdp.P)
    each = [np.exp(-sum(p * np.log(p) for p in row if p > 0)) for row in P.reshape(9, 3)]
    assert found["successors"] == pytest.approx(np.mean(each), rel=1e-12)


def test_datasets_are_labelled(smoke):
    data = smoke["table2"]
    assert set(data.data_vars) == set(table2.NAMES)
    for name, text in table2.NAMES.items():
        assert data[name].dims == ("mdp",)
        assert data[name].attrs["long_name"] == text
        assert np.isfinite(data[name]).all()
    assert (data.successors >= 1).all()
    assert (data.successors < 1.1).all()  # nearly deterministic
