"""What the theory sees of a K-step problem at one φ, in flat vectors: θ in R^d, φ in R^m.

    θ^{i+1} = θ^i + α g(θ^i),    g = ∇_θ J_in(φ, ·),    H = ∂g/∂θ,    G = ∂g/∂φ,
    p = ∇_θ J_out,    q = ∇_φ J_out,    Z_0 = ∂θ⁰/∂φ,

and one trajectory's estimates of (g, H, G) and of (p, q), which have finitely many outcomes.
Leading dimensions (...,) are a batch of θ. H need not be symmetric.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tabular.transitions import Array


class Inner(NamedTuple):
    """g (..., d), H (..., d, d) and G (..., d, m)."""

    gradient: Array
    hessian: Array
    cross: Array


class Outer(NamedTuple):
    """p (..., d) and q (..., m)."""

    gradient: Array
    direct: Array


class InnerOutcomes(NamedTuple):
    """The M outcomes of one trajectory at each θ.

    Probabilities (..., M), gradients (..., M, d), Hessians (..., M, d, d), cross derivatives
    (..., M, d, m).
    """

    probability: Array
    gradient: Array
    hessian: Array
    cross: Array


class OuterOutcomes(NamedTuple):
    """The outcomes of one outer trajectory: (..., M), p (..., M, d) and q (..., M, m)."""

    probability: Array
    gradient: Array
    direct: Array


class FiniteProblem(Protocol):
    """A K-step problem at one φ, with the finite laws of its estimators."""

    @property
    def start(self) -> Array:
        """θ⁰, (d,)."""
        ...

    @property
    def start_jacobian(self) -> Array:
        """Z_0, (d, m)."""
        ...

    def inner(self, theta: Array) -> Inner:
        """The exact inner derivatives at θ (..., d)."""
        ...

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """One trajectory's estimates of them."""
        ...

    def outer(self, theta: Array) -> Outer:
        """The exact outer derivatives at θ (..., d)."""
        ...

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """One trajectory's estimates of them."""
        ...
