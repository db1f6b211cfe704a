"""Policy-gradient, Hessian and cross-derivative estimates from trajectories, in closed form.

With weights W_t = γ^t Â_t, scores ψ_t = ∇ log π(a_t|s_t), F_s = diag π_s − π_s π_sᵀ and x_t the
state-action at t, what automatic differentiation of each surrogate gives at π = π_old is

    gradient            Σ_t W_t ψ_t                                         (all four)
    Hessian  ad         − Σ_t W_t F_{s_t}
             lvc        ad + Σ_t W_t ψ_t ψ_tᵀ
             loaded     lvc + Σ_{j<t} W_t (ψ_j ψ_tᵀ + ψ_t ψ_jᵀ)

averaged over trajectories. From the table C(x) = Σ_t W_t [x_t = x], c(s) = Σ_a C, and along v with
q_t = ψ_t·v,

    gradient = project(π, C)
    Hv       = − c π (ψ·v)  [+ project(π, C (ψ·v))]_lvc  [+ project(π, C₂)]_loaded
    C₂(x)    = Σ_t (W_t p_t + z_t) [x_t = x],  p_t = Σ_{j<t} q_j,  z_t = Σ_{k>t} W_k q_k,

so a product costs O(N T + S A); the tables of sums are from `tabular.sums`. The cross-derivatives
of the gradient (baseline detached) are the same for all estimators, because the gradients are:

    ∂_φ⟨g,u⟩ = Σ_k c_k [x_k = ·],  c_k = γλ c_{k−1} + γ^k q_k      (an eligibility trace)
    ∂_γ g    = Σ_t (t γ^{t−1} Â_t + γ^t ∂_γÂ_t) ψ_t,  ∂_λ g = Σ_t γ^t ∂_λÂ_t ψ_t.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks
from tabular.compiled_sums import sums_of
from tabular.mdp import TabularMDP
from tabular.policy import center, project, softmax
from tabular.registry import Estimator, find_estimator
from tabular.sampling import Trajectories
from tabular.transitions import Array


class Estimate:
    """One estimator on one set of trajectories (or one per trial): the sample averages.

    Parameters
    ----------
    mdp : TabularMDP
        Gives S, A and γ (an array over trials is allowed).
    theta : array_like (..., S, A)
        The logits that drew the trajectories.
    trajectories : Trajectories
        States (T + 1, ..., N), actions and rewards (T, ..., N).
    estimator : str
        `ad`, `lvc`, `loaded_dice` or `dice`.
    baseline : array_like (..., S), optional
        V_b, also the bootstrap at T; zero if None, and always zero for `dice`.
    gae_lambda : float or array (...)
        λ; always one for `dice`.

    Raises
    ------
    ValueError, TypeError
        If the estimator is unknown, a shape does not fit, or the trajectories are not of this MDP.
    """

    def __init__(
        self,
        mdp: TabularMDP,
        theta: Any,
        trajectories: Trajectories,
        *,
        estimator: str | Estimator,
        baseline: Any = None,
        gae_lambda: Any = 1.0,
    ) -> None:
        shape = (mdp.num_states, mdp.num_actions)
        self._kind = find_estimator(estimator)
        batch = trajectories.batch_shape
        theta = _checks.logits(theta, shape)
        baseline, gae_lambda = self._kind.advantage_inputs(shape[0], baseline, gae_lambda)
        baseline = _checks.table(baseline, "baseline", shape[:1])
        gae_lambda = _checks.unit_interval(gae_lambda, "gae_lambda")
        gamma = np.asarray(mdp.gamma, dtype=np.float64)
        leading = {"theta": theta.shape[:-2], "baseline": baseline.shape[:-1]}
        trajectories.check(*shape, **leading, gae_lambda=gae_lambda.shape, gamma=gamma.shape)
        self.pi = np.broadcast_to(softmax(theta), (*batch, *shape))
        self._sums = sums_of(trajectories, shape, baseline, gamma, gae_lambda)

    @cached_property
    def advantage(self) -> Array:
        """Â_t = δ_t + γλ Â_{t+1}, (T, ..., N)."""
        return self._sums.advantage

    @cached_property
    def table(self) -> Array:
        """C, (..., S, A)."""
        return self._sums.weighted()

    @property
    def gradient(self) -> Array:
        """The policy gradient, (..., S, A)."""
        return project(self.pi, self.table)

    def _score(self, v: Any) -> Array:
        """ψ·v as a table, (..., S, A)."""
        return center(self.pi, np.broadcast_to(self._direction(v), self.pi.shape))

    def _direction(self, v: Any) -> Array:
        """A direction (S, A), or one for each trial."""
        v = _checks.table(v, "v", self.pi.shape[-2:])
        if v.ndim > self.pi.ndim or np.broadcast_shapes(v.shape, self.pi.shape) != self.pi.shape:
            raise ValueError(f"v must broadcast to the trials {self.pi.shape}, received {v.shape}")
        return v

    def hvp(self, v: Any) -> Array:
        """Ĥ v, (..., S, A)."""
        pi, C = self.pi, self.table
        if not self._kind.cross:
            return curvature(pi, C, center(pi, self._direction(v)), local=self._kind.local)
        score = self._score(v)
        return curvature(pi, C, score, local=True) + project(pi, self._sums.coupled(score))

    def vjp(self, u: Any) -> Array:
        """Ĥᵀ u: every surrogate's Hessian is symmetric."""
        return self.hvp(u)

    @property
    def hessian(self) -> Array:
        """Ĥ, (..., S, A, S, A)."""
        shape = self.pi.shape[-2:]
        columns = []
        for basis in np.eye(shape[0] * shape[1]).reshape(-1, *shape):
            columns.append(self.hvp(basis))
        return np.stack(columns, axis=-1).reshape(*self.pi.shape, *shape)

    def cross_reward(self, u: Any) -> Array:
        """∂/∂φ ⟨g, u⟩ for rewards R + φ, (..., S, A)."""
        return self._sums.traced(self._score(u))

    def cross_gamma(self) -> Array:
        """∂_γ ĝ, (..., S, A)."""
        return project(self.pi, self._sums.by_gamma())

    def cross_lambda(self) -> Array:
        """∂_λ ĝ, (..., S, A); zero for `dice`, which has no λ."""
        if not self._kind.baseline:
            return np.zeros(self.pi.shape)
        return project(self.pi, self._sums.by_lambda())


def curvature(pi: Array, C: Array, score: Array, *, local: bool) -> Array:
    """− c π (ψ·v), plus project(π, C (ψ·v)) for estimators that keep the local term."""
    log_part = -C.sum(axis=-1, keepdims=True) * pi * score
    return log_part + project(pi, C * score) if local else log_part


def gradient(mdp: TabularMDP, theta: Any, trajectories: Trajectories, **options: Any) -> Array:
    """The gradient estimate, (..., S, A); see `Estimate` for the options."""
    return Estimate(mdp, theta, trajectories, **options).gradient


def hvp(mdp: TabularMDP, theta: Any, trajectories: Trajectories, v: Any, **options: Any) -> Array:
    """The Hessian estimate times v, (..., S, A); see `Estimate` for the options."""
    return Estimate(mdp, theta, trajectories, **options).hvp(v)


def hessian(mdp: TabularMDP, theta: Any, trajectories: Trajectories, **options: Any) -> Array:
    """The Hessian estimate, (..., S, A, S, A); see `Estimate` for the options."""
    return Estimate(mdp, theta, trajectories, **options).hessian
