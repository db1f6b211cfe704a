"""The bound figures' second half: a wrong Hessian of known size, everything else exact.

K = 2 and the curvature is H_i + (2/D) diag(c + s z), D = S·A, with fresh z ~ N(0, I_D) at each
step: the second derivative of an added inner loss mean(θ² ∘ (c + s z)) whose gradient is not used
to move θ. So the Hessians are off by Δ = 2c/D on average, and with B_i = I + α (H_i + Δ I)

    E ĝ = Π_i B_i p                        bias ‖E ĝ − g‖, a polynomial of degree K in Δ
    M_K = p pᵀ,  M_i = B_i M_{i+1} B_iᵀ + (2αs/D)² diag M_{i+1}
    E‖ĝ − g‖² = tr M_0 − 2 gᵀE ĝ + ‖g‖²

and the bias alone for other K, beside term (ii) of Theorem 4.5 ([Liu2022]),
‖p‖ ((a + αΔ)^K − a^K) with a = 1 + α max_i ‖H_i‖ (`theory.hessian_error`). Derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
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
)
from figures.pictures import hessian as picture
from figures.sweep.cell import Cell, Result, stream
from tabular.metagradient import EXACT, adapt
from tabular.problems import Maml
from tabular.transitions import Array

NAME = "hessian"
TITLE = "Hessian error against its bound"
PLACE = "main text, bound figures"
ALT = (
    "Error of the meta-gradient against the size of an added Hessian error for four step "
    "sizes, with bias and bound, and the share of the bound that the bias uses."
)
SETTINGS = profiles(
    {
        "K": 2,
        "alpha": (3.0, 3.5, 4.0, 4.5),
        "size": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0),
        "spread": 0.3,
        "steps": (1, 2, 3, 4, 5, 6),
    },
    quick={},
    smoke={"alpha": (3.0,), "size": (1.0, 4.0)},
)
NAMES = {
    "error": "norm of the error of the meta-gradient",
    "exact_error": "root of the exact mean squared error",
    "exact_bias": "norm of the exact bias",
    "bound": "term (ii) of Theorem 4.5, constants along the path",
    "truth": "norm of the exact meta-gradient",
    "bias_over_K": "norm of the exact bias for each K",
}
DIMS = {
    "error": ("alpha", "size", "mdp", "trial"),
    "exact_error": ("alpha", "size", "mdp"),
    "exact_bias": ("alpha", "size", "mdp"),
    "bound": ("alpha", "size", "mdp"),
    "truth": ("alpha", "mdp"),
    "bias_over_K": ("alpha", "steps", "size", "mdp"),
}


def cells(settings: Settings) -> list[Cell]:
    """What there is to compute."""
    return per_mdp(NAME, settings, "all", simulate)


def compute(settings: Settings, run: Run = run_here) -> xr.Dataset:
    """Simulated and exact numbers over c and α."""
    results = run(cells(settings))
    variables = {}
    for name, dims in DIMS.items():
        each = np.array([result[name] for result in results])
        variables[name] = (dims, np.moveaxis(each, 0, dims.index("mdp")))
    coordinates = {
        "alpha": np.asarray(settings["alpha"]),
        "size": np.asarray(settings["size"]),
        "steps": np.asarray(settings["steps"]),
        "mdp": np.arange(settings["mdps"]),
        "trial": np.arange(settings["trials"]),
    }
    return describe(xr.Dataset(variables, coordinates), names=NAMES, K=settings["K"])


def simulate(settings: Settings) -> Result:
    """All α and c on one MDP."""
    problem = Maml(random_mdp(settings, settings["mdp"]))
    columns: dict[str, list[Any]] = {name: [] for name in DIMS}
    for alpha in settings["alpha"]:
        p, hessians = exact_path(problem, alpha, settings["K"])
        D = p.size
        truth = p
        for H in reversed(hessians):
            truth = truth + alpha * H @ truth
        norm = max(float(np.linalg.norm(H, 2)) for H in hessians)
        a, scale = 1 + alpha * norm, float(np.linalg.norm(p))
        rows = []
        for c in settings["size"]:
            Delta, s = 2 * c / D, 2 * settings["spread"] / D
            mean, second = p, np.outer(p, p)
            for H in reversed(hessians):
                B = np.eye(D) + alpha * (H + Delta * np.eye(D))
                mean = B @ mean
                second = B @ second @ B.T + (alpha * s) ** 2 * np.diag(np.diag(second))
            square = np.trace(second) - 2 * truth @ mean + truth @ truth
            rows.append(
                (
                    errors(settings, alpha, c, p, hessians, truth),
                    np.sqrt(max(square, 0.0)),
                    np.linalg.norm(mean - truth),
                    scale * ((a + alpha * Delta) ** len(hessians) - a ** len(hessians)),
                )
            )
        for name, column in zip(DIMS, zip(*rows, strict=True), strict=False):
            columns[name].append(np.array(column))
        columns["truth"].append(np.linalg.norm(truth))
        paths = [exact_path(problem, alpha, K) for K in settings["steps"]]
        columns["bias_over_K"].append(
            [[bias(*path, alpha, 2 * c / D) for c in settings["size"]] for path in paths]
        )
    return {name: np.array(column) for name, column in columns.items()}


def bias(p: Array, hessians: list[Array], alpha: float, Delta: float) -> float:
    """‖E ĝ − g‖ for Hessians that are off by Δ I on average."""
    mean, truth = p, p
    for H in reversed(hessians):
        mean, truth = mean + alpha * (H @ mean + Delta * mean), truth + alpha * H @ truth
    return float(np.linalg.norm(mean - truth))


def errors(
    settings: Settings, alpha: float, c: float, p: Array, hessians: list[Array], truth: Array
) -> Array:
    """‖ĝ − g‖ of every trial, (trials,)."""
    rng = stream(settings["seed"], NAME, alpha, c, "mdp", settings["mdp"])
    adjoint = np.broadcast_to(p, (settings["trials"], p.size))
    for H in reversed(hessians):
        z = rng.standard_normal(adjoint.shape)
        wrong = 2 / p.size * (c + settings["spread"] * z) * adjoint
        adjoint = adjoint + alpha * (adjoint @ H + wrong)
    return np.asarray(np.linalg.norm(adjoint - truth, axis=-1))


def exact_path(problem: Maml, alpha: float, K: int) -> tuple[Array, list[Array]]:
    """The outer gradient p (D,) and H_0, ..., H_{K−1} (D, D) along the exact path from θ = 0."""
    phi = np.zeros((problem.mdp.num_states, problem.mdp.num_actions))
    *path, end = adapt(problem, phi, step_size=alpha, num_steps=K)
    units = np.eye(phi.size).reshape(-1, *phi.shape)
    hessians = [
        EXACT(problem.inner(phi, theta), None).vjp(units).reshape(phi.size, phi.size)
        for theta in path
    ]
    return EXACT(problem.outer(phi, end), None).gradient.ravel(), hessians


def draw(data: xr.Dataset) -> Any:
    """The picture of these numbers."""
    return picture.draw(data)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    return abstract.hessian(data[NAME], data.get("tradeoff")) if NAME in data else []
