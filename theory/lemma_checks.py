"""Lemmas H.2, H.3, H.5, H.7 and H.8 ([Liu2022]) on random vectors: X = ĝ and Y = Ĥ p at θ⁰.

Both are `loaded_dice`'s, of one trajectory. The lemmas are about any finite law, and so about the
uniform one on `DRAWN` sampled trajectories, whose expectations are short sums however large the MDP
is. H.7 conditions on whether the trajectory is among the first half, and H.8 takes φ(ζ) = Ĥ p of
one trajectory and, of an independent one, ψ(η) = ĝᵀ and ϕ = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tabular._checks import instance
from theory.bounds import BoundCheck
from theory.finite.vectors import FiniteLaw
from theory.shared_objective import SharedObjective
from theory.statements.lemma_h2 import lemma_h2
from theory.statements.lemma_h3 import lemma_h3
from theory.statements.lemma_h5 import lemma_h5
from theory.statements.lemma_h7 import lemma_h7
from theory.statements.lemma_h8 import independent, lemma_h8

#: Sampled trajectories.
DRAWN = 32


def lemma_checks(
    objective: SharedObjective, stream: np.random.SeedSequence
) -> Iterator[BoundCheck]:
    """Yield the lemmas' checks; the stream draws the trajectories."""
    instance(objective, SharedObjective, "objective")
    theta, problem = objective.start, objective.problem
    many = np.broadcast_to(theta, (DRAWN, *theta.shape))
    one = replace(objective.source("loaded_dice"), num_trajectories=1)
    estimate = one(problem.inner(many, many), np.random.default_rng(stream))
    exact = problem.inner(theta, theta).exact().gradient
    x = estimate.gradient.reshape(DRAWN, -1)
    y = estimate.hvp(np.broadcast_to(exact, many.shape)).reshape(DRAWN, -1)
    probability = np.full(DRAWN, 1 / DRAWN)
    law, ones = FiniteLaw(probability), np.ones((DRAWN, 1, 1))
    checks = (
        *lemma_h2(law, x),
        *lemma_h3(law, x, y),
        *lemma_h5(law, x, y, exact.ravel()),
        lemma_h7(law, x, np.arange(DRAWN) < DRAWN / 2),
        lemma_h8(independent(probability, probability), x[:, None, :], y[..., None], ones),
    )
    yield from (replace(check, obtained="drawn law") for check in checks)
