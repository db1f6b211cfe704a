"""What does not fit is refused where it is handed in, with the requirement and what was received.

The rows are calls that used to end in a deep traceback, a NaN or a verdict about nothing.
"""

from dataclasses import replace

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import zero_baseline
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from theory.bound_checks import add_bounds, bound_curves
from theory.compositional import compositional, sampled_paths
from theory.constants import Lipschitz, Noise, both
from theory.curves import make_curves
from theory.effort import effective_horizon
from theory.enumerated_checks import enumerated_checks
from theory.finite.constants import realisable_constants
from theory.finite.law import meta_gradient_law
from theory.finite.paths import inner_paths
from theory.finite.quadratic import Quadratic
from theory.finite.vectors import FiniteLaw
from theory.hessian_error import biased_meta_gradients, hessian_error_curve
from theory.inner_path import InnerPath
from theory.lemma_checks import lemma_checks
from theory.meta_second_order import meta_coefficient
from theory.rates import Rate, compositional_numbers, degree
from theory.recursions import averaged, recursions
from theory.sampled_checks import sampled_checks
from theory.second_order import SampledLoop
from theory.settings import Settings
from theory.shared_objective import shared_objectives
from theory.softmax import derivative_bounds
from theory.statements import (
    assumption_4_1,
    assumption_4_2,
    assumption_4_3,
    lemma_4_4,
    proposition_3_1,
    theorem_4_5_bias,
    theorem_4_5_variance,
)
from theory.statements.abstract import compositional_rates, stated_compositional_rate, step_rates
from theory.statements.compositional_bias import (
    Loop,
    SecondLipschitz,
    Smoothness,
    bias_bound,
    meta_terms,
)
from theory.statements.lemma_h2 import lemma_h2
from theory.statements.lemma_h7 import lemma_h7
from theory.trajectory_bounds import critic_of
from theory.verification import check_mdp, verify

RNG, SEED, SETTINGS = np.random.default_rng(0), np.random.SeedSequence(0), Settings()
MDP, THETA = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=RNG), np.zeros((2, 2))
SOURCE, PROBLEM = Sampled("lvc", 1, 1, zero_baseline), Maml(MDP, 1)
LIPSCHITZ = Lipschitz(1.0, 0.5, 0.5, 0.5, 1.0, 1.0, 0.5, 1.0, "every θ")
NOISE = Noise(*[0.3] * 9, "every θ")
PATHS = inner_paths(Quadratic(), step_size=1.0, num_steps=1, num_trajectories=1)
LAW = FiniteLaw([0.5, 0.5])
STEPS = {"step_size": 0.5, "num_steps": 1}
SAMPLES = STEPS | {"num_trajectories": 1}
SECOND = SecondLipschitz.unbiased_maml(LIPSCHITZ)
FULL = {"curvature_trajectories": 1, "outer_trajectories": 1}
FAR = 1e300
#: Differences of J^K of size one at steps of 1e-2/32 lose 1e-16 · 3200.
SAME_DIFFERENCES = Tolerance(rtol=0.0, atol=1e-11)


def curves(loop=(0.2, 2, 8), **change):
    return make_curves(MDP, THETA, Loop(*loop), horizon=1, **change)


def sampled(mdp, settings=SETTINGS, horizon=2, step_size=0.1, stream=SEED):
    return list(sampled_checks(mdp, settings, horizon, step_size, stream))


def stated(**change):
    options = {"c1": 1.0, "sigma_in": 1.0, "num_steps": 2, "N": 2, "scope": "every θ"} | change
    return stated_compositional_rate(options.pop("lhs", [1.0]), [1.0], **options)


#: A call, and what its error says.
CALLS = {
    "counts of zero": (lambda: curves(counts=[0]), "counts must be at least 1, received 0"),
    "no counts": (lambda: curves(counts=[]), "counts must hold at least one"),
    "counts of a half": (lambda: curves(counts=[0.5]), "counts must be an integer"),
    "counts, no sequence": (lambda: curves(counts=3), "counts must be a sequence"),
    "no steps": (lambda: curves(most_steps=0), "most_steps must be at least 1"),
    "no step sizes": (lambda: curves(step_sizes=[]), "step_sizes must hold"),
    "step size NaN": (lambda: curves(step_sizes=[np.nan]), "step_sizes must be finite"),
    "no errors": (lambda: curves(hessian_errors=[]), "hessian_errors must hold"),
    "no Hessian steps": (lambda: curves(hessian_steps=()), "hessian_steps must hold"),
    "error over nothing": (lambda: curves((1e-320, 1, 1)), "Delta must be finite"),
    "curves without constants": (
        lambda: curves(certified=(1, 2)),
        "lipschitz must be a Lipschitz",
    ),
    "curves without a loop": (
        lambda: make_curves(MDP, THETA, (0.1, 1, 1), horizon=1),
        "setting must be a Loop",
    ),
    "report's curves": (lambda: bound_curves(MDP, Settings(), "x", 0.1), "horizon must be"),
    "spread out of range": (
        lambda: SampledLoop(MDP, THETA, FAR, 1, 1).spread(1),
        "covariance of theta must stay finite.*smaller step_size",
    ),
    "spread of no trajectories": (
        lambda: SampledLoop(MDP, THETA, 0.1, 1, 1).spread([1, 0]),
        "num_trajectories must be at least 1",
    ),
    "loop without an MDP": (
        lambda: SampledLoop("x", THETA, 0.1, 1, 1),
        "mdp must be a TabularMDP, received str",
    ),
    "coefficient without a loop": (
        lambda: meta_coefficient(MDP, "ad"),
        "loop must be a Sampled",
    ),
    "paths out of range": (
        lambda: inner_paths(Quadratic(), **SAMPLES | {"step_size": FAR, "num_steps": 3}),
        "theta must stay finite",
    ),
    "error out of range": (
        lambda: inner_paths(Quadratic(), **SAMPLES | {"step_size": FAR}).error(2),
        "errors and their powers must stay finite",
    ),
    "power of zero": (lambda: PATHS.error(0), "power must be at least 1"),
    "start NaN": (lambda: Quadratic(theta0=np.nan), "theta0 must be finite"),
    "law without paths": (lambda: meta_gradient_law(3, **FULL), "paths must be a Paths"),
    "constants without paths": (lambda: realisable_constants(3), "paths must be a Paths"),
    "rounding NaN": (lambda: realisable_constants(PATHS, rounding=np.nan), "rounding must be"),
    "lemma without paths": (lambda: lemma_4_4.check(3), "paths must be a Paths"),
    "constants zero": (lambda: lemma_4_4.check(PATHS, constants=0), "pair .Lipschitz, Noise."),
    "constants exchanged": (
        lambda: theorem_4_5_bias.check(PATHS, **FULL, constants=(NOISE, LIPSCHITZ)),
        "lipschitz must be a Lipschitz, received Noise",
    ),
    "theorem without paths": (
        lambda: theorem_4_5_variance.check(None, **FULL),
        "paths must be a Paths",
    ),
    "shared by name": (
        lambda: theorem_4_5_bias.bound(LIPSCHITZ, NOISE, **SAMPLES, **FULL, shared="separate"),
        "shared must be True or False",
    ),
    "recursions without noise": (
        lambda: recursions(LIPSCHITZ, None, **STEPS),
        "noise must be a Noise",
    ),
    "average of nothing": (
        lambda: averaged(NOISE, num_trajectories=0, **FULL),
        "num_trajectories must be at least 1",
    ),
    "a constant NaN": (lambda: replace(LIPSCHITZ, c1=np.nan), "c1 must be a number >= 0"),
    "noise negative": (lambda: replace(NOISE, sigma_in=-0.1), "sigma_in must be a number >= 0"),
    "a constant of words": (lambda: replace(SECOND, H_bar="x"), "H_bar must be a number"),
    "an unknown scope": (lambda: replace(NOISE, scope="some θ"), "scope must be one of"),
    "a pair of one": (lambda: both((LIPSCHITZ,)), "pair .Lipschitz, Noise."),
    "bias bound of no steps": (
        lambda: bias_bound(Smoothness(1.0, 1.0), LIPSCHITZ, NOISE, Loop(1.0, 0, 1)),
        "num_steps must be at least 1",
    ),
    "bias bound of no trajectories": (
        lambda: meta_terms(LIPSCHITZ, SECOND, NOISE, Loop(1.0, 1, 0), shared=False),
        "num_trajectories must be at least 1",
    ),
    "bias bound without f": (
        lambda: bias_bound(None, LIPSCHITZ, NOISE, Loop(1.0, 1, 1)),
        "f must be a Smoothness",
    ),
    "rate of no K": (lambda: compositional_rates(0), "num_steps must be at least 1"),
    "rate of a K too large": (lambda: compositional_rates(4), "num_steps must be one of 1, 2, 3"),
    "rate over no steps": (lambda: step_rates(0), "most_steps must be at least 1"),
    "rate without x": (
        lambda: Rate("error", "N", "large", 1.0, None, [1.0], "last"),
        "x must be an array",
    ),
    "numbers of nothing": (
        lambda: compositional_numbers(Quadratic(), "N", []),
        "values must hold at least one",
    ),
    "degree of nothing": (lambda: degree([]), "values must have shape"),
    "stated rate, shapes": (lambda: stated(lhs=[1.0, 2.0]), "of one length"),
    "stated rate, N": (lambda: stated(N=0), "N must be at least 1"),
    "stated rate, c1": (lambda: stated(c1=np.nan), "c1 must be finite"),
    "direction too long": (
        lambda: proposition_3_1.check(PROBLEM, THETA, **STEPS, difference=1e-320),
        "difference must be well above",
    ),
    "assumption 4.1, constants": (
        lambda: assumption_4_1.check(PROBLEM, THETA, THETA[None], constants="x"),
        "constants must be a Lipschitz",
    ),
    "assumption 4.2, source": (
        lambda: assumption_4_2.check(PROBLEM, THETA, THETA[None], "ad"),
        "source must be a Sampled",
    ),
    "assumption 4.3, constants": (
        lambda: assumption_4_3.check(PROBLEM, THETA, THETA[None], SOURCE, constants="x"),
        "constants must be a Noise",
    ),
    "critic without a source": (lambda: critic_of("ad", 2), "source must be a Sampled"),
    "labels NaN": (lambda: lemma_h7(LAW, [1.0, 2.0], [1.0, np.nan]), "labels must not be NaN"),
    "labels of two kinds": (lambda: lemma_h7(LAW, [1.0, 2.0], [1, None]), "labels must be of one"),
    "no law": (lambda: lemma_h2([0.5, 0.5], [1.0, 2.0]), "law must be a FiniteLaw"),
    "a span without powers": (
        lambda: derivative_bounds(2, 0.9, FAR),
        "reward_span must be at most",
    ),
    "states beyond number": (lambda: derivative_bounds(FAR, 0.9, 1.0), "states must be at most"),
    "no Delta": (
        lambda: hessian_error_curve(PROBLEM, THETA, [], **STEPS),
        "Delta must have shape",
    ),
    "Delta in rows": (
        lambda: biased_meta_gradients(PROBLEM, THETA, [[1.0]], **STEPS),
        "Delta must have shape",
    ),
    "Delta out of range": (
        lambda: hessian_error_curve(PROBLEM, THETA, [FAR], step_size=0.5, num_steps=2),
        "meta-gradients must stay finite",
    ),
    "effective horizon at one": (lambda: effective_horizon(1.0), "gamma must lie in"),
    "path of no step": (lambda: InnerPath(MDP, SOURCE, 0.0, 1), "step_size must be"),
    "path of half a step": (lambda: InnerPath(MDP, SOURCE, 0.1, 0.5), "num_steps must be"),
    "shift without a path": (
        lambda: compositional(MDP, SOURCE, RNG),
        "path must be an Inner",
    ),
    "path of nothing": (lambda: InnerPath(MDP, None, 0.1, 1), "source must be a Sampled"),
    "path of another problem": (
        lambda: InnerPath(MDP, SOURCE, 0.1, 1, 2),
        "problem must be a Maml",
    ),
    "no sampled path": (
        lambda: sampled_paths(InnerPath(MDP, SOURCE, 0.1, 1), SOURCE, 0, RNG),
        "count must be at least 1",
    ),
    "checks of nothing": (lambda: sampled(None), "mdp must be a TabularMDP"),
    "checks without settings": (lambda: sampled(MDP, None), "settings must be a Settings"),
    "checks without a step": (lambda: sampled(MDP, step_size=None), "step_size must be"),
    "checks of no length": (lambda: sampled(MDP, horizon=0), "horizon must be at least 1"),
    "checks without a seed": (lambda: sampled(MDP, stream=3), "stream must be a SeedSequence"),
    "listed checks of nothing": (
        lambda: list(enumerated_checks(None, Settings(), 0.1)),
        "mdp must be a TabularMDP",
    ),
    "listed checks without settings": (
        lambda: list(enumerated_checks(MDP, None, 0.1)),
        "settings must be a Settings",
    ),
    "objectives without a loop": (
        lambda: shared_objectives(MDP, Settings(), 2, (0.1, 1, 1)),
        "loop must be a Loop",
    ),
    "lemmas of nothing": (lambda: list(lemma_checks(None, SEED)), "objective must be a Shared"),
    "bounds of no report": (lambda: add_bounds(None, MDP, Settings()), "report must be a Report"),
    "curves of no settings": (lambda: bound_curves(MDP, {}, 2, 0.1), "settings must be a Settings"),
    "no MDP to check": (lambda: check_mdp(None), "mdp must be a TabularMDP"),
    "verify nothing": (lambda: verify(None, Settings()), "mdp must be a TabularMDP"),
    "verify without settings": (lambda: verify(MDP, {}), "settings must be a Settings"),
}


@pytest.mark.parametrize("name", CALLS)
def test_refused(name):
    call, message = CALLS[name]
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_bounds_out_of_range_are_infinite():
    loop = Loop(FAR, 3, 2)
    assert bias_bound(Smoothness(1.0, 1.0), LIPSCHITZ, NOISE, loop) == np.inf
    terms = meta_terms(LIPSCHITZ, SECOND, NOISE, loop, shared=True)
    assert terms["coupling"] == np.inf


def test_a_long_direction_is_a_direction():
    u = np.array([[1.0, -2.0], [0.5, 3.0]])
    near, far = (
        proposition_3_1.check(PROBLEM, THETA, **STEPS, direction=size * u) for size in (1.0, FAR)
    )
    slopes = [check.setting["directional derivative"] for check in (near, far)]
    assert slopes[0] != 0
    assert_close(slopes[1], slopes[0], SAME_DIFFERENCES)
