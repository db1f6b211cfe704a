"""Truth, exact mean, exact spread and simulated estimates of one estimator on one MDP.

Quantities: the gradient g = ∇J at the uniform policy; the Hessian H, where it is affordable; its
product with u = g/‖g‖; and the K-step MAML meta-gradient, its path moved by expected estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tabular import covariance
from tabular.estimators import Estimate
from tabular.meta_moments import meta_moments
from tabular.moments import Expectation
from tabular.registry import Estimator, find_estimator
from tabular.sources import Mean, Sampled
from tabular.transitions import Array
from theory.compositional import compositional
from theory.inner_path import InnerPath, adjoints
from theory.point import CHECK_ESTIMATES, Point
from theory.report import Law, unit
from theory.scatter import gradient_scatter, hessian_scatter, product_scatter


def estimator_laws(point: Point, name: str, stream: np.random.SeedSequence) -> dict[str, Law]:
    """Return one estimator's laws by quantity."""
    rng, path_rng = (np.random.default_rng(s) for s in stream.spawn(2))
    kind, source = find_estimator(name), point.source(name)
    path, u = point.path(kind), point.u
    check = replace(source, num_trajectories=point.check_trajectories)
    mean, reference = path.means(source)[0], path.unbiased[0]
    sampled = path.repeat(check, 0, CHECK_ESTIMATES, rng)

    truth, expected = point.here.gradient, mean.gradient
    variance = covariance.gradient_variance(path.law(0))
    along = covariance.gradient_variance_along(path.law(0), u)
    scatter = gradient_scatter(path.law(0), variance) / check.num_trajectories
    found = point.simulated([(sampled.gradient, expected, truth)], variance, along, scatter)
    laws = {"gradient": Law(truth, expected, reference.gradient, variance, found)}

    if point.effort.fits_hessian(point.horizon):
        laws["hessian"] = _hessian_law(point, kind, path, (mean, reference), sampled)

    truth, expected = point.product, mean.vjp(u)
    variance = covariance.hvp_variance(path.law(0), kind, u)
    along = covariance.hvp_variance_along(path.law(0), kind, u, unit(truth))
    scatter = hessian_scatter(path.law(0), kind, variance, u) / check.num_trajectories
    found = point.simulated([(sampled.vjp(u), expected, truth)], variance, along, scatter)
    laws["hessian·u"] = Law(truth, expected, reference.vjp(u), variance, found)

    laws["meta-gradient"] = replace(
        _meta_law(point, kind, path, check, rng),
        compositional=compositional(path, source, path_rng),
    )
    return laws


def _hessian_law(
    point: Point,
    kind: Estimator,
    path: InnerPath,
    means: tuple[Expectation, Expectation],
    sampled: Estimate,
) -> Law:
    """The Hessian as a whole; simulated where its exact spread is known."""
    truth, shape = point.hessian, point.mdp.R.shape
    expected, unbiased = (mean.hessian for mean in means)
    if not point.effort.fits_hessian_spread(kind, point.horizon):
        return Law(truth, expected, unbiased, None, None)
    variance, along = covariance.hessian_variance(path.law(0), kind), None
    if not kind.cross:  # Ĥ = Σ_x C(x) Φ(x): its component along H/‖H‖ is linear in C
        each = np.arange(shape[0])
        blocks = unit(truth)[each, :, each, :]
        weight = covariance.own_functional(path.law(0), kind, blocks)
        along = covariance.functional_variance(path.law(0), weight)

    def columns() -> Iterator[tuple[Array, Array, Array]]:
        for s, a in np.ndindex(*shape):
            basis = np.zeros(shape)
            basis[s, a] = 1.0
            yield sampled.hvp(basis), expected[:, :, s, a], truth[:, :, s, a]

    scatter = hessian_scatter(path.law(0), kind, variance) / point.check_trajectories
    found = point.simulated(columns(), variance, along, scatter)
    return Law(truth, expected, unbiased, variance, found)


def _meta_law(
    point: Point, kind: Estimator, path: InnerPath, check: Sampled, rng: np.random.Generator
) -> Law:
    """The meta-gradient along the expected path, with an exact outer gradient."""
    truth, source = point.meta_gradient, point.source(kind.name)
    steps = point.settings.num_steps
    estimates = [path.repeat(check, i, CHECK_ESTIMATES, rng) for i in range(steps)]
    last = path.evaluations[-1].gradient
    trials = np.broadcast_to(last, (CHECK_ESTIMATES, *last.shape))
    samples = adjoints(trials, estimates, path.step_size)[0]
    means = path.adjoints(path.means(source))
    expected = means[0]
    variance, along = _meta_variance(point, kind, path, unit(truth))
    # For K > 1 the variance is no multiple of 1/N.
    known = steps == 1 or point.check_trajectories == source.num_trajectories
    checked = (variance, along) if known else (None, None)
    scatter = 0.0
    if known and variance is not None:
        scatter = product_scatter(kind, path, estimates, means, check.num_trajectories, variance)
    found = point.simulated([(samples, expected, truth)], *checked, scatter)
    unbiased = path.adjoints(path.unbiased)[0]
    return Law(truth, expected, unbiased, variance, found, one_over_n=steps == 1)


def _meta_variance(
    point: Point, kind: Estimator, path: InnerPath, direction: Array
) -> tuple[float | None, float | None]:
    """tr Cov and its value along a direction, of one trajectory's meta-gradient (times N)."""
    steps, source = point.settings.num_steps, point.source(kind.name)
    if steps == 1:
        p, scale = path.evaluations[-1].gradient, point.step_size**2
        return (
            scale * covariance.hvp_variance(path.law(0), kind, p),
            scale * covariance.hvp_variance_along(path.law(0), kind, p, direction),
        )
    if not point.effort.fits_meta_spread(kind, point.horizon, steps):
        return None, None
    table = meta_moments(
        path.problem,
        path.iterates[0],
        step_size=point.step_size,
        num_steps=steps,
        path=Mean(source),
        curvature=source,
    ).covariance
    n = source.num_trajectories
    along = np.einsum("ia,iajb,jb", direction, table, direction)
    return n * float(np.einsum("iaia", table)), n * float(along)
