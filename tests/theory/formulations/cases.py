"""Tiny MDPs shared by the tests of the formulations."""

from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP
from tests.tabular.reference import random_mdp
from tests.tabular.tolerances import Tolerance

#: Sums over all paths of products of K derivatives of numbers of size one.
LAW = Tolerance(rtol=1e-11, atol=1e-13)


class Tiny(NamedTuple):
    """A tiny MDP, φ, V_b."""

    mdp: TabularMDP
    phi: Any
    baseline: Any


def dense(seed: int = 0) -> Tiny:
    """Two states, two actions, full transition rows, start in state 0."""
    rng = np.random.default_rng(seed)
    mdp = random_mdp(rng, (2, 2))
    mdp = TabularMDP(mdp.P, mdp.R, 0.9, 0)
    return Tiny(mdp, rng.normal(size=(2, 2)), rng.normal(size=2))


def certain(seed: int = 0) -> Tiny:
    """The same with certain transitions: four trajectories of two steps."""
    tiny = dense(seed)
    successor = np.array([[0, 1], [1, 0]])
    mdp = TabularMDP(np.eye(2)[successor], tiny.mdp.R, 0.9, 0)
    return tiny._replace(mdp=mdp)
