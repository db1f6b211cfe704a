"""The recursion itself, on a problem whose Jacobians are not symmetric."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tabular.metagradient import meta_gradient
from tabular.sources import Update
from tests.tabular.tolerances import SECOND, assert_close


@dataclass(frozen=True)
class Tanh:
    """g = tanh(Aθ + Bφ), θ⁰ = Z φ + c, J_Out = |θ|²/2; θ is a vector."""

    A: Any
    B: Any
    Z: Any
    c: Any

    def check(self, phi: Any) -> Any:
        return np.asarray(phi)

    def start(self, phi: Any) -> Any:
        return self.c if self.Z is None else self.Z @ phi + self.c

    def inner(self, phi: Any, theta: Any) -> Any:
        value = np.tanh(self.A @ theta + self.B @ phi)
        slope = 1 - value**2
        return Update(
            None,
            theta,
            exact=lambda: Field(value, slope[:, None] * self.A, slope[:, None] * self.B),
        )

    def outer(self, phi: Any, theta: Any) -> Any:
        return Update(None, theta, exact=lambda: Field(theta, None, None))

    def cross(self, differential: Any, u: Any) -> Any:
        return differential.by_phi.T @ u

    def start_vjp(self, u: Any) -> Any:
        return None if self.Z is None else self.Z.T @ u


@dataclass(frozen=True)
class Field:
    gradient: Any
    by_theta: Any
    by_phi: Any

    def vjp(self, u: Any) -> Any:
        return self.by_theta.T @ u


@pytest.mark.parametrize("start_depends", [True, False])
@pytest.mark.parametrize("num_steps", range(1, 7))
def test_the_recursion_with_jacobians_that_are_not_symmetric(start_depends, num_steps):
    """Z_{i+1} = (I + α H_i) Z_i + α G_i forwards, ∇J = Z_Kᵀ ∇J_Out."""
    rng, alpha = np.random.default_rng(num_steps), 0.4
    Z = rng.normal(size=(4, 3)) if start_depends else None
    problem = Tanh(rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), Z, rng.normal(size=4))
    phi = rng.normal(size=3)
    theta, jacobian = problem.start(phi), np.zeros((4, 3)) if Z is None else Z
    for _ in range(num_steps):
        field = problem.inner(phi, theta).exact()
        jacobian = jacobian + alpha * (field.by_theta @ jacobian + field.by_phi)
        theta = theta + alpha * field.gradient
    actual = meta_gradient(problem, phi, step_size=alpha, num_steps=num_steps)
    assert_close(actual, jacobian.T @ theta, SECOND)
