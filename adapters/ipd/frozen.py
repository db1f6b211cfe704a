"""Meta-gradients of one setting drawn many times at the parameters of a recorded path.

`record` trains one run and keeps every update's parameters; `measure` draws the meta-gradient again
and again at some of them, so that its bias and spread are seen apart from what training makes of
them. A ring is filled by rollouts of the parameters that came before on the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from adapters.ipd.lookahead import Lookahead
from adapters.ipd.settings import Table3, find_setting
from adapters.ipd.training import Training, generators
from tabular.transitions import Array


def record(settings: Mapping[str, Any]) -> dict[str, Array]:
    """Train one run.

    Parameters
    ----------
    settings : mapping
        "setting" and "seed", and what `Table3` has.

    Returns
    -------
    dict of ndarray
        "players" and "baselines" (updates + 1, 2, 5), before each update and after the last one.
    """
    sources, table = find_setting(settings["setting"]), Table3.of(settings)
    training = Training(sources, table, generators(settings["seed"], 0, 1))
    found: dict[str, list[Array]] = {"players": [], "baselines": []}
    for update in range(table.updates + 1):
        found["players"].append(training.players.detach().numpy().copy())
        found["baselines"].append(training.baselines.detach().numpy().copy())
        if update < table.updates:
            training.update()
    return {name: np.stack(each) for name, each in found.items()}


def measure(settings: Mapping[str, Any]) -> dict[str, Array]:
    """Draw the meta-gradients of one setting at some points of a path.

    Parameters
    ----------
    settings : mapping
        "setting", "seed" and "repeats"; "points", for each of which "players" (h, 2, 5), those of
        the last h updates, the point's own at the end, and "baselines" (2, 5); and what `Table3`
        has.

    Returns
    -------
    dict of ndarray
        "gradient", and "inner" with the exact outer gradient, (points, repeats, 2, 5), and "exact"
        (points, 2, 5).
    """
    sources, table = find_setting(settings["setting"]), Table3.of(settings)
    repeats = settings["repeats"]
    found: dict[str, list[Array]] = {"gradient": [], "inner": [], "exact": []}
    for number, point in enumerate(settings["points"]):
        rngs = generators(settings["seed"], repeats * number, repeats)
        look = Lookahead(sources, table, rngs)
        *before, now = (torch.tensor(x, dtype=torch.float64) for x in point["players"])
        baseline = torch.tensor(point["baselines"], dtype=torch.float64).repeat(repeats, 1)
        for players in before:
            look.remember(players.repeat(repeats, 1), baseline)
        drawn = look.meta_gradient(now.repeat(repeats, 1), baseline, exact_outer_too=True)
        found["gradient"].append(drawn.gradient.numpy().reshape(repeats, *now.shape))
        found["inner"].append(drawn.inner.numpy().reshape(repeats, *now.shape))
        found["exact"].append(look.truth(now))
    return {name: np.stack(each) for name, each in found.items()}
