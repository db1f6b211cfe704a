"""`certify`: what holds is proved, what is broken is refuted, and more bits decide more."""

import json
import re

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from tests.theory.certified import survey
from tests.theory.certified.cases import CASES, brute
from theory.certified import certify
from theory.certified.balls import arb, ctx, rational
from theory.certified.check import CertifiedCheck
from theory.certified.statements import evaluate, statements
from theory.constants import Lipschitz, Noise
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance

SETTINGS = [("plain", 1, 1), ("plain", 1, 2), ("by successor", 2, 1), ("certain", 2, 1)]
ALPHA = 0.75


def run(case, name="lvc", **changes):
    options = {"step_size": ALPHA, "num_steps": 1, "num_trajectories": 1} | case.options(name)
    return certify(case.mdp, case.theta, **(options | changes))


def verdicts(checks):
    return {check.name.removeprefix("Theorem 4.5, "): check.verdict for check in checks}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("which", "K", "N"), SETTINGS)
def test_every_statement_is_proved(which, K, N, name):
    checks = run(CASES[which], name, num_steps=K, num_trajectories=N)
    assert len(checks) == 7
    found = verdicts(checks)
    # One step attains the second moment: s_1 = α σ_in/√N, with σ_in at the only θ there is.
    assert found.pop("Lemma 4.4, second moment") == ("attained" if K == 1 else "proved")
    assert set(found.values()) == {"proved"}
    for check in checks:
        assert check.holds
        assert check.bits == 128
        assert check.width < 1e-16 * float(check.rhs)
        assert float(sum(check.terms.values())) == pytest.approx(float(check.rhs), rel=1e-14)


def test_the_terms_of_theorem_4_5():
    checks = {check.name: check for check in run(CASES["plain"], num_steps=2)}
    independent = checks["Theorem 4.5, bias, separate"].terms
    assert list(independent) == ["outer compositional", "estimation bias", "inner compositional"]
    shared = checks["Theorem 4.5, bias, shared"].terms
    assert list(shared) == [*independent, "coupling"]
    assert all(term > 0 for term in shared.values())


@pytest.mark.parametrize("name", ["ad", "lvc"])
def test_both_sides_in_floats(name):
    """The left by brute force, the right by `theory.recursions` from the same constants."""
    case, K, N = CASES["bandit"], 2, 2
    known = brute(case, name, ALPHA, K, N)
    lhs = [known.gradient_distance, known.distance, known.squared**0.5]
    lhs += [*known.bias, *known.variance]
    lipschitz = Lipschitz(
        known.c1, 0.0, known.rho1, 0.0, known.m1, known.mu1, 0.0, 1.0, "every realisable θ"
    )
    noise = Noise(
        sigma_in=known.sigma_in,
        sigma_p=known.sigma_p,
        sigma_q=0.0,
        sigma_H=known.sigma_H,
        sigma_J=0.0,
        sigma_HF=known.sigma_HF,
        sigma_JF=0.0,
        Delta_H=known.Delta_H,
        Delta_J=0.0,
        scope="every realisable θ",
    )
    loop = {"step_size": ALPHA, "num_steps": K, "num_trajectories": N}
    spread = lemma_4_4.second_moment_bound(lipschitz, noise, **loop)
    rhs = [known.mu1 * spread, lemma_4_4.first_moment_bound(lipschitz, noise, **loop), spread]
    counts = {"curvature_trajectories": N, "outer_trajectories": N}
    for statement in (theorem_4_5_bias, theorem_4_5_variance):
        for shared in (False, True):
            terms = statement.bound(lipschitz, noise, **loop, **counts, shared=shared)
            rhs.append(sum(terms.values()))
    checks = run(case, name, num_steps=K, num_trajectories=N)
    for check, left, right in zip(checks, lhs, rhs, strict=True):
        assert float(check.lhs) == pytest.approx(left, rel=1e-9, abs=0), check.name
        assert float(check.rhs) == pytest.approx(right, rel=1e-9, abs=0), check.name


def broken(change, *, name="lvc", bits=128):
    """Verdicts with bounds changed by `change`."""
    case = CASES["plain"]
    with ctx.workprec(bits):
        enumeration = case.enumeration(name)
        tree, bounds = evaluate(
            enumeration,
            case.start(),
            step_size=rational(ALPHA),
            num_steps=1,
            num_trajectories=1,
        )
        return verdicts(statements(tree, change(bounds), arb(enumeration.scale), {}))


def test_a_halved_constant_is_refuted():
    def halved(bounds):
        noise = bounds.noise._replace(sigma_in=bounds.noise.sigma_in / 2)
        return bounds._replace(noise=noise)

    assert broken(halved)["Lemma 4.4, second moment"] == "refuted"
    assert broken(lambda bounds: bounds)["Lemma 4.4, second moment"] == "attained"


def test_a_constant_too_small_by_little_is_refuted():
    def shaved(bounds):
        noise = bounds.noise._replace(sigma_in=bounds.noise.sigma_in * (1 - arb(2) ** -60))
        return bounds._replace(noise=noise)

    assert broken(shaved)["Lemma 4.4, second moment"] == "refuted"


def test_a_larger_n_than_was_drawn_is_refuted():
    """The bounds for N = 10⁹ against samples of one; unbiased Hessians leave no other term."""
    found = broken(lambda bounds: bounds._replace(num_trajectories=10**9), name="dice")
    del found["bias, separate"], found["bias, shared"]
    assert set(found.values()) == {"refuted"}


def test_a_forgotten_hessian_bias_is_refuted():
    """`ad` misses the Hessian: with Δ_H and σ_in taken for zero no bias is left."""

    def forgotten(bounds):
        return bounds._replace(noise=bounds.noise._replace(sigma_in=arb(0), Delta_H=arb(0)))

    assert broken(forgotten)["bias, separate"] == "refuted"


def test_few_bits_do_not_decide_and_more_do():
    assert "undecided" in broken(lambda bounds: bounds, bits=5).values()
    checks = run(CASES["plain"], bits=5, num_steps=2)
    assert set(verdicts(checks).values()) == {"proved"}
    assert {check.bits for check in checks} < {10, 20, 40, 80}


def test_attained_needs_enough_bits():
    """53 bits are too wide for "attained" to mean something; the precision is doubled."""
    checks = run(CASES["plain"], bits=16)
    assert verdicts(checks)["Lemma 4.4, second moment"] == "attained"
    assert checks[0].bits > 32


def test_nothing_to_sample():
    """No reward, or one action: both sides are zero, exactly."""
    case = CASES["plain"]
    still = case._replace(mdp=case.mdp.with_reward(np.zeros((2, 2))), baseline=np.zeros(2))
    assert set(verdicts(run(still, num_steps=2)).values()) == {"proved"}
    mdp = TabularMDP(np.full((2, 1, 2), 0.5), np.array([[0.0], [1.0]]), 0.9, 0)
    single = case._replace(mdp=mdp, theta=np.zeros((2, 1)))
    assert set(verdicts(run(single)).values()) == {"proved"}


def test_gradients_that_cancel():
    """Arms that are alike, at the uniform policy: balls around zero everywhere."""
    mdp = TabularMDP(np.full((2, 2, 2), 0.5), np.full((2, 2), 0.1), 0.9, 0)
    alike = CASES["plain"]._replace(mdp=mdp, theta=np.full((2, 2), 0.3))
    for name in ESTIMATORS:
        assert all(check.holds for check in run(alike, name, num_steps=2))


def test_verdicts():
    def verdict(lhs, rhs, unit=1):
        return CertifiedCheck("x", lhs, rhs, {}, arb(unit), 53).verdict

    assert verdict(arb(1), arb(2)) == "proved"
    assert verdict(arb(1), arb(1)) == "proved"
    assert verdict(arb(2), arb(1)) == "refuted"
    assert verdict(arb(1, 0.5), arb(1.25)) == "undecided"
    assert verdict(arb(1, 1e-14), arb(1)) == "attained"
    assert verdict(arb(0, 1e-14), arb(0)) == "attained"
    assert verdict(arb(0, 1e-14), arb(0), unit=1e-9) == "undecided"
    assert verdict(arb(1, 1e-10), arb(1)) == "undecided"
    assert verdict(arb("nan"), arb(1)) == "undecided"
    assert verdict(arb(1), arb("nan")) == "undecided"


def test_balls_without_end_decide_nothing():
    """Whatever lies in [±∞] is not known: neither side is attained."""
    line = arb(0, float("inf"))
    for lhs, rhs in ((arb(1), line), (line, arb(1)), (line, line), (arb(0), line)):
        check = CertifiedCheck("x", lhs, rhs, {}, arb(1), 53)
        assert check.verdict == "undecided"
        assert not check.holds
    assert CertifiedCheck("x", arb(1, 0.5), arb(1), {}, line, 53).verdict == "undecided"


def test_text_and_json():
    checks = run(CASES["plain"])
    assert str(checks[2]).startswith("Lemma 4.4, second moment: [")
    assert re.search(r"\+/- .* = \[.*, attained at 128 bits, to \d\.\de-3\d$", str(checks[2]))
    undecided = CertifiedCheck("x", arb(1, 0.5), arb(1), {}, arb(1), 53)
    assert str(undecided).endswith("undecided at 53 bits; raise the precision")
    plain = json.loads(json.dumps([check.as_dict() for check in checks]))
    assert plain[0]["verdict"] == "proved"
    assert plain[0]["holds"] is True
    assert plain[0]["setting"] == {"estimator": "lvc", "T": 2, "α": ALPHA, "K": 1, "N": 1}
    assert "+/-" in plain[0]["lhs"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimator": "reinforce"}, "unknown estimator 'reinforce'"),
        ({"horizon": 20}, "at most 4096 trajectories"),
        ({"num_steps": 9}, "K = 9 steps of N = 1"),
        ({"num_trajectories": 40}, "N = 40 out of 32 trajectories"),
        ({"step_size": 0.0}, "step_size must be one positive number"),
        ({"bits": 0}, "bits must be at least 1"),
        ({"bits": 1}, "bits must be at least 2, received 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        run(CASES["plain"], **changes)


def test_a_batch_of_logits_is_refused():
    case = CASES["plain"]
    with pytest.raises(ValueError, match=r"one table of logits, received \(3, 2, 2\)"):
        run(case._replace(theta=np.zeros((3, 2, 2))))


@pytest.mark.slow
def test_nothing_is_refuted_or_undecided_in_a_random_mdp():
    found = survey.checks(np.random.default_rng(5))
    assert len(found) == len(ESTIMATORS) * len(survey.LOOPS) * 7
    assert {check.verdict for check in found} <= {"proved", "attained"}
