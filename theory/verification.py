"""The main table: for one MDP, the truth, and the bias and spread of every estimator of it.

At the uniform policy θ = 0, for the gradient g = ∇J, the Hessian H = ∇²J (in the Frobenius norm,
where S·A is small), its product H u with u = g/‖g‖ that a gradient step meets, and the K-step MAML
meta-gradient, each estimator gets

    truncation     mean of an unbiased estimator of the T-step objective − truth: the part that
                   trajectories of length T cannot see, whatever the estimator
    Hessian        mean − mean of that unbiased estimator: what the surrogate's second derivative
                   misses
    compositional  for the meta-gradient: how much further the mean shifts when θ moves by the
                   average of N trajectories instead of by its expectation (estimated from sampled
                   paths, with a standard error)
    bias           truncation and Hessian together, as vectors: mean − truth
    sd             √tr Cov of the estimate from N trajectories

The meta-gradient's inner path moves by expected estimates and its outer gradient is exact, so that
`bias` and `sd` are those of the curvature; a sampled path adds `compositional`.
All but the compositional part come from `tabular.moments`, without simulation. The z-score
compares a simulation with them: the mean of M trajectories along the direction of the truth, minus
its exact value, over its exact standard deviation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla

from tabular import covariance, exact
from tabular.mdp import TabularMDP
from tabular.meta_moments import maml_moments, trajectory_law
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Maml
from tabular.registry import find_estimator
from tabular.sources import Mean, Sampled
from tabular.transitions import Array
from theory.settings import BASELINES, Settings

#: α ‖∇²J(θ⁰)‖ where no step size is given.
RELATIVE_STEP = 0.5
#: Estimates in the Monte Carlo check, and the most time steps in each.
CHECK_ESTIMATES = 128
CHECK_STEPS = 2000
#: Sampled inner paths behind the compositional part.
NUM_PATHS = 64
#: Sampled paths that scatter less than this share of the bias saw none of the rare rewards.
UNSEEN = 1e-10
#: Up to this S·A the whole Hessian and the covariance of a K > 1 meta-gradient are examined.
FULL_MATRIX = 120
#: Norms below this share of max|Q|/(1 − γ) are rounding errors of a zero.
ROUNDING = 1e-14
#: Squared biases this close are the same.
SAME_BIAS = 1e-9
#: Largest S·S·A table the moment recursions may hold (8 bytes each, about ten of them).
MAX_TABLE = 40_000_000


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
    z: float | None
    sampled_rmse: float


@dataclass(frozen=True)
class Report:
    """Everything `gmrl verify` shows for one MDP."""

    mdp: str
    num_states: int
    num_actions: int
    gamma: float
    settings: dict[str, Any]
    step_size: float
    check_trajectories: int
    value: float
    gradient_norm: float
    hessian_norm: float
    rows: tuple[Row, ...]
    bounds: tuple[Any, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def digest(self) -> str:
        """Eight hexadecimal digits that differ when the MDP or a setting does."""
        numbers = [self.gamma, self.value, self.gradient_norm, self.hessian_norm]
        numbers += [row.sd for row in self.rows if row.sd is not None]
        told = (self.mdp, [f"{x:.8g}" for x in numbers], self.settings)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class _Law:
    """Truth, means and spread of one estimator for one quantity."""

    truth: Array
    mean: Array
    unbiased: Array
    variance: float | None
    along: float | None
    samples: Array
    compositional: tuple[float, float] | None = None


def verify(
    mdp: TabularMDP, settings: Settings, progress: Callable[[str], None] = lambda stage: None
) -> Report:
    """Return the table of one MDP.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP, dense or sparse.
    settings : Settings
    progress : callable
        Called with the name of each estimator as its turn comes.

    Raises
    ------
    ValueError
        If the MDP is a batch or too large for the moment tables.
    OverflowError
        If α is so large that a variance does not fit a float.
    """
    if mdp.batch_shape:
        raise ValueError(f"verify takes one MDP at a time, received a batch {mdp.batch_shape}")
    S, A = mdp.num_states, mdp.num_actions
    if S * S * A > MAX_TABLE:
        raise ValueError(
            f"{mdp.name} has {S} states and {A} actions; the exact covariances need tables of "
            f"S*S*A = {S * S * A:.2g} numbers and stop at {MAX_TABLE:.2g}. tabular.exact and "
            "tabular.moments' means have no such limit"
        )
    mdp = _lean(mdp)
    theta = np.zeros((S, A))
    here = exact.evaluate(mdp, theta)
    rounding = ROUNDING * float(np.abs(here.Q).max()) / (1 - float(mdp.gamma))
    norm = spectral_norm(here, rounding)
    step_size = settings.step_size or (RELATIVE_STEP / norm if norm > 0 else 1.0)
    # K steps multiply the rounding error of ∇J by up to ‖I + α∇²J‖ each; variances, its square.
    floor = rounding * ((1 + step_size * norm) ** (2 * settings.num_steps)) ** 0.5
    streams = np.random.SeedSequence(settings.seed).spawn(len(settings.estimators))
    laws: dict[str, dict[str, _Law]] = {}
    for name, stream in zip(settings.estimators, streams, strict=True):
        progress(name)
        laws[name] = _estimator_laws(mdp, here, name, step_size, settings, stream)
    rows = [
        _row(
            quantity,
            name,
            {n: law[quantity] for n, law in laws.items()},
            settings,
            floor if quantity == "meta-gradient" else rounding,
        )
        for quantity in next(iter(laws.values()))
        for name in laws
    ]
    return Report(
        mdp=mdp.name,
        num_states=S,
        num_actions=A,
        gamma=float(mdp.gamma),
        settings=settings.as_dict(),
        step_size=float(step_size),
        check_trajectories=_check_trajectories(settings),
        value=float(here.value),
        gradient_norm=float(np.linalg.norm(here.gradient)),
        hessian_norm=float(norm),
        rows=tuple(rows),
    )


def spectral_norm(evaluation: exact.Evaluation, rounding: float = 0.0) -> float:
    """‖∇²J‖ from Hessian-vector products (Lanczos), or directly where S·A is small.

    A norm of at most `rounding` is a zero: Lanczos would look for directions in noise.
    """
    shape = evaluation.gradient.shape
    size = int(np.prod(shape))
    if size <= 50:
        norm = float(np.linalg.norm(evaluation.hessian.reshape(size, size), 2))
        return norm if norm > rounding else 0.0
    operator = spla.LinearOperator(
        (size, size), matvec=lambda v: evaluation.hvp(v.reshape(shape)).ravel(), dtype=float
    )
    start = evaluation.gradient.ravel() + 1e-3 * np.cos(np.arange(size))
    if _norm(operator.matvec(start)) <= rounding * _norm(start):
        return 0.0
    values = spla.eigsh(operator, k=1, which="LM", v0=start, tol=1e-9, return_eigenvectors=False)
    return float(np.abs(values).max())


def _estimator_laws(
    mdp: TabularMDP,
    here: exact.Evaluation,
    name: str,
    step_size: float,
    settings: Settings,
    stream: np.random.SeedSequence,
) -> dict[str, _Law]:
    """Gradient, Hessian along u, and meta-gradient of one estimator."""
    rng, path_rng = (np.random.default_rng(s) for s in stream.spawn(2))
    kind = find_estimator(name)
    problem, theta = Maml(mdp), np.zeros((mdp.num_states, mdp.num_actions))
    source = Sampled(
        name, settings.num_trajectories, settings.horizon, BASELINES[settings.baseline]
    )
    unbiased = Sampled(
        name if kind.cross else "loaded_dice",
        settings.num_trajectories,
        settings.horizon,
        BASELINES[settings.baseline],
    )
    update = problem.inner(theta, theta)
    mean, reference = Mean(source)(update, None), Mean(unbiased)(update, None)
    law, _ = trajectory_law(update, source)

    count = _check_trajectories(settings)
    check = Sampled(name, count, settings.horizon, source.baseline)
    trials = np.broadcast_to(theta, (CHECK_ESTIMATES, *theta.shape))
    sampled = check(problem.inner(trials, trials), rng)

    truth = here.gradient
    u = _unit(truth)
    product, direction = here.hvp(u), _unit(here.hvp(u))
    laws = {
        "gradient": _Law(
            truth,
            mean.gradient,
            reference.gradient,
            covariance.gradient_variance(law),
            covariance.gradient_variance_along(law, u),
            sampled.gradient,
        ),
    }
    if theta.size <= FULL_MATRIX:
        laws["hessian"] = _Law(
            here.hessian,
            mean.hessian,
            reference.hessian,
            covariance.hessian_variance(law, kind),
            None,
            sampled.hessian,
        )
    laws["hessian·u"] = _Law(
        product,
        mean.vjp(u),
        reference.vjp(u),
        covariance.hvp_variance(law, kind, u),
        covariance.hvp_variance_along(law, kind, u, direction),
        sampled.vjp(u),
    )
    options: dict[str, Any] = {"step_size": step_size, "num_steps": settings.num_steps}
    truth = meta_gradient(problem, theta, **options)
    options["path"] = Mean(source)
    expected = meta_gradient(problem, theta, curvature=Mean(source), **options)
    variance, along = _meta_variance(problem, theta, options, source, _unit(truth), law)
    paths = meta_gradient(
        problem,
        trials[:NUM_PATHS],
        curvature=Mean(source),
        rng=path_rng,
        **options | {"path": source},
    )
    laws["meta-gradient"] = _Law(
        truth,
        expected,
        meta_gradient(problem, theta, curvature=Mean(unbiased), **options),
        variance,
        along,
        meta_gradient(problem, trials, curvature=check, rng=rng, **options),
        _mean_shift(paths, expected),
    )
    return laws


def _meta_variance(
    problem: Maml,
    theta: Array,
    options: dict[str, Any],
    source: Sampled,
    direction: Array,
    law: Any,
) -> tuple[float | None, float | None]:
    """tr Cov and its value along a direction, of one trajectory's meta-gradient (times N)."""
    kind = find_estimator(source.estimator)
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


def _row(
    quantity: str, name: str, laws: dict[str, _Law], settings: Settings, rounding: float
) -> Row:
    law, n = laws[name], settings.num_trajectories
    count = _check_trajectories(settings)

    def size(x: Array) -> float:
        norm = _norm(x)
        return norm if norm > rounding else 0.0

    bias = size(law.mean - law.truth)
    compositional, compositional_se = law.compositional or (None, None)
    if law.variance and compositional_se is not None and compositional_se < UNSEEN * bias:
        compositional = compositional_se = None
    beaten_by, beaten_from = _crossover(name, laws, rounding)
    z = None
    scales = quantity != "meta-gradient" or settings.num_steps == 1 or count == n
    if law.along is not None and law.along > rounding**2 and scales and size(law.truth) > 0:
        along = ((law.samples - law.mean) * _unit(law.truth)).sum(axis=(-2, -1))
        z = float(along.mean() / np.sqrt(law.along / (count * len(along))))
    errors = ((law.samples - law.truth) ** 2).reshape(len(law.samples), -1).sum(axis=1)
    return Row(
        quantity=quantity,
        estimator=name,
        truth=size(law.truth),
        bias=bias,
        truncation=size(law.unbiased - law.truth),
        hessian=None if quantity == "gradient" else size(law.mean - law.unbiased),
        compositional=compositional,
        compositional_se=compositional_se,
        sd=None if law.variance is None else float(np.sqrt(max(law.variance, 0.0) / n)),
        beaten_by=beaten_by,
        beaten_from=beaten_from,
        z=z,
        sampled_rmse=float(np.sqrt(errors.mean())),
    )


def _crossover(
    name: str, laws: dict[str, _Law], rounding: float
) -> tuple[str | None, float | None]:
    """Of the less biased estimators the first to win, and the N where b² + v/N are equal."""
    squared = {n: _norm(law.mean - law.truth) ** 2 for n, law in laws.items()}
    floor = rounding**2
    better = {n: b for n, b in squared.items() if b < (1 - SAME_BIAS) * squared[name] - floor}
    if not better:
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


def _mean_shift(samples: Array, center: Array) -> tuple[float, float]:
    """‖E samples − center‖ and its standard error, with the noise's own norm taken out."""
    shift = samples.mean(axis=0) - center
    noise = samples.var(axis=0, ddof=1).sum() / len(samples)
    return float(np.sqrt(max(0.0, _norm(shift) ** 2 - noise))), float(np.sqrt(noise))


def _check_trajectories(settings: Settings) -> int:
    """N, or as many trajectories as keep the check short."""
    return max(1, min(settings.num_trajectories, CHECK_STEPS // settings.horizon))


def _lean(mdp: TabularMDP) -> TabularMDP:
    """The sparse form of a large MDP with few successors."""
    rows = mdp.transitions.rows
    few = rows.nnz < 0.2 * rows.shape[0] * rows.shape[1]
    return mdp.sparse() if few and mdp.num_states > 100 and not mdp.is_sparse else mdp


def _unit(x: Array) -> Array:
    norm = np.linalg.norm(x)
    return x / norm if norm > 0 else x


def _norm(x: Array) -> float:
    return float(np.linalg.norm(x))
