"""Which evaluation serves an MDP, and the one that runs compiled loops.

Dense tables over an infinite horizon go through `tabular.kernels` where numba is installed, all
else through `tabular.evaluation`. Both have the same attributes and methods.
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from tabular import compiled
from tabular.chain import Discounted
from tabular.evaluation import Evaluation, shared
from tabular.mdp import TabularMDP
from tabular.resolvent import (
    InverseResolvent,
    LUResolvent,
    Resolvent,
    SideBySideResolvent,
    factorise,
)
from tabular.transitions import Array

#: Up to this S the loops for the whole Hessian beat LAPACK and NumPy.
HESSIAN_UP_TO = 128


def evaluation_of(
    mdp: TabularMDP,
    theta: Array,
    *,
    horizon: int | None = None,
    terminal_value: Array | None = None,
) -> Evaluation:
    """Make the evaluation of π_θ; the arguments are taken as checked."""
    if horizon is None and not mdp.is_sparse and compiled.kernels("kernels"):
        batch = _common_batch(mdp, theta)
        if batch is not None:
            return CompiledEvaluation(mdp, theta, batch)
    return Evaluation(mdp, theta, horizon=horizon, terminal_value=terminal_value)


def _common_batch(mdp: TabularMDP, theta: Array) -> tuple[int, ...] | None:
    """The batch of policies; None where they share MDPs crosswise, or rewards outnumber them."""
    if theta.ndim == mdp.R.ndim == 2 and isinstance(mdp.gamma, float) and not mdp.batch_shape:
        return ()
    batch = np.broadcast_shapes(theta.shape[:-2], np.shape(mdp.gamma), mdp.batch_shape)
    outnumbered = np.broadcast_shapes(batch, mdp.R.shape[:-2]) != batch
    return None if outnumbered or mdp.batch_shape not in ((), batch) else batch


class Values(NamedTuple):
    """Factors of I − γP_π, their batch, V (B, S) and π (B, S, A); one for all that are alike."""

    factors: SideBySideResolvent | InverseResolvent | LUResolvent
    batch: tuple[int, ...]
    V: Array
    pi: Array


class Solution(NamedTuple):
    """V and d (B, S), and π, Q, A and ∇J (B, S, A); one for all policies that are alike."""

    V: Array
    d: Array
    pi: Array
    Q: Array
    advantage: Array
    gradient: Array


class CompiledEvaluation(Evaluation):
    """An `Evaluation` over an infinite horizon whose loops over states and actions are compiled."""

    def __init__(self, mdp: TabularMDP, theta: Array, batch: tuple[int, ...]) -> None:
        super().__init__(mdp, theta)
        self._batch = batch
        # P, R and γ with a leading axis of length B, or one where they are shared.
        self._tables = self._flat(mdp.P, 3), self._flat(mdp.R, 2), self._flat(self.gamma, 0)

    @cached_property
    def _policies(self) -> Array:
        """The logits (B, S, A), or (1, S, A) where all of them, and their MDPs, are the same."""
        theta = self._each(self._theta)
        alike = len(theta) > 1 and all(len(table) == 1 for table in self._tables)
        return theta[:1] if alike and np.array_equal(theta[1:], theta[:-1]) else theta

    @cached_property
    def _values(self) -> Values:
        theta, tables = self._policies, self._tables
        count, num_states, _ = theta.shape
        pi, reward = np.empty(theta.shape), np.empty((count, num_states))
        matrix = np.empty((count, num_states, num_states))
        compiled.kernels("kernels").prepare(theta, *tables, pi, matrix, reward)
        batch = self._batch if count == prod(self._batch) else (1,)
        factors = factorise(matrix.reshape(*batch, *matrix.shape[1:]))
        return Values(factors, batch, self._solve(factors, batch, reward), pi)

    @cached_property
    def _solution(self) -> Solution:
        factors, batch, V, pi = self._values
        d = self._solve(factors, batch, self._mdp.initial, transposed=True)
        Q, advantage, gradient = np.empty((3, *pi.shape))
        kernels = compiled.kernels("kernels")
        kernels.finish(*self._tables, pi, V, d, Q, advantage, gradient)
        return Solution(V, d, pi, Q, advantage, gradient)

    @cached_property
    def _factors(self) -> Resolvent:
        """Factors of I − γP_π of every policy."""
        factors, batch, _, _ = self._values
        return factors if batch == self._batch else factors.repeated(self._batch)

    @cached_property
    def pi(self) -> Array:
        """π, (..., 1, S, A)."""
        return shared(self._shaped(self._values.pi)[..., None, :, :])

    @cached_property
    def discounted(self) -> Discounted:
        """The two linear equations of the chain."""
        return Discounted(self.chain, self.gamma, self._factors)

    @cached_property
    def V(self) -> Array:
        """V(s), (..., 1, S)."""
        return shared(self._shaped(self._values.V)[..., None, :])

    @cached_property
    def Q(self) -> Array:
        """Q(s,a), (..., 1, S, A)."""
        return shared(self._shaped(self._solution.Q)[..., None, :, :])

    @cached_property
    def advantage(self) -> Array:
        """A = Q − V, (..., 1, S, A)."""
        return shared(self._shaped(self._solution.advantage)[..., None, :, :])

    @cached_property
    def occupancy(self) -> Array:
        """d(s), (..., 1, S)."""
        return shared(self._shaped(self._solution.d)[..., None, :])

    @cached_property
    def gradient(self) -> Array:
        """∇J = d π A, (..., S, A)."""
        return shared(self._shaped(self._solution.gradient))

    def vjp(self, u: Array) -> Array:
        """∇²J u, unchecked."""
        if u.ndim > 2 and np.broadcast_shapes(u.shape[:-2], self._batch) != self._batch:
            return super().vjp(u)
        P, _, gamma = self._tables
        _, d, pi, Q, advantage, _ = self._solution
        u = self._each(u)
        (change, out), (of_V, of_d) = np.empty((2, *u.shape)), np.empty((2, *u.shape[:2]))
        kernels = compiled.kernels("kernels")
        kernels.sources(u, P, gamma, pi, Q, d, change, of_V, of_d)
        dV = self._solve(self._factors, self._batch, of_V)
        dd = self._solve(self._factors, self._batch, of_d, transposed=True)
        kernels.product(P, gamma, pi, advantage, d, change, dV, dd, out)
        return self._shaped(out)

    @property
    def hessian(self) -> Array:
        """∇²J, (..., S, A, S, A)."""
        shape = self._theta.shape[-2:]
        if shape[0] > HESSIAN_UP_TO:
            return super().hessian
        theta, initial = self._each(self._theta), self._flat(self._mdp.initial, 1)
        out = np.empty((len(theta), *shape, *shape))
        compiled.kernels("kernels_hessian").hessian(theta, *self._tables, initial, out)
        return self._shaped(out)

    def _solve(
        self, factors: Resolvent, batch: tuple[int, ...], b: Array, *, transposed: bool = False
    ) -> Array:
        """Solve for b (B, S), or the initial distribution (..., S); (B, S)."""
        if not batch:
            return factors.solve(b.ravel(), transposed=transposed)[None]
        shape = (*batch, b.shape[-1])
        if b.ndim == 1:
            b = np.broadcast_to(b, shape)
        return factors.solve(b.reshape(shape), transposed=transposed).reshape(-1, shape[-1])

    def _shaped(self, x: Array) -> Array:
        """(B, ...) with the batch's own shape in front."""
        if not self._batch:
            return x[0]
        if len(x) < prod(self._batch):
            x = np.repeat(x, prod(self._batch), axis=0)
        return x.reshape(*self._batch, *x.shape[1:])

    def _each(self, x: Array) -> Array:
        """A table (..., S, A) for every policy, (B, S, A), which might be written to."""
        if x.shape[:-2] != self._batch:
            x = np.broadcast_to(x, (*self._batch, *x.shape[-2:]))
        x = x.reshape(-1, *x.shape[-2:]) if self._batch else x[None]
        return x if x.flags.carray else x.copy()

    def _flat(self, x: Array, core: int) -> Array:
        """One table (..., *core) for all policies, (1, *core), or one for each; read-only.

        The loops are compiled for arrays that may be written to and for others: each of their
        arguments is always of one kind.
        """
        if x.ndim == core:
            return shared(x[None])
        shape = x.shape[x.ndim - core :]
        if x.shape[: x.ndim - core] != self._batch:
            x = np.broadcast_to(x, (*self._batch, *shape))
        return shared(np.ascontiguousarray(x.reshape(-1, *shape)))
