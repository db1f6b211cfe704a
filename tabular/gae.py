"""The expected actor-critic update with generalised advantages, and its derivatives.

With a constant baseline table V_b, κ = γλ and Δ(s,a) = E[r + γ V_b(s') | s, a] − V_b(s),

    Â_t   = δ_t + κ Â_{t+1}                      (Schulman et al., 2016)
    A_t   = E[Â_t | s_t, a_t] = Δ + κ P m_{t+1},   m_t = E[Â_t | s_t] = Σ_a π A_t
    g(θ)  = Σ_t γ^t E[Â_t ψ_t] = project(π, C),    C = Σ_t d_t π A_t.

g is the mean of every estimator's gradient over a horizon. For λ = 1 it is ∇J_T with
terminal table V_b; for λ < 1 and V_b ≠ V^π it is the gradient of nothing, so its
Jacobian G = ∂g/∂θ need not be symmetric. For a direction u, with b = Σ_a π (ψ·u) A,

    h = evaluate_γ(b),   f = visit_κ(κ Pᵀ(d π (ψ·u)))
    Gᵀu    = project(π, π [d γ P h + d (ψ·u)(A − m) + f A])
    ∂_φ⟨g,u⟩ = d π (ψ·u) + f π                      for rewards R + φ
    ∂_λ g  = project(π, d π ∂A),  ∂A = γ P m + κ P ∂m
    ∂_γ g  = project(π, ∂d π A + d π ∂A),  ∂A = P V_b + λ P m + κ P ∂m.

V_b is held fixed in all of them, as a learner's critic is ("detached").
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks
from tabular.chain import Discounted
from tabular.evaluation import Evaluation
from tabular.mdp import TabularMDP
from tabular.policy import center, project
from tabular.transitions import Array


class UpdateField:
    """g(θ) and its derivatives for one policy or a batch.

    Parameters
    ----------
    mdp : TabularMDP
    theta : array_like (..., S, A)
    gae_lambda : float or array (...)
        λ in [0, 1].
    baseline : array_like (..., S), optional
        V_b; zero if None.
    horizon : int, optional
        T; infinite if None.

    Raises
    ------
    ValueError, TypeError
        If an argument has a wrong shape, is not finite, or λ lies outside [0, 1].
    """

    def __init__(
        self,
        mdp: TabularMDP,
        theta: Any,
        *,
        gae_lambda: Any = 1.0,
        baseline: Any = None,
        horizon: int | None = None,
    ) -> None:
        zero = np.zeros(mdp.num_states)
        baseline = zero if baseline is None else baseline
        self.baseline = _checks.table(baseline, "baseline", (mdp.num_states,))
        self.gae_lambda = _checks.unit_interval(gae_lambda, "gae_lambda")
        batch = np.broadcast_shapes(self.baseline.shape[:-1], self.gae_lambda.shape)
        theta = _checks.logits(theta, (mdp.num_states, mdp.num_actions))
        batch = np.broadcast_shapes(batch, theta.shape[:-2])
        if horizon is not None:
            horizon = _checks.positive_integer(horizon, "horizon")
        self._evaluation = Evaluation(
            mdp, np.broadcast_to(theta, (*batch, *theta.shape[-2:])), horizon=horizon
        )
        self.chain, self.pi = self._evaluation.chain, self._evaluation.pi
        self.gamma = self._evaluation.gamma
        self.kappa = self.gamma * self.gae_lambda
        self._gamma_equation = self._evaluation.discounted
        self._kappa_equation = (
            self._gamma_equation
            if np.array_equal(self.kappa, self.gamma)
            else Discounted(self.chain, self.kappa)
        )
        self._next_baseline = self.chain.expect(self.baseline)[..., None, :, :]
        delta = mdp.R[..., None, :, :] + _scale(self.gamma, self._next_baseline)
        self._delta = delta - self.baseline[..., None, :, None]

    @property
    def occupancy(self) -> Array:
        """d_t(s) = γ^t P(s_t = s), (..., H, S)."""
        return self._evaluation.occupancy

    @cached_property
    def state_advantage(self) -> Array:
        """m_t(s) = E[Â_t | s_t = s], (..., H, S)."""
        return self.evaluate_kappa(self._over_actions(self._delta))

    @cached_property
    def advantage(self) -> Array:
        """A_t(s,a) = E[Â_t | s_t, a_t], (..., H, S, A)."""
        return self._delta + _scale(self.kappa, self.chain.expect_next(self.state_advantage))

    @cached_property
    def table(self) -> Array:
        """C = Σ_t d_t π A_t, (..., S, A): the mean of Σ_t γ^t Â_t at (s_t, a_t)."""
        return (self.occupancy[..., None] * self.pi * self.advantage).sum(axis=-3)

    @cached_property
    def policy(self) -> Array:
        """π without the time axis, (..., S, A)."""
        return self.pi[..., 0, :, :]

    @property
    def gradient(self) -> Array:
        """g(θ), (..., S, A)."""
        return project(self.policy, self.table)

    def vjp(self, u: Any) -> Array:
        """(∂g/∂θ)ᵀ u, (..., S, A)."""
        score = center(self.pi, self._direction(u))
        d, A, m = self.occupancy[..., None], self.advantage, self.state_advantage[..., None]
        h = self.evaluate_gamma((self.pi * score * A).sum(axis=-1))
        f = self._return_kappa(d * self.pi * score)
        inner = d * (_scale(self.gamma, self.chain.expect_next(h)) + score * (A - m)) + f * A
        return project(self.policy, (self.pi * inner).sum(axis=-3))

    def cross_reward(self, u: Any) -> Array:
        """∂/∂φ ⟨g, u⟩ for rewards R + φ, (..., S, A)."""
        weight = self.occupancy[..., None] * self.pi * center(self.pi, self._direction(u))
        return (weight + self._return_kappa(weight) * self.pi).sum(axis=-3)

    def cross_lambda(self) -> Array:
        """∂_λ g, (..., S, A)."""
        source = _scale(self.gamma, self.chain.expect_next(self.state_advantage))
        change = self._advantage_change(source)
        return project(self.policy, (self.occupancy[..., None] * self.pi * change).sum(axis=-3))

    def cross_gamma(self) -> Array:
        """∂_γ g, (..., S, A)."""
        d = self.occupancy[..., None]
        source = self._next_baseline + _scale(
            self.gae_lambda, self.chain.expect_next(self.state_advantage)
        )
        dd = self.visit_gamma(self.chain.push_next(d * self.pi))[..., None]
        table = self.pi * (dd * self.advantage + d * self._advantage_change(source))
        return project(self.policy, table.sum(axis=-3))

    def evaluate_gamma(self, b: Array) -> Array:
        """Solve v_t = b_t + γ P_π v_{t+1}."""
        return self._gamma_equation.evaluate(b)

    def evaluate_kappa(self, b: Array) -> Array:
        """Solve v_t = b_t + κ P_π v_{t+1}."""
        return self._kappa_equation.evaluate(b)

    def visit_gamma(self, c: Array) -> Array:
        """Solve d_t = c_t + γ P_πᵀ d_{t−1}."""
        return self._gamma_equation.visit(c)

    def _advantage_change(self, source: Array) -> Array:
        """∂A = source + κ P ∂m with ∂m = evaluate_κ(Σ_a π source)."""
        change = self.evaluate_kappa(self._over_actions(source))
        return source + _scale(self.kappa, self.chain.expect_next(change))

    def _return_kappa(self, c: Array) -> Array:
        """visit_κ(κ Pᵀ c) as (..., H, S, 1)."""
        source = self.kappa[..., None, None] * self.chain.push_next(c)
        return self._kappa_equation.visit(source)[..., None]

    def _over_actions(self, x: Array) -> Array:
        """Σ_a π x at every step, (..., H, S)."""
        total = (self.pi * x).sum(axis=-1)
        steps = self.chain.horizon or 1
        return np.broadcast_to(total, (*total.shape[:-2], steps, total.shape[-1]))

    def _direction(self, u: Any) -> Array:
        return _checks.table(u, "u", self.pi.shape[-2:])[..., None, :, :]


def _scale(factor: Array, x: Array) -> Array:
    """factor · x for x (..., H, S, A) and a factor over the batch."""
    return np.asarray(factor)[..., None, None, None] * x


def cross_lambda(
    mdp: TabularMDP,
    theta: Any,
    *,
    gae_lambda: Any,
    baseline: Any = None,
    horizon: int | None = None,
) -> Array:
    """∂_λ g(θ), (..., S, A); zero where V_b = V^π. See `UpdateField` for arguments and errors."""
    field = UpdateField(mdp, theta, gae_lambda=gae_lambda, baseline=baseline, horizon=horizon)
    return field.cross_lambda()
