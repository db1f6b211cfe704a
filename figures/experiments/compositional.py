"""The bound figures' first half: what sampled inner steps alone do to the meta-gradient.

I is sampled, II and III are exact at the sampled iterates θ̂^i. Over trials, against the exact path,

    steps   ‖θ̂^K − θ^K‖         and its root mean square's leading order √tr S_K, exact for K = 1,
    meta    ‖ĝ − g‖             S_0 = 0,  S_{i+1} = L_i S_i L_i + α² Cov ĝ_i,  L_i = I + α H_i

with Cov over N trajectories and the noisy critic they share, beside Lemma 4.4 of [Liu2022] in
second moments, α σ_in √(Σ_{j<K} (1 + αc₁)^{2j}), with the constants c₁ = max_i ‖H_i‖ and
σ_in² = max_i tr Cov ĝ_i along the exact path; and the abstract's power with what the lemma puts
before it where αc₁ ≥ 1, (2c₁)^{K−1} K α^K σ_in.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from figures.claims import abstract
from figures.claims.claim import Claim
from figures.experiments.paper import (
    Run,
    Settings,
    describe,
    per_mdp,
    profiles,
    random_mdp,
    run_here,
    source,
)
from figures.pictures import compositional as picture
from figures.sweep.cell import Cell, Result, stream
from tabular.estimate_law import EstimateLaw, estimate_law, square
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tabular.sources import Sampled
from tabular.transitions import Array

NAME = "compositional"
TITLE = "Compositional bias against its bound"
PLACE = "main text, bound figures"
#: What varies, and what the others are meanwhile.
SWEEPS: dict[str, dict[str, Any]] = {
    "N": {"K": 2, "alpha": 3.0},
    "alpha": {"K": 6, "N": 32},
    "K": {"alpha": 3.0, "N": 32},
}
ALT = (
    "Error of the last inner iterate with its leading order and bound, and error of the "
    "meta-gradient, against N, step size and number of steps."
)
SETTINGS = profiles(
    {
        "estimators": ("lvc", "dice"),
        "N": (2, 4, 8, 16, 32, 64, 128, 256),
        "alpha": (1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0),
        "K": (1, 2, 3, 4, 5, 6),
        "fixed": SWEEPS,
    },
    quick={"N": (2, 8, 32, 128), "alpha": (1.0, 5.0, 9.0, 13.0)},
    smoke={
        "N": (4, 16),
        "alpha": (1.0, 3.0),
        "K": (1, 2),
        "fixed": SWEEPS | {"alpha": {"K": 2, "N": 32}},
    },
)
SIMULATED = ("steps", "meta")
EXACTLY = ("exact_steps", "bound_steps", "power_steps", "c1")
NAMES = {
    "steps": "norm of the error of the last iterate, logits",
    "meta": "norm of the error of the meta-gradient",
    "exact_steps": "leading order of the root mean squared error of the last iterate",
    "bound_steps": "Lemma 4.4 in second moments, constants along the exact path",
    "power_steps": "(2c₁)^{K−1} K α^K σ_in, constants along the exact path",
    "c1": "largest norm of a Hessian along the exact path",
    "truth": "norm of the exact meta-gradient",
}


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return [
        cell
        for name in settings["estimators"]
        for cell in per_mdp(NAME, settings, name, simulate, estimator=name)
    ]


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over N, α and K: variables `steps_over_N`, ..."""
    estimators, mdps = settings["estimators"], settings["mdps"]
    results = run(cells(settings))
    variables: dict[str, Any] = {}
    names = {}
    for sweep, name in product(SWEEPS, (*SIMULATED, *EXACTLY, "truth")):
        key = f"{name}_over_{sweep}"
        each = np.array([result[key] for result in results])
        each = np.moveaxis(each.reshape(len(estimators), mdps, *each.shape[1:]), 1, 2)
        dims = ("estimator", sweep, "mdp") + (("trial",) if name in SIMULATED else ())
        variables[key], names[key] = (dims, each), NAMES[name]
    coordinates = {
        "estimator": list(estimators),
        **{sweep: np.asarray(settings[sweep]) for sweep in SWEEPS},
        "mdp": np.arange(mdps),
        "trial": np.arange(settings["trials"]),
    }
    return describe(
        xr.Dataset(variables, coordinates),
        names=names,
        K_over_alpha=settings["fixed"]["alpha"]["K"],
    )


def simulate(settings: Settings) -> Result:
    """All three sweeps of one estimator on one MDP."""
    problem = Maml(random_mdp(settings, settings["mdp"]))
    phi = np.zeros((problem.mdp.num_states, problem.mdp.num_actions))
    columns: dict[str, list[Any]] = {}
    paths: dict[float, ExactPath] = {}
    for sweep in SWEEPS:
        for value in settings[sweep]:
            point = {**settings["fixed"][sweep], sweep: value}
            N, K, alpha = point["N"], point["K"], point["alpha"]
            steps, meta = errors(problem, phi, settings, N, K, alpha)
            truth = meta_gradient(problem, phi, step_size=alpha, num_steps=K)
            if alpha not in paths:
                paths[alpha] = ExactPath(problem, phi, source(settings, settings["estimator"], 1))
            exactly = paths[alpha].spread(N, K, alpha)
            numbers = (steps, meta, *exactly, np.linalg.norm(truth))
            for name, number in zip((*SIMULATED, *EXACTLY, "truth"), numbers, strict=True):
                columns.setdefault(f"{name}_over_{sweep}", []).append(number)
    return {name: np.array(column) for name, column in columns.items()}


def errors(
    problem: Maml, phi: Array, settings: Settings, N: int, K: int, alpha: float
) -> tuple[Array, Array]:
    """‖θ̂^K − θ^K‖ and ‖ĝ − g‖ of every trial."""
    sampled = source(settings, settings["estimator"], N)
    rng = stream(settings["seed"], NAME, settings["estimator"], N, K, alpha, "mdp", settings["mdp"])
    start = np.broadcast_to(phi, (settings["trials"], *phi.shape))
    exact_end, exact_meta = walk(problem, phi, K, alpha, lambda here: EXACT(here, None))
    end, meta = walk(problem, start, K, alpha, lambda here: sampled(here, rng))
    axes = (-2, -1)
    return np.linalg.norm(end - exact_end, axis=axes), np.linalg.norm(meta - exact_meta, axis=axes)


def walk(problem: Maml, phi: Array, K: int, alpha: float, path: Any) -> tuple[Array, Array]:
    """θ^K, and the meta-gradient with exact derivatives along this path."""
    theta, differentials = phi, []
    for _ in range(K):
        here = problem.inner(phi, theta)
        differentials.append(EXACT(here, None))
        theta = theta + alpha * path(here).gradient
    adjoint = EXACT(problem.outer(phi, theta), None).gradient
    for differential in reversed(differentials):
        adjoint = adjoint + alpha * differential.vjp(adjoint)
    return theta, adjoint


class ExactPath:
    """H_i and the law of ĝ_i along the exact path of one step size, as far as they were needed."""

    def __init__(self, problem: Maml, phi: Array, sampled: Sampled) -> None:
        self._problem, self._sampled = problem, sampled
        self._theta, self._size = phi, phi.size
        self._steps: list[tuple[Array, EstimateLaw]] = []

    def spread(self, N: int, K: int, alpha: float) -> tuple[float, float, float, float]:
        """√tr S_K, Lemma 4.4's bound of it, the abstract's power, and c₁."""
        while len(self._steps) < K:
            self._extend(alpha)
        S, c1, sigma = np.zeros((self._size, self._size)), 0.0, 0.0
        for H, law in self._steps[:K]:
            noise = square(law.gradient_covariance.of(N))
            L = np.eye(self._size) + alpha * H
            S = L @ S @ L.T + alpha**2 * noise
            c1 = max(c1, float(np.linalg.norm(H, 2)))
            sigma = max(sigma, float(np.sqrt(np.trace(noise))))
        growth = sum((1 + alpha * c1) ** (2 * j) for j in range(K))
        power = (2 * c1) ** (K - 1) * K * alpha**K * sigma
        return float(np.sqrt(np.trace(S))), float(alpha * sigma * np.sqrt(growth)), power, c1

    def _extend(self, alpha: float) -> None:
        here = self._problem.inner(self._theta, self._theta)
        differential = EXACT(here, None)
        units = np.eye(self._size).reshape(-1, *self._theta.shape)
        H = differential.vjp(units).reshape(self._size, self._size)
        self._steps.append((H, estimate_law(here, self._sampled)[0]))
        self._theta = self._theta + alpha * differential.gradient


def draw(data: xr.Dataset) -> Any:
    """The picture of these numbers."""
    return picture.draw(data)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    return abstract.compositional(data[NAME]) if NAME in data else []
