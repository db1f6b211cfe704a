"""What is measured: sizes, sides and targets.

=============  =====================================================================
hessian        full infinite-horizon Hessian, A = 5
maml           exact K = 3 meta-gradient of MAML
sampling       trajectories, gradient and Loaded-DiCE Hessian-vector product, T = 20
decomposition  the eight meta-gradients of a cell of the paper's Fig. 5
sparse         gradient and Hessian-vector product, five successors a state-action
ipd            an update of LOLA-DiCE in the iterated prisoner's dilemma, both players
=============  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np

from benchmarks import decomposition, ipd, sparse, with_gmrl
from benchmarks.sides import OURS, Case, Prepared, Problem, Side, Target
from tabular import TabularMDP, exact

NUM_ACTIONS = 5
JAX, TORCH_FUNC, AUTOGRAD = "jax (jit)", "torch.func", "autograd"
TORCH, LOOP, PLAIN = "torch", "torch loop", "run by run"
LIBRARIES = ("jax", "torch", "autograd")


def plan(names: Sequence[str] = (), *, quick: bool = False) -> list[Case]:
    """List the cases of these benchmarks, all of them if none is named; `quick` makes them small.

    Raises
    ------
    ValueError
        If a name is unknown; the message lists the known ones.
    """
    for name in names:
        if name not in _MAKERS:
            raise ValueError(f"unknown benchmark {name!r}; choose from {', '.join(_MAKERS)}")
    cases = [case for name in dict.fromkeys(names or _MAKERS) for case in _MAKERS[name](quick)]
    return [replace(case, seconds=0.3) for case in cases] if quick else cases


def _library(module: str, function: str) -> Side:
    """A side that imports its library when it is prepared."""

    def prepare(problem: Problem) -> Prepared:
        side: Side = getattr(import_module(f"benchmarks.with_{module}"), function)
        return side(problem)

    return prepare


def random_problem(num_states: int, *, batch: int | None = None, seed: int = 0) -> Problem:
    """A random MDP with full transition rows, or a batch of them, with normal logits."""
    rng = np.random.default_rng([seed, num_states])
    draw = partial(
        TabularMDP.random, num_states, NUM_ACTIONS, gamma=0.9, concentration=1.0, rng=rng
    )
    mdp = draw() if batch is None else TabularMDP.stack([draw() for _ in range(batch)])
    theta, v = rng.normal(size=(2, *mdp.R.shape))
    return Problem(mdp, theta, v)


def sampled_problem(trials: int, num_trajectories: int, *, seed: int = 0) -> Problem:
    """The paper's random MDP, S = 20, with the exact V^π of every trial as baseline."""
    rng = np.random.default_rng(seed)
    mdp = TabularMDP.random(20, NUM_ACTIONS, rng=rng)
    theta, v = rng.normal(size=(2, *((trials,) if trials > 1 else ()), *mdp.R.shape))
    baseline = exact.state_value(mdp, theta)
    return Problem(mdp, theta, v, baseline=baseline, num_trajectories=num_trajectories, seed=seed)


def _hessians(quick: bool) -> Iterator[Case]:
    sides = {
        OURS: with_gmrl.hessian,
        JAX: _library("jax", "hessian"),
        TORCH_FUNC: _library("torch", "hessian"),
        AUTOGRAD: _library("autograd", "hessian"),
    }
    for num_states, ratio in ((6, None),) if quick else ((20, 8), (100, 30), (300, 100)):
        yield Case(
            "hessian",
            f"S = {num_states}",
            partial(random_problem, num_states),
            sides,
            (Target(JAX, ratio=ratio),) if ratio else (),
            seconds=20.0 if num_states == 300 else 6.0,  # a second and more for one call of JAX
            modules=LIBRARIES,
        )
    batch = 3 if quick else 256
    yield _batch(
        "hessian", batch, 4 if quick else 20, with_gmrl.hessian, _library("jax", "hessian")
    )


def _mamls(quick: bool) -> Iterator[Case]:
    sides = {
        OURS: with_gmrl.meta,
        JAX: _library("jax", "meta"),
        TORCH: _library("torch", "meta"),
        AUTOGRAD: _library("autograd", "meta"),
    }
    for num_states, ratio in ((6, None),) if quick else ((20, None), (100, 1), (300, 1)):
        yield Case(
            "maml",
            f"S = {num_states}",
            partial(random_problem, num_states),
            sides,
            (Target(JAX, ratio=ratio),) if ratio else (),
            modules=LIBRARIES,
        )
    if quick:
        yield _batch("maml", 3, 4, with_gmrl.meta, sides[JAX])
    else:
        yield _batch("maml", 256, 20, with_gmrl.meta, sides[JAX], ratio=2)


def _batch(
    name: str, count: int, num_states: int, ours: Side, theirs: Side, ratio: float = 0
) -> Case:
    return Case(
        name,
        f"S = {num_states}, {count} MDPs",
        partial(random_problem, num_states, batch=count),
        {OURS: ours, JAX: theirs},
        (Target(JAX, ratio=ratio),) if ratio else (),
        modules=("jax",),
    )


def _samplings(quick: bool) -> Iterator[Case]:
    sides = {
        OURS: with_gmrl.estimate,
        JAX: _library("jax", "estimate"),
        LOOP: _library("torch_loop", "estimate"),
    }
    for trials, num in ((1, 50), (3, 10)) if quick else ((1, 100_000), (1000, 100)):
        yield Case(
            "sampling",
            f"B = {trials}, N = {num}",
            partial(sampled_problem, trials, num),
            sides,
            () if quick else (Target(OURS, seconds=100e-9),),
            unit="step",
            modules=("jax", "torch"),
        )


def _decompositions(quick: bool) -> Iterator[Case]:
    sides = {OURS: with_gmrl.decomposition, LOOP: _library("torch_loop", "decomposition")}
    trials = 2 if quick else 20
    for num in (4,) if quick else (32, 256):
        for estimator in ("lvc", "loaded_dice"):
            yield Case(
                "decomposition",
                f"{estimator}, N = {num}",
                partial(decomposition.cell, estimator, num, trials),
                sides,
                () if quick else (Target(LOOP, ratio=500),),
                seconds=20.0 if num == 256 else 6.0,  # the loop takes seconds a call
                unit="trial",
                modules=("torch",),
            )


def _sparses(quick: bool) -> Iterator[Case]:
    for graph in sparse.GRAPHS:
        sizes = (100, 400) if quick else (1_000, 10_000, 100_000)
        for num_states in sizes:
            yield sparse.case(graph, num_states, NUM_ACTIONS, last=num_states == sizes[-1])


def _dilemmas(quick: bool) -> Iterator[Case]:
    sides = {OURS: ipd.batched, PLAIN: ipd.plain}
    for inner, outer, length in ((6, 4, 5),) if quick else ((128, 128, 100), (1024, 128, 100)):
        trials = 3 if quick else 10
        yield Case(
            "ipd",
            f"{inner}/{outer}, {trials} runs",
            partial(ipd.Runs, trials, inner, outer, length),
            sides,
            unit="update",
            modules=("torch",),
        )


_MAKERS: dict[str, Callable[[bool], Iterator[Case]]] = {
    "hessian": _hessians,
    "maml": _mamls,
    "sampling": _samplings,
    "decomposition": _decompositions,
    "sparse": _sparses,
    "ipd": _dilemmas,
}
NAMES = tuple(_MAKERS)
