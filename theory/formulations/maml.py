"""MAML on a tiny MDP as a finite problem: all trajectories as tables that do not depend on θ.

With a fixed V_b and λ = 1 the weights W_t = γ^t Â_t of a trajectory are numbers, and so are

    n(x) = Σ_t [x_t = x],   C(x) = Σ_t W_t [x_t = x],   D(x, y) = Σ_{j<t} W_t [x_j = x][x_t = y].

What depends on θ is ψ, π and the probability. With c(s) = Σ_a C(s, a) and F = Σ_b π_b ψ_b ψ_bᵀ,

    score     Σ_x n(x) ψ(x)                 gradient  Σ_x C(x) ψ(x)
    Hessian   Σ_x w(x) ψ(x) ψ(x)ᵀ + [Σ_xy D(x, y) (ψ(x) ψ(y)ᵀ + ψ(y) ψ(x)ᵀ)]_loaded
              w = −c π for `ad`, C − c π for the others
    return    R̂ = Σ_t γ^t r_t + γ^T V_b(s_T) = Â_0 + V_b(s_0).

E ĝ and E R̂ are ∇J_T and J_T with terminal table V_b, so that Assumption 4.2 ([Liu2022]) holds.
Probabilities, gradients and values are analytic in θ and take complex logits too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks, exact
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.mdp import TabularMDP
from tabular.policy import project, softmax
from tabular.registry import find_estimator
from tabular.transitions import Array
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes


class TinyMaml:
    """θ⁰ = φ; J_in = J_out = J_T with terminal table V_b; one estimator for Ĥ.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP with one reward table.
    phi : array_like (S, A)
    horizon : int
        T.
    estimator : str
        `ad`, `lvc`, `loaded_dice` or `dice`.
    baseline : array_like (S,), optional
        V_b, the same at every θ; zero if None, and always for `dice`.

    Raises
    ------
    ValueError, TypeError
        If there are too many trajectories (`tabular.enumeration`), the estimator is unknown or a
        table does not fit.
    """

    def __init__(
        self,
        mdp: TabularMDP,
        phi: Any,
        *,
        horizon: int,
        estimator: str = "ad",
        baseline: Any = None,
    ) -> None:
        self.mdp, self.horizon = _checks.instance(mdp, TabularMDP, "mdp"), horizon
        self._shape = (mdp.num_states, mdp.num_actions)
        phi = _checks.logits(phi, self._shape)
        if phi.ndim != 2:
            raise ValueError(f"phi must be one table {self._shape}, received shape {phi.shape}")
        self._kind = find_estimator(estimator)
        baseline, _ = self._kind.advantage_inputs(mdp.num_states, baseline, 1.0)
        self.baseline = _checks.table(baseline, "baseline", self._shape[:1])
        if self.baseline.ndim != 1:
            raise ValueError(
                f"baseline must be one table ({mdp.num_states},), "
                f"received shape {self.baseline.shape}"
            )
        self._phi = phi.ravel()
        uniform = np.zeros(self._shape)
        every, probability = enumerate_trajectories(mdp, uniform, horizon=horizon)
        estimate = Estimate(mdp, uniform, every, estimator=self._kind, baseline=self.baseline)
        advantage = estimate.advantage[..., 0]
        weights = float(mdp.gamma) ** np.arange(horizon)[:, None] * advantage
        returns = advantage[0] + self.baseline[every.states[0, :, 0]]
        taken = (every.states[:-1] * mdp.num_actions + every.actions)[..., 0]
        visits = np.eye(phi.size)[taken]
        before = np.cumsum(visits, axis=0) - visits
        table = np.einsum("tm,tmx->mx", weights, visits)
        pairs = np.einsum("tm,tmx,tmy->mxy", weights, before, visits)
        same = np.column_stack([taken.T, table, pairs.reshape(len(pairs), -1), returns])
        _, first, group = np.unique(same, axis=0, return_index=True, return_inverse=True)
        #: The probability of the MDP's own choices, without π's.
        self._environment = np.bincount(group.ravel(), probability * mdp.num_actions**horizon)
        self._taken, self._returns = taken[:, first], returns[first]
        self._counts, self._table, self._pairs = (
            visits.sum(axis=0)[first],
            table[first],
            pairs[first],
        )

    @property
    def start(self) -> Array:
        """θ⁰ = φ, (d,)."""
        return self._phi

    @property
    def start_jacobian(self) -> Array:
        """The identity."""
        return np.eye(self._phi.size)

    def _policy(self, theta: Array) -> Array:
        """π (..., 1, S, A), for a table of every trajectory."""
        return softmax(theta.reshape(*theta.shape[:-1], 1, *self._shape))

    def _project(self, theta: Array, tables: Array) -> Array:
        """Σ_x X(x) ψ(x) for tables X (M, d): (..., M, d)."""
        projected = project(self._policy(theta), tables.reshape(-1, *self._shape))
        return projected.reshape(*theta.shape[:-1], *tables.shape)

    def probability(self, theta: Array) -> Array:
        """p(τ; θ) at θ (..., d), (..., M)."""
        pi = self._policy(theta).reshape(theta.shape)
        return self._environment * pi[..., self._taken].prod(axis=-2)

    def gradients(self, theta: Array) -> Array:
        """ĝ, (..., M, d)."""
        return self._project(theta, self._table)

    def inner_scores(self, theta: Array) -> Array:
        """∇_θ log p(τ; θ), (..., M, d)."""
        return self._project(theta, self._counts)

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """One trajectory's ĝ and Ĥ; ĝ does not depend on φ but through θ."""
        scores = self._project(theta, np.eye(theta.shape[-1]))
        pi, table = self._policy(theta), self._table.reshape(-1, *self._shape)
        weights = -pi * table.sum(axis=-1, keepdims=True) + (table if self._kind.local else 0.0)
        middle = weights.reshape(*theta.shape[:-1], -1, theta.shape[-1], 1) * np.eye(
            theta.shape[-1]
        )
        if self._kind.cross:
            middle = middle + self._pairs + np.swapaxes(self._pairs, -1, -2)
        per_score = scores[..., None, :, :]
        hessian = np.swapaxes(per_score, -1, -2) @ middle @ per_score
        cross = np.broadcast_to(0.0, hessian.shape)
        return InnerOutcomes(self.probability(theta), self.gradients(theta), hessian, cross)

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """One trajectory's p̂; q̂ = 0."""
        gradient = self.gradients(theta)
        return OuterOutcomes(
            self.probability(theta), gradient, np.broadcast_to(0.0, gradient.shape)
        )

    def outer_returns(self, theta: Array) -> Array:
        """R̂, (..., M): the same at every θ."""
        return np.broadcast_to(self._returns, (*theta.shape[:-1], self._returns.size))

    def outer_value(self, theta: Array) -> Array:
        """J_T, (...)."""
        return self.probability(theta) @ self._returns

    def _evaluate(self, theta: Array) -> exact.Evaluation:
        tables = theta.reshape(*theta.shape[:-1], *self._shape)
        return exact.evaluate(self.mdp, tables, horizon=self.horizon, terminal_value=self.baseline)

    def inner(self, theta: Array) -> Inner:
        """∇J_T and ∇²J_T; no cross derivative."""
        here, square = self._evaluate(theta), (*theta.shape, theta.shape[-1])
        hessian = here.hessian.reshape(square)
        return Inner(here.gradient.reshape(theta.shape), hessian, np.zeros(square))

    def outer(self, theta: Array) -> Outer:
        """∇J_T, and no direct derivative."""
        gradient = self._evaluate(theta).gradient.reshape(theta.shape)
        return Outer(gradient, np.zeros_like(gradient))
