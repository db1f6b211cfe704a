"""Sampled left-hand sides against sums over all paths."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.bound_cases import HORIZON, STEP_SIZE, WITHIN, enumerated, sampled, streams
from tests.theory.cases import NAMES, lottery
from theory import compositional, sampled_law
from theory.finite.law import MetaLaw, meta_gradient_law
from theory.finite.paths import Paths
from theory.inner_path import InnerPath
from theory.sampled_law import SampledLaw

#: The same number from recursions and from sums over all trajectories.
EXACT = Tolerance(rtol=1e-10, atol=1e-14)
#: K and N with a thousand paths or so.
CASES = [(1, 1), (1, 3), (2, 1)]


@pytest.fixture(autouse=True)
def many(monkeypatch):
    """Enough samples for wrong factors to show."""
    monkeypatch.setattr(sampled_law, "NUM_PATHS", 4000)
    monkeypatch.setattr(sampled_law, "NUM_ESTIMATES", 4000)


def outer(paths: Paths, *, shared: bool, exact: bool = False) -> MetaLaw:
    N = paths.num_trajectories
    return meta_gradient_law(
        paths,
        curvature_trajectories=N,
        outer_trajectories=None if exact else N,
        shared=shared,
    )


def off(law: SampledLaw, paths: Paths) -> dict[str, float]:
    """Every sampled number's distance from the enumerated one, in standard errors."""
    N = paths.num_trajectories
    found = {
        "first moment": (law.first_moment, paths.error(1)),
        "second moment": (law.second_moment, paths.error(2)),
        "outer bias": (
            law.outer_bias,
            float(
                np.linalg.norm(
                    paths.probability @ paths.outer.gradient - paths.exact_outer.gradient[0]
                )
            ),
        ),
    }
    for shared in (False, True):
        samples = "shared" if shared else "separate"
        exact = outer(paths, shared=shared)
        found[f"bias, {samples}"] = (
            law.bias(shared=shared),
            float(np.linalg.norm(exact.mean - paths.truth)),
        )
        found[f"variance, {samples}"] = (law.variance(shared=shared), exact.variance)
    assert N is not None
    scores = {}
    for name, (measured, exact_value) in found.items():
        if measured.standard_error is None:
            assert measured.obtained == "exact moments"
            assert_close(measured.value, exact_value, EXACT, what=name)
        else:
            assert measured.obtained == "sampling"
            scores[name] = abs(measured.value - exact_value) / measured.standard_error
    return scores


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_steps", "count"), CASES)
def test_every_number_is_that_of_all_paths(name, num_steps, count):
    scores = off(sampled(name, num_steps, count), enumerated(name, num_steps, count))
    assert len(scores) == (6 if num_steps == 1 else 7)
    assert max(scores.values()) < WITHIN, scores


EVERY = {f"{what}, {which}" for what in ("bias", "variance") for which in ("separate", "shared")}


@pytest.mark.parametrize(("num_steps", "count"), [(1, 3), (2, 1)])
def test_short_steps(num_steps, count):
    """At α = 1 no power of α shows."""
    options = ("lvc", num_steps, count)
    scores = off(sampled(*options, step_size=0.3), enumerated(*options, step_size=0.3))
    assert max(scores.values()) < WITHIN, scores


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        ({"step_size": STEP_SIZE / 2}, {"first moment", "second moment"} | EVERY),
        ({"count": 2}, {"first moment", "second moment"} | EVERY),
        ({"name": "ad"}, {"first moment", "second moment"} | EVERY),
    ],
)
def test_a_wrong_law_is_noticed(wrong, seen, monkeypatch):
    """Half of α, twice N, another estimator with another V_b: far from the enumerated numbers."""
    monkeypatch.setattr(sampled_law, "NUM_PATHS", 10_000)
    monkeypatch.setattr(sampled_law, "NUM_ESTIMATES", 10_000)
    law = sampled(**{"name": "dice", "num_steps": 2, "count": 1} | wrong)
    scores = off(law, enumerated("dice", 2, 1))
    assert {name for name, score in scores.items() if score > WITHIN} >= seen, scores


def test_shared_and_separate_samples_differ():
    """Taken for each other they would be noticed."""
    paths, law = enumerated("dice", 1, 1), sampled("dice", 1, 1)
    for shared in (False, True):
        other = outer(paths, shared=not shared)
        measured = law.variance(shared=shared)
        assert abs(measured.value - other.variance) > WITHIN * measured.standard_error
    bias, wrong = law.bias(shared=True), outer(paths, shared=False).mean - paths.truth
    assert abs(bias.value - np.linalg.norm(wrong)) > WITHIN * bias.standard_error


def test_the_last_factor_matters(monkeypatch):
    """Without L_0 the mean of F is another."""
    paths, law = enumerated("dice", 2, 1), sampled("dice", 2, 1)
    exact = np.linalg.norm(outer(paths, shared=False).mean - paths.truth)
    monkeypatch.setattr(sampled_law, "last_factor", lambda path, mean, x: x)
    measured = law.bias(shared=False)
    assert abs(measured.value - exact) > WITHIN * measured.standard_error


def test_standard_errors_cover(monkeypatch):
    """Over 60 streams the distance in standard errors has a root mean square of about one.

    60 squared scores average to 1 ± 0.18 for a normal law; a norm's error is a bound on its own.
    """
    monkeypatch.setattr(sampled_law, "NUM_PATHS", 2000)
    monkeypatch.setattr(sampled_law, "NUM_ESTIMATES", 2000)
    paths = enumerated("loaded_dice", 2, 1)
    scores = [off(sampled("loaded_dice", 2, 1, seed=seed), paths) for seed in range(1, 61)]
    for name in scores[0]:
        square = np.mean([score[name] ** 2 for score in scores])
        assert square < 2.0, (name, square)
        if "bias" not in name:
            assert square > 0.4, (name, square)


def test_the_same_streams_give_the_same_numbers():
    one, other = (sampled("lvc", 2, 1, seed=7) for _ in range(2))
    for shared in (False, True):
        assert one.bias(shared=shared) == other.bias(shared=shared)
        assert one.variance(shared=shared) == other.variance(shared=shared)
        assert one.variance(shared=shared) == one.variance(shared=shared)
    assert one.first_moment == other.first_moment
    assert one.first_moment != sampled("lvc", 2, 1, seed=8).first_moment
    assert len({tuple(stream.generate_state(4)) for stream in streams(7)}) == 3


def test_estimators_with_one_baseline_take_the_same_paths():
    ends = [sampled(name, 2, 1).paths.ends for name in ("ad", "lvc", "loaded_dice")]
    assert_close(ends[1], ends[0], EXACT)
    assert_close(ends[2], ends[0], EXACT)


def test_the_control_takes_away_what_is_of_first_order():
    """As α → 0 noise is left over as α², of which a control of another size would leave α."""
    errors = [
        sampled("loaded_dice", 2, 1, step_size=alpha).bias(shared=False).standard_error / alpha
        for alpha in (1e-2, 1e-3)
    ]
    assert errors[1] < 0.12 * errors[0]


def test_the_variance_is_that_about_the_unknown_mean(monkeypatch):
    """Of twenty estimates: their sum of squares about their own mean over nineteen."""
    twenty = np.random.default_rng(0).normal(size=(20, 2, 2))
    monkeypatch.setattr(SampledLaw, "_estimates", lambda *_, **options: twenty)
    expected = twenty.var(axis=0, ddof=1).sum()
    assert_close(sampled("lvc", 1, 1).variance(shared=False).value, expected, EXACT)


@pytest.mark.parametrize(("others", "bias", "variance"), [(0.01, False, False), (0.3, True, False)])
def test_estimates_that_one_outweighs_are_not_measured(others, bias, variance, monkeypatch):
    """A standard error bears a few large estimates, a variance does not; neither bears only one."""
    found = others * np.random.default_rng(0).normal(size=(100, 2, 2))
    found[0] = 2.0
    monkeypatch.setattr(SampledLaw, "_estimates", lambda *_, **options: found)
    law = sampled("lvc", 1, 1)
    assert np.isfinite(law.bias(shared=True).value) == bias
    assert np.isfinite(law.variance(shared=True).value) == variance


def test_zeros_of_policies_that_became_deterministic_are_not_measured(monkeypatch):
    """Estimates scatter at θ⁰: zeros only have missed the paths on which they do later."""
    monkeypatch.setattr(SampledLaw, "_estimates", lambda *_, **options: np.zeros((20, 2, 2)))
    assert sampled("lvc", 1, 1).variance(shared=False).obtained == "not measured"


def test_estimates_that_differ_by_rounding(monkeypatch):
    """No measure of a variance where gradients scatter at θ⁰; of none, where they do not."""
    found = np.ones((100, 2, 2))
    found[0] += 1e-15
    monkeypatch.setattr(SampledLaw, "_estimates", lambda *_, **options: found)
    assert sampled("lvc", 1, 1).variance(shared=True).obtained == "not measured"
    monkeypatch.setattr(SampledLaw, "scatters", False)
    assert sampled("lvc", 1, 1).variance(shared=True).value < 1e-28


def test_one_path_that_outweighs_all_others(monkeypatch):
    """Of the ends: some in ten thousand apart, or only one far off."""
    for far, measured in ((1e-3, True), (10.0, False)):
        ends = 1e-3 * np.random.default_rng(0).normal(size=(100, 2, 2))
        ends[0] += far
        paths = compositional.Paths(ends, *[ends] * 4)
        monkeypatch.setattr(SampledLaw, "paths", paths)
        law = sampled("lvc", 2, 1)
        told = "sampling" if measured else "not measured"
        assert law.first_moment.obtained == law.second_moment.obtained == told


def test_rare_actions_at_the_end_of_the_path_are_not_measured():
    """θ⁰ is harmless; after a step of size 30 one action is hardly ever taken."""
    mdp = TabularMDP(np.ones((1, 2, 1)), np.array([[1.0, -1.0]]), 0.5, 0)
    baseline = FixedBaseline(np.zeros(1))
    for step_size, enough in ((0.1, True), (30.0, False)):
        source = Sampled("ad", 8, 2, baseline)
        path = InnerPath(mdp, source, step_size, 1, Maml(mdp, 2, np.zeros(1)))
        assert SampledLaw(path, source, streams(0)).meets_enough is enough


@pytest.mark.parametrize(("num_paths", "count", "enough"), [(10, 23, False), (10, 25, True)])
def test_all_trajectories_of_a_step_count_as_met(num_paths, count, enough, monkeypatch):
    """Squares of a prize of chance 0.04 have the relative variance 24: 240 trajectories are few."""
    monkeypatch.setattr(sampled_law, "NUM_PATHS", num_paths)
    source = Sampled("ad", count, 1, FixedBaseline(np.zeros(2)))
    mdp = lottery(0.04)
    path = InnerPath(mdp, source, 1.0, 1, Maml(mdp, 1, np.zeros(2)))
    assert SampledLaw(path, source, streams(0)).meets_enough is enough


@pytest.mark.parametrize("num_steps", [1, 2])
def test_estimates_of_many_trajectories_are_made_in_pieces(num_steps, monkeypatch):
    """2K + 1 batches of N T steps each: no more than `TOGETHER` steps at a time."""
    honest, sizes = sampled_law.meta_gradient, []

    def recorded(problem, phi, **options):
        sizes.append(len(phi))
        return honest(problem, phi, **options)

    monkeypatch.setattr(sampled_law, "meta_gradient", recorded)
    monkeypatch.setattr(sampled_law, "TOGETHER", 4000)
    scores = off(sampled("ad", num_steps, 1), enumerated("ad", num_steps, 1))
    assert max(scores.values()) < WITHIN, scores
    assert max(sizes) * (2 * num_steps + 1) * HORIZON <= 4000
    assert sum(sizes) == 3 * 4000


def test_a_control_variate_that_adds_noise_is_left_out():
    """As where steps are so long that first order says nothing."""

    def errors(factor: float) -> list[float]:
        law = sampled("lvc", 2, 1, step_size=0.3)
        paths = law.paths
        law.__dict__["paths"] = paths._replace(
            control=factor * paths.control, gradient_control=factor * paths.gradient_control
        )
        return [law.outer_bias.standard_error, law.bias(shared=False).standard_error]

    helpful, none, harmful = errors(1.0), errors(0.0), errors(50.0)
    assert harmful == none
    assert all(with_it < without for with_it, without in zip(helpful, none, strict=True))
