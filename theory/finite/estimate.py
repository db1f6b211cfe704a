"""Theorem 4.5's two sides over a tree of inner paths: what its bias and its variance share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tabular._checks import instance
from theory.cases import describe, require_case
from theory.constants import Constants, Lipschitz, Noise, Scope, both
from theory.finite.constants import realisable_constants
from theory.finite.law import MetaLaw, meta_gradient_law
from theory.finite.paths import Paths
from theory.recursions import weaker


class Estimated(NamedTuple):
    """The bound's terms, the estimate's exact law, the constants used, and what was checked."""

    terms: dict[str, float]
    law: MetaLaw
    lipschitz: Lipschitz
    noise: Noise
    scope: Scope
    setting: dict[str, Any]


def estimated(
    paths: Paths,
    bound: Callable[..., dict[str, float]],
    *,
    curvature_trajectories: int | None,
    outer_trajectories: int | None,
    shared: bool,
    constants: Constants | None,
) -> Estimated:
    """Evaluate a bound of Theorem 4.5 beside the law; arguments as `theorem_4_5_bias.check`."""
    instance(paths, Paths, "paths")
    case = (paths.num_trajectories, curvature_trajectories, outer_trajectories)
    require_case(*case, shared=shared)
    if constants is None:
        constants = realisable_constants(paths, sampled_outer=outer_trajectories is not None)
    lipschitz, noise = both(constants)
    counts: dict[str, Any] = {
        "curvature_trajectories": curvature_trajectories,
        "outer_trajectories": outer_trajectories,
        "shared": shared,
    }
    terms = bound(
        lipschitz,
        noise,
        step_size=paths.step_size,
        num_steps=paths.num_steps,
        num_trajectories=paths.num_trajectories,
        **counts,
    )
    return Estimated(
        terms,
        meta_gradient_law(paths, **counts),
        lipschitz,
        noise,
        weaker(lipschitz.scope, noise.scope),
        {"K": paths.num_steps, "α": paths.step_size, **describe(*case, shared=shared)},
    )
