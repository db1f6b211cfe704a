"""The bound figures' second half: a wrong Hessian of known size, everything else exact.

K = 2 and the curvature is H_i + (2/D) diag(c + s z), D = S·A, with fresh z ~ N(0, I_D) at each
step: the second derivative of an added inner loss mean(θ² ∘ (c + s z)) whose gradient is not used
to move θ. So the Hessians are off by Δ = 2c/D on average, and with B_i = I + α (H_i + Δ I)

    E ĝ = Π_i B_i p                        bias ‖E ĝ − g‖, a polynomial of degree K in Δ
    M_K = p pᵀ,  M_i = B_i M_{i+1} B_iᵀ + (2αs/D)² diag M_{i+1}
    E‖ĝ − g‖² = tr M_0 − 2 gᵀE ĝ + ‖g‖²

beside term (ii) of Theorem 4.5 ([Liu2022]), ‖p‖ ((a + αΔ)^K − a^K) with a = 1 + α max_i ‖H_i‖
(`theory.hessian_error`); and the bias alone for other K. Derived here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "exact_bias": "norm of the exact bias for each K",
    "bound": "term (ii) of Theorem 4.5, constants along the path",
    "truth": "norm of the exact meta-gradient",
}
DIMS = {
    "error": ("alpha", "size", "mdp", "trial"),
    "exact_error": ("alpha", "size", "mdp"),
    "exact_bias": ("alpha", "steps", "size", "mdp"),
    "bound": ("alpha", "size", "mdp"),
    "truth": ("alpha", "mdp"),
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
    """All α, K and c on one MDP."""
    problem = Maml(random_mdp(settings, settings["mdp"]))
    columns: dict[str, list[Any]] = {name: [] for name in DIMS}
    for alpha in settings["alpha"]:
        K = settings["K"]
        gradients, hessians = exact_path(problem, alpha, max(K, *settings["steps"]))
        p, path = gradients[K], hessians[:K]
        D = p.size
        Delta, s = 2 * np.array(settings["size"]) / D, 2 * settings["spread"] / D
        truth = expected(p, path, alpha, 0.0)
        a = 1 + alpha * max(float(np.linalg.norm(H, 2)) for H in path)
        rows: dict[str, Any] = {
            "error": [errors(settings, alpha, c, p, path, truth) for c in settings["size"]],
            "exact_error": [exact_error(p, path, alpha, d, s) for d in Delta],
            "exact_bias": [
                [bias(gradients[k], hessians[:k], alpha, d) for d in Delta]
                for k in settings["steps"]
            ],
            "bound": np.linalg.norm(p) * ((a + alpha * Delta) ** K - a**K),
            "truth": np.linalg.norm(truth),
        }
        for name, row in rows.items():
            columns[name].append(row)
    return {name: np.array(column) for name, column in columns.items()}


def expected(p: Array, hessians: Sequence[Array], alpha: float, Delta: float) -> Array:
    """E ĝ (D,) for Hessians that are off by Δ I on average; the truth for Δ = 0."""
    for H in reversed(hessians):
        p = p + alpha * (H @ p + Delta * p)
    return p


def bias(p: Array, hessians: Sequence[Array], alpha: float, Delta: float) -> float:
    """‖E ĝ − g‖."""
    wrong, truth = (expected(p, hessians, alpha, d) for d in (Delta, 0.0))
    return float(np.linalg.norm(wrong - truth))


def exact_error(p: Array, hessians: Sequence[Array], alpha: float, Delta: float, s: float) -> float:
    """√E‖ĝ − g‖²; s is the standard deviation of the Hessians' diagonals."""
    second = np.outer(p, p)
    for H in reversed(hessians):
        B = np.eye(p.size) + alpha * (H + Delta * np.eye(p.size))
        second = B @ second @ B.T + (alpha * s) ** 2 * np.diag(np.diag(second))
    mean, truth = (expected(p, hessians, alpha, d) for d in (Delta, 0.0))
    return float(np.sqrt(max(np.trace(second) - 2 * truth @ mean + truth @ truth, 0.0)))


def errors(
    settings: Settings, alpha: float, c: float, p: Array, hessians: Sequence[Array], truth: Array
) -> Array:
    """‖ĝ − g‖ of every trial, (trials,)."""
    rng = stream(settings["seed"], NAME, alpha, c, "mdp", settings["mdp"])
    adjoint = np.broadcast_to(p, (settings["trials"], p.size))
    for H in reversed(hessians):
        z = rng.standard_normal(adjoint.shape)
        wrong = 2 / p.size * (c + settings["spread"] * z) * adjoint
        adjoint = adjoint + alpha * (adjoint @ H + wrong)
    return np.asarray(np.linalg.norm(adjoint - truth, axis=-1))


def exact_path(problem: Maml, alpha: float, K: int) -> tuple[list[Array], list[Array]]:
    """Outer gradients at θ^0, ..., θ^K (D,) and H_0, ..., H_{K−1} (D, D), exact path from θ = 0."""
    phi = np.zeros((problem.mdp.num_states, problem.mdp.num_actions))
    path = adapt(problem, phi, step_size=alpha, num_steps=K)
    units = np.eye(phi.size).reshape(-1, *phi.shape)
    gradients = [EXACT(problem.outer(phi, theta), None).gradient.ravel() for theta in path]
    hessians = [
        EXACT(problem.inner(phi, theta), None).vjp(units).reshape(phi.size, phi.size)
        for theta in path[:-1]
    ]
    return gradients, hessians


def draw(data: xr.Dataset) -> Any:
    """The picture of these numbers."""
    return picture.draw(data)


def caption(settings: Settings) -> str:
    """What was run, and how to read it."""
    return picture.caption(settings)


def claims(data: Mapping[str, xr.Dataset]) -> list[Claim]:
    """What the paper says of them, with verdicts."""
    return abstract.hessian(data[NAME], data.get("tradeoff")) if NAME in data else []
