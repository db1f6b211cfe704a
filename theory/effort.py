"""Which trajectory length T a verification takes by itself, and which spreads it can afford.

The effective horizon is the first T with γ^T ≤ 1/80: 20 at the paper's γ = 0.8, 437 at 0.99. It is
shortened where the exact covariances would take too long. Work is counted in multiplications, so
that T hangs on the MDP and not on the machine: with D = S·A, tr Cov Ĥv for `loaded_dice` or `dice`
(`tabular.cross_trace`) costs about

    trace(T) = T (OVERHEAD + 10 S nnz(P_π)) + 3 T² D

and T is the longest, from SHORTEST on, at which the two traces of an estimator (of Ĥu and of the
meta-gradient) fit in WORK. Spreads that need more are left out where they do not fit:

    ‖Ĥ‖_F of loaded_dice, dice                D traces
    Cov of the meta-gradient, K > 1, theirs   1 + (K − 1) D covariances of T steps, each of
                                              OVERHEAD + D (15 nnz(P_π) + 10 nnz(P) + 10 D)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabular._checks import one_number
from tabular.mdp import TabularMDP
from tabular.registry import Estimator
from theory.settings import MAX_STEPS, Settings

#: Multiplications for one estimator; about fifteen seconds of one core.
WORK = 1.5e10
#: What a time step costs apart from its multiplications, in multiplications.
OVERHEAD = 5e5
#: γ^T at the effective horizon is at most the inverse of this.
BEYOND = 80
#: T is shortened no further than to this.
SHORTEST = 20
#: Largest D × D table of a Hessian or a covariance.
MAX_ENTRIES = 1_000_000


@dataclass(frozen=True)
class Horizon:
    """T, and how it came about in a few words."""

    steps: int
    note: str


@dataclass(frozen=True)
class Effort:
    """The work of one MDP's covariances at the uniform policy: S, D, nnz(P) and nnz(P_π)."""

    num_states: int
    size: int
    kernel: int
    policy_kernel: int

    @classmethod
    def of(cls, mdp: TabularMDP) -> Effort:
        """Count the entries of an MDP."""
        P_pi = mdp.transitions.under(np.full(mdp.R.shape, 1 / mdp.num_actions))
        count = np.count_nonzero(P_pi) if isinstance(P_pi, np.ndarray) else P_pi.nnz
        S, size = mdp.num_states, mdp.num_states * mdp.num_actions
        return cls(S, size, mdp.transitions.rows.nnz, int(count))

    @property
    def _step(self) -> float:
        return OVERHEAD + 10.0 * self.num_states * self.policy_kernel

    def trace(self, horizon: int) -> float:
        """The trace of one Loaded-DiCE product."""
        return horizon * self._step + 3.0 * horizon**2 * self.size

    def covariance(self, horizon: int) -> float:
        """The covariance of one Loaded-DiCE product."""
        tables = 15.0 * self.policy_kernel + 10.0 * (self.kernel + self.size)
        return horizon * (OVERHEAD + self.size * tables)

    @property
    def longest(self) -> int:
        """The longest T, of SHORTEST and more, at which two traces fit."""
        half = self._step / (6.0 * self.size)
        return max(SHORTEST, int(math.sqrt(half**2 + WORK / (6.0 * self.size)) - half))

    def fits_hessian(self, horizon: int) -> bool:
        """Whether the mean of the Hessian as a whole is affordable."""
        return self.size**2 <= MAX_ENTRIES and 30.0 * self.size**2 * horizon <= WORK

    def fits_hessian_spread(self, kind: Estimator, horizon: int) -> bool:
        """Whether E‖Ĥ − E Ĥ‖_F² is; that of `ad` and `lvc` needs no products."""
        return not kind.cross or self.size * self.trace(horizon) <= WORK

    def fits_meta_spread(self, kind: Estimator, horizon: int, num_steps: int) -> bool:
        """Whether the meta-gradient's is: for K = 1 it is that of one product."""
        if num_steps == 1:
            return True
        products = 1 + (num_steps - 1) * self.size if kind.cross else 1
        fits = products * self.covariance(horizon) <= WORK
        return fits and self.size**2 <= MAX_ENTRIES


def choose_horizon(mdp: TabularMDP, settings: Settings) -> Horizon:
    """Return the T of the settings, or the effective horizon as far as it is affordable."""
    gamma = float(mdp.gamma)
    if settings.horizon is not None:
        return Horizon(settings.horizon, _told(gamma, settings.horizon))
    possible = max(1, MAX_STEPS // settings.num_trajectories)
    wanted = effective_horizon(gamma)
    steps = min(wanted, possible, Effort.of(mdp).longest)
    note = _told(gamma, steps)
    if steps < min(wanted, possible):
        longer = min(wanted, possible)
        note += f" (shortened to save time; -T {longer} for {_percent(gamma**longer)})"
    elif steps < wanted:
        note += f" (N·T is at most {MAX_STEPS:g})"
    return Horizon(steps, note)


def effective_horizon(gamma: float) -> int:
    """The first T with γ^T ≤ 1/80, and at least one step."""
    gamma = one_number(gamma, "gamma")
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma must lie in [0, 1), received {gamma}")
    if gamma <= 1 / BEYOND:
        return 1
    return math.ceil(math.log(BEYOND) / -math.log(gamma))


def _told(gamma: float, steps: int) -> str:
    return f"T = {steps}, γ^T = {_percent(gamma**steps)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
