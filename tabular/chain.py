"""The Markov chain that a policy makes of an MDP, over an infinite or a finite horizon.

Every exact quantity solves one of two linear equations,

    evaluate: v_t = b_t + γ P_π v_{t+1}        (backward, v_T = 0)
    visit:    c_t + γ P_πᵀ d_{t−1} = d_t       (forward,  d_{−1} = 0).

Arrays carry a time axis H before the state axis: (..., H, S). A horizon T has H = T steps and
walks through them. The infinite horizon has H = 1: the step after it is itself, and the two
equations become v = (I − γ P_π)⁻¹ b and d = (I − γ P_πᵀ)⁻¹ c. Formulas written with `evaluate`,
`visit`, `expect_next` and `push_next` therefore hold for both horizons as they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from tabular.resolvent import Resolvent, SparseResolvent, over_batch, resolvent
from tabular.transitions import Array, Transitions


class Chain:
    """P_π over a horizon; π is (..., S, A) and horizon None (infinite) or T."""

    def __init__(self, transitions: Transitions, pi: Array, horizon: int | None) -> None:
        self._transitions = transitions
        self.pi = pi
        self.horizon = horizon

    @cached_property
    def P_pi(self) -> Any:
        """P_π: (..., S, S), or a block-diagonal CSR matrix."""
        return self._transitions.under(self.pi)

    def expect(self, v: Array) -> Array:
        """P v at one time: (..., S) -> (..., S, A)."""
        return self._transitions.expect(v[..., None, :])[..., 0, :, :]

    def expect_next(self, v: Array) -> Array:
        """E[v_{t+1}(s_{t+1}) | s_t, a_t]: (..., H, S) -> (..., H, S, A)."""
        return self._transitions.expect(v if self.horizon is None else _earlier(v))

    def push_next(self, c: Array) -> Array:
        """Σ_x c_{t−1}(x) P(·|x), arriving at t: (..., H, S, A) -> (..., H, S)."""
        pushed = self._transitions.push(c)
        return pushed if self.horizon is None else _later(pushed)

    def start(self, initial: Array) -> Array:
        """ρ at time 0: (..., S) -> (..., H, S)."""
        if self.horizon is None:
            return initial[..., None, :]
        table = np.zeros((*initial.shape[:-1], self.horizon, initial.shape[-1]))
        table[..., 0, :] = initial
        return table

    def per_policy(self, x: Array) -> Array:
        """Repeat x (...) over the batch of policies where P_π is one block-diagonal matrix."""
        return np.broadcast_to(x, self.pi.shape[:-2]) if self._transitions.is_sparse else x

    def blockwise(self, apply: Callable[[Array], Array], x: Array) -> Array:
        """Apply a map that acts on rows as long as P_π to x (..., S)."""
        if not self._transitions.is_sparse:
            return apply(x)

        def apply_to_blocks(tables: Array) -> Array:
            return apply(tables.reshape(len(tables), self.P_pi.shape[0])).reshape(tables.shape)

        return over_batch(apply_to_blocks, x, self.pi.shape[:-2])

    def times(self, M: Array) -> Array:
        """P M at one time: (..., S, S) -> (..., S, A, S)."""
        return self._transitions.times(M)

    def step(self, x: Array, *, transposed: bool = False) -> Array:
        """P_π x (or P_πᵀ x) for x (..., S)."""
        P_pi = self.P_pi
        if not isinstance(P_pi, np.ndarray):
            factor = P_pi.T if transposed else P_pi
            return self.blockwise(lambda rows: (factor @ rows.T).T, x)
        if P_pi.ndim == 2:
            return x @ (P_pi if transposed else P_pi.T)
        factor = np.swapaxes(P_pi, -1, -2) if transposed else P_pi
        return np.matmul(factor, x[..., None])[..., 0]


class Discounted:
    """The two equations of a chain at a discount γ (a float, or an array over the batch).

    `factors` of I − γP_π are taken over where there are any.
    """

    def __init__(
        self, chain: Chain, gamma: Array | float, factors: Resolvent | None = None
    ) -> None:
        self._chain = chain
        self._gamma = np.asarray(gamma, dtype=np.float64)
        self._factors = factors

    @cached_property
    def _resolvent(self) -> Resolvent:
        if self._factors is not None:
            return self._factors
        chain = self._chain
        return resolvent(chain.P_pi, chain.per_policy(self._gamma), chain.pi.shape[-2])

    def evaluate(self, b: Array) -> Array:
        """v_t = b_t + γ P_π v_{t+1}, (..., H, S)."""
        return self._solve(b, transposed=False)

    def visit(self, c: Array) -> Array:
        """d_t = c_t + γ P_πᵀ d_{t−1}, (..., H, S)."""
        return self._solve(c, transposed=True)

    @property
    def inverse(self) -> Array:
        """M = (I − γ P_π)⁻¹ over the infinite horizon, (..., S, S)."""
        if not isinstance(self._resolvent, SparseResolvent):
            return self._resolvent.inverse
        *batch, size, _ = self._chain.pi.shape
        columns = np.eye(size).reshape(size, *(1 for _ in batch), 1, size)
        return np.moveaxis(self.evaluate(columns)[..., 0, :], 0, -1)

    def _solve(self, b: Array, *, transposed: bool) -> Array:
        if self._chain.horizon is None:
            factors = self._resolvent
            return self._chain.blockwise(
                lambda x: factors.solve(x, transposed=transposed), b[..., 0, :]
            )[..., None, :]
        steps = np.moveaxis(b, -2, 0)
        order = range(len(steps)) if transposed else range(len(steps) - 1, -1, -1)
        gamma = self._gamma[..., None]
        out: list[Any] = [None] * len(steps)
        previous: Any = None
        for t in order:
            x = steps[t]
            if previous is not None:
                x = x + gamma * self._chain.step(previous, transposed=transposed)
            out[t] = previous = x
        return np.stack(np.broadcast_arrays(*out), axis=-2)


def _earlier(x: Array) -> Array:
    """x_{t+1} at t, zero at the end, (..., H, S)."""
    out = np.zeros_like(x)
    out[..., :-1, :] = x[..., 1:, :]
    return out


def _later(x: Array) -> Array:
    """x_{t−1} at t, zero at the start, (..., H, S)."""
    out = np.zeros_like(x)
    out[..., 1:, :] = x[..., :-1, :]
    return out
