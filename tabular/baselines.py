"""Baseline tables V_b as functions of the policy they serve.

A critic follows the policy, so a sampled inner loop needs a V_b for every iterate θ^i. A baseline
is a function (mdp, θ, rng) -> V_b (..., S):

    exact_baseline   V_b = V^π
    zero_baseline    V_b = 0
    NoisyBaseline    V_b = V^π + c ‖V^π‖₂/S · z,  z ~ N(0, I_S),   one z per estimate
    FixedBaseline    V_b = one table at every θ

The noise model and c = 1 are those of the paper's experiments ("noise coefficient", its Table 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import _checks, exact
from tabular._frozen import frozen
from tabular.mdp import TabularMDP
from tabular.transitions import Array

Baseline = Callable[[TabularMDP, Array, np.random.Generator | None], Array]


def exact_baseline(mdp: TabularMDP, theta: Array, rng: np.random.Generator | None) -> Array:
    """V^π over the infinite horizon, (..., S)."""
    return exact.state_value(mdp, theta)


def zero_baseline(mdp: TabularMDP, theta: Array, rng: np.random.Generator | None) -> Array:
    """No baseline and no bootstrap, (S,)."""
    return np.zeros(mdp.num_states)


@dataclass(frozen=True)
class NoisyBaseline:
    """V^π + c ‖V^π‖₂/S · z, drawn afresh for every estimate.

    Parameters
    ----------
    coefficient : float
        c >= 0.

    Raises
    ------
    ValueError, TypeError
        Unless c is one finite number >= 0.
    """

    coefficient: float = 1.0

    def __post_init__(self) -> None:
        if _checks.one_number(self.coefficient, "coefficient") < 0:
            raise ValueError(f"coefficient must not be negative, received {self.coefficient}")

    def __call__(self, mdp: TabularMDP, theta: Array, rng: np.random.Generator | None) -> Array:
        """Draw V_b, (..., S).

        Raises
        ------
        TypeError
            Without a generator: a noisy table is random.
        """
        rng = _checks.generator(rng)
        value = exact.state_value(mdp, theta)
        return value + self.scale(value) * rng.standard_normal(value.shape)

    def scale(self, value: Array) -> Array:
        """Standard deviation c ‖V‖₂/S of every entry, (..., 1)."""
        norm = np.linalg.norm(value, axis=-1, keepdims=True)
        return self.coefficient * norm / value.shape[-1]


@dataclass(frozen=True, eq=False)
class FixedBaseline:
    """One table V_b at every θ: what makes the mean estimate a derivative of J_T with end V_b.

    Parameters
    ----------
    table : array_like (..., S)
        V_b.

    Raises
    ------
    ValueError, TypeError
        If the table is not finite.
    """

    table: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", frozen(_checks.finite_array(self.table, "table")))

    def __call__(self, mdp: TabularMDP, theta: Array, rng: np.random.Generator | None) -> Array:
        """Return V_b (..., S).

        Raises
        ------
        ValueError
            If the MDP has another number of states.
        """
        if self.table.ndim == 0 or self.table.shape[-1] != mdp.num_states:
            raise ValueError(
                f"the table of a FixedBaseline must have shape (..., {mdp.num_states}) for this "
                f"MDP, received {self.table.shape}"
            )
        return self.table
