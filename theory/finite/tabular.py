"""A tabular meta-problem on a tiny MDP as a `FiniteProblem`: trajectories are enumerated.

θ and φ are flattened row by row. A Jacobian's rows are products with unit vectors: row k of H is
Hᵀe_k and row k of G is Gᵀe_k. Unless E ĝ is the exact inner update at every θ, Assumption 4.2 of
[Liu2022] fails. With a fixed table V_b and λ = 1 it holds for a problem of the same `horizon` T
and `terminal_value` V_b. With V_b = V^π, which moves with θ, it fails: the scores after step T are
missing, a bias of order γ^T of the infinite-horizon gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from tabular.metagradient import EXACT
from tabular.sources import Sampled, Update
from tabular.transitions import Array
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes
from theory.finite.support import Support


class TabularFinite:
    """A tabular problem at one φ and the laws of its estimators.

    Parameters
    ----------
    problem : Problem
        Of `tabular.problems`, on one tiny MDP.
    phi : array_like
        One φ, without a batch.
    source : Sampled
        The inner trajectories: estimator, T, V_b (no noise) and λ. N is not used.
    outer : Sampled, optional
        The outer ones; `source` if None.

    Raises
    ------
    ValueError, TypeError
        If φ does not fit the problem or is a batch, or there are too many trajectories.
    """

    def __init__(
        self, problem: Any, phi: Any, source: Sampled, outer: Sampled | None = None
    ) -> None:
        for name, given in (("source", source), ("outer", outer or source)):
            if not isinstance(given, Sampled):
                raise TypeError(f"{name} must be a Sampled source, received {given!r}")
        self._problem = problem
        self._phi = problem.check(phi)
        self._table = np.asarray(problem.start(self._phi), dtype=np.float64)
        once = np.shape(problem.start_vjp(self._table)) or self._phi.shape
        if self._table.ndim != 2 or once != self._phi.shape:
            raise ValueError(
                "enumeration needs one φ, received a batch of shape "
                f"{self._phi.shape}; make one problem for each"
            )
        self._inner_source, self._outer_source = source, outer or source

    @property
    def start(self) -> Array:
        """θ⁰, (d,)."""
        return self._table.ravel()

    @cached_property
    def start_jacobian(self) -> Array:
        """∂θ⁰/∂φ, (d, m)."""
        return self._jacobian(self._problem.start_vjp, ())

    def inner(self, theta: Array) -> Inner:
        """g, H and G at θ (..., d)."""
        differential = EXACT(self._problem.inner(self._phi, self._tables(theta)), None)
        return Inner(*self._inner_parts(differential, theta.shape[:-1]))

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """One trajectory's estimates of them."""
        probability, differential, batch = self._sample(
            self._problem.inner, self._inner_support, theta
        )
        return InnerOutcomes(probability, *self._inner_parts(differential, batch))

    def outer(self, theta: Array) -> Outer:
        """p and q at θ (..., d)."""
        differential = EXACT(self._problem.outer(self._phi, self._tables(theta)), None)
        return Outer(*self._outer_parts(differential, theta.shape[:-1]))

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """One trajectory's estimates of them."""
        probability, differential, batch = self._sample(
            self._problem.outer, self._outer_support, theta
        )
        return OuterOutcomes(probability, *self._outer_parts(differential, batch))

    def value(self, theta: Array) -> Array:
        """J_out at θ (..., d), (...)."""
        return self._problem.outer(self._phi, self._tables(theta)).exact().value

    @cached_property
    def _inner_support(self) -> Support:
        return Support(self._problem.inner(self._phi, self._table), self._inner_source)

    @cached_property
    def _outer_support(self) -> Support:
        return Support(self._problem.outer(self._phi, self._table), self._outer_source)

    def _tables(self, theta: Array) -> Array:
        return theta.reshape(*theta.shape[:-1], *self._table.shape)

    def _sample(
        self, make: Callable[[Array, Array], Update], support: Support, theta: Array
    ) -> tuple[Array, Any, tuple[int, ...]]:
        """Probabilities (..., M), the estimates, and the dimensions (..., M)."""
        update = make(self._phi, theta.reshape(-1, 1, *self._table.shape))
        probability, estimate = support.estimates(update)
        probability = probability.reshape(*theta.shape[:-1], -1)
        return probability, update.seen(estimate), probability.shape

    def _inner_parts(self, differential: Any, batch: tuple[int, ...]) -> tuple[Array, Array, Array]:
        return (
            differential.gradient.reshape(*batch, -1),
            self._jacobian(differential.vjp, batch),
            self._jacobian(lambda u: self._problem.cross(differential, u), batch),
        )

    def _outer_parts(self, differential: Any, batch: tuple[int, ...]) -> tuple[Array, Array]:
        gradient = differential.gradient.reshape(*batch, -1)
        direct = self._problem.direct(differential)
        if direct is None:
            direct = np.zeros((*batch, self._phi.size))
        return gradient, direct.reshape(*batch, -1)

    def _jacobian(self, product: Callable[[Array], Any], batch: tuple[int, ...]) -> Array:
        """The rows that a product with the transpose gives, (..., d, n); zero if it gives None."""
        units = np.eye(self._table.size).reshape(-1, *self._table.shape)
        if product(units[0]) is None:
            return np.zeros((*batch, self._table.size, self._phi.size))
        return np.stack([product(unit).reshape(*batch, -1) for unit in units], axis=-2)
