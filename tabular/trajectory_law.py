"""The law of one trajectory as seen by the moment recursions: kernels weighted by TD errors.

For a policy π and baseline V_b, with δ(x, s') = R(x, s') + γ V_b(s') − V_b(s) on every possible
transition, the recursions of `tabular.covariance` need P δ^k as a (D, S) matrix, its average
Σ_a π f(x) P δ^k over actions as an (S, S) matrix, the distribution of s_t, and the scalars

    A_t(x) = E[Â_t|x] = P δ + κ P m',   E[Â_t²|x] = P δ² + 2 κ (P δ) m' + κ² P a',
    m_t(s) = Σ_a π A_t,                 a_t(s) = Σ_a π E[Â_t²|x].
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tabular import _checks
from tabular.mdp import TabularMDP
from tabular.policy import center, softmax
from tabular.sampling import successor_rewards
from tabular.transitions import SPARSE_BELOW, Array, state_average


class AdvantageMoments(NamedTuple):
    """E[Â_t|x] and E[Â_t²|x], each (T, S, A)."""

    mean: Array
    square: Array


class TrajectoryLaw:
    """One policy on one MDP over a horizon T, with baseline V_b (S,) and λ."""

    def __init__(
        self, mdp: TabularMDP, theta: Any, *, horizon: int, baseline: Any, gae_lambda: Any
    ) -> None:
        shape = (mdp.num_states, mdp.num_actions)
        theta = _checks.logits(theta, shape)
        baseline = _checks.table(baseline, "baseline", shape[:1])
        gae_lambda = _checks.unit_interval(gae_lambda, "gae_lambda")
        for name, array, dims in (
            ("theta", theta, 2),
            ("baseline", baseline, 1),
            ("gae_lambda", gae_lambda, 0),
            ("the reward table", mdp.R, 2),
            ("the discount", np.asarray(mdp.gamma), 0),
        ):
            if array.ndim != dims:
                raise ValueError(
                    f"covariances take one policy at a time: {name} must have {dims} dimensions, "
                    f"received shape {array.shape}"
                )
        self.horizon = _checks.positive_integer(horizon, "horizon")
        self.shape = shape
        self.pi = softmax(theta)
        self.gamma, self.gae_lambda = float(mdp.gamma), float(gae_lambda)
        self.kappa = self.gamma * self.gae_lambda
        self.baseline = baseline
        self.initial = mdp.initial
        self._kernel = mdp.transitions.rows
        state = np.repeat(np.arange(self._kernel.shape[0]), np.diff(self._kernel.indptr))
        self._entry_state = state // shape[1]
        ahead = self.gamma * baseline[self._kernel.indices]
        self._delta = successor_rewards(mdp) + ahead - baseline[self._entry_state]

    @property
    def size(self) -> int:
        """D = S·A."""
        return self.shape[0] * self.shape[1]

    def weighted(self, power: int) -> Any:
        """P δ^power as CSR (D, S)."""
        data = self._kernel.data * self._delta**power
        return sp.csr_array((data, self._kernel.indices, self._kernel.indptr), self._kernel.shape)

    @cached_property
    def _kernels(self) -> tuple[Any, Any]:
        return self.weighted(0), self.weighted(1)

    @cached_property
    def _rows(self) -> tuple[Any, Any]:
        return _compact(self._kernels[0]), _compact(self._kernels[1])

    def expect(self, power: int, table: Array) -> Array:
        """Σ_s' P δ^power table(s', ...): (S, ...) -> (S, A, ...)."""
        out = self._rows[power] @ table.reshape(self.shape[0], -1)
        return out.reshape(*self.shape, *table.shape[1:])

    def push(self, power: int, weight: Array) -> Array:
        """Σ_x weight(..., x) P δ^power: (..., S, A) -> (..., S)."""
        flat = weight.reshape(-1, self.size)
        return (self._rows[power].T @ flat.T).T.reshape(*weight.shape[:-2], self.shape[0])

    def weighted_rows(self, own: NDArray[np.intp]) -> tuple[Any, Any]:
        """The rows (s, ·) of P and P δ for some states s (c,), as CSR (c·A, S)."""
        rows = (own[:, None] * self.shape[1] + np.arange(self.shape[1])).ravel()
        return self._kernels[0][rows], self._kernels[1][rows]

    def under(self, power: int, weight: Array | float = 1.0) -> Any:
        """Σ_a π(a|s) weight(s,a) P(s'|s,a) δ^power: an (S, S) matrix, dense or CSR."""
        return _compact(state_average(self.weighted(power), self.pi * weight))

    @cached_property
    def state_distribution(self) -> Array:
        """P(s_t = s), (T, S)."""
        return self.carry_forward([self.under(0)])[0]

    def carry_forward(self, kernels: list[Any]) -> Array:
        """E[p_t^k; s_t = s] for p_t = Σ_{j<t} q_j and k = 0, 1, ..., (k, T, S).

        `kernels[k]` is Σ_a π q^k P; the binomial theorem joins past and present.
        """
        orders = range(len(kernels))
        carried = np.zeros((len(kernels), self.horizon, self.shape[0]))
        carried[0, 0] = self.initial
        transposed = [kernel.T for kernel in kernels]
        binomial = ((1,), (1, 1), (1, 2, 1))
        for t in range(1, self.horizon):
            for k in orders:
                for i, times in enumerate(binomial[k]):
                    carried[k, t] += times * (transposed[i] @ carried[k - i, t - 1])
        return carried

    @cached_property
    def delta_square(self) -> Array:
        """E[δ²|x], (S, A)."""
        return self.weighted(2).sum(axis=1).reshape(self.shape)

    @cached_property
    def advantages(self) -> AdvantageMoments:
        """The first two moments of Â_t given x_t."""
        mean, square = (np.zeros((self.horizon, *self.shape)) for _ in range(2))
        first, second = self.weighted(1).sum(axis=1).reshape(self.shape), self.delta_square
        m, a = np.zeros(self.shape[0]), np.zeros(self.shape[0])
        for t in range(self.horizon - 1, -1, -1):
            mean[t] = first + self.kappa * self.expect(0, m)
            square[t] = (
                second + 2 * self.kappa * self.expect(1, m) + self.kappa**2 * self.expect(0, a)
            )
            m, a = (self.pi * mean[t]).sum(axis=1), (self.pi * square[t]).sum(axis=1)
        return AdvantageMoments(mean, square)


def _compact(matrix: Any) -> Any:
    """A dense array where a CSR matrix is mostly full."""
    filled = matrix.nnz / (matrix.shape[0] * matrix.shape[1])
    return matrix.toarray() if filled >= SPARSE_BELOW else matrix


def stack_blocks(rows: list[list[Any]]) -> Any:
    """A matrix of blocks, None for zero: CSR if a block is sparse, otherwise dense."""
    blocks = [block for row in rows for block in row if block is not None]
    if any(sp.issparse(block) for block in blocks):
        return sp.block_array(rows, format="csr")
    zero = np.zeros_like(blocks[0])
    return np.block([[zero if block is None else block for block in row] for row in rows])


def add_block(tails: Array, block: Array) -> None:
    """Add block (S, A) to the own-state entries of tails (S, D), in place."""
    num_states, num_actions = block.shape
    each = np.arange(num_states)
    tails.reshape(num_states, num_states, num_actions)[each, each] += block


def as_table(law: TrajectoryLaw, tails: Array) -> Array:
    """Tails (S, D) as (S, S, A)."""
    return tails.reshape(law.shape[0], *law.shape)


def own_vectors(law: TrajectoryLaw, v: Array, *, local: bool = True) -> tuple[Array, Array]:
    """φ = −F(s) v [+ (ψ·v) ψ]_local and ψ of every (s, a) within their own state, (S, A, A)."""
    q, psi = center(law.pi, v), np.eye(law.shape[1]) - law.pi[:, None, :]
    fisher = -np.repeat((law.pi * q)[:, None, :], law.shape[1], axis=1)
    return fisher + q[..., None] * psi if local else fisher, psi


def scaled(weight: Array, later: Array) -> Array:
    """weight(x) · later(x, ...)."""
    return weight.reshape(*weight.shape, *(1,) * (later.ndim - weight.ndim)) * later
