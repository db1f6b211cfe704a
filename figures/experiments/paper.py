"""What all tabular experiments of the paper share: Table 2, its random MDPs, its noisy critic.

Facts that the paper does not spell out are those of its released experiments: the start state is
always the first, rewards are uniform on [0, 1], and V_b = V^π + c ‖V^π‖₂/S · z with one z an
estimate ("noise coefficient" c). Truth is that of the infinite horizon, θ⁰ = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from figures.sweep.cell import Cell, Result, stream
from tabular import TabularMDP
from tabular.baselines import NoisyBaseline
from tabular.sources import Sampled

Settings = Mapping[str, Any]
#: How a figure's cells are computed: in this process, in several, or on a cluster.
Run = Callable[[list[Cell]], list[Result]]

#: Table 2 of [Liu2022]: T, γ, sizes, noise, density, MDPs ("independent trials") and trials.
TABLE_2: dict[str, Any] = {
    "horizon": 20,
    "gamma": 0.8,
    "num_states": 20,
    "num_actions": 5,
    "noise": 1.0,
    "density": 1e-3,
    "mdps": 10,
    "trials": 20,
}
#: The inner learning rate and number of steps of Table 2, where a figure does not vary them.
STEP_SIZE, NUM_STEPS = 10.0, 1
SMOKE = {"mdps": 2, "trials": 4}
#: Ten times the paper's MDPs, which leave many of its claims open.
LARGE = {"mdps": 100}
QUICK = {"mdps": 4, "trials": 10}
#: The four of the paper, in its order.
ESTIMATORS = ("ad", "lvc", "loaded_dice", "dice")


def profiles(paper: Settings, *, quick: Settings, smoke: Settings) -> dict[str, dict[str, Any]]:
    """Settings by profile: the full protocol, and what the smaller ones change of it."""
    full = TABLE_2 | dict(paper) | {"seed": 0}
    return {
        "smoke": full | SMOKE | dict(smoke),
        "quick": full | QUICK | dict(quick),
        "paper": full,
        "large": full | LARGE,
    }


def random_mdp(settings: Settings, index: int) -> TabularMDP:
    """The paper's MDP number `index`, the same in all figures."""
    return TabularMDP.random(
        settings["num_states"],
        settings["num_actions"],
        gamma=settings["gamma"],
        concentration=settings["density"],
        rng=stream(settings["seed"], "mdp", index),
    )


def source(settings: Settings, estimator: str, num_trajectories: int) -> Sampled:
    """An estimator on N trajectories with the paper's noisy critic."""
    return Sampled(
        estimator,
        num_trajectories,
        settings["horizon"],
        NoisyBaseline(settings["noise"]),
        settings.get("gae_lambda", 1.0),
    )


def per_mdp(figure: str, settings: Settings, kind: str, compute: Any, **changes: Any) -> list[Cell]:
    """One cell for each MDP.

    Raises
    ------
    ValueError
        Unless there are two MDPs and two trials or more: spreads and intervals need them.
    """
    for name in ("mdps", "trials"):
        if settings[name] < 2:
            raise ValueError(f"{name} must be at least 2, received {settings[name]}")
    return [
        Cell(
            figure, f"{kind}, MDP {i}", {**settings, **changes, "figure": figure, "mdp": i}, compute
        )
        for i in range(settings["mdps"])
    ]


def run_here(cells: list[Cell]) -> list[Result]:
    """Compute cells one after the other, in this process."""
    return [cell.compute(cell.settings) for cell in cells]


def describe(data: xr.Dataset, **attributes: Any) -> xr.Dataset:
    """Give every variable its long name, and the data their attributes."""
    for name, text in attributes.pop("names", {}).items():
        data[name].attrs["long_name"] = text
    return data.assign_attrs(attributes)
