"""Toy problems: polynomial fields with finite noise, where bounds are attained and terms isolated.

    g(φ, θ) = g(θ) + G(θ)(φ − φ⁰),   θ⁰(φ) = θ⁰ + Z_0 (φ − φ⁰),   p(θ),   q(θ)   at φ = φ⁰,

each of g, G, p and q a polynomial Σ_j Σ_{k<=3} c_jk (u_j·θ)^k/k! along fixed directions u_j. One
trajectory adds centred constants: Ξ to H with a bias, Υ to G with a bias, ξ to g, and noise to p
and q. Nothing ties ξ to Ξ, which the theorems do not ask for either. H is ∂g/∂θ and so need not be
symmetric.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes

#: The directions u_j of a polynomial in R^d, by d: all polynomials of degree three for d = 1.
DIRECTIONS = {
    1: np.array([[1.0]]),
    2: np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]),
}
#: The largest degree.
CUBIC = 3
FIELDS = ("g", "G", "p", "q")


class Polynomial:
    """f(θ) = Σ_jk c_kj (u_j·θ)^k/k! for coefficients (degree + 1, J, *out)."""

    def __init__(self, coefficients: Any, d: int) -> None:
        self.directions = DIRECTIONS[d]
        self.coefficients = coefficients
        n = coefficients.ndim - 2
        self.slopes = coefficients[..., None] * self.directions.reshape(1, -1, *(1,) * n, d)

    def value(self, theta: Any) -> Any:
        """(..., *out) at θ (..., d)."""
        t = theta @ self.directions.T
        return self._sum([t**0, t, t**2 / 2, t**3 / 6], self.coefficients)

    def jacobian(self, theta: Any) -> Any:
        """∂f/∂θ, (..., *out, d)."""
        t = theta @ self.directions.T
        return self._sum([0 * t, t**0, t, t**2 / 2], self.slopes)

    def _sum(self, monomials: list[Any], coefficients: Any) -> Any:
        return np.tensordot(np.stack(monomials[: len(coefficients)], -2), coefficients, 2)


def shapes(d: int, m: int, outcomes: int) -> dict[str, tuple[int, ...]]:
    """The numbers of a toy, by name."""
    J = len(DIRECTIONS[d])
    return {
        "start": (d,),
        "start_jacobian": (d, m),
        "g": (CUBIC + 1, J, d),
        "G": (CUBIC + 1, J, d, m),
        "p": (CUBIC + 1, J, d),
        "q": (CUBIC + 1, J, m),
        "logits": (outcomes,),
        "noise_g": (outcomes, d),
        "noise_H": (outcomes, d, d),
        "noise_G": (outcomes, d, m),
        "noise_p": (outcomes, d),
        "noise_q": (outcomes, m),
        "bias_H": (d, d),
        "bias_G": (d, m),
    }


@dataclass(frozen=True, eq=False)
class Toy:
    """A `FiniteProblem` of the numbers that `shapes` names."""

    numbers: dict[str, Any]

    def __post_init__(self) -> None:
        n = self.numbers
        d = len(n["start"])
        weight = np.exp(n["logits"] - n["logits"].max())
        weight = weight / weight.sum()
        centred = {name: _centred(weight, n[name]) for name in n if name[:5] == "noise"}
        fields = {name: Polynomial(n[name], d) for name in FIELDS}
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "noise", centred)
        object.__setattr__(self, "fields", fields)

    @property
    def start(self) -> Any:
        return self.numbers["start"]

    @property
    def start_jacobian(self) -> Any:
        return self.numbers["start_jacobian"]

    def inner(self, theta: Any) -> Inner:
        f = self.fields
        return Inner(f["g"].value(theta), f["g"].jacobian(theta), f["G"].value(theta))

    def outer(self, theta: Any) -> Outer:
        return Outer(self.fields["p"].value(theta), self.fields["q"].value(theta))

    def inner_outcomes(self, theta: Any) -> InnerOutcomes:
        at, noise, batch = self.inner(theta), self.noise, theta.ndim - 1
        return InnerOutcomes(
            self._weights(theta),
            np.expand_dims(at.gradient, batch) + noise["noise_g"],
            np.expand_dims(at.hessian + self.numbers["bias_H"], batch) + noise["noise_H"],
            np.expand_dims(at.cross + self.numbers["bias_G"], batch) + noise["noise_G"],
        )

    def outer_outcomes(self, theta: Any) -> OuterOutcomes:
        at, noise, batch = self.outer(theta), self.noise, theta.ndim - 1
        return OuterOutcomes(
            self._weights(theta),
            np.expand_dims(at.gradient, batch) + noise["noise_p"],
            np.expand_dims(at.direct, batch) + noise["noise_q"],
        )

    def _weights(self, theta: Any) -> Any:
        return np.broadcast_to(self.weight, (*theta.shape[:-1], len(self.weight)))


def _centred(weight: Any, noise: Any) -> Any:
    """Noise less its mean; equal outcomes are none, not rounding."""
    off = noise - np.tensordot(weight, noise, 1)
    return np.where(np.ptp(noise, axis=0) > 0, off, 0.0)
