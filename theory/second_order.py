"""The compositional bias to leading order: its exact coefficient of 1/N, on any tabular MDP.

A loop of K steps moves by averages of N trajectories, θ̂^{i+1} = θ̂^i + α ĝ(θ̂^i), with E ĝ = ∇J. Let
H_i = ∇²J(θ^i), L_i = I + α H_i, and Σ_i = Cov ĝ of one trajectory at θ^i, all on the exact path.
Taylor's formula for one step, in expectation, carries the first two moments of N^½ (θ̂^i − θ^i):

    S_0 = 0,  S_{i+1} = L_i S_i L_iᵀ + α² Σ_i               Cov θ̂^i = S_i/N + O(N⁻²)
    c_0 = 0,  c_{i+1} = L_i c_i + (α/2) ∇³J(θ^i) : S_i      E θ̂^i − θ^i = c_i/N + O(N⁻²)

and for every smooth f, once more by Taylor's formula,

    E f(θ̂^K) − f(θ^K) = (Df c_K + ½ D²f : S_K)/N + O(N⁻²).

Unrolled, this is (α²/2N) Σ_i D²(f ∘ T^{K−1−i})(θ^{i+1}) : Σ_i with T(θ) = θ + α ∇J(θ): the second
derivative of a composition is one term through L Lᵀ and one through D²T = α ∇³J. So the *bias* is
of order α² K/N, where the mean *error* E‖θ̂^K − θ^K‖, which Lemma 4.4 of [Liu2022] bounds, is about
√(tr S_K/N). Derived here.

J is J_T with the terminal table V_b: the gradient estimates of `ad`, `lvc` and `loaded_dice` with
this fixed V_b as baseline and λ = 1, and those of `dice` with V_b = 0, have the mean ∇J_T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks, exact, moments
from tabular.mdp import TabularMDP
from tabular.metagradient import positive_number
from tabular.transitions import Array

#: Entries of one table over directions, time, states and actions.
TOGETHER = 2_000_000
#: Eigenvalues below this share of the largest do not reach the result in float64.
NEGLIGIBLE = 1e-15


@dataclass(frozen=True, eq=False)
class SampledLoop:
    """K steps of size α on J_T from θ⁰, and the leading order of what sampling does to them.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP, dense or sparse.
    theta0 : array_like (S, A)
        θ⁰.
    step_size : float
        α > 0.
    num_steps : int
        K >= 1.
    horizon : int
        T.
    baseline : array_like (S,), optional
        V_b, baseline, bootstrap and terminal table of J_T; zero if not given.

    Raises
    ------
    ValueError, TypeError
        If a table does not fit or a number is not positive, at construction; if the loop leaves
        the floating-point range, on first use.
    """

    mdp: TabularMDP
    theta0: Any
    step_size: float
    num_steps: int
    horizon: int
    baseline: Any = None

    def __post_init__(self) -> None:
        _checks.instance(self.mdp, TabularMDP, "mdp")
        shape = (self.mdp.num_states, self.mdp.num_actions)
        theta0 = _checks.logits(self.theta0, shape)
        zero = np.zeros(shape[0])
        baseline = zero if self.baseline is None else self.baseline
        baseline = _checks.table(baseline, "baseline", shape[:1])
        for name, table, dims in (("theta0", theta0, 2), ("baseline", baseline, 1)):
            if table.ndim != dims:
                raise ValueError(
                    f"{name} must be one table without leading dimensions, received shape "
                    f"{table.shape}; make one loop for each"
                )
        object.__setattr__(self, "theta0", theta0)
        object.__setattr__(self, "baseline", baseline)
        object.__setattr__(self, "step_size", positive_number(self.step_size, "step_size"))
        for name in ("num_steps", "horizon"):
            object.__setattr__(self, name, _checks.positive_integer(getattr(self, name), name))

    @cached_property
    def evaluations(self) -> list[exact.Evaluation]:
        """The exact quantities of J_T at θ^0, ..., θ^K."""
        theta, found = self.theta0, []
        for _ in range(self.num_steps + 1):
            self._require_finite(theta, "theta")
            found.append(
                exact.evaluate(self.mdp, theta, horizon=self.horizon, terminal_value=self.baseline)
            )
            with np.errstate(over="ignore"):
                theta = theta + self.step_size * found[-1].gradient
        return found

    def _require_finite(self, table: Array, name: str) -> None:
        if not np.isfinite(table).all():
            raise ValueError(
                f"{name} must stay finite, received NaN or infinity within {self.num_steps} "
                "inner steps; take a smaller step_size, or rewards in another unit"
            )

    @cached_property
    def iterates(self) -> list[Array]:
        """θ^0, ..., θ^K, each (S, A)."""
        theta = [self.theta0]
        for here in self.evaluations[:-1]:
            theta.append(theta[-1] + self.step_size * here.gradient)
        return theta

    def rescaled(self, step_size: float, num_steps: int) -> SampledLoop:
        """The loop with another α and K, which shares H_0 and Σ_0."""
        other = replace(self, step_size=step_size, num_steps=num_steps)
        other.__dict__["_start"] = self._start
        return other

    @cached_property
    def _start(self) -> tuple[Array, Array]:
        """H_0 and Σ_0."""
        return self._hessian(self.theta0), self._noise(self.theta0)

    @cached_property
    def hessians(self) -> list[Array]:
        """H_0, ..., H_{K−1}, each (D, D)."""
        return [self._start[0], *(self._hessian(theta) for theta in self.iterates[1:-1])]

    @cached_property
    def last_hessian(self) -> Array:
        """H_K, (D, D)."""
        return self._hessian(self.iterates[-1])

    def _hessian(self, theta: Array) -> Array:
        """∇²J_T as the mean of the `loaded_dice` Hessian, which is one walk through time."""
        return _square(
            moments.expected_hessian(
                self.mdp, theta, "loaded_dice", horizon=self.horizon, baseline=self.baseline
            )
        )

    @cached_property
    def factors(self) -> list[Array]:
        """L_0, ..., L_{K−1}, each (D, D)."""
        return [np.eye(len(H)) + self.step_size * H for H in self.hessians]

    @cached_property
    def noises(self) -> list[Array]:
        """Σ_0, ..., Σ_{K−1}, each (D, D)."""
        return [self._start[1], *(self._noise(theta) for theta in self.iterates[1:-1])]

    def _noise(self, theta: Array) -> Array:
        """Cov ĝ of one trajectory."""
        return _square(
            moments.gradient_covariance(
                self.mdp, theta, "ad", horizon=self.horizon, baseline=self.baseline
            )
        )

    @cached_property
    def covariances(self) -> list[Array]:
        """S_0, ..., S_K, each (D, D)."""
        found = [np.zeros((self.theta0.size, self.theta0.size))]
        for L, noise in zip(self.factors, self.noises, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                found.append(L @ found[-1] @ L.T + np.square(self.step_size) * noise)
            self._require_finite(found[-1], "the covariance of theta")
        return found

    @cached_property
    def shifts(self) -> list[Array]:
        """c_0, ..., c_K, each (S, A); c_0 = c_1 = 0."""
        found = [np.zeros_like(self.theta0)] * 2
        for i in range(1, self.num_steps):
            bent = 0.5 * contract_third(self.evaluations[i], self.covariances[i])
            found.append(self._times(self.factors[i], found[-1]) + self.step_size * bent)
        return found

    @property
    def iterate_coefficient(self) -> Array:
        """lim N (E θ̂^K − θ^K) = c_K, (S, A)."""
        return self.shifts[-1]

    @property
    def value_coefficient(self) -> float:
        """lim N (E J(θ̂^K) − J(θ^K)) = ∇J · c_K + ½ ∇²J : S_K."""
        first = (self.evaluations[-1].gradient * self.shifts[-1]).sum()
        return float(first + 0.5 * (self.last_hessian * self.covariances[-1]).sum())

    @cached_property
    def gradient_coefficient(self) -> Array:
        """lim N (E ∇J(θ̂^K) − ∇J(θ^K)) = ∇²J c_K + ½ ∇³J : S_K, (S, A)."""
        first = self._times(self.last_hessian, self.shifts[-1])
        return first + 0.5 * contract_third(self.evaluations[-1], self.covariances[-1])

    def spread(self, num_trajectories: Any) -> Array:
        """√(tr S_K/N), the leading order of √E‖θ̂^K − θ^K‖²; for K = 1 it is that exactly."""
        count = _checks.finite_array(num_trajectories, "num_trajectories")
        if np.any(count < 1):
            raise ValueError(f"num_trajectories must be at least 1, received {num_trajectories}")
        return np.sqrt(max(float(np.trace(self.covariances[-1])), 0.0) / count)

    def _times(self, matrix: Array, table: Array) -> Array:
        return (matrix @ table.ravel()).reshape(table.shape)


def contract_third(here: exact.Evaluation, covariance: Array) -> Array:
    """∇³J : S = Σ_k μ_k ∇³J[u_k, u_k, ·] over the eigenpairs of S (D, D), (S, A)."""
    shape = here.gradient.shape
    values, directions = eigenpairs(covariance, shape)
    few = max(1, TOGETHER // here.Q.size)
    total = np.zeros(shape)
    for i in range(0, len(values), few):
        u = directions[i : i + few]
        total += np.tensordot(values[i : i + few], here.third(u, u), axes=1)
    return total


def eigenpairs(matrix: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """The eigenvalues (k,) of a symmetric matrix that matter, and their directions (k, S, A)."""
    values, vectors = np.linalg.eigh(matrix)
    kept = np.abs(values) > NEGLIGIBLE * np.abs(values).max()
    return values[kept], vectors.T[kept].reshape(-1, *shape)


def _square(table: Array) -> Array:
    """(S, A, S, A) as (D, D)."""
    return table.reshape(table.shape[0] * table.shape[1], -1)
