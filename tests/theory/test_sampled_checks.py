"""The checks on MDPs of any size: which there are, that they hold, and that wrong ones do not."""

import dataclasses

import numpy as np
import pytest

from tabular import TabularMDP, zoo
from tabular.baselines import FixedBaseline, exact_baseline
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.cases import DEGENERATE, dense_random, noisy_rewards
from theory import sampled_checks as module
from theory import shared_objective
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.certified_noise import certified_noise
from theory.sampled_checks import LONGEST, sampled_checks
from theory.settings import Settings
from theory.statements import theorem_4_5_variance

#: The same sums in another order: steps along another estimator's mean gradient.
SAME_SUMS = Tolerance(rtol=1e-9, atol=1e-14)
MDPS = {
    "two states": zoo.two_state(),
    "chain": zoo.chain(6),
    "noisy": noisy_rewards(),
    "noisy, sparse": noisy_rewards().sparse(),
    "gamma 0": dense_random().with_gamma(0.0),
    **{f"random {seed}": dense_random(4, 3, seed=seed) for seed in range(3)},
    "larger than the dense norms": dense_random(26, 3),
}
LEMMA = {"Lemma 4.4, first moment", "Lemma 4.4, second moment"}
THEOREM = {
    f"Theorem 4.5, {what}, {which}"
    for what in ("bias", "variance")
    for which in ("separate", "shared")
}

SHARPER = {
    "Lemma 4.4, bias of p",
    "Proposition 5.2, bias of p",
    "Proposition 5.2, bias of p, 1/N",
    "Theorem 5.3, bias, separate",
    "Theorem 5.3, bias, shared",
    "Theorem 5.3, bias, separate, 1/N",
}


def run(mdp: TabularMDP, step_size: float = 0.5, horizon: int = 4, **changes) -> list[BoundCheck]:
    settings = Settings(**{"num_trajectories": 4} | changes)
    stream = np.random.SeedSequence(1)
    return list(sampled_checks(mdp, settings, horizon, step_size, stream))


def of(checks: list[BoundCheck], name: str) -> list[BoundCheck]:
    return [check for check in checks if check.setting["of"] == name]


@pytest.mark.parametrize("name", MDPS)
@pytest.mark.parametrize("num_steps", [1, 3])
def test_every_statement_holds(name, num_steps):
    checks = run(MDPS[name], num_steps=num_steps)
    assert all(check.holds for check in checks if check.certified and check.measured)
    for check in checks:
        assert np.isfinite(check.rhs)
        assert check.lhs >= 0 if check.measured else np.isnan(check.lhs)
        assert check.scope in ("every θ", "sampled θ")


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("baseline", ["exact", "zero"])
def test_rounding_errors_of_zeros_are_no_violations(name, baseline):
    """Warnings are errors in this suite."""
    checks = run(DEGENERATE[name][0], baseline=baseline, step_size=1.0)
    assert all(check.holds for check in checks if check.certified and check.measured)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_the_allowance_for_rounding_is_small(num_steps):
    """Next to what is checked; a violation of a millionth of it still fails."""
    checks = run(dense_random(), num_steps=num_steps)
    for check in checks:
        if check.name in LEMMA | THEOREM | SHARPER:
            assert check.rounding < 1e-6 * check.lhs
    assert {check.name for check in checks} >= LEMMA | THEOREM | SHARPER


def test_which_statements_there_are():
    checks = run(dense_random())
    for name in ("V_b exact", "V_b zero"):
        names = {check.name for check in of(checks, name)}
        assert names >= LEMMA | {
            "Lemma 4.4, bias of p",
            "Proposition 5.2, bias of p",
            "Proposition 5.2, bias of p, 1/N",
            "Proposition 3.1",
            "Assumption 4.2, J_T",
            "Assumption 4.2, J for J_T",
            "Assumption 4.1, c1",
        }
    for name in ("ad", "lvc", "loaded_dice", "dice"):
        names = [check.name for check in of(checks, name)]
        assert set(names) >= THEOREM | {"Assumption 4.3, sigma_in", "Assumption 4.3, Delta_H"}
        proved = {check.name for check in of(checks, name) if check.certified}
        assert proved >= THEOREM
        sharper = {name for name in proved if name.startswith("Theorem 5.3")}
        assert len(sharper) == (3 if name in ("loaded_dice", "dice") else 0)
    assert {check.setting["of"] for check in run(dense_random(), baseline="zero")} == {
        "V_b zero",
        "ad",
        "lvc",
        "loaded_dice",
        "dice",
    }
    alone = {check.setting["of"] for check in run(dense_random(), estimators=("dice",))}
    assert alone == {"V_b zero", "dice"}


def test_the_outer_estimators_noise_is_that_at_the_end_of_the_path():
    """σ_p² = tr Cov p̂ over all trajectories at θ^K, moved there by the exact gradient of J_T."""
    mdp = dense_random(2, 2)
    checks = run(mdp, estimators=("loaded_dice",), num_steps=2)
    V_b, theta = exact_baseline(mdp, np.zeros(mdp.R.shape), None), np.zeros(mdp.R.shape)
    for _ in range(2):
        theta = theta + 0.5 * Maml(mdp, 4, V_b).outer(theta, theta).exact().gradient
    every, probability = enumerate_trajectories(mdp, theta, horizon=4)
    p = Estimate(mdp, theta, every, estimator="loaded_dice", baseline=V_b).gradient
    off = p - np.tensordot(probability, p, axes=1)
    expected = np.sqrt(probability @ (off**2).sum(axis=(1, 2)))
    told = {
        check.name.rpartition(" ")[2]: check.lhs
        for check in checks
        if check.name.startswith(("Assumption 4.1", "Assumption 4.3"))
    }
    assert_close(told["sigma_p"], expected, SAME_SUMS)
    (bound,) = (
        check
        for check in checks
        if check.name == "Theorem 4.5, variance, separate" and not check.certified
    )
    loop = {"step_size": 0.5, "num_steps": 2, "num_trajectories": 4}
    counts = {"curvature_trajectories": 4, "outer_trajectories": 4}
    problem, start = Maml(mdp, 4, V_b), np.zeros(mdp.R.shape)
    source = Sampled("loaded_dice", 4, 4, FixedBaseline(V_b))
    constants = [
        certified_lipschitz(problem, start),
        certified_noise(problem, start, source, source),
    ]
    for i, proved in enumerate(constants):
        met = {f.name: told[f.name] for f in dataclasses.fields(proved) if f.name in told}
        constants[i] = dataclasses.replace(proved, **met)
    terms = theorem_4_5_variance.bound(*constants, **loop, **counts, shared=False)
    assert_close(bound.rhs, sum(terms.values()), SAME_SUMS)


@pytest.mark.parametrize("baseline", ["exact", "zero"])
def test_no_two_checks_are_the_same_line(baseline):
    checks = run(dense_random(), baseline=baseline)
    lines = [(check.name, repr(check.setting), check.scope) for check in checks]
    assert len(lines) == len(set(lines))


def test_a_constant_that_is_zero_is_a_line_only_if_it_fails(monkeypatch):
    """One action: every derivative is zero."""
    mdp = TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.8, 0)
    assert not any(check.name.startswith("Assumption 4.1") for check in run(mdp))
    right = module.assumption_4_1.check

    def wrong(*arguments):
        return tuple(dataclasses.replace(check, lhs=1.0) for check in right(*arguments))

    monkeypatch.setattr(module.assumption_4_1, "check", wrong)
    failed = {check.name for check in run(mdp) if not check.holds and check.certified}
    assert failed >= {"Assumption 4.1, c1", "Assumption 4.1, mu1"}


def test_assumption_4_2_is_checked_along_the_path(monkeypatch):
    met = []
    right = module.assumption_4_2.check

    def spy(problem, phi, thetas, source):
        met.append(thetas)
        return right(problem, phi, thetas, source)

    monkeypatch.setattr(module.assumption_4_2, "check", spy)
    run(dense_random(), num_steps=2)
    assert met
    assert all(len(thetas) == 3 and np.ptp(thetas, axis=0).max() > 0 for thetas in met)


def test_trajectories_are_cut_at_the_longest():
    mdp = dense_random(2, 2)
    assert run(mdp, horizon=LONGEST + 9) == run(mdp, horizon=LONGEST)
    assert run(mdp, horizon=LONGEST) != run(mdp, horizon=LONGEST - 1)


def test_the_same_seed_gives_the_same_numbers():
    assert run(dense_random(), num_steps=2) == run(dense_random(), num_steps=2)


@pytest.mark.parametrize("names", [("dice", "lvc"), ("ad",), ("loaded_dice", "ad", "dice", "lvc")])
def test_an_estimators_numbers_do_not_hang_on_the_others(names):
    mdp = dense_random(3, 2)
    whole, part = run(mdp, num_steps=2), run(mdp, num_steps=2, estimators=names)

    def table(checks: list[BoundCheck]) -> dict[tuple[str, ...], BoundCheck]:
        # Assumption 4.2 is about whichever is asked first, up to its equal means.
        return {
            (check.name, check.setting["of"], check.scope): check
            for check in checks
            if not check.name.startswith(("Assumption 4.2", "Proposition"))
        }

    every = table(whole)
    for key, check in table(part).items():
        for field in ("lhs", "rhs"):
            assert_close(getattr(check, field), getattr(every[key], field), SAME_SUMS, what=key)


def test_empirical_constants_are_smaller_and_refute_nothing():
    for name in THEOREM | LEMMA:
        for check in run(dense_random(), num_steps=2):
            if check.name == name and check.scope == "sampled θ":
                assert not check.certified
    checks = run(dense_random(), num_steps=2)
    for met in (check for check in checks if check.scope == "sampled θ"):
        (proved,) = (
            check
            for check in checks
            if check.certified and (check.name, check.setting) == (met.name, met.setting)
        )
        assert met.rhs <= proved.rhs
        assert (met.lhs, met.standard_error) == (proved.lhs, proved.standard_error)


def test_where_rewards_are_seldom_met_sampled_sides_are_not_measured(monkeypatch):
    """The lines are there, with their right-hand sides; what is exact stays."""
    mdp = dense_random(3, 2)
    whole = run(mdp)
    monkeypatch.setattr(module.SampledLaw, "meets_enough", False)
    left = run(mdp)
    for before, after in zip(whole, left, strict=True):
        if before.obtained != "sampling":
            assert after == before
            continue
        assert (after.obtained, after.standard_error) == ("not measured", None)
        assert np.isnan(after.lhs)
        assert (after.name, after.rhs, after.terms) == (before.name, before.rhs, before.terms)
        assert after.as_dict()["holds"] is None
    assert any(not check.measured for check in left)


def test_a_step_that_is_too_steep_for_differences_is_not_measured():
    (check,) = (
        c
        for c in run(dense_random(), step_size=1e6)
        if c.name == "Proposition 3.1" and c.setting["of"] == "V_b exact"
    )
    assert not check.measured


@pytest.mark.parametrize(
    ("part", "factor", "failing"),
    [
        ("sigma_in", 0.01, LEMMA | {"Assumption 4.3, sigma_in"}),
        ("Delta_H", 1e-9, {"Assumption 4.3, Delta_H"}),
        ("sigma_H", 1e-3, {"Assumption 4.3, sigma_H"}),
    ],
)
def test_constants_of_the_noise_that_are_too_small_fail(part, factor, failing, monkeypatch):
    right = shared_objective.certified_noise

    def wrong(*arguments):
        noise = right(*arguments)
        return dataclasses.replace(noise, **{part: factor * getattr(noise, part)})

    monkeypatch.setattr(shared_objective, "certified_noise", wrong)
    monkeypatch.setattr(module.assumption_4_3, "certified_noise", wrong)
    checks = run(dense_random(), num_steps=1, step_size=5.0)
    failed = {check.name for check in checks if check.certified and not check.holds}
    assert failed >= failing


@pytest.mark.parametrize("statement", ["theorem_4_5_bias", "theorem_4_5_variance"])
def test_a_bound_that_is_too_small_fails(statement, monkeypatch):
    right = getattr(module, statement).bound

    def wrong(*arguments, **options):
        return {name: 1e-12 * term for name, term in right(*arguments, **options).items()}

    monkeypatch.setattr(getattr(module, statement), "bound", wrong)
    checks = run(dense_random(), num_trajectories=64, step_size=20.0)
    what = statement.rpartition("_")[2]
    failed = {check.name for check in checks if check.certified and not check.holds}
    assert failed == {f"Theorem 4.5, {what}, separate", f"Theorem 4.5, {what}, shared"}
