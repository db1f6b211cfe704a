"""Which of the three gradients matters: estimates of the meta-gradient with each one exact or not.

With I (moves θ), II (is differentiated) and III (the outer gradient) each exact (E) or sampled (S),
"SES" has I sampled, II exact, III sampled ([Liu2022], I.1.2). Over trials i = 1..n of one MDP with
truth g and estimates ĝ_i the numbers are

    accuracy   ĝᵀg/(‖ĝ‖‖g‖), zero for ĝ = 0                          ([Liu2022], Eq. 68)
    along      ĝᵀg/‖g‖², one on average without bias, and its standard deviation
    scatter    tr Cov ĝ, from Σ_i ‖ĝ_i − ḡ‖²/(n − 1)
    sum_sd     Σ_x sd(ĝ(x)), what the paper's figures call variance

and beside them what the exact law gives (`tabular.meta_moments`), where it does: a path that is
not sampled, so that the estimate is multilinear in independent samples. All means are exact then;
variances are left out where they would take too long (`has_variance`).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from figures.experiments.paper import Settings, describe, per_mdp, random_mdp, source
from figures.sweep.cell import Cell, Result, stream
from tabular.estimate_law import centered
from tabular.meta_moments import PathLaw
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Lirpg, Maml
from tabular.registry import find_estimator
from tabular.sources import Exact, Mean, Sampled
from tabular.transitions import Array

PERMUTATIONS = ("SSS", "SES", "ESS", "EES", "SSE", "ESE", "SEE")
#: Inner steps of LIRPG up to which variances are computed.
LIRPG_STEPS = 3
GRID = ("N", "K", "alpha")
DIMS = ("estimator", "permutation", *GRID, "mdp")
SIMULATED = ("accuracy", "along", "along_sd", "scatter", "scatter_sd", "sum_sd")
EXACTLY = ("exact_along", "exact_along_sd", "exact_accuracy", "exact_scatter", "exact_sum_sd")
NAMES = {
    "accuracy": "cosine of the estimate with the exact meta-gradient",
    "along": "estimate along the truth, mean over trials, relative to the truth",
    "along_sd": "standard deviation of the same over trials",
    "scatter": "trace of the covariance over trials",
    "scatter_sd": "standard deviation over trials of the squared deviations behind the trace",
    "sum_sd": "sum over components of the standard deviation over trials",
    "exact_along": "the exact mean of along",
    "exact_along_sd": "the exact standard deviation of one estimate along the truth",
    "exact_accuracy": "cosine of the exact mean estimate with the exact meta-gradient",
    "exact_scatter": "the exact trace of the covariance",
    "exact_sum_sd": "sum over components of the exact standard deviation",
}


def cells(figure: str, settings: Settings) -> list[Cell]:
    """One cell an estimator and MDP, and one an MDP for the exact counterparts."""
    simulated = [
        cell
        for name in settings["estimators"]
        for cell in per_mdp(figure, settings, name, simulate, estimator=name)
    ]
    return [*simulated, *per_mdp(figure, settings, "exact", exactly)]


def dataset(settings: Settings, results: list[Result]) -> xr.Dataset:
    """Label the results of the cells."""
    estimators = settings["estimators"]
    mdps = settings["mdps"]
    variables: dict[str, Any] = {}
    for name in SIMULATED:
        each = np.array([result[name] for result in results[:-mdps]])
        each = each.reshape(len(estimators), mdps, *each.shape[1:])
        dims = (*DIMS, "trial") if name == "accuracy" else DIMS
        variables[name] = (dims, np.moveaxis(each, 1, len(DIMS) - 1))
    for name in EXACTLY:
        each = np.array([result[name] for result in results[-mdps:]])
        variables[name] = (DIMS, np.moveaxis(each, 0, -1))
    coordinates = {
        "estimator": list(estimators),
        "permutation": list(settings["permutations"]),
        **{axis: np.asarray(settings[axis]) for axis in GRID},
        "mdp": np.arange(mdps),
        "trial": np.arange(settings["trials"]),
    }
    return describe(xr.Dataset(variables, coordinates), names=NAMES)


def points(settings: Settings) -> list[tuple[int, int, float]]:
    """All (N, K, α), N slowest."""
    return list(product(*(settings[axis] for axis in GRID)))


def on_grid(settings: Settings, values: Any) -> Array:
    """Rows by permutation and point, (permutation · point, ...) as (permutation, N, K, α, ...)."""
    table = np.array(values)
    shape = [len(settings[axis]) for axis in GRID]
    return table.reshape(len(settings["permutations"]), *shape, *table.shape[1:])


def problem(settings: Settings) -> tuple[Maml | Lirpg, Array]:
    """The meta-problem on the cell's MDP, and φ = 0: θ⁰ for MAML, no intrinsic reward for LIRPG."""
    mdp = random_mdp(settings, settings["mdp"])
    zero = np.zeros((mdp.num_states, mdp.num_actions))
    return (Lirpg(mdp, zero) if settings["problem"] == "lirpg" else Maml(mdp)), zero


def sources(permutation: str, sampled: Sampled) -> dict[str, Any]:
    """Sources I, II and III of a permutation such as "SES"; ValueError if it is none."""
    if len(permutation) != 3 or set(permutation) - set("ES"):
        raise ValueError(f"a permutation is three letters E or S, received {permutation!r}")
    roles = ("path", "curvature", "outer")
    letters = zip(roles, permutation, strict=True)
    return {role: EXACT if letter == "E" else sampled for role, letter in letters}


def expected(chosen: Exact | Sampled) -> Exact | Mean:
    """The source's exact mean, over its noisy critic too."""
    return Mean(centered(chosen)) if isinstance(chosen, Sampled) else chosen


def simulate(settings: Settings) -> Result:
    """All permutations and points of one estimator on one MDP."""
    meta, zero = problem(settings)
    phi = np.broadcast_to(zero, (settings["trials"], *zero.shape))
    estimator = settings["estimator"]
    truths: dict[tuple[int, float], Array] = {}
    rows = []
    for permutation, (N, K, alpha) in product(settings["permutations"], points(settings)):
        options: Any = {"step_size": alpha, "num_steps": K}
        if (K, alpha) not in truths:
            truths[K, alpha] = meta_gradient(meta, zero, **options).ravel()
        # The same for all estimators: what they share is the same number, not only the same law.
        label = (settings["figure"], permutation, N, K, alpha, "mdp", settings["mdp"])
        draws = meta_gradient(
            meta,
            phi,
            **options,
            **sources(permutation, source(settings, estimator, N)),
            rng=stream(settings["seed"], *label),
        )
        rows.append(measured(draws.reshape(len(draws), -1), truths[K, alpha]))
    columns = zip(*rows, strict=True)
    return {name: on_grid(settings, x) for name, x in zip(SIMULATED, columns, strict=True)}


def measured(draws: Array, truth: Array) -> tuple[Any, ...]:
    """The numbers `SIMULATED` of estimates (n, D)."""
    n = len(draws)
    along = draws @ truth / (truth @ truth)
    deviations = draws - draws.mean(axis=0)
    squares = (deviations**2).sum(axis=1) * n / (n - 1)
    return (
        [cosine(draw, truth) for draw in draws],
        along.mean(),
        along.std(ddof=1),
        squares.mean(),
        squares.std(ddof=1),
        draws.std(axis=0, ddof=1).sum(),
    )


def cosine(x: Array, y: Array) -> float:
    """xᵀy/(‖x‖‖y‖); zero where x is: a vector without a direction predicts none."""
    size = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / size) if size > 0 else 0.0


def exactly(settings: Settings) -> Result:
    """Means and covariances on one MDP of all estimators wherever the path is exact."""
    meta, zero = problem(settings)
    laws = {
        (K, alpha): PathLaw(meta, zero, step_size=alpha, num_steps=K)
        for K, alpha in product(settings["K"], settings["alpha"])
    }
    truths = {key: law.moments().mean.ravel() for key, law in laws.items()}
    estimators = []
    for name in settings["estimators"]:
        rows: list[tuple[Any, ...]] = []
        for permutation, (N, K, alpha) in product(settings["permutations"], points(settings)):
            law, truth = laws[K, alpha], truths[K, alpha]
            if permutation[0] == "S":
                rows.append((np.nan,) * len(EXACTLY))
                continue
            chosen = sources(permutation, source(settings, name, N))
            if has_variance(settings["problem"], name, permutation, K):
                mean, table = law.moments(curvature=chosen["curvature"], outer=chosen["outer"])
            else:
                means: Any = {role: expected(one) for role, one in chosen.items()}
                mean = meta_gradient(meta, zero, step_size=alpha, num_steps=K, **means)
                table = np.full(truth.size**2, np.nan)
            mean, table = mean.ravel(), table.reshape(truth.size, truth.size)
            variances = np.diagonal(table).clip(min=0)
            square = truth @ truth
            rows.append(
                (
                    mean @ truth / square,
                    np.sqrt((truth @ table @ truth).clip(min=0)) / square,
                    cosine(mean, truth),
                    variances.sum(),
                    np.sqrt(variances).sum(),
                )
            )
        columns = zip(*rows, strict=True)
        estimators.append([on_grid(settings, x) for x in columns])
    return dict(zip(EXACTLY, np.array(estimators).swapaxes(0, 1), strict=True))


def has_variance(problem: str, estimator: str, permutation: str, num_steps: int) -> bool:
    """Whether the covariance of this estimate is computed: the path is exact and it is not long.

    A sampled Hessian with cross terms needs S·A covariances a step, with a noisy critic S + 1 times
    as many; the last one only as many as there are outer gradients to apply it to.
    """
    if permutation[0] == "S":
        return False
    if problem == "lirpg":
        return num_steps <= LIRPG_STEPS
    kind = find_estimator(estimator)
    if permutation[1] == "E" or not kind.cross:
        return True
    return num_steps == 1 and (permutation[2] == "E" or not kind.baseline)
