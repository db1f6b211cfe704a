"""Lemma 4.4: how far the end of a sampled inner path lies from the exact one.

For f with Lipschitz constant C₀, and N trajectories a step,

    ‖E f(θ̂^K) − f(θ^K)‖ <= E‖f(θ̂^K) − f(θ^K)‖ <= C₀ E‖θ̂^K − θ^K‖
    E‖θ̂^K − θ^K‖ <= σ_in/(c₁√N) (a^K − 1)                           first moment
    E‖θ̂^K − θ^K‖ <= s_K <= ασ_in/√N · √((a^{2K} − 1)/(a² − 1))      second moment

with a = 1 + αc₁ (ασ_in K/√N and ασ_in √(K/N) if c₁ = 0). Both unroll
θ̂^{i+1} − θ^{i+1} = T(θ̂^i) − T(θ^i) + αξ_i, where T is a-Lipschitz: by the triangle inequality, or
squared, where the noise ξ_i is orthogonal to what is known before it. The second is never larger
and attained by J_in = c₁‖θ‖²/2 with additive noise. Source: [Liu2022], Lemma 4.4, which needs
Assumption 4.3 besides 4.1 and 4.2; the second moment is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular._checks import finite_array, instance, one_number
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.constants import Constants, Lipschitz, Noise, both
from theory.finite.constants import chord, realisable_constants
from theory.finite.paths import Paths
from theory.recursions import averaged, recursions, weaker

#: Rounding of a mean over the tree, relative to the sizes of what is subtracted.
ROUNDING = 1e-13


def first_moment_bound(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int | None,
) -> float:
    """e_K; zero for an exact path (`num_trajectories` None)."""
    return _recursions(lipschitz, noise, step_size, num_steps, num_trajectories).e[-1]


def second_moment_bound(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int | None,
) -> float:
    """s_K; zero for an exact path (`num_trajectories` None)."""
    return _recursions(lipschitz, noise, step_size, num_steps, num_trajectories).s[-1]


def _recursions(
    lipschitz: Lipschitz, noise: Noise, alpha: float, num_steps: int, count: int | None
) -> Any:
    noise = averaged(
        noise, num_trajectories=count, curvature_trajectories=None, outer_trajectories=None
    )
    return recursions(lipschitz, noise, step_size=alpha, num_steps=num_steps)


def check(
    paths: Paths,
    *,
    f: str | Callable[[Array], Array] = "identity",
    lipschitz_f: float | None = None,
    constants: Constants | None = None,
) -> tuple[BoundCheck, ...]:
    """Check every inequality of the lemma by enumeration.

    Parameters
    ----------
    paths : Paths
        The inner paths (`theory.finite.paths.inner_paths`).
    f : "identity", "outer gradient" or callable
        What is taken of θ (..., d): θ itself, p, or a given function's value (...) or (..., r).
    lipschitz_f : float, optional
        C₀; the largest chord slope of f from θ^K to a realisable θ̂^K if None.
    constants : (Lipschitz, Noise), optional
        The largest values over every realisable θ if not given.

    Returns
    -------
    tuple of BoundCheck
        The bias and the mean error of f against C₀s_K; e_K and s_K against the first and the
        second moment.

    Raises
    ------
    ValueError, TypeError
        If f is unknown or its values are not finite and one for each θ, C₀ is not a number >= 0,
        or, where no constants are given, Assumption 4.2 fails at a realisable θ; with given ones
        it is taken for granted.
    """
    instance(paths, Paths, "paths")
    if constants is None:
        constants = realisable_constants(paths, sampled_outer=False)
    lipschitz, noise = both(constants)
    end = paths.iterates[-1]
    name, values, exact = _values(paths, f)
    slope = chord(paths.ends - end, values - exact)
    C0 = slope if lipschitz_f is None else _constant(lipschitz_f)
    at = _recursions(lipschitz, noise, paths.step_size, paths.num_steps, paths.num_trajectories)
    shift = float(np.linalg.norm(paths.probability @ (values - exact)))
    error = float(paths.probability @ np.linalg.norm(values - exact, axis=-1))
    size = float(np.abs(values).max() + np.abs(paths.ends).max())
    sides = {
        f"bias of {name}": (shift, C0 * at.s[-1]),
        f"error of {name}": (error, C0 * at.s[-1]),
        "first moment": (paths.error(1), at.e[-1]),
        "second moment": (paths.error(2), at.s[-1]),
    }
    return tuple(
        BoundCheck(
            name=f"Lemma 4.4, {side}",
            lhs=lhs,
            rhs=rhs,
            obtained="enumeration",
            scope=weaker(lipschitz.scope, noise.scope),
            rounding=ROUNDING * size,
            setting={"K": paths.num_steps, "α": paths.step_size, "N": paths.num_trajectories},
        )
        for side, (lhs, rhs) in sides.items()
    )


def _values(paths: Paths, f: str | Callable[[Array], Array]) -> tuple[str, Array, Array]:
    """What f is called, and its values at θ̂^K (B, r) and θ^K (1, r)."""
    ends, end = paths.ends, paths.iterates[-1:]
    if f == "identity":
        return "θ", ends, end
    if f == "outer gradient":
        return "p", paths.outer.gradient, paths.exact_outer.gradient
    if not callable(f):
        raise ValueError(f'f must be "identity", "outer gradient" or a function, received {f!r}')
    values, exact = finite_array(f(ends), "f at the ends"), finite_array(f(end), "f at θ^K")
    if values.shape[:1] != ends.shape[:1] or exact.shape != (1, *values.shape[1:]):
        raise ValueError(
            f"f must take θ (..., d) to (...) or (..., r), here ({len(ends)}, d) and (1, d), "
            f"received values of shapes {values.shape} and {exact.shape}; reduce over axis -1 only"
        )
    return "f", values.reshape(len(ends), -1), exact.reshape(1, -1)


def _constant(value: float) -> float:
    number = one_number(value, "lipschitz_f")
    if number < 0:
        raise ValueError(f"lipschitz_f must be a number >= 0, received {value}")
    return number
