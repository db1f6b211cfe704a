"""One cell of the paper's Fig. 5: its eight meta-gradients, each term exact (E) or sampled (S).

The terms are I (`path`, moves θ), II (`curvature`, is differentiated) and III (`outer`): "SES"
samples I and III. K = 1 step of α = 10 from the uniform policy on the paper's random MDP, sampled
terms with N trajectories of T = 20 steps and a noisy baseline, V_b = V^π + ‖V^π‖₂/S z with one z
an estimate. Source: [Liu2022], I.1.1, I.1.2 and Fig. 5.

The timed calls draw afresh. What has to agree is computed from `recorded` draws, one set for each
term, which `Replay` gives to this toolkit and a list to the loop of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from tabular import TabularMDP, exact
from tabular.baselines import NoisyBaseline
from tabular.estimators import Estimate
from tabular.metagradient import EXACT, adapt
from tabular.problems import Maml
from tabular.sampling import Trajectories, sample
from tabular.sources import Source, Update
from tabular.transitions import Array

TERMS = ("path", "curvature", "outer")
#: EEE, EES, ..., SSS: which of the terms I, II, III are sampled.
CHOICES = tuple("".join(letters) for letters in product("ES", repeat=len(TERMS)))


@dataclass(frozen=True)
class Cell:
    """What the cell is computed from; `trials` is how many times it is done at once by ours."""

    mdp: TabularMDP
    estimator: str
    num_trajectories: int
    trials: int
    horizon: int = 20
    step_size: float = 10.0
    seed: int = 0

    @property
    def phi(self) -> Array:
        """θ⁰ of one trial, (S, A): the uniform policy."""
        return np.zeros((self.mdp.num_states, self.mdp.num_actions))


def cell(estimator: str, num_trajectories: int, trials: int, *, seed: int = 0) -> Cell:
    """The cell on the paper's random MDP, S = 20, A = 5, γ = 0.8, concentration 1e-3."""
    mdp = TabularMDP.random(20, 5, rng=np.random.default_rng(seed))
    return Cell(mdp, estimator, num_trajectories, trials, seed=seed)


class Draws(NamedTuple):
    """What one sampled term draws: trajectories and the z (S,) of its baseline."""

    trajectories: Trajectories
    z: Array


def recorded(cell: Cell) -> dict[str, Draws]:
    """Draws of every term: I and II at θ⁰, III where an exact step leads."""
    start, adapted = adapt(Maml(cell.mdp), cell.phi, step_size=cell.step_size, num_steps=1)
    rng = np.random.default_rng([cell.seed, 1])
    draws = {}
    for term, theta in zip(TERMS, (start, start, adapted), strict=True):
        drawn = sample(
            cell.mdp, theta, horizon=cell.horizon, num_trajectories=cell.num_trajectories, rng=rng
        )
        draws[term] = Draws(drawn, rng.standard_normal(cell.mdp.num_states))
    return draws


@dataclass(frozen=True, eq=False)
class Replay:
    """A source that estimates from given draws, at whatever θ it is asked for."""

    estimator: str
    draws: Draws

    def __call__(self, update: Update, rng: np.random.Generator | None) -> Estimate:
        """Return the estimate, with the noise z on V^π at `update.theta`."""
        trajectories, z = self.draws
        V = exact.state_value(update.mdp, update.theta)
        return Estimate(
            update.mdp,
            update.theta,
            trajectories,
            estimator=self.estimator,
            baseline=V + NoisyBaseline().scale(V) * z,
        )


def sources(choice: str, sampled: Mapping[str, Source]) -> dict[str, Source]:
    """The sources of a choice such as "SES", by term; `sampled` holds the sampled ones."""
    letters = zip(TERMS, choice, strict=True)
    return {term: sampled[term] if letter == "S" else EXACT for term, letter in letters}
