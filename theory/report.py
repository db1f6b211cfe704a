"""The rows of a verification report, made from each estimator's law.

With bias b and single-trajectory variance v, an average of N trajectories has the mean squared
error b² + v/N; a less biased estimator E has the smaller error from N = (v_E − v)/(b² − b_E²) on.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.curves import Curves
from theory.simulation import Simulation

#: Squared biases this close are the same.
SAME_BIAS = 1e-9
#: Standard deviations below this share of the mean are rounding: a variance is a difference of
#: second moments, whose root keeps half of the digits.
CONSTANT = 1e-7


@dataclass(frozen=True)
class Row:
    """One quantity under one estimator; norms are Euclidean, biases absolute.

    `beaten_by` names, of the less biased estimators, the first to have the smaller mean squared
    error, and `beaten_from` the N from which it does (0: always). None means "does not apply".
    """

    quantity: str
    estimator: str
    truth: float
    bias: float
    truncation: float
    hessian: float | None
    compositional: float | None
    compositional_se: float | None
    sd: float | None
    beaten_by: str | None
    beaten_from: float | None
    z_mean: float | None
    z_sd: float | None
    sampled_rmse: float | None


@dataclass(frozen=True)
class Report:
    """Everything `gmrl verify` shows for one MDP.

    `horizon` is the T that was used, given in `settings` or chosen; `horizon_note` says which.
    `bounds` are the theory's statements, `bounds_note` tells what they were checked with; `curves`
    show bound against truth. `proofs` are the `theory.certified` checks, where they were asked for.
    """

    mdp: str
    mdp_digest: str
    num_states: int
    num_actions: int
    gamma: float
    settings: dict[str, Any]
    horizon: int
    horizon_note: str
    step_size: float
    check_trajectories: int
    value: float
    gradient_norm: float
    hessian_norm: float
    rows: tuple[Row, ...]
    bounds: tuple[BoundCheck, ...] = ()
    bounds_note: str = ""
    curves: Curves | None = None
    proofs: tuple[Any, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rest = replace(self, bounds=(), curves=None, proofs=())
        return asdict(rest) | {
            "bounds": [check.as_dict() for check in self.bounds],
            "curves": None if self.curves is None else _plain(asdict(self.curves)),
            "proofs": [check.as_dict() for check in self.proofs],
        }

    def digest(self) -> str:
        """Eight hexadecimal digits that differ when the MDP or a setting does."""
        told = (self.mdp, self.mdp_digest, self.settings)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Law:
    """One estimator's law for one quantity: arrays in the shape of the quantity.

    `unbiased` is the mean of an unbiased estimator of the truncated objective; `variance` is of one
    trajectory, or N times that of an estimate where it is no multiple of 1/N (not `one_over_n`);
    `compositional` is a norm and the size of its noise.
    """

    truth: Array
    mean: Array
    unbiased: Array
    variance: float | None
    simulation: Simulation | None
    compositional: tuple[float, float] | None = None
    one_over_n: bool = True


def make_row(
    quantity: str, name: str, laws: dict[str, Law], num_trajectories: int, rounding: float
) -> Row:
    """Make the row of one estimator from every estimator's law of a quantity.

    Norms of at most `rounding` are zeros.
    """
    law = laws[name]

    def size(x: Array) -> float:
        return norm(x) if norm(x) > rounding else 0.0

    bias = size(law.mean - law.truth)
    compositional, compositional_se = law.compositional or (None, None)
    sd, spread_rounding = None, max(rounding, CONSTANT * norm(law.mean))
    if law.variance is not None:
        single = float(np.sqrt(max(law.variance, 0.0)))
        sd = single / num_trajectories**0.5 if single > spread_rounding else 0.0
    beaten_by, beaten_from = crossover(name, laws, rounding)
    simulation = law.simulation
    z_mean = z_sd = None
    if simulation is not None:
        z_mean = simulation.z_mean(rounding) if size(law.truth) > 0 else None
        z_sd = simulation.z_sd(spread_rounding)
    return Row(
        quantity=quantity,
        estimator=name,
        truth=size(law.truth),
        bias=bias,
        truncation=size(law.unbiased - law.truth),
        hessian=None if quantity == "gradient" else size(law.mean - law.unbiased),
        compositional=compositional,
        compositional_se=compositional_se,
        sd=sd,
        beaten_by=beaten_by,
        beaten_from=beaten_from,
        z_mean=z_mean,
        z_sd=z_sd,
        sampled_rmse=None if simulation is None else simulation.rmse,
    )


def crossover(name: str, laws: dict[str, Law], rounding: float) -> tuple[str | None, float | None]:
    """Of the less biased estimators the first to win, and the N where b² + v/N are equal."""
    squared = {n: norm(law.mean - law.truth) ** 2 for n, law in laws.items()}
    floor = rounding**2
    better = {n: b for n, b in squared.items() if b < (1 - SAME_BIAS) * squared[name] - floor}
    if not better or not laws[name].one_over_n:
        return None, None
    mine = laws[name].variance
    variances = {n: laws[n].variance for n in better}
    starts = {
        n: max(0.0, (its - mine) / (squared[name] - better[n]))
        for n, its in variances.items()
        if its is not None and mine is not None
    }
    if not starts:
        return None, None
    first = min(starts, key=lambda n: (starts[n], better[n]))
    return first, starts[first]


def unit(x: Array, rounding: float = 0.0) -> Array:
    """x/‖x‖, or zero where ‖x‖ is at most `rounding`."""
    return x / norm(x) if norm(x) > rounding else np.zeros_like(x)


def norm(x: Array) -> float:
    """‖x‖ over all entries."""
    return float(np.linalg.norm(x))


def _plain(value: Any) -> Any:
    """Lists for arrays and tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
