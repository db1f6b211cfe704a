"""Truth, exact mean, exact spread and simulated estimates of one estimator on one MDP.

Quantities: the gradient g = ∇J at the uniform policy; the Hessian H, where S·A is small; its
product with u = g/‖g‖; and the K-step MAML meta-gradient, its path moved by expected estimates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tabular import covariance, exact
from tabular.mdp import TabularMDP
from tabular.meta_moments import maml_moments, trajectory_law
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Maml
from tabular.registry import Estimator
from tabular.sources import Mean, Sampled
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array
from theory.report import Law, norm, unit
from theory.settings import BASELINES, Settings

#: Estimates in the Monte Carlo check, and the most time steps in each.
CHECK_ESTIMATES = 128
CHECK_STEPS = 2000
#: Sampled inner paths behind the compositional part.
NUM_PATHS = 64
#: Time steps of paths that are sampled at the same time.
PATH_STEPS = 1_000_000
#: Up to this S·A the whole Hessian and the covariance of a K > 1 meta-gradient are examined.
FULL_MATRIX = 120


def estimator_laws(
    mdp: TabularMDP,
    here: exact.Evaluation,
    name: str,
    step_size: float,
    settings: Settings,
    stream: np.random.SeedSequence,
    rounding: float,
) -> dict[str, Law]:
    """Return the laws by quantity; a gradient of at most `rounding` has no direction u."""
    rng, path_rng = (np.random.default_rng(s) for s in stream.spawn(2))
    problem, theta = Maml(mdp), np.zeros((mdp.num_states, mdp.num_actions))
    source = Sampled(
        name, settings.num_trajectories, settings.horizon, BASELINES[settings.baseline]
    )
    update = problem.inner(theta, theta)
    law, kind = trajectory_law(update, source)
    unbiased = replace(source, estimator=name if kind.cross else "loaded_dice")
    mean, reference = Mean(source)(update, None), Mean(unbiased)(update, None)

    count = check_trajectories(settings)
    check = replace(source, num_trajectories=count)
    trials = np.broadcast_to(theta, (CHECK_ESTIMATES, *theta.shape))
    sampled = check(problem.inner(trials, trials), rng)

    truth = here.gradient
    u = unit(truth, rounding)
    product = here.hvp(u)
    laws = {
        "gradient": Law(
            truth,
            mean.gradient,
            reference.gradient,
            covariance.gradient_variance(law),
            covariance.gradient_variance_along(law, u),
            sampled.gradient,
            count,
        ),
    }
    if theta.size <= FULL_MATRIX:
        laws["hessian"] = Law(
            here.hessian,
            mean.hessian,
            reference.hessian,
            covariance.hessian_variance(law, kind),
            None,
            sampled.hessian,
            count,
        )
    laws["hessian·u"] = Law(
        product,
        mean.vjp(u),
        reference.vjp(u),
        covariance.hvp_variance(law, kind, u),
        covariance.hvp_variance_along(law, kind, u, unit(product)),
        sampled.vjp(u),
        count,
    )
    options: dict[str, Any] = {"step_size": step_size, "num_steps": settings.num_steps}
    truth = meta_gradient(problem, theta, **options)
    options["path"] = Mean(source)
    expected = meta_gradient(problem, theta, curvature=Mean(source), **options)
    variance, along = _meta_variance(problem, theta, options, source, unit(truth), law, kind)
    moved = options | {"path": source, "curvature": Mean(source), "rng": path_rng}
    together = max(1, PATH_STEPS // (settings.num_trajectories * settings.horizon))
    paths = [
        meta_gradient(problem, trials[i : min(i + together, NUM_PATHS)], **moved)
        for i in range(0, NUM_PATHS, together)
    ]
    laws["meta-gradient"] = Law(
        truth,
        expected,
        meta_gradient(problem, theta, curvature=Mean(unbiased), **options),
        variance,
        along if settings.num_steps == 1 or count == settings.num_trajectories else None,
        meta_gradient(problem, trials, curvature=check, rng=rng, **options),
        count,
        mean_shift(np.concatenate(paths), expected),
    )
    return laws


def _meta_variance(
    problem: Maml,
    theta: Array,
    options: dict[str, Any],
    source: Sampled,
    direction: Array,
    law: TrajectoryLaw,
    kind: Estimator,
) -> tuple[float | None, float | None]:
    """tr Cov and its value along a direction, of one trajectory's meta-gradient (times N)."""
    if options["num_steps"] == 1:
        iterate = adapt(problem, theta, **options)[-1]
        p, scale = exact.gradient(problem.mdp, iterate), options["step_size"] ** 2
        return (
            scale * covariance.hvp_variance(law, kind, p),
            scale * covariance.hvp_variance_along(law, kind, p, direction),
        )
    if theta.size > FULL_MATRIX:
        return None, None
    table = maml_moments(problem, theta, curvature=source, **options).covariance
    n = source.num_trajectories
    along = np.einsum("ia,iajb,jb", direction, table, direction)
    return n * float(np.einsum("iaia", table)), n * float(along)


def mean_shift(samples: Array, center: Array) -> tuple[float, float]:
    """‖E samples − center‖ and its standard error, with the noise's own norm taken out."""
    shift = samples.mean(axis=0) - center
    noise = samples.var(axis=0, ddof=1).sum() / len(samples)
    return float(np.sqrt(max(0.0, norm(shift) ** 2 - noise))), float(np.sqrt(noise))


def check_trajectories(settings: Settings) -> int:
    """N, or as many trajectories as keep the check short."""
    return max(1, min(settings.num_trajectories, CHECK_STEPS // settings.horizon))
