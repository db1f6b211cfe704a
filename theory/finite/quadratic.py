"""The loop that attains the bound of Lemma 4.4: a quadratic with additive noise.

J_in = c₁ θ²/2 and J_out = θ²/2 of one number θ with θ⁰ = φ; ĝ = c₁ θ ± σ with equal chances, and
Hessians are exact. As θ̂^K − θ^K is linear in the noise,

    E(θ̂^K − θ^K)² = (α²σ²/N) Σ_{j<K} (1 + αc₁)^{2j}.

Derived here; the step climbs, so that errors grow as fast as Assumption 4.1 lets them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular._checks import one_number
from tabular.metagradient import positive_number
from tabular.transitions import Array
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes


@dataclass(frozen=True)
class Quadratic:
    """c₁ > 0, σ > 0 and θ⁰ = φ."""

    c1: float = 1.0
    sigma: float = 1.0
    theta0: float = 1.0

    def __post_init__(self) -> None:
        positive_number(self.c1, "c1")
        positive_number(self.sigma, "sigma")
        one_number(self.theta0, "theta0")

    @property
    def start(self) -> Array:
        """θ⁰, (1,)."""
        return np.array([self.theta0])

    @property
    def start_jacobian(self) -> Array:
        """One."""
        return np.eye(1)

    def inner(self, theta: Array) -> Inner:
        """c₁ θ, c₁ and zero."""
        hessian = np.full((*theta.shape, 1), self.c1)
        return Inner(self.c1 * theta, hessian, np.zeros_like(hessian))

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """c₁ θ ± σ."""
        gradient = self.c1 * theta[..., None, :] + self.sigma * np.array([[-1.0], [1.0]])
        hessian = np.full((*gradient.shape, 1), self.c1)
        chances = np.full(gradient.shape[:-1], 0.5)
        return InnerOutcomes(chances, gradient, hessian, np.zeros_like(hessian))

    def outer(self, theta: Array) -> Outer:
        """θ and zero."""
        return Outer(theta, np.zeros_like(theta))

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """The exact ones."""
        gradient = theta[..., None, :]
        return OuterOutcomes(np.ones(gradient.shape[:-1]), gradient, np.zeros_like(gradient))
