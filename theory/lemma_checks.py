"""Lemmas H.2 to H.8 ([Liu2022]) on the finite vectors of one MDP: X = ĝ and Y = Ĥ p at θ⁰.

Both are of one trajectory; H.7 conditions on whether it is among the first half of the outcomes,
and H.8 takes φ(ζ) = Ĥ p of one trajectory and ψ(η) = ĝᵀ of another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from theory.bounds import BoundCheck
from theory.finite.paths import Paths
from theory.finite.vectors import FiniteLaw
from theory.statements.lemma_h2 import lemma_h2
from theory.statements.lemma_h3 import lemma_h3
from theory.statements.lemma_h5 import lemma_h5
from theory.statements.lemma_h7 import lemma_h7
from theory.statements.lemma_h8 import independent, lemma_h8


def lemma_checks(paths: Paths) -> Iterator[BoundCheck]:
    """Yield the lemmas' checks; `paths` are those of a problem with sampled steps."""
    probability, x, hessian, _ = (table[0] for table in paths.levels[0].outcomes)
    y = hessian @ paths.exact_outer.gradient[0]
    law = FiniteLaw(probability)
    yield from lemma_h2(law, x)
    yield from lemma_h3(law, x, y)
    yield from lemma_h5(law, x, y, paths.exact.gradient[0])
    yield lemma_h7(law, x, np.arange(len(x)) < len(x) / 2)
    ones = np.ones((len(x), 1, 1))
    yield lemma_h8(independent(probability, probability), x[:, None, :], y[..., None], ones)
