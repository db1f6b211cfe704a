"""One case of the search: a finite problem, a setting, and all statements about it at once."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tabular import TabularMDP
from tabular.baselines import FixedBaseline
from tabular.problems import Lirpg, Maml
from tabular.sources import Sampled
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.constants import Lipschitz, Noise
from theory.finite.constants import SAME_POINT, realisable_constants
from theory.finite.paths import Paths, inner_paths
from theory.finite.problem import FiniteProblem
from theory.finite.tabular import TabularFinite
from theory.recursions import recursions
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance

#: Which of I, II and III are sampled; all exact is the truth itself.
SOURCES = ("SSS", "SSE", "SES", "SEE", "ESS", "ESE", "EES")
ESTIMATORS = ("ad", "lvc", "loaded_dice", "dice")

#: How many times its estimate a rounding error may be.
SAFETY = 10.0
#: Rounding of a mean, as a share of the standard deviation of what is averaged.
MEAN = 1e-12
#: By how much, relative to itself or to one, rounding may lift a constant of realisable θ.
ABOVE = 1e-9

#: Constants that are slopes of chords.
CHORDS = ("c1", "rho1", "rho2", "mu1", "mu2")
BIAS, VARIANCE = "Theorem 4.5, bias", "Theorem 4.5, variance"

Constants = tuple[Lipschitz, Noise]


class Setting(NamedTuple):
    """α, K, N, and what is sampled, each from N trajectories; `shared` needs "SS."."""

    step_size: float
    num_steps: int
    num_trajectories: int
    sources: str = "SSS"
    shared: bool = False

    @property
    def counts(self) -> list[int | None]:
        """N of I, II and III, None where exact."""
        return [self.num_trajectories if letter == "S" else None for letter in self.sources]


@dataclass(frozen=True, eq=False)
class Case:
    """A problem in a setting, constants proved for every θ if any, and how large Q can be."""

    problem: FiniteProblem
    setting: Setting
    certified: Constants | None = None
    value: float = 0.0
    label: str = ""

    @cached_property
    def paths(self) -> Paths:
        s = self.setting
        return inner_paths(
            self.problem,
            step_size=s.step_size,
            num_steps=s.num_steps,
            num_trajectories=s.counts[0],
        )

    @cached_property
    def realisable(self) -> Constants:
        return realisable_constants(self.paths, sampled_outer=self.setting.sources[2] == "S")

    @property
    def constants(self) -> dict[str, Constants]:
        """By scope."""
        given = {"realisable": self.realisable}
        return given | ({"certified": self.certified} if self.certified else {})

    @cached_property
    def met(self) -> dict[str, BoundCheck]:
        """Every statement of Lemma 4.4 and Theorem 4.5 with realisable constants, by name."""
        constants, (_, curvature, outer) = self.realisable, self.setting.counts
        sampled: dict[str, Any] = {
            "curvature_trajectories": curvature,
            "outer_trajectories": outer,
            "shared": self.setting.shared,
            "constants": constants,
        }
        found = [
            *lemma_4_4.check(self.paths, constants=constants),
            *lemma_4_4.check(self.paths, f="outer gradient", constants=constants)[:2],
            theorem_4_5_bias.check(self.paths, **sampled),
            theorem_4_5_variance.check(self.paths, **sampled),
        ]
        return {check.name: check for check in found}

    @cached_property
    def slip(self) -> float:
        """Rounding of an estimated meta-gradient that its mean does not show.

        That of what is averaged, where the mean cancels; and that of p, which vanishes up to
        rounding of the values where all actions are as good or the policy is saturated.
        """
        spread = max(0.0, self.met[VARIANCE].lhs) ** 0.5
        return MEAN * spread + self.rounding * self.growth

    @cached_property
    def growth(self) -> float:
        """ζ̄_K, the largest of the constants' (those of a saturated policy are rounding too)."""
        s = self.setting
        steps = {"step_size": s.step_size, "num_steps": s.num_steps}
        return max(recursions(*both, **steps).zeta_bar[-1] for both in self.constants.values())

    @property
    def rounding(self) -> float:
        """Of p."""
        return SAFETY * float(np.finfo(float).eps) * self.value

    def allowance(self, statement: str) -> float:
        """What rounding may add to a left-hand side, that of p included.

        In a variance it is a deviation of every outcome: (√V + slip)² − V.
        """
        check = self.met[statement]
        extra = self.rounding if statement.endswith(" p") else 0.0
        if statement == BIAS:
            extra = self.slip
        elif statement == VARIANCE:
            extra = self.slip**2 + 2 * self.slip * max(0.0, check.lhs) ** 0.5
            # A difference of second moments, whose terms may cancel in the mean too.
            size = self.growth * self.realisable[0].m1
            extra += theorem_4_5_variance.ROUNDING * size * size
        return check.allowance + extra


def pairs(case: Case) -> list[tuple[str, float, float]]:
    """The constants by name, of realisable θ and proved for every θ."""
    if case.certified is None:
        return []
    return [
        (name, value, getattr(everywhere, name))
        for here, everywhere in zip(case.realisable, case.certified, strict=True)
        for name, value in asdict(here).items()
        if name != "scope"
    ]


def uncovered(case: Case) -> list[str]:
    """The constants proved for every θ that are below those of realisable θ."""
    chords = case.rounding / shortest_chord(case.paths)
    return [
        f"{name} = {value} realisable, {largest} certified"
        for name, value, largest in pairs(case)
        if value > largest + ABOVE * max(1.0, largest) + chords * (name in CHORDS)
    ]


def shortest_chord(paths: Paths) -> float:
    """The shortest distance of a realisable θ̂^i from θ^i that a slope is taken over."""
    points = [*(level.theta for level in paths.levels), paths.ends]
    moved = [x - theta for x, theta in zip(points, paths.iterates, strict=True)]
    lengths = np.linalg.norm(np.concatenate(moved), axis=-1)
    return float(lengths[lengths > SAME_POINT].min(initial=np.inf))


def tabular_case(
    mdp: TabularMDP,
    setting: Setting,
    *,
    kind: str,
    estimator: str,
    horizon: int,
    phi: Any,
    theta0: Any,
    critic: Any,
) -> Case:
    """MAML (φ logits) or LIRPG (φ rewards) over T steps with V_b, or zero for DiCE, at the end."""
    end = None if estimator == "dice" else critic
    problem = Maml(mdp, horizon, end) if kind == "maml" else Lirpg(mdp, theta0, horizon, end)
    source = Sampled(estimator, 1, horizon, FixedBaseline(critic))
    outer = source if setting.sources[2] == "S" else None
    rewards = np.abs(mdp.R).max() + (np.abs(phi).max() if kind == "lirpg" else 0.0)
    return Case(
        TabularFinite(problem, phi, source),
        setting,
        (certified_lipschitz(problem, phi), certified_noise(problem, phi, source, outer)),
        float(horizon * rewards + np.abs(critic).max()),
        f"{kind} {estimator} T={horizon} {setting}",
    )
