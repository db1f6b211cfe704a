"""The search finds every broken bound: halved constants, dropped terms, wrong rates."""

import numpy as np
import pytest

from tests.theory.search.ascent import ascend, ratio
from tests.theory.search.bounds import TRUE, Theory, violations
from tests.theory.search.designs import random_toy
from tests.theory.search.mutants import MUTANTS
from tests.theory.search.targets import TARGETS

#: Random toys of the quick and of the slow search.
FEW, MANY = 200, 10_000
#: Ascents from new starting points until one succeeds, and their length.
RESTARTS, EVALUATIONS = 3, 300
#: A violation by 1 %: far beyond rounding.
BROKEN = 1.01


def surviving(num_toys: int) -> dict[str, Theory]:
    """The mutants that no violation in so many random toys gives away; the theory has none."""
    rng, left = np.random.default_rng(0), {mutant.name: mutant for mutant in MUTANTS}
    for _ in range(num_toys):
        case = random_toy(rng)
        assert violations(case) == []
        left = {name: mutant for name, mutant in left.items() if not violations(case, mutant)}
        if not left:
            break
    return left


def test_few_random_toys_give_most_mutants_away():
    assert len(surviving(FEW)) < len(MUTANTS) / 3


@pytest.mark.slow
def test_many_random_toys_give_nearly_every_mutant_away():
    """The rarest violations need three or four tables together and all others absent.

    Those are left to the ascents below, which find every one.
    """
    assert len(surviving(MANY)) <= len(MUTANTS) // 10


def test_every_mutant_has_a_target():
    targets = {target.mutant.name for target in TARGETS}
    assert {mutant.name for mutant in MUTANTS} <= targets


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_ascent_violates_a_broken_bound_and_not_the_true_one(target):
    found = None
    for restart in range(RESTARTS):
        found = ascend(
            target.design,
            lambda case: ratio(case, target.statement, theory=target.mutant),
            evaluations=EVALUATIONS,
            rng=np.random.default_rng(restart),
            enough=BROKEN,
        )
        if found.ratio > BROKEN:
            break
    assert found is not None
    assert found.ratio > BROKEN
    assert any(line.startswith(target.statement) for line in violations(found.case, target.mutant))
    assert violations(found.case, TRUE) == []
