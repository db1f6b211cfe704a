"""What the K-sample formulation needs of a problem beside the outcomes: scores and returns.

Differentiating an expectation over samples that are drawn at θ takes their scores ∇_θ log p(τ; θ),
and weighs them by the outer return. The problem has to be *closed under its samples*: Ĥ is the
derivative of ĝ at fixed samples, and Ĝ that in φ. Of the estimators that is `ad` with a V_b that
does not depend on θ; the others have Hessians that aim at ∇²J_in instead.
"""

from __future__ import annotations

from typing import Protocol

from tabular.transitions import Array
from theory.finite.problem import FiniteProblem


class ScoredProblem(FiniteProblem, Protocol):
    """A finite problem whose inner law p(τ; θ) depends on φ through θ only."""

    def inner_scores(self, theta: Array) -> Array:
        """∇_θ log p(τ; θ) of the inner outcomes at θ (..., d): (..., M, d)."""
        ...

    def outer_value(self, theta: Array) -> Array:
        """J_out(θ), (...)."""
        ...

    def outer_returns(self, theta: Array) -> Array:
        """The outer outcomes' returns R̂, with E R̂ = J_out(θ): (..., M)."""
        ...
