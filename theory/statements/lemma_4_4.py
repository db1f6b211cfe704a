"""Lemma 4.4 ([Liu2022]): how far sampled inner steps lead a C₀-Lipschitz f astray.

    ‖E f(θ̂^K) − f(θ^K)‖ <= Δ_C = E‖f(θ̂^K) − f(θ^K)‖ <= C₀ e_K

    first moment     e_K = E‖θ̂^K − θ^K‖ <= σ_in/(c₁√N) ((1 + α c₁)^K − 1)
    second moment    e_K <= s_K = √E‖θ̂^K − θ^K‖² <= α σ_in/√N √Σ_{j<K} (1 + α c₁)^{2j}

under Assumptions 4.1, 4.2 and 4.3 (the paper names the first two only; σ_in is of the third). The
second is never larger and is attained, for K = 1 by every problem. Its proof uses that the noise of
a step has no mean given the past, the first one's only the triangle inequality.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.constants import Lipschitz, Noise
from theory.finite.case import FiniteCase

#: Rounding of a left-hand side, as a share of its terms.
ROUNDING = 1e-12


def check(
    case: FiniteCase,
    f: Callable[[Array], Array] | None = None,
    lipschitz_constant: float = 1.0,
    *,
    lipschitz: Lipschitz | None = None,
    noise: Noise | None = None,
) -> tuple[BoundCheck, ...]:
    """Check the lemma on a finite case: the mean error, and the root mean square of θ̂^K − θ^K.

    Parameters
    ----------
    case : FiniteCase
    f : callable, optional
        (B, d) -> (B, r); the identity if not given.
    lipschitz_constant : float
        C₀ of f.
    lipschitz, noise : Lipschitz, Noise, optional
        Constants; those of the realisable points if not given.

    Returns
    -------
    tuple of BoundCheck
        ‖E f − f‖ <= Δ_C, Δ_C against the first moment, Δ_C against the second, s_K against it.
    """
    c = lipschitz or case.lipschitz
    n = case.quieten(noise or case.noise)
    tree, end = case.tree, case.exact.theta
    distance = np.linalg.norm(tree.theta - end, axis=-1)
    off = tree.theta - end if f is None else f(tree.theta) - f(end)
    weight = tree.probability
    mean_error = float(weight @ np.linalg.norm(off, axis=-1))
    settings = {
        "step_size": case.step_size,
        "num_steps": case.num_steps,
        "num_trajectories": case.num_trajectories,
    }
    first = first_moment(c.c1, n.sigma_in, **settings)  # type: ignore[arg-type]
    second = second_moment(c.c1, n.sigma_in, **settings)  # type: ignore[arg-type]
    size = float(np.linalg.norm(end)) + float(distance.max())
    sides = (
        ("Lemma 4.4, bias of f", float(np.linalg.norm(weight @ off)), mean_error),
        ("Lemma 4.4, first moment", mean_error, lipschitz_constant * first),
        ("Lemma 4.4, second moment", mean_error, lipschitz_constant * second),
        ("Lemma 4.4, root mean square", float(np.sqrt(weight @ distance**2)), second),
    )
    return tuple(
        BoundCheck(
            name,
            lhs,
            rhs,
            scope=c.scope,
            rounding=ROUNDING * size * max(1.0, lipschitz_constant),
            setting=case.setting,
        )
        for name, lhs, rhs in sides
    )


def first_moment(
    c1: float, sigma_in: float, *, step_size: float, num_steps: int, num_trajectories: int
) -> float:
    """Return the bound of e_K by the triangle inequality."""
    return _noise(step_size, sigma_in, num_trajectories) * sum(
        _powers(1 + step_size * c1, num_steps)
    )


def second_moment(
    c1: float, sigma_in: float, *, step_size: float, num_steps: int, num_trajectories: int
) -> float:
    """Return the bound of s_K, and so of e_K."""
    powers = _powers(1 + step_size * c1, num_steps)
    return _noise(step_size, sigma_in, num_trajectories) * sqrt(sum(x * x for x in powers))


def _noise(step_size: float, sigma_in: float, num_trajectories: int) -> float:
    return step_size * sigma_in / sqrt(num_trajectories)


def _powers(a: float, num_steps: int) -> list[float]:
    """a^0, ..., a^{K−1}."""
    powers = [1.0]
    while len(powers) < num_steps:
        powers.append(powers[-1] * a)
    return powers
