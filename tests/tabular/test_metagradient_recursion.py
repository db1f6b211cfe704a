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
    """g = tanh(Aθ + Bφ), θ⁰ = Z φ + c, J_Out = |θ|²/2 + θᵀWφ (W = 0 if None); θ is a vector."""

    A: Any
    B: Any
    Z: Any
    c: Any
    W: Any

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
        if self.W is None:
            return Update(None, theta, exact=lambda: Field(theta, None, None))
        return Update(None, theta, exact=lambda: Field(theta + self.W @ phi, None, theta @ self.W))

    def cross(self, differential: Any, u: Any) -> Any:
        return differential.by_phi.T @ u

    def direct(self, differential: Any) -> Any:
        return differential.by_phi

    def start_vjp(self, u: Any) -> Any:
        return None if self.Z is None else self.Z.T @ u


@dataclass(frozen=True)
class Field:
    gradient: Any
    by_theta: Any
    by_phi: Any

    def vjp(self, u: Any) -> Any:
        return self.by_theta.T @ u


def make(num_steps: int, *, start_depends: bool, outer_depends: bool) -> tuple[Tanh, Any]:
    """A problem and its φ."""
    rng = np.random.default_rng(num_steps)
    Z = rng.normal(size=(4, 3)) if start_depends else None
    A, B, c = rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), rng.normal(size=4)
    phi, W = rng.normal(size=3), rng.normal(size=(4, 3))
    return Tanh(A, B, Z, c, W if outer_depends else None), phi


def forwards(problem: Tanh, phi: Any, *, step_size: float, num_steps: int) -> Any:
    """Z_{i+1} = (I + α H_i) Z_i + α G_i, ∇J = q + Z_Kᵀ p."""
    theta = problem.start(phi)
    jacobian = np.zeros((4, 3)) if problem.Z is None else problem.Z
    for _ in range(num_steps):
        field = problem.inner(phi, theta).exact()
        jacobian = jacobian + step_size * (field.by_theta @ jacobian + field.by_phi)
        theta = theta + step_size * field.gradient
    if problem.W is None:
        return jacobian.T @ theta
    return problem.W.T @ theta + jacobian.T @ (theta + problem.W @ phi)


@pytest.mark.parametrize("start_depends", [True, False])
@pytest.mark.parametrize("outer_depends", [True, False])
@pytest.mark.parametrize("num_steps", range(1, 7))
def test_the_recursion_with_jacobians_that_are_not_symmetric(
    start_depends, outer_depends, num_steps
):
    problem, phi = make(num_steps, start_depends=start_depends, outer_depends=outer_depends)
    options = {"step_size": 0.4, "num_steps": num_steps}
    expected = forwards(problem, phi, **options)
    assert_close(meta_gradient(problem, phi, **options), expected, SECOND)


@pytest.mark.parametrize("wrong", ["no q", "half q", "Hessians not transposed"])
def test_a_wrong_backward_pass_is_found(monkeypatch, wrong):
    problem, phi = make(3, start_depends=True, outer_depends=True)
    options = {"step_size": 0.4, "num_steps": 3}
    expected = forwards(problem, phi, **options)
    if wrong == "Hessians not transposed":
        monkeypatch.setattr(Field, "vjp", lambda self, u: self.by_theta @ u)
    else:
        change = (lambda q: None) if wrong == "no q" else (lambda q: q / 2)
        monkeypatch.setattr(Tanh, "direct", lambda self, outer: change(outer.by_phi))
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(meta_gradient(problem, phi, **options), expected, SECOND)
