"""Every claim where it is built to hold, where it is built to fail, and where nobody can tell."""

import pytest

from figures.catalog import EXPERIMENTS
from tests.figures.claims import made
from tests.figures.claims.cases import CASES
from tests.figures.claims.made import LOUD

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.figure}: {c.words}")


def claim(case, make, **options):
    """The one claim with these words."""
    found = make(**options)
    found = found if isinstance(found, dict) else {case.figure: found}
    (one,) = [c for c in EXPERIMENTS[case.figure].claims(found) if case.words in c.sentence]
    return one


@every_case
def test_a_true_claim_is_reproduced(case):
    noise = {"noise": 0.0} if case.exact else {}
    found = claim(case, case.holds, **noise)
    assert found.verdict == "reproduced", found.seen


@every_case
def test_a_false_claim_is_not(case):
    noise = {"noise": 0.0} if case.exact else {}
    assert claim(case, case.fails, **noise).verdict == "not reproduced"


@every_case
def test_noise_leaves_a_claim_open(case):
    """The same means as where it holds, and intervals that are far too wide."""
    assert claim(case, case.holds, noise=LOUD).verdict == "inconclusive"


def test_every_claim_is_tried():
    """No claim of any figure is left out above."""
    everything = {
        "fig5": made.decomposition("fig5"),
        "fig6": made.decomposition("fig6"),
        "fig7": made.decomposition("fig7"),
        "fig8": made.decomposition("fig8"),
        "tradeoff": made.tradeoff(),
        "compositional": made.compositional(),
        "hessian": made.hessian(),
    }
    for name, experiment in EXPERIMENTS.items():
        for one in experiment.claims(everything):
            tried = [c for c in CASES if c.figure == name and c.words in one.sentence]
            assert len(tried) == 1, one.sentence


#: How many comparisons stand behind a claim: none is lost unnoticed.
COUNTS = {
    "reveal the importance": 12,
    "more than correcting the Hessian": 8,
    "corrected already": 8,
    "EES > SES > ESS > SSS": 12,
    "compositional bias helps to increase": 12,
    "high variance on first and second order": 6,
    "is the same, actor-critic": 6,
    "comparable correlation": 2,
    "variance of LVC is smaller": 2,
    "DiCE performs the worst": 7 * 3 * 2,
    "AD performs worse": 8,
    "can achieve higher": 8,
    "estimators are biased": 3,
    "LVC has low bias": 1,
    "AD has large bias": 2,
    "have low variance": 4,
    "ESE = SEE > SSE": 3,
    "SEE > ESE > SSE": 2,
    "increases the variance where": 8,
    "more than where the outer gradient is exact": 4,
    "variance is large (DiCE": 2,
    "more than where the Hessian's variance is low": 4,
    "Only with a Hessian of low": 12,
    "decreases a lot in SSE": 4,
    "can become more important": 5,
    "SEE ≈ ESE, SES ≈ ESS": 8,
    "Hessian problem of AD": 3,
    "tends to have higher variance": 2,
    "below Lemma 4.4's bound": 6,
    "has an upper bound of O(K": 6,
    "error of θ^K falls with the root": 2,
    "meta-gradient's error falls with the root": 2,
    "step size as α^K": 2,
    "number of steps as K α^K": 2,
    "proportional to σ_In": 1,
    "below term (ii)": 2,
    "grows as": 2,
    "has no bias from its Hessian": 1,
}


@every_case
def test_every_comparison_is_there(case):
    assert len(claim(case, case.holds).comparisons) == COUNTS[case.words]
