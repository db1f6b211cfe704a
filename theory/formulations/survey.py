"""Appendix B's claims over many random tiny MDPs: quantiles of what `comparison` measures.

The paper agrees that the K-sample meta-gradient is unbiased for MAML, and holds against it that
"the variance of sampling correction term [...] is large because it needs to sum up all K terms", so
that expected steps (EPG) "can achieve lower variance". Each claim is a ratio here. The MDPs have
S = A = 2, dense transitions and rewards in [0, 1]; φ is standard normal, n_o = N and b = J_T(φ).
Source: [Liu2022], Appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import _checks, exact
from tabular.mdp import TabularMDP
from theory.formulations.comparison import Comparison, compare

#: Of the MDPs: a tenth, a half and nine tenths lie below.
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Survey:
    """Quantiles over random MDPs.

    Attributes
    ----------
    setting : dict
        T, α, K, N, γ and whether V_b is the value at φ.
    num_mdps : int
    quantiles : dict of str to tuple
        Of each of `measures`, at `QUANTILES`.
    violated : int
        Equalities that did not hold, over all MDPs.
    """

    setting: dict[str, Any]
    num_mdps: int
    quantiles: dict[str, tuple[float, ...]]
    violated: int


def measures(found: Comparison) -> dict[str, float]:
    """Return the ratios that the claims are about.

    Returns
    -------
    dict of str to float
        Biases at c = 0 relative to their target, and the targets' distance; variances of the
        correction, of the K-sample estimate and of the EPG estimates; best coefficients; how many
        estimates have to be averaged until the correction pays; mean squared errors.

    Raises
    ------
    ValueError
        If what is divided by is zero, as where all rewards are equal.
    """
    own, epg, sampled = found.laws["ad"], found.epg_target, found.sampled_target
    path, whole = own.path_variance, own.variance()
    lvc, loaded = found.laws["lvc"], found.laws["loaded_dice"]
    sizes = {
        "‖∇J^K‖": float(np.linalg.norm(epg)),
        "‖∇J_S^K‖": float(np.linalg.norm(sampled)),
        "V[X]": path,
        "V[lvc]": lvc.path_variance,
        "V[loaded_dice]": loaded.path_variance,
    }
    if min(sizes.values()) <= 0:
        raise ValueError(f"ratios need sizes > 0, received {sizes}; take another MDP or phi")
    biases = {}
    for row in (found.row("ad", 0.0), found.row("lvc", 0.0), found.row("loaded_dice", 0.0)):
        biases[f"∇J: bias({row.estimator})"] = row.epg_bias / float(np.linalg.norm(epg))
        biases[f"∇J_S: bias({row.estimator})"] = row.sampled_bias / float(np.linalg.norm(sampled))
    return biases | {
        "‖∇J_S − ∇J‖/‖∇J‖": found.distance / float(np.linalg.norm(epg)),
        "V[Y]/V[X]": found.variance_ratio,
        "V[X+Y]/V[X]": whole / path,
        "V[X+Y]/V[lvc]": whole / lvc.path_variance,
        "V[X+Y]/V[loaded_dice]": whole / loaded.path_variance,
        "best c, ∇J_S": found.best["sampled"],
        "best c, ∇J": found.best["epg"],
        "estimates until c=1 errs less": found.break_even,
        "∇J_S: error(c=1)/error(c=0)": own.squared_error(sampled) / own.squared_error(sampled, 0.0),
        "∇J: error(c=1)/error(c=0)": own.squared_error(epg) / own.squared_error(epg, 0.0),
        "∇J: error(c=1)/error(lvc)": own.squared_error(epg) / lvc.squared_error(epg, 0.0),
        "∇J: error(c=1)/error(loaded_dice)": own.squared_error(epg)
        / loaded.squared_error(epg, 0.0),
    }


def survey(
    *,
    num_mdps: int,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    rng: np.random.Generator,
    horizon: int = 2,
    gamma: float = 0.9,
    value_baseline: bool = False,
) -> Survey:
    """Compare the formulations on random MDPs.

    Parameters
    ----------
    num_mdps : int
    step_size, num_steps, num_trajectories : float, int, int
        α, K and N; N outer trajectories too.
    rng : numpy.random.Generator
    horizon : int
        T.
    gamma : float
    value_baseline : bool
        V_b = V^π at φ, held fixed, and not zero.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError, TypeError
        As `comparison.compare`, or if `num_mdps` is not a positive integer.
    """
    num_mdps = _checks.positive_integer(num_mdps, "num_mdps")
    rng = _checks.generator(rng)
    _checks.instance(value_baseline, bool, "value_baseline")
    found: list[dict[str, float]] = []
    violated = 0
    setting: dict[str, Any] = {
        "horizon": horizon,
        "step_size": step_size,
        "num_steps": num_steps,
        "num_trajectories": num_trajectories,
    }
    for _ in range(num_mdps):
        mdp = TabularMDP.random(2, 2, gamma=gamma, concentration=1.0, rng=rng)
        phi = rng.standard_normal((2, 2))
        table = exact.state_value(mdp, phi) if value_baseline else None
        one = compare(mdp, phi, outer_trajectories=num_trajectories, baseline=table, **setting)
        found.append(measures(one))
        violated += sum(not check.holds for check in one.checks)
    return Survey(
        setting | {"gamma": gamma, "value_baseline": value_baseline},
        num_mdps,
        {
            name: tuple(float(x) for x in np.quantile([one[name] for one in found], QUANTILES))
            for name in found[0]
        },
        violated,
    )
