"""Table 2, and the random MDPs that its settings make: the ground on which all figures stand.

Exact facts of every MDP at θ = 0: J, ‖∇J‖, ‖∇²J‖₂, how much of the Hessian LVC misses on average,
and the standard deviation σ = c ‖V‖₂/S of the critic's noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.experiments.paper import (
    Run,
    Settings,
    describe,
    per_mdp,
    profiles,
    random_mdp,
    run_here,
)
from figures.pictures import table2 as picture
from figures.sweep.cell import Cell, Result
from tabular import exact, moments
from tabular.baselines import NoisyBaseline

NAME = "table2"
TITLE = "Settings and random MDPs"
PLACE = "Table 2, I.1.1"
ALT = "Two tables: the settings of Table 2, and exact facts of the random MDPs."
SETTINGS = profiles({"inner_step_size": 10.0, "inner_steps": 1}, quick={}, smoke={})
NAMES = {
    "value": "J at the uniform policy",
    "gradient": "norm of the exact policy gradient",
    "hessian": "spectral norm of the exact Hessian",
    "lvc_bias": "norm of the exact bias of LVC's Hessian, relative to the Hessian's (Frobenius)",
    "critic_noise": "standard deviation of each entry of the noisy critic",
    "successors": "mean number of successors, exp of the entropy of P(.|s,a)",
}


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return per_mdp(NAME, settings, "facts", facts)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Exact facts of every MDP."""
    results = run(cells(settings))
    variables: dict[str, Any] = {
        name: ("mdp", np.array([result[name] for result in results])) for name in NAMES
    }
    return describe(xr.Dataset(variables, {"mdp": np.arange(settings["mdps"])}), names=NAMES)


def facts(settings: Settings) -> Result:
    """The numbers of one MDP."""
    mdp = random_mdp(settings, settings["mdp"])
    theta = np.zeros((mdp.num_states, mdp.num_actions))
    V, H = exact.state_value(mdp, theta), exact.hessian(mdp, theta)
    mean = moments.expected_hessian(mdp, theta, "lvc", horizon=settings["horizon"], baseline=V)
    P = np.asarray(mdp.P)
    entropy = -(P * np.log(np.where(P > 0, P, 1.0))).sum(axis=-1)
    numbers = {
        "value": exact.value(mdp, theta),
        "gradient": np.linalg.norm(exact.gradient(mdp, theta)),
        "hessian": np.linalg.norm(H.reshape(theta.size, theta.size), 2),
        "lvc_bias": np.linalg.norm(mean - H) / np.linalg.norm(H),
        "critic_noise": float(NoisyBaseline(settings["noise"]).scale(V)[0]),
        "successors": np.exp(entropy).mean(),
    }
    return {name: np.array(number) for name, number in numbers.items()}


def draw(data: xr.Dataset) -> Any:
    """The picture of these numbers."""
    return picture.draw(data)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(_: Mapping[str, xr.Dataset]) -> list[Claim]:
    """The paper says nothing about these numbers."""
    return []
