"""Cost against S on sparse MDPs: gradient and one Hessian-vector product, in time and memory.

Every state-action has five successors with random probabilities: the two neighbours on either side
and the state itself (chain), the four neighbours and itself (grid), or five random states
(random). The first two have a band and get a sparse LU; the last has none and gets GMRES.

The other side iterates x ← b + γ P_π x with scipy.sparse until nothing moves, once for each of the
four solutions, which is what one would write down first and shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from benchmarks.sides import OURS, Case, Prepared, Row, Target
from tabular import TabularMDP, exact
from tabular.transitions import Array

GRAPHS = ("chain", "grid", "random")
FIXED_POINT = "fixed point"
SUCCESSORS = 5
GAMMA = 0.95
#: What S = 1e5 is allowed to take.
SECONDS = 10.0
#: The iteration stops when a step moves no entry by more than this, relative to the largest.
STILL = 1e-15


class Graph(NamedTuple):
    """A sparse MDP with logits and a direction."""

    mdp: TabularMDP
    theta: Array
    v: Array


def case(graph: str, num_states: int, num_actions: int, *, last: bool) -> Case:
    """The case of one graph and size; the largest size has the target."""
    build = partial(make, graph, num_states, num_actions)
    return Case(
        "sparse",
        f"{graph}, S = {num_states}",
        build,
        {OURS: partial(_ours, build), FIXED_POINT: _fixed_point},
        (Target(OURS, seconds=SECONDS),) if last else (),
    )


def make(graph: str, num_states: int, num_actions: int) -> Graph:
    """Draw the MDP; a grid has the largest square of at most `num_states` cells."""
    rng = np.random.default_rng([GRAPHS.index(graph), num_states])
    side = int(np.sqrt(num_states))
    num_states = side**2 if graph == "grid" else num_states
    rows = num_states * num_actions
    s = np.repeat(np.arange(num_states), num_actions)[:, None]
    if graph == "chain":
        successors = np.clip(s + np.arange(-2, 3), 0, num_states - 1)
    elif graph == "grid":
        down, right = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]).T
        row, column = np.clip(s // side + down, 0, side - 1), np.clip(s % side + right, 0, side - 1)
        successors = row * side + column
    else:
        successors = rng.integers(num_states, size=(rows, SUCCESSORS))
    weights = rng.dirichlet(np.ones(SUCCESSORS), size=rows)
    index = np.repeat(np.arange(rows), SUCCESSORS)
    P = sp.csr_array((weights.ravel(), (index, successors.ravel())), shape=(rows, num_states))
    mdp = TabularMDP(P, rng.random((num_states, num_actions)), GAMMA, 0, name=graph)
    theta, v = rng.normal(size=(2, num_states, num_actions))
    return Graph(mdp, theta, v)


def derivatives(graph: Graph) -> Array:
    """Gradient and Hessian-vector product, (2, S, A), by the engine."""
    evaluation = exact.evaluate(graph.mdp, graph.theta)
    return np.stack([evaluation.gradient, evaluation.hvp(graph.v)])


def by_iteration(graph: Graph) -> Array:
    """The same by fixed-point iteration on P as it stands."""
    mdp, gamma, P = graph.mdp, graph.mdp.gamma, graph.mdp.P
    num_states, num_actions = graph.theta.shape
    pi = np.exp(graph.theta)
    pi /= pi.sum(axis=1, keepdims=True)
    dpi = pi * (graph.v - (pi * graph.v).sum(axis=1, keepdims=True))
    index = np.arange(num_states * num_actions)
    choice = sp.csr_array(
        (pi.ravel(), (index // num_actions, index)), shape=(num_states, index.size)
    )
    P_pi = sp.csr_array(choice @ P)
    backwards, P_back = sp.csr_array(P_pi.T), sp.csr_array(P.T)

    def limit(matrix: Any, b: Array) -> Array:
        x = b
        while True:
            x, last = b + gamma * (matrix @ x), x
            if np.abs(x - last).max() <= STILL * np.abs(x).max():
                return x

    V = limit(P_pi, (pi * mdp.R).sum(axis=1))
    d = limit(backwards, mdp.initial)[:, None]
    Q = mdp.R + gamma * (P @ V).reshape(pi.shape)
    dV = limit(P_pi, (dpi * Q).sum(axis=1))
    dd = limit(backwards, gamma * (P_back @ (d * dpi).ravel()))[:, None]
    dQ = gamma * (P @ dV).reshape(pi.shape)
    A, dA = Q - V[:, None], dQ - dV[:, None]
    return np.stack([d * pi * A, dd * pi * A + d * (dpi * A + pi * dA)])


def _ours(build: Any, graph: Graph) -> Prepared:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        peak = fresh.submit(_peak_bytes, build).result()
    nonzeros = int(graph.mdp.P.nnz)
    note = f"{peak / 2**20:.0f} MiB, {peak / nonzeros:.0f} B/transition"
    details = {"states": graph.mdp.num_states, "transitions": nonzeros, "peak_bytes": peak}
    return Prepared(lambda: derivatives(graph), note=note, details=details)


def _fixed_point(graph: Graph) -> Prepared:
    return Prepared(lambda: by_iteration(graph))


def _peak_bytes(build: Any) -> int:
    """Largest resident memory of this process beyond Python and its libraries.

    MDP, logits and the evaluation together. Small sizes disappear in the allocator's slack.
    """
    derivatives(make("chain", 10, 2))
    before = _resident("VmRSS")
    derivatives(build())
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    """VmRSS (now) or VmHWM (largest so far) in bytes; elsewhere than on Linux the largest only."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kilobytes = next(line.split()[1] for line in lines if line.startswith(field))
    return 1024 * int(kilobytes)


def draw(rows: Sequence[Row]) -> Any:
    """Time and memory against S, one line a graph; the dotted line is proportional to S."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0))
    axes = figure.subplots(1, 2)
    for color, marker, graph in zip(("#0072B2", "#009E73", "#D55E00"), "os^", GRAPHS, strict=True):
        mine = [row for row in rows if row.side == OURS and row.case.startswith(graph)]
        mine = [row for row in mine if row.seconds is not None]
        size = np.array([row.details["states"] for row in mine])
        for axis, values in (
            (axes[0], [row.seconds for row in mine]),
            (axes[1], [row.details["peak_bytes"] / 2**20 for row in mine]),
        ):
            axis.loglog(size, values, marker=marker, color=color, label=graph)
    axes[0].set(xlabel="states S", ylabel="seconds", title="gradient + Hessian-vector product")
    axes[1].set(xlabel="states S", ylabel="MiB", title="peak memory, MDP included")
    sizes = np.array(axes[0].get_xlim())
    middle = np.sqrt(np.prod(axes[0].get_ylim()))
    axes[0].loglog(
        sizes, middle * sizes / np.sqrt(np.prod(sizes)), color="0.6", linestyle=":", label="∝ S"
    )
    axes[0].legend()
    return figure
