"""The theory's statements on one MDP of any size, for MAML at φ = θ⁰ = 0, by moments and sampling.

They are statements about an objective that the estimators are unbiased for (Assumption 4.2): J_T
with the estimators' own V_b, held fixed, as terminal table. Left-hand sides are exact where moments
give them, and sampled otherwise (`theory.sampled_law`). Right-hand sides come twice:

    every θ     constants proved for every θ (`theory.certified_constants`, `certified_noise`)
    sampled θ   the largest values met along the exact path, which prove nothing

T is at most `LONGEST`: constants grow fast with T, and the statements hold for any. Sampled sides
are left out where samples seldom meet what makes the estimates scatter (`theory.rare`): neither
they nor their standard errors would say anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular.baselines import FixedBaseline
from tabular.mdp import TabularMDP
from tabular.problems import Maml
from tabular.registry import find_estimator
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.constants import Lipschitz, Noise
from theory.flat import allowance, residue
from theory.inner_path import InnerPath
from theory.sampled_law import Measured, SampledLaw, Streams
from theory.settings import BASELINES, Settings
from theory.statements import (
    assumption_4_1,
    assumption_4_2,
    assumption_4_3,
    proposition_3_1,
    theorem_4_5_bias,
    theorem_4_5_variance,
)
from theory.statements.lemma_4_4 import first_moment_bound, second_moment_bound

#: Longest trajectories of the checks.
LONGEST = 20
#: θ^K moves up to (1 + α‖H‖)^K times as far as φ: by so much at most in the differences that check
#: Proposition 3.1, which say nothing where it is more than this factor.
DIFFERENCE, STEEP = 1e-2, 1e4
#: Rounding of a left-hand side, as a share of it.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Objective:
    """J_T with one V_b, the estimators that are unbiased for it, and the inner path on it."""

    mdp: TabularMDP
    baseline: FixedBaseline
    names: tuple[str, ...]
    horizon: int
    step_size: float
    settings: Settings
    streams: Streams

    @cached_property
    def problem(self) -> Maml:
        """MAML on J_T."""
        return Maml(self.mdp, self.horizon, self.baseline.table)

    @cached_property
    def start(self) -> Array:
        """θ⁰ = 0."""
        return np.zeros(self.mdp.R.shape)

    def source(self, name: str) -> Sampled:
        """An estimator with this V_b."""
        return Sampled(name, self.settings.num_trajectories, self.horizon, self.baseline)

    @cached_property
    def path(self) -> InnerPath:
        """Exact steps: the estimators' mean steps are the same."""
        unbiased = next((n for n in self.names if find_estimator(n).cross), self.names[0])
        steps = self.settings.num_steps
        return InnerPath(self.mdp, self.source(unbiased), self.step_size, steps, self.problem)

    @property
    def loop(self) -> dict[str, Any]:
        """α, K and N."""
        return {
            "step_size": self.step_size,
            "num_steps": self.settings.num_steps,
            "num_trajectories": self.settings.num_trajectories,
        }

    @property
    def label(self) -> str:
        """What the estimators that share the objective have in common."""
        uses = find_estimator(self.names[0]).baseline
        return f"V_b {self.settings.baseline if uses else 'zero'}"

    @cached_property
    def proved(self) -> Lipschitz:
        """Assumption 4.1, for every θ."""
        return certified_lipschitz(self.problem, self.start)

    @cached_property
    def smoothness(self) -> tuple[BoundCheck, ...]:
        """Assumption 4.1 along the exact path."""
        thetas = np.stack(self.path.iterates)
        return assumption_4_1.check(self.problem, self.start, thetas, self.proved)

    @cached_property
    def lipschitz(self) -> tuple[Lipschitz, Lipschitz]:
        """Proved constants, and those met."""
        met = {check.name.rpartition(" ")[2]: check.lhs for check in self.smoothness}
        return self.proved, replace(self.proved, **met, scope="sampled θ")

    @cached_property
    def residue(self) -> float:
        """What rounding leaves of estimates that are zero."""
        return residue(
            self.mdp,
            self.baseline.table,
            step_size=self.step_size,
            num_steps=self.settings.num_steps,
            curvature=self.lipschitz[1].c1,
        )


def sampled_checks(
    mdp: TabularMDP,
    settings: Settings,
    horizon: int,
    step_size: float,
    stream: np.random.SeedSequence,
) -> Iterator[BoundCheck]:
    """Yield every check; `setting["of"]` names the estimators.

    Parameters
    ----------
    mdp : TabularMDP
    settings : Settings
        Estimators, N, K and V_b.
    horizon : int
        T, shortened to `LONGEST`.
    step_size : float
        α.
    stream : SeedSequence
        For the sampled left-hand sides. Not all of it is used, so that an estimator's numbers do
        not hang on which others there are.
    """
    horizon = min(horizon, LONGEST)
    start = np.zeros(mdp.R.shape)
    tables = {
        True: BASELINES[settings.baseline](mdp, start, None),
        False: np.zeros(mdp.num_states),
    }
    for (uses, table), own in zip(tables.items(), stream.spawn(len(tables)), strict=True):
        names = tuple(n for n in settings.estimators if find_estimator(n).baseline == uses)
        if names:
            baseline, streams = FixedBaseline(table), Streams(*own.spawn(3))
            objective = Objective(mdp, baseline, names, horizon, step_size, settings, streams)
            yield from _objective_checks(objective)


def _objective_checks(objective: Objective) -> Iterator[BoundCheck]:
    """The checks of one objective."""
    of = objective.label
    problem, start = objective.problem, objective.start
    first = objective.source(objective.names[0])
    alpha, steps = objective.step_size, objective.settings.num_steps
    growth = (1 + alpha * objective.lipschitz[1].c1) ** steps
    if growth < STEEP:
        proposition = proposition_3_1.check(
            problem, start, step_size=alpha, num_steps=steps, difference=DIFFERENCE / growth
        )
        yield named(proposition, of)
    for check in objective.smoothness:
        if check.rhs > 0:
            yield named(check, of)
    (unbiased,) = assumption_4_2.check(problem, start, start[None], first)
    yield named(replace(unbiased, name="Assumption 4.2, J_T"), of)
    truncated = replace(first, baseline=BASELINES[objective.settings.baseline])
    (biased,) = assumption_4_2.check(Maml(objective.mdp), start, start[None], truncated)
    yield named(replace(biased, name="Assumption 4.2, J for J_T"), of)
    for name in objective.names:
        source = objective.source(name)
        law = SampledLaw(objective.path, source, objective.streams)
        proved = certified_noise(problem, start, source, source)
        thetas = np.stack(objective.path.iterates[:-1])
        spread = assumption_4_3.check(problem, start, thetas, source, source, proved)
        noise = (proved, met_noise(proved, spread))
        # p̂ is the inner estimator at another θ.
        yield from (named(check, name) for check in spread if "sigma_p" not in check.name)
        if name == objective.names[0]:  # Estimators with one V_b take the same steps.
            yield from _lemma(law, objective, noise)
        if law.meets_enough:
            yield from _theorem(law, objective, noise, name)


def met_noise(proved: Noise, checks: tuple[BoundCheck, ...]) -> Noise:
    """The values met; a weak σ_H stands for itself where the Frobenius one is not known."""
    met = {check.name.rpartition(" ")[2]: check.lhs for check in checks}
    met.setdefault("sigma_H", met.get("sigma_HF", np.nan))
    return replace(proved, **{"sigma_HF": np.nan} | met, scope="sampled θ")


def _lemma(
    law: SampledLaw, objective: Objective, noise: tuple[Noise, Noise]
) -> Iterator[BoundCheck]:
    """Lemma 4.4 for f = θ."""
    for moment, bound in (("first", first_moment_bound), ("second", second_moment_bound)):
        measured = law.first_moment if moment == "first" else law.second_moment
        if measured.obtained == "sampling" and not law.meets_enough:
            continue
        for constants, spread in zip(objective.lipschitz, noise, strict=True):
            check = BoundCheck(
                f"Lemma 4.4, {moment} moment",
                measured.value,
                bound(constants, spread, **objective.loop),
                obtained=measured.obtained,
                scope=constants.scope,
                setting={"of": objective.label},
            )
            yield _measured(check, measured, objective)


def _theorem(
    law: SampledLaw, objective: Objective, noise: tuple[Noise, Noise], name: str
) -> Iterator[BoundCheck]:
    """Theorem 4.5, for separate and for shared samples."""
    N = objective.settings.num_trajectories
    counts: dict[str, Any] = {"curvature_trajectories": N, "outer_trajectories": N}
    for shared in (False, True):
        samples = "shared" if shared else "separate"
        for what, measured, bound in (
            ("bias", law.bias(shared=shared), theorem_4_5_bias.bound),
            ("variance", law.variance(shared=shared), theorem_4_5_variance.bound),
        ):
            for constants, spread in zip(objective.lipschitz, noise, strict=True):
                if what == "variance" and shared and np.isnan(spread.sigma_HF):
                    continue
                terms = bound(constants, spread, **objective.loop, **counts, shared=shared)
                check = BoundCheck(
                    f"Theorem 4.5, {what}, {samples}",
                    measured.value,
                    sum(terms.values()),
                    terms,
                    obtained=measured.obtained,
                    scope=constants.scope,
                    setting={"of": name, "samples": samples},
                )
                yield _measured(check, measured, objective)


def _measured(check: BoundCheck, measured: Measured, objective: Objective) -> BoundCheck:
    """The check with what is known of its left-hand side."""
    left = allowance(check, objective.residue, objective.step_size)
    return replace(
        check,
        standard_error=measured.standard_error,
        rounding=ROUNDING * measured.value + left,
    )


def named(check: BoundCheck, of: str) -> BoundCheck:
    """The check with the estimators that it is about."""
    return replace(check, setting=check.setting | {"of": of})
