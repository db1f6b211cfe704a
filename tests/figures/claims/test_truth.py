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
