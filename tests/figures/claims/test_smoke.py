"""The claims of every figure on the smallest real data: alone, and together."""

from collections import Counter

import numpy as np
import pytest

from figures import produce
from figures.catalog import EXPERIMENTS
from figures.claims.claim import Comparison

every_figure = pytest.mark.parametrize("name", EXPERIMENTS)


@every_figure
def test_a_figure_alone_has_its_claims(name, smoke):
    """Claims that need another figure too are left out, and none are made without one's data."""
    alone = EXPERIMENTS[name].claims({name: smoke[name]})
    together = EXPERIMENTS[name].claims(smoke)
    assert {c.sentence for c in alone} <= {c.sentence for c in together}
    assert all(c.figures == (name,) for c in alone)
    assert EXPERIMENTS[name].claims({}) == []
    others = {other: data for other, data in smoke.items() if other != name}
    assert EXPERIMENTS[name].claims(others) == []


@every_figure
def test_claims_are_complete(name, smoke):
    for claim in EXPERIMENTS[name].claims(smoke):
        assert claim.place
        assert claim.test.endswith(".")
        assert claim.seen.endswith(".")
        assert set(claim.figures) <= set(EXPERIMENTS)
        assert claim.comparisons
        labels = [one.label for one in claim.comparisons]
        assert len(set(labels)) == len(labels)
        for one in claim.comparisons:
            assert isinstance(one, Comparison)
            assert all(isinstance(x, float) for x in (one.mean, one.low, one.high))
            assert np.isfinite([one.mean, one.low, one.high]).all()
            assert one.low <= one.mean <= one.high
            assert one.wins.endswith("of 2")


def test_the_ledger_has_every_claim_once(smoke, smoke_figures):
    found = produce.ledger(list(smoke_figures.values()))
    assert list(found) == list(EXPERIMENTS)
    claims = [claim for each in found.values() for claim in each]
    counts = Counter((c.place, c.sentence, c.figures) for c in claims)
    assert [names for names, count in counts.items() if count > 1] == []
    assert found["table2"] == []
    for name in ("compositional", "hessian", "fig5", "fig6", "fig7", "fig8"):
        assert found[name], name
    # A claim stands with a figure whose numbers it uses, or with one that it explains.
    used = {frozenset(c.figures) for c in found["fig5"]}
    assert used == {frozenset(x) for x in (["fig5"], ["tradeoff"], ["fig5", "tradeoff"])}
