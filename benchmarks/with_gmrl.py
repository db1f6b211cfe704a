"""The toolkit's own side of the cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.decomposition import CHOICES, TERMS, Cell, Replay, recorded, sources
from benchmarks.sides import Prepared, Problem
from tabular import compiled, exact
from tabular.baselines import NoisyBaseline
from tabular.estimators import Estimate
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tabular.sampling import Trajectories, sample
from tabular.sources import Sampled, Source
from tabular.transitions import Array

#: Trajectories on which the sides' estimates are compared, and a plain loop is timed.
SHARED = 20


def hessian(problem: Problem) -> Prepared:
    """Infinite-horizon Hessian in closed form."""
    return _prepare(lambda: exact.hessian(problem.mdp, problem.theta))


def meta(problem: Problem) -> Prepared:
    """Exact MAML meta-gradient: one factorisation an iterate, for its gradient and its product."""
    maml = Maml(problem.mdp)
    return _prepare(
        lambda: meta_gradient(
            maml, problem.theta, step_size=problem.step_size, num_steps=problem.num_steps
        )
    )


def estimate(problem: Problem) -> Prepared:
    """Sample, then estimate the gradient and one Hessian-vector product (Loaded-DiCE)."""
    rng = np.random.default_rng(problem.seed)

    def call() -> tuple[Array, Array]:
        drawn = sample(
            problem.mdp,
            problem.theta,
            horizon=problem.horizon,
            num_trajectories=problem.num_trajectories,
            rng=rng,
        )
        estimate = Estimate(
            problem.mdp,
            problem.theta,
            drawn,
            estimator="loaded_dice",
            baseline=problem.baseline,
        )
        return estimate.gradient, estimate.hvp(problem.v)

    def result() -> Array:
        theta, v, baseline = first_trial(problem)
        drawn = shared_trajectories(problem)
        estimate = Estimate(problem.mdp, theta, drawn, estimator="loaded_dice", baseline=baseline)
        return np.stack([estimate.gradient, estimate.hvp(v)])

    return Prepared(call, result, work=problem.num_steps_simulated)


def decomposition(cell: Cell) -> Prepared:
    """The eight meta-gradients of a cell, all trials together."""
    rng = np.random.default_rng(cell.seed)
    fresh = Sampled(cell.estimator, cell.num_trajectories, cell.horizon, NoisyBaseline())
    phi = np.broadcast_to(cell.phi, (cell.trials, *cell.phi.shape))

    def result() -> Array:
        replays = {term: Replay(cell.estimator, draws) for term, draws in recorded(cell).items()}
        return meta_gradients(cell, cell.phi, replays, None)

    prepared = _prepare(lambda: meta_gradients(cell, phi, dict.fromkeys(TERMS, fresh), rng))
    return prepared._replace(result=result, work=cell.trials)


def meta_gradients(
    cell: Cell, phi: Array, sampled: Mapping[str, Source], rng: np.random.Generator | None
) -> Array:
    """The meta-gradients of all choices at φ (..., S, A), with these sampled sources, (8, ...)."""
    maml = Maml(cell.mdp)
    results = []
    for choice in CHOICES:
        terms = sources(choice, sampled)
        results.append(
            meta_gradient(
                maml,
                phi,
                step_size=cell.step_size,
                num_steps=1,
                path=terms["path"],
                curvature=terms["curvature"],
                outer=terms["outer"],
                rng=rng,
            )
        )
    return np.stack(results)


def _prepare(call: Callable[[], Array]) -> Prepared:
    """Compile the loops that `call` runs, or load them from numba's cache on disk; NumPy has none.

    What that takes includes the import of numba. Loops that an earlier case has used are ready.
    """
    started = time.perf_counter()
    if compiled.kernels("kernels") is None:
        return Prepared(call, note="without numba")
    call()
    return Prepared(call, compile_seconds=time.perf_counter() - started)


def first_trial(problem: Problem) -> tuple[Array, Array, Array]:
    """θ, v (S, A) and V_b (S,) of the first trial."""
    first = (0,) * (problem.theta.ndim - 2)
    return problem.theta[first], problem.v[first], problem.baseline[first]


def shared_trajectories(problem: Problem) -> Trajectories:
    """The trajectories of the first trial on which the sides are compared."""
    return sample(
        problem.mdp,
        first_trial(problem)[0],
        horizon=problem.horizon,
        num_trajectories=SHARED,
        rng=np.random.default_rng([problem.seed, 1]),
    )
