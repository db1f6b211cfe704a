"""Families of cases as functions of real numbers, for random sampling and for ascent.

A design fixes what is discrete (sizes, T, K, N, estimator, what is sampled). The rest, MDP or
polynomials, φ, V_b and α, is one real vector x, cut into named tables.
"""

from dataclasses import dataclass
from math import comb, prod
from typing import Any

import numpy as np

from tabular import TabularMDP
from tabular.policy import softmax
from tests.theory.search.case import ESTIMATORS, SOURCES, Case, Setting, tabular_case
from tests.theory.search.toys import FIELDS, Toy, shapes

#: Most numbers of estimates a case may make at the ends of its paths: about 20 ms.
BUDGET = 8_000
#: log α, its centre and its range.
LOG_STEP = (np.log(1e-3), np.log(1e2))


def work(outcomes: float, num_steps: int, num_trajectories: int, size: int) -> float:
    """How many numbers the estimates at all θ̂^K are."""
    children = comb(int(min(outcomes, 1e4)) + num_trajectories - 1, num_trajectories)
    return float(children) ** num_steps * outcomes * size


@dataclass(frozen=True)
class Design:
    """A family of cases; `x` has `size` real numbers of order one."""

    num_steps: int
    num_trajectories: int
    sources: str
    shared: bool
    shapes: dict[str, tuple[int, ...]]

    @property
    def size(self) -> int:
        return 1 + sum(prod(shape) for shape in self.shapes.values())

    def split(self, x: Any) -> dict[str, Any]:
        """The tables of x by name."""
        stops = np.cumsum([prod(shape) for shape in self.shapes.values()])
        parts = np.split(x[1:], stops[:-1])
        return {
            name: part.reshape(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def setting(self, x: Any) -> Setting:
        low, high = LOG_STEP
        step_size = float(np.exp(np.clip(x[0], low, high)))
        return Setting(step_size, self.num_steps, self.num_trajectories, self.sources, self.shared)

    def case(self, x: Any) -> Case:
        raise NotImplementedError


@dataclass(frozen=True)
class TabularDesign(Design):
    """MDPs of full support; γ = 1/(1 + e^{−x}) at most 0.99, rewards and φ of any size."""

    kind: str
    estimator: str
    horizon: int

    def case(self, x: Any) -> Case:
        t = self.split(x)
        mdp = TabularMDP(
            softmax(t["P"]),
            t["R"],
            min(0.99, 1 / (1 + np.exp(-float(t["gamma"][0])))),
            softmax(t["initial"]),
        )
        return tabular_case(
            mdp,
            self.setting(x),
            kind=self.kind,
            estimator=self.estimator,
            horizon=self.horizon,
            phi=t["phi"],
            theta0=t["theta0"],
            critic=t["critic"],
        )


@dataclass(frozen=True)
class ToyDesign(Design):
    """Polynomial problems in R^d with m meta-parameters; what `shapes` does not name is zero."""

    d: int
    m: int
    outcomes: int

    def case(self, x: Any) -> Case:
        absent = {k: np.zeros(v) for k, v in shapes(self.d, self.m, self.outcomes).items()}
        label = f"toy {self.setting(x)} {x.tolist()}"
        return Case(Toy(absent | self.split(x)), self.setting(x), label=label)


def tabular_design(
    S: int, A: int, horizon: int, K: int, N: int, sources: str, shared: bool, kind: str, name: str
) -> TabularDesign:
    tables = {
        "P": (S, A, S),
        "R": (S, A),
        "gamma": (1,),
        "initial": (S,),
        "phi": (S, A),
        "theta0": (S, A),
        "critic": (S,),
    }
    return TabularDesign(K, N, sources, shared, tables, kind, name, horizon)


def toy_design(
    d: int, m: int, outcomes: int, K: int, N: int, sources: str, shared: bool
) -> ToyDesign:
    return ToyDesign(K, N, sources, shared, shapes(d, m, outcomes), d, m, outcomes)


def scalar_design(K: int, N: int, sources: str, shared: bool, tables: str) -> ToyDesign:
    """A toy with d = m = 1 and two outcomes of the given tables only: "g1 p0 noise_g".

    A digit is a polynomial's degree.
    """
    every, chosen = shapes(1, 1, 2), {}
    for name in tables.split():
        known = name.rstrip("0123")
        chosen[known] = (int(name[-1]) + 1, 1, *every[known][2:]) if known != name else every[name]
    return ToyDesign(K, N, sources, shared, chosen, 1, 1, 2)


def random_tabular(rng: np.random.Generator) -> Case:
    """A case drawn at random: any design within the budget, logits and rewards of any scale."""
    S, T = (int(n) for n in rng.integers(1, (4, 5)))
    A = int(rng.choice([1, 2, 3], p=[0.04, 0.64, 0.32]))
    outcomes = float(S * A) ** T * S
    affordable = [
        (K, N) for K in (1, 2, 3) for N in (1, 2) if work(outcomes, K, N, S * A) <= BUDGET
    ]
    if not affordable:
        return random_tabular(rng)
    K, N = affordable[rng.integers(len(affordable))]
    sources = SOURCES[rng.integers(len(SOURCES))]
    shared = bool(sources[:2] == "SS" and rng.integers(2))
    kind, name = ("maml", "lirpg")[rng.integers(2)], ESTIMATORS[rng.integers(4)]
    design = tabular_design(S, A, T, K, N, sources, shared, kind, name)
    return design.case(random_x(design, rng))


def random_toy(rng: np.random.Generator) -> Case:
    """A toy drawn at random, with a third of its tables zero or two thirds."""
    d, m, outcomes, K, N = (int(n) for n in rng.integers(1, (3, 3, 4, 4, 3)))
    sources = SOURCES[rng.integers(len(SOURCES))]
    shared = bool(sources[:2] == "SS" and rng.integers(2))
    design = toy_design(d, m, outcomes + 1, K, N, sources, shared)
    return design.case(random_x(design, rng))


def random_x(design: Design, rng: np.random.Generator) -> Any:
    """Numbers for a design: α over five decades, each table of its own scale."""
    x = [rng.uniform(*LOG_STEP, size=1)]
    absent = rng.choice([1 / 3, 2 / 3]) if isinstance(design, ToyDesign) else 0.0
    for name, shape in design.shapes.items():
        part = 10 ** rng.uniform(-1, 0.5) * (rng.random() >= absent) * rng.normal(size=shape)
        if name in FIELDS:
            # Monomials often: half of the degrees are absent.
            part = part * (rng.random((shape[0], *(1,) * (len(shape) - 1))) > 1 / 2)
        x.append(part.ravel())
    return np.concatenate(x)
