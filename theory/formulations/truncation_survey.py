"""Truncated against untruncated meta-gradients over random MDPs: medians of `truncation`'s rows.

The MDPs are `tabular.zoo.random_mdp`'s with the paper's rewards in [0, 1] and nearly deterministic
transitions; a lifetime starts at θ⁰ = 0, and φ is

    Lirpg   zero: the first meta-step, before there is an intrinsic reward
    Mgrl    (γ, λ) = (γ_J − 0.1, 0.9) with γ_J the objective's, and V_b the critic V^π at θ⁰
    Lpg     the weights that a network of four hidden units draws (`UpdateNetwork.init`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tabular import _checks, exact
from tabular.lpg import Lpg
from tabular.mdp import TabularMDP
from tabular.metagradient import EXACT
from tabular.problems import Lirpg, Mgrl
from tabular.sources import Exact, Sampled
from tabular.transitions import Array
from tabular.zoo import random_mdp
from theory.formulations.truncation import Lifetime, Truncation, truncations

#: Units of the learned update's network.
HIDDEN = 4


class Medians(NamedTuple):
    """Over the MDPs, for one K; sizes relative to the untruncated meta-gradient's.

    `noise` is √variance/‖mean‖; the cosine is the mean's, and `worst` the least of them. The three
    are NaN if a mean is zero.
    """

    window: int
    bias: float
    sd: float
    error: float
    length: float
    noise: float
    cosine: float
    worst: float


def lirpg(mdp: TabularMDP, rng: np.random.Generator) -> tuple[Lirpg, Any]:
    """Intrinsic rewards that are zero."""
    zero = np.zeros(mdp.R.shape)
    return Lirpg(mdp, zero), zero


def mgrl(mdp: TabularMDP, rng: np.random.Generator) -> tuple[Mgrl, Any]:
    """γ below the objective's, λ = 0.9, and the critic of the uniform policy."""
    start = np.zeros(mdp.R.shape)
    critic = exact.state_value(mdp, start)
    return Mgrl(mdp, start, critic), np.array([float(mdp.gamma) - 0.1, 0.9])


def lpg(mdp: TabularMDP, rng: np.random.Generator) -> tuple[Lpg, Any]:
    """A learned update that has learned nothing yet."""
    network = Lpg.network_of(HIDDEN)
    return Lpg(mdp, np.zeros(mdp.R.shape), network), network.init(rng)


def truncation_survey(
    draw: Callable[[TabularMDP, np.random.Generator], tuple[Lifetime, Any]],
    *,
    num_states: int,
    num_actions: int,
    num_mdps: int,
    step_size: float,
    lifetime: int,
    windows: Iterable[int],
    rng: np.random.Generator,
    curvature: Exact | Sampled = EXACT,
    outer: Exact | Sampled = EXACT,
) -> list[Medians]:
    """Compare windows on random MDPs.

    Parameters
    ----------
    draw : callable
        `lirpg`, `mgrl`, `lpg`, or another (mdp, rng) -> (problem, φ).
    num_states, num_actions, num_mdps : int
        The MDPs; γ = 0.8.
    step_size, lifetime, windows, curvature, outer
        As in `truncations`.
    rng : numpy.random.Generator

    Returns
    -------
    list of Medians
        One for each window.

    Raises
    ------
    ValueError, TypeError
        As `truncations` and `random_mdp`.
    """
    num_mdps = _checks.positive_integer(num_mdps, "num_mdps")
    windows = list(_checks.sequence(windows, "windows"))
    found = []
    for _ in range(num_mdps):
        problem, phi = draw(random_mdp(num_states, num_actions, rng=rng), rng)
        options: dict[str, Any] = {"step_size": step_size, "lifetime": lifetime}
        (whole,) = truncations(problem, phi, windows=[lifetime], **options)
        size = float(np.linalg.norm(whole.mean))
        if size == 0:
            raise ValueError(
                f"relative sizes need a meta-gradient other than zero, which {problem.mdp.name} "
                f"has not; received {num_states} states and {num_actions} actions"
            )
        rows = truncations(
            problem, phi, windows=windows, curvature=curvature, outer=outer, **options
        )
        found.append([(*_sizes(row) / size, row.noise, row.cosine) for row in rows])
    table = np.array(found)
    medians, worst = np.median(table, axis=0), table[..., -1].min(axis=0)
    return [
        Medians(window, *(float(x) for x in (*row, least)))
        for window, row, least in zip(windows, medians, worst, strict=True)
    ]


def _sizes(row: Truncation) -> Array:
    """‖bias‖, √variance, the root mean square error and the mean's length."""
    length = float(np.linalg.norm(row.mean))
    return np.array([row.bias, np.sqrt(row.variance), row.error, length])
