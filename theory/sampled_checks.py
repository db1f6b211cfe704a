"""The theory's statements on one MDP of any size, for MAML at φ = θ⁰ = 0, by moments and sampling.

They are statements about an objective that the estimators are unbiased for (Assumption 4.2): J_T
with the estimators' own V_b, held fixed, as terminal table. Left-hand sides are exact where moments
give them, and sampled otherwise (`theory.sampled_law`). Right-hand sides come twice:

    every θ     constants proved for every θ (`theory.certified_constants`, `certified_noise`)
    sampled θ   the largest values met along the exact path, which prove nothing

T is at most `LONGEST`: constants grow fast with T, and the statements hold for any. What is not
measured (`theory.sampled_law`) is listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular._checks import instance, positive_integer
from tabular.mdp import TabularMDP
from tabular.metagradient import positive_number
from tabular.problems import Maml
from tabular.registry import find_estimator
from theory.bounds import BoundCheck
from theory.compositional_checks import leading_orders, outer_gradient_bias, theorem_5_3
from theory.constants import Constants, Lipschitz, Noise
from theory.flat import allowance, residue
from theory.inner_path import InnerPath
from theory.lemma_checks import lemma_checks
from theory.sampled_law import Measured, SampledLaw, Streams
from theory.settings import BASELINES, Settings
from theory.shared_objective import SharedObjective, named, shared_objectives
from theory.statements import (
    assumption_4_1,
    assumption_4_2,
    assumption_4_3,
    proposition_3_1,
    theorem_4_5_bias,
    theorem_4_5_variance,
)
from theory.statements.compositional_bias import Loop
from theory.statements.lemma_4_4 import first_moment_bound, second_moment_bound

#: Longest trajectories of the checks.
LONGEST = 20
#: θ^K moves up to (1 + α‖H‖)^K times as far as φ: by so much at most in the differences that check
#: Proposition 3.1, which say nothing where it is more than this factor.
DIFFERENCE, STEEP = 1e-2, 1e4
#: Rounding of a left-hand side, as a share of it.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Checked:
    """A shared objective, the exact inner path on it, and the streams of sampled sides."""

    objective: SharedObjective
    streams: Streams

    @cached_property
    def path(self) -> InnerPath:
        """Exact steps: the estimators' mean steps are the same."""
        objective, names = self.objective, self.objective.names
        unbiased = next((n for n in names if find_estimator(n).cross), names[0])
        alpha, steps, _ = objective.loop
        source = objective.source(unbiased)
        return InnerPath(objective.mdp, source, alpha, steps, objective.problem)

    @cached_property
    def smoothness(self) -> tuple[BoundCheck, ...]:
        """Assumption 4.1 along the exact path."""
        objective, thetas = self.objective, np.stack(self.path.iterates)
        return assumption_4_1.check(objective.problem, objective.start, thetas, objective.proved)

    @cached_property
    def lipschitz(self) -> tuple[Lipschitz, Lipschitz]:
        """Proved constants, and those met."""
        proved = self.objective.proved
        met = {check.name.rpartition(" ")[2]: check.lhs for check in self.smoothness}
        return proved, replace(proved, **met, scope="sampled θ")

    @cached_property
    def residue(self) -> float:
        """What rounding leaves of estimates that are zero."""
        alpha, steps, _ = self.objective.loop
        return residue(
            self.objective.mdp,
            self.objective.baseline.table,
            step_size=alpha,
            num_steps=steps,
            curvature=self.lipschitz[1].c1,
        )

    def measured(self, check: BoundCheck, lhs: Measured) -> BoundCheck:
        """The check with what is known of its left-hand side."""
        left = allowance(check, self.residue, self.objective.loop.step_size)
        return replace(
            check,
            obtained=lhs.obtained,
            standard_error=lhs.standard_error,
            rounding=ROUNDING * lhs.value + left if np.isfinite(lhs.value) else 0.0,
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
    instance(settings, Settings, "settings")
    instance(stream, np.random.SeedSequence, "stream")
    alpha = positive_number(step_size, "step_size")
    horizon = min(positive_integer(horizon, "horizon"), LONGEST)
    loop = Loop(alpha, settings.num_steps, settings.num_trajectories)
    objectives = shared_objectives(mdp, settings, horizon, loop)
    found = [
        (objective, own.spawn(4))
        for objective, own in zip(objectives, stream.spawn(len(objectives)), strict=True)
        if objective.names
    ]
    for objective, own in found:
        yield from _objective_checks(Checked(objective, Streams(*own[:3])), settings)
    objective, own = found[0]
    yield from (named(check, objective.label) for check in lemma_checks(objective, own[3]))


def _objective_checks(checked: Checked, settings: Settings) -> Iterator[BoundCheck]:
    """The checks of one objective."""
    objective = checked.objective
    of, problem, start = objective.label, objective.problem, objective.start
    first = objective.source(objective.names[0])
    alpha, steps, _ = objective.loop
    growth = (1 + alpha * checked.lipschitz[1].c1) ** steps
    if growth < STEEP:
        proposition = proposition_3_1.check(
            problem, start, step_size=alpha, num_steps=steps, difference=DIFFERENCE / growth
        )
    else:
        proposition = BoundCheck(
            "Proposition 3.1", np.nan, 0.0, obtained="not measured", scope="every θ"
        )
    yield named(proposition, of)
    for check in checked.smoothness:
        if check.rhs > 0 or not check.holds:  # Zero by symmetry says nothing.
            yield named(check, of)
    iterates = np.stack(checked.path.iterates)
    (unbiased,) = assumption_4_2.check(problem, start, iterates, first)
    yield named(replace(unbiased, name="Assumption 4.2, J_T"), of)
    truncated = replace(first, baseline=BASELINES[settings.baseline])
    (biased,) = assumption_4_2.check(Maml(objective.mdp), start, iterates, truncated)
    yield named(replace(biased, name="Assumption 4.2, J for J_T"), of)
    for name in objective.names:
        source, proved = objective.source(name), objective.proved_noise(name)
        spread = assumption_4_3.check(
            problem, start, iterates[:-1], source, source, proved, ends=iterates[-1:]
        )
        yield from (named(check, name) for check in spread)
        noises = (proved, met_noise(proved, spread))
        constants = list(zip(checked.lipschitz, noises, strict=True))
        law = SampledLaw(checked.path, source, checked.streams)
        shared_by_all = name == objective.names[0]  # Those with one V_b take the same steps.
        if shared_by_all:
            yield from _lemma(checked, law, constants)
        yield from _theorem(checked, law, constants)
        left = checked.residue
        for check in leading_orders(objective, constants, name, first=shared_by_all, left=left):
            yield named(check, name if check.name.startswith("Theorem") else of)


def met_noise(proved: Noise, checks: tuple[BoundCheck, ...]) -> Noise:
    """The proved constants with the values met: σ_H <= σ_HF for it, and NaN for an unknown σ_HF."""
    met = {check.name.rpartition(" ")[2]: check.lhs for check in checks}
    met.setdefault("sigma_H", met.get("sigma_HF", np.nan))
    return replace(proved, **{"sigma_HF": np.nan} | met, scope="sampled θ")


def _lemma(checked: Checked, law: SampledLaw, constants: list[Constants]) -> Iterator[BoundCheck]:
    """Lemma 4.4 for f = θ, and with Proposition 5.2 for f = p."""
    objective = checked.objective
    for moment, lhs, bound in (
        ("first", law.first_moment, first_moment_bound),
        ("second", law.second_moment, second_moment_bound),
    ):
        for lipschitz, noise in constants:
            check = BoundCheck(
                f"Lemma 4.4, {moment} moment",
                lhs.value,
                bound(lipschitz, noise, **objective.loop._asdict()),
                scope=lipschitz.scope,
                obtained=lhs.obtained,
            )
            yield named(checked.measured(check, lhs), objective.label)
    lhs = law.outer_bias
    for pair in constants:
        for check in outer_gradient_bias(lhs.value, objective, pair):
            yield named(checked.measured(check, lhs), objective.label)


def _theorem(checked: Checked, law: SampledLaw, constants: list[Constants]) -> Iterator[BoundCheck]:
    """Theorem 4.5 for separate and for shared samples, and Theorem 5.3."""
    objective, name = checked.objective, law.source.estimator
    N = objective.loop.num_trajectories
    counts: dict[str, Any] = {"curvature_trajectories": N, "outer_trajectories": N}
    for shared in (False, True):
        samples = "shared" if shared else "separate"
        bias, variance = law.bias(shared=shared), law.variance(shared=shared)
        for what, lhs, bound in (
            ("bias", bias, theorem_4_5_bias.bound),
            ("variance", variance, theorem_4_5_variance.bound),
        ):
            for lipschitz, noise in constants:
                if what == "variance" and shared and np.isnan(noise.sigma_HF):
                    continue
                loop = objective.loop._asdict()
                terms = bound(lipschitz, noise, **loop, **counts, shared=shared)
                check = BoundCheck(
                    f"Theorem 4.5, {what}, {samples}",
                    lhs.value,
                    sum(terms.values()),
                    terms,
                    scope=lipschitz.scope,
                    obtained=lhs.obtained,
                )
                yield named(checked.measured(check, lhs), name)
        if find_estimator(name).cross:
            sharper = theorem_5_3(bias.value, objective, constants[0], shared=shared)
            yield named(checked.measured(sharper, bias), name)
