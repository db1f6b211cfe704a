"""Small finite problems with known constants: scalar ones, and polynomials in the plane."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes


def zero(theta: Any) -> Any:
    """The function 0."""
    return 0.0 * theta


@dataclass(frozen=True)
class Scalar:
    """d = m = 1: any functions g, H, G, p, q, with noise and bias added to their estimates.

    `noise` has one row an outcome, all equally likely: what is added to g, H, G, p and q.
    """

    g: Callable[[Any], Any] = zero
    H: Callable[[Any], Any] = zero
    G: Callable[[Any], Any] = zero
    p: Callable[[Any], Any] = zero
    q: Callable[[Any], Any] = zero
    noise: Any = ((0.0, 0.0, 0.0, 0.0, 0.0),)
    theta0: float = 0.0
    zeta0: float = 0.0

    @property
    def start(self) -> Any:
        """θ⁰."""
        return np.array([self.theta0])

    @property
    def start_jacobian(self) -> Any:
        """Z_0."""
        return np.array([[self.zeta0]])

    def inner(self, theta: Any) -> Inner:
        """g, H, G."""
        return Inner(self.g(theta), self.H(theta)[..., None], self.G(theta)[..., None])

    def outer(self, theta: Any) -> Outer:
        """p, q."""
        return Outer(self.p(theta), self.q(theta))

    def _weights(self, theta: Any) -> Any:
        count = len(self.noise)
        return np.full((*theta.shape[:-1], count), 1 / count)

    def inner_outcomes(self, theta: Any) -> InnerOutcomes:
        """Noise added to each."""
        g, H, G = self.inner(theta)
        e = np.array(self.noise, dtype=float)
        return InnerOutcomes(
            self._weights(theta),
            g[..., None, :] + e[:, :1],
            H[..., None, :, :] + e[:, 1, None, None],
            G[..., None, :, :] + e[:, 2, None, None],
        )

    def outer_outcomes(self, theta: Any) -> OuterOutcomes:
        """Noise added to each."""
        p, q = self.outer(theta)
        e = np.array(self.noise, dtype=float)
        return OuterOutcomes(
            self._weights(theta), p[..., None, :] + e[:, 3:4], q[..., None, :] + e[:, 4:5]
        )


class Polynomial:
    """d = m = 2, with θ⁰, J_in and J_out all depending on φ, and noise whose law depends on θ.

    J_in = θᵀAθ/2 + Σ(k θ³/3 + φθ²/2) + φᵀCθ,    J_out = Σ((θ − 1)²/2 + w θ³/3 + φθ²/2) + φᵀθ
    """

    def __init__(self, seed: int, *, outcomes: int = 3, scale: float = 0.5) -> None:
        rng = np.random.default_rng(seed)
        self.A = rng.normal(size=(2, 2))
        self.A = (self.A + self.A.T) / 2
        self.k, self.w = rng.normal(size=(2, 2)) / 2
        self.C, self.Z0 = rng.normal(size=(2, 2, 2))
        self.phi, self.theta0 = rng.normal(size=(2, 2))
        self.tilt = rng.normal(size=(outcomes, 2))
        self.noise_g, self.noise_p, self.noise_q = scale * rng.normal(size=(3, outcomes, 2))
        self.noise_H, self.noise_G = scale * rng.normal(size=(2, outcomes, 2, 2))

    @property
    def start(self) -> Any:
        """θ⁰ + Z_0 φ at this φ."""
        return self.theta0 + self.Z0 @ self.phi

    @property
    def start_jacobian(self) -> Any:
        """Z_0."""
        return self.Z0

    def value(self, phi: Any, step_size: float, num_steps: int) -> float:
        """J^K(φ)."""
        theta = self.theta0 + self.Z0 @ phi
        for _ in range(num_steps):
            g = self.A @ theta + self.k * theta**2 + phi * theta + self.C.T @ phi
            theta = theta + step_size * g
        direct = phi @ theta + (phi * theta**2).sum() / 2
        return ((theta - 1) ** 2 / 2 + self.w * theta**3 / 3).sum() + direct

    def inner(self, theta: Any) -> Inner:
        """g, H, G."""
        diagonal = np.eye(2) * theta[..., None, :]
        g = theta @ self.A + self.k * theta**2 + self.phi * theta + self.C.T @ self.phi
        return Inner(g, self.A + 2 * self.k * diagonal + np.diag(self.phi), self.C.T + diagonal)

    def outer(self, theta: Any) -> Outer:
        """p, q."""
        p = theta - 1 + self.w * theta**2 + self.phi * theta + self.phi
        return Outer(p, theta + theta**2 / 2)

    def _probability(self, theta: Any) -> Any:
        weight = np.exp(np.tanh(theta @ self.tilt.T))
        return weight / weight.sum(axis=-1, keepdims=True)

    def inner_outcomes(self, theta: Any) -> InnerOutcomes:
        """Unbiased ĝ; biased Ĥ and Ĝ."""
        g, H, G = self.inner(theta)
        probability = self._probability(theta)
        return InnerOutcomes(
            probability,
            g[..., None, :] + self._centred(probability, self.noise_g),
            H[..., None, :, :] + self.noise_H,
            G[..., None, :, :] + self.noise_G,
        )

    def outer_outcomes(self, theta: Any) -> OuterOutcomes:
        """Unbiased p̂ and q̂."""
        p, q = self.outer(theta)
        probability = self._probability(theta)
        return OuterOutcomes(
            probability,
            p[..., None, :] + self._centred(probability, self.noise_p),
            q[..., None, :] + self._centred(probability, self.noise_q),
        )

    def _centred(self, probability: Any, noise: Any) -> Any:
        return noise - (probability @ noise)[..., None, :]
