"""Experiments on MDPs so small that many trials cost little."""

from typing import Any

import numpy as np

SMALL: dict[str, Any] = {
    "horizon": 4,
    "gamma": 0.7,
    "num_states": 3,
    "num_actions": 3,
    "noise": 1.0,
    "density": 0.5,
    "mdps": 2,
    "trials": 5,
    "seed": 0,
}
ESTIMATORS = ("ad", "lvc", "loaded_dice", "dice")
#: Estimates that are products of K sampled steps have heavy tails at the paper's α = 10.
GRID: dict[str, Any] = {"N": (4,), "K": (1, 2), "alpha": (2.0,)}
MAML: dict[str, Any] = {
    **SMALL,
    **GRID,
    "problem": "maml",
    "estimators": ESTIMATORS,
    "permutations": ("SSS", "SES", "ESS", "EES", "SSE", "ESE", "SEE"),
    "figure": "small",
    "mdp": 1,
}
LIRPG: dict[str, Any] = {
    **MAML,
    "problem": "lirpg",
    "estimators": ("ad", "lvc"),
    "permutations": ("ESE",),
    "gae_lambda": 0.9,
}

#: Standard errors within which a simulated number has to be.
SIGMAS = 4


def standard_error(draws: Any) -> float:
    """Of a mean over the first axis."""
    return float(np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws)))
