"""Adversarial search: ascent on lhs/rhs over MDPs and toys finds no ratio above one."""

import numpy as np
import pytest

from tests.theory.search.ascent import ascend, ratio
from tests.theory.search.bounds import violations
from tests.theory.search.tightness import DESIGNS, STATEMENTS, TOYS, ratios, table

#: Evaluations of a quick and of a slow ascent.
QUICK, SLOW = 25, 120
EVERYWHERE = {(name, "realisable"): design for name, design in (DESIGNS | TOYS).items()} | {
    (name, "certified"): design for name, design in DESIGNS.items()
}


def climbed(statement, scope, design, evaluations):
    """The best case of an ascent."""
    return ascend(
        design,
        lambda case: ratio(case, statement, scope),
        evaluations=evaluations,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("statement", ["Theorem 4.5, bias", "Theorem 4.5, variance"])
@pytest.mark.parametrize("scope", ["realisable", "certified"])
def test_a_short_ascent_violates_nothing(scope, statement):
    design = DESIGNS["MAML, lvc, SSS shared"]
    assert violations(climbed(statement, scope, design, QUICK).case) == []


@pytest.mark.slow
@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(("name", "scope"), EVERYWHERE)
def test_no_ascent_violates_anything(name, scope, statement):
    found = climbed(statement, scope, EVERYWHERE[name, scope], SLOW)
    assert violations(found.case) == []


def test_table_has_a_row_for_every_statement_and_scope():
    rng = np.random.default_rng(0)
    design = DESIGNS["MAML, lvc, SSS shared"]
    cases = [design.case(rng.normal(size=design.size)) for _ in range(5)]
    found = ratios(cases)
    assert {scope for _, scope in found} == {"realisable", "certified", "realisable/certified"}
    lines = table(found).splitlines()
    assert len(lines) == 2 + len(found)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert all(0 <= x <= 1 + 1e-9 for values in found.values() for x in values)
