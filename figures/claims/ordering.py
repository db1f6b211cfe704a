"""A claim that some accuracies are larger than others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.seen import Whose, gaps, label, summary

#: What is larger, and than what, by label.
Pairs = Mapping[str, tuple[Whose, Whose]]


def within(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Permutations to be compared for each estimator: the first has the larger accuracy."""
    pairs = tuple(pairs)
    return {
        f"{label(e)}: {more} − {less}": ((e, more), (e, less))
        for e in names
        for more, less in pairs
    }


def ordering(
    place: str,
    sentence: str,
    test: str,
    data: xr.Dataset,
    pairs: Pairs,
    *,
    figures: tuple[str, ...] = ("fig5",),
    why: str = "",
) -> Claim:
    """Each first accuracy is above the second, mean over the figure's axis."""
    differences, turns = gaps(data, pairs)
    found = comparisons(differences)
    return Claim(place, sentence, figures, test, found, summary(found) + turns, why)
