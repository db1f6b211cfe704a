"""The checks over all paths, against direct calls of the statements."""

import pytest

from tabular import TabularMDP
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.theory.bound_cases import tiny
from tests.theory.cases import DEGENERATE, dense_random
from theory import enumerated_checks as module
from theory.bounds import BoundCheck
from theory.enumerated_checks import STEPS, enumerated_checks, listed_steps
from theory.finite.constants import realisable_constants
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.settings import Settings
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance


def run(mdp: TabularMDP, **changes) -> list[BoundCheck]:
    return list(enumerated_checks(mdp, Settings(**changes), 2.0))


def test_the_checks_are_the_statements_own():
    """DiCE with V_b = 0, K = 2, at every realisable θ."""
    mdp = tiny()
    checks = run(mdp, num_steps=2, estimators=("dice",))
    source = Sampled("dice", 1, STEPS)
    problem = TabularFinite(Maml(mdp, STEPS), [[0.0, 0.0], [0.0, 0.0]], source)
    paths = inner_paths(problem, step_size=2.0, num_steps=2, num_trajectories=1)
    constants = realisable_constants(paths)
    found = {check.name: check for check in checks if check.scope == "every realisable θ"}
    for own in lemma_4_4.check(paths, constants=constants, lipschitz_f=1.0):
        assert (found[own.name].lhs, found[own.name].rhs) == (own.lhs, own.rhs)
    counts = {"curvature_trajectories": 1, "outer_trajectories": 1}
    for statement, what in ((theorem_4_5_bias, "bias"), (theorem_4_5_variance, "variance")):
        for shared, which in ((False, "separate"), (True, "shared")):
            own = statement.check(paths, **counts, shared=shared, constants=constants)
            check = found[f"Theorem 4.5, {what}, {which}"]
            assert (check.lhs, check.rhs, check.terms) == (own.lhs, own.rhs, own.terms)
            assert check.rounding > own.rounding


@pytest.mark.parametrize("num_steps", [1, 3])
def test_every_statement_holds_with_both_constants(num_steps):
    checks = run(tiny(), num_steps=num_steps)
    assert all(check.holds for check in checks)
    for of in ("Lemma 4.4", "Theorem 4.5"):
        scopes = {check.scope for check in checks if check.name.startswith(of)}
        assert scopes == {"every θ", "every realisable θ"}
    for check in checks:
        of = check.setting["of"]
        assert check.setting == {"of": of, "K": min(num_steps, 2), "N": 1, "T": STEPS}
        assert check.obtained == "enumeration"
    for name in ("ad", "lvc", "loaded_dice", "dice"):
        assert sum(check.setting["of"] == name for check in checks) >= 8
    about_the_path = ("Lemma", "Proposition")
    labels = {check.setting["of"] for check in checks if check.name.startswith(about_the_path)}
    assert labels == {"V_b exact", "V_b zero"}


def test_without_a_critic_all_estimators_share_one_path():
    found = run(tiny(), baseline="zero")
    lemma = [check for check in found if check.name == "Lemma 4.4, first moment"]
    assert {check.setting["of"] for check in lemma} == {"V_b zero"}
    assert len(lemma) == len({check.scope for check in lemma}) == 2


@pytest.mark.parametrize("name", DEGENERATE)
def test_rounding_errors_of_zeros_are_no_violations(name):
    assert all(check.holds for check in run(DEGENERATE[name][0], num_steps=2))


@pytest.mark.parametrize("offset", [1e6, 1e12])
@pytest.mark.parametrize("baseline", ["exact", "zero"])
def test_rewards_far_from_zero_are_no_violation(offset, baseline):
    mdp = tiny()
    far = mdp.with_reward(mdp.R + offset)
    assert all(check.holds for check in run(far, num_steps=2, baseline=baseline))


def test_very_large_rewards():
    """As large as `gmrl verify` takes them, in steps that move θ as much."""
    mdp = tiny()
    large, settings = mdp.with_reward(3e49 * mdp.R), Settings(num_steps=2)
    checks = list(enumerated_checks(large, settings, 2.0 / 3e49))
    assert len(checks) == len(run(mdp, num_steps=2))
    assert all(check.holds for check in checks)


def test_how_many_steps_are_listed(monkeypatch):
    two = Settings(num_steps=2)
    assert listed_steps(tiny(), Settings()) == 1
    assert listed_steps(tiny(), two) == 2
    assert listed_steps(tiny(), Settings(num_steps=9)) == 2
    assert listed_steps(dense_random(51, 2), two) == 0
    monkeypatch.setattr(module, "MOST_PATHS", 32)
    assert listed_steps(tiny(), two) == 1
    monkeypatch.setattr(module, "MOST_PATHS", 31)
    assert listed_steps(tiny(), two) == 0
    assert run(tiny()) == []


def test_a_bound_that_is_too_small_fails(monkeypatch):
    right = module.realisable_constants
    monkeypatch.setattr(
        module,
        "realisable_constants",
        lambda paths, **options: (
            right(paths, **options)[0],
            module.replace(right(paths, **options)[1], sigma_in=0.0),
        ),
    )
    failed = {check.name for check in run(tiny()) if not check.holds}
    assert any(name.startswith("Lemma 4.4") for name in failed)


def test_sharper_bounds_stand_beside_the_lemma_and_the_theorem():
    """The same left-hand sides, with constants that are proved only."""
    checks = run(tiny(), num_steps=2, estimators=("lvc", "loaded_dice"))
    of = {(c.name, c.setting["of"]): c for c in checks if c.scope == "every θ"}
    pairs = [
        (("Lemma 4.4, bias of p", "V_b exact"), ("Proposition 5.2, bias of p", "V_b exact")),
        *(
            ((f"Theorem {k}, bias, {samples}", "loaded_dice") for k in ("4.5", "5.3"))
            for samples in ("separate", "shared")
        ),
    ]
    for old, new in pairs:
        assert of[new].lhs == of[old].lhs > 0
        assert of[new].rounding == of[old].rounding
    sharper = [c for c in checks if c.name.startswith(("Proposition 5", "Theorem 5"))]
    assert len(sharper) == 3
    assert {c.scope for c in sharper} == {"every θ"}
