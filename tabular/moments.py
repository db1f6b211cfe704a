"""The exact mean and covariance of every estimator's gradient and Hessian-vector product.

The mean needs one backward and one forward pass. With C = Σ_t d_t π A_t (`tabular.gae`), c = Σ_a C
and score ψ·v,

    E g   = project(π, C)
    E Ĥv  = − c π (ψ·v)  [+ project(π, C (ψ·v))]_lvc  [+ project(π, C₂)]_loaded
    C₂    = Σ_t π (f_t A_t + d_t γ P h_{t+1}),
            f = visit(γ Pᵀ(d π (ψ·v))),  h = evaluate(Σ_a π (ψ·v) A)

and as a whole, with the mean future Z_t(s, ·) = Σ_a π A_t ψ + γ P_π Z_{t+1} of the scores,

    E Ĥ   = − c F  [+ Σ_x C(x) ψ ψᵀ]_lvc  [+ Y + Yᵀ]_loaded
    Y     = Σ_t Σ_x d_t π ψ (γ P Z_{t+1})ᵀ

which are the sampled forms of `tabular.estimators` with their expectations filled in. Facts
that follow, and are tested: at λ = 1, E g and E Ĥ of `loaded_dice` are the derivatives of J_T with
terminal table V_b, those of `dice` with V_b = 0, and E Ĥ of `lvc` is the local part of ∇²J_T; with
V_b = V^π, at any λ, the mean of the `ad` Hessian is exactly zero.

Covariances are of a single trajectory (`tabular.covariance`); for N independent ones divide by N.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict, Unpack

import numpy as np

from tabular import _checks, covariance
from tabular.estimators import curvature
from tabular.gae import UpdateField
from tabular.mdp import TabularMDP
from tabular.policy import center, project
from tabular.registry import Estimator, find_estimator
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array


class Options(TypedDict, total=False):
    """What the advantages are made of ([Schulman2016]): the keywords of every function here.

    Attributes
    ----------
    horizon : int or None
        Trajectory length T; None for the limit T → ∞, of means only. It has to be given.
    baseline : array_like (..., S)
        V_b, baseline and bootstrap at T; zero if not given, and always for `dice`.
    gae_lambda : float or array (...)
        λ of the generalised advantage; one if not given, and always for `dice`.
    """

    horizon: Required[int | None]
    baseline: Any
    gae_lambda: Any


class Expectation:
    """The means of one estimator for one policy (or a batch); see `expected_gradient`."""

    def __init__(
        self,
        mdp: TabularMDP,
        theta: Any,
        estimator: str | Estimator,
        *,
        horizon: int | None,
        baseline: Any = None,
        gae_lambda: Any = 1.0,
    ) -> None:
        self._kind = find_estimator(estimator)
        baseline, gae_lambda = self._kind.advantage_inputs(mdp.num_states, baseline, gae_lambda)
        self.field = UpdateField(
            mdp, theta, gae_lambda=gae_lambda, baseline=baseline, horizon=horizon
        )

    @property
    def gradient(self) -> Array:
        """E g, (..., S, A)."""
        return self.field.gradient

    def hvp(self, v: Any) -> Array:
        """E Ĥ v, (..., S, A)."""
        field = self.field
        pi = field.policy
        v = _checks.table(v, "v", pi.shape[-2:])
        mean = curvature(pi, field.table, center(pi, v), local=self._kind.local)
        if not self._kind.cross:
            return mean
        score = center(field.pi, v[..., None, :, :])
        weighted = field.pi * score
        d, A = field.occupancy[..., None], field.advantage
        gamma = field.gamma[..., None, None]
        past = field.visit_gamma(gamma * field.chain.push_next(d * weighted))
        future = field.evaluate_gamma((weighted * A).sum(axis=-1))
        later = gamma[..., None] * field.chain.expect_next(future)
        return mean + project(pi, (field.pi * (past[..., None] * A + d * later)).sum(axis=-3))

    def vjp(self, u: Any) -> Array:
        """E Ĥᵀ u: every surrogate's Hessian is symmetric."""
        return self.hvp(u)

    def cross_reward(self, u: Any) -> Array:
        """E ∂_φ⟨ĝ, u⟩ for rewards R + φ, (..., S, A)."""
        return self.field.cross_reward(u)

    def cross_gamma(self) -> Array:
        """E ∂_γ ĝ, (..., S, A)."""
        return self.field.cross_gamma()

    def cross_lambda(self) -> Array:
        """E ∂_λ ĝ, (..., S, A); zero for `dice`, which has no λ."""
        if not self._kind.baseline:
            return np.zeros_like(self.field.gradient)
        return self.field.cross_lambda()

    @property
    def hessian(self) -> Array:
        """E Ĥ, (..., S, A, S, A)."""
        pi, C = self.field.policy, self.field.table
        *batch, S, A = C.shape
        basis = np.eye(S * A).reshape(-1, *(1 for _ in batch), S, A)
        columns = curvature(pi, C, center(pi, basis), local=self._kind.local)
        table = np.moveaxis(columns, 0, -1).reshape(*batch, S, A, S, A)
        if not self._kind.cross:
            return table
        cross = np.moveaxis(project(pi, self._pairs()), 0, -1).reshape(table.shape)
        return table + cross + np.moveaxis(cross, (-4, -3), (-2, -1))

    def _pairs(self) -> Array:
        """Σ_t d_t π γ P Z_{t+1}, a column (..., S, A) of Z at a time: (S·A, ..., S, A)."""
        field, chain = self.field, self.field.chain
        *batch, S, A = field.table.shape
        gamma, each = np.asarray(field.gamma)[..., None], np.eye(S)
        own = project(field.pi, field.pi * field.advantage)
        own = np.broadcast_to(own, (*batch, *own.shape[-3:]))
        future, pairs = np.zeros((S * A, *batch, S)), np.zeros((S * A, *batch, S, A))
        for t in reversed(range(own.shape[-3])):
            block = np.einsum("...sa,sz->sa...z", own[..., t, :, :], each)
            block = block.reshape(S * A, *batch, S)
            if chain.horizon is None:
                future = field.evaluate_gamma(block[..., None, :])[..., 0, :]
            weight = field.occupancy[..., t, :, None] * field.pi[..., 0, :, :]
            pairs = pairs + gamma[..., None] * weight * chain.expect(future)
            future = gamma * chain.step(future) + block
        return pairs


def expected_gradient(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, **options: Unpack[Options]
) -> Array:
    """E ĝ of an estimator, (..., S, A).

    Parameters
    ----------
    mdp : TabularMDP
        One, dense or sparse; for means also a batch.
    theta : array_like (..., S, A)
        Logits that draw the trajectories; covariances take one table.
    estimator : str
        `ad`, `lvc`, `loaded_dice` or `dice`.
    **options : Options
        T, V_b and λ; for covariances T is finite, V_b one table and λ one number.

    Returns
    -------
    ndarray (..., S, A)
        The leading dimensions are those of θ, V_b, λ and the MDP, broadcast.

    Raises
    ------
    ValueError, TypeError
        If the estimator is unknown, T is not a positive integer, a table does not fit, or a
        covariance is given a batch.

    Notes
    -----
    The parameters and errors are those of every function here. Sources: the module's formulas for
    means; `tabular.covariance` and `tabular.cross_covariance` for covariances.
    """
    return Expectation(mdp, theta, estimator, **options).gradient


def expected_hvp(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, v: Any, **options: Unpack[Options]
) -> Array:
    """E Ĥ v for v (..., S, A), (..., S, A)."""
    return Expectation(mdp, theta, estimator, **options).hvp(v)


def expected_hessian(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, **options: Unpack[Options]
) -> Array:
    """E Ĥ, (..., S, A, S, A)."""
    return Expectation(mdp, theta, estimator, **options).hessian


def gradient_covariance(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, **options: Unpack[Options]
) -> Array:
    """Cov ĝ of one trajectory, (S, A, S, A)."""
    law, _ = _law(mdp, theta, estimator, **options)
    return covariance.gradient_covariance(law)


def hvp_covariance(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, v: Any, **options: Unpack[Options]
) -> Array:
    """Cov Ĥv of one trajectory for v (S, A), (S, A, S, A)."""
    return covariance.hvp_covariance(*_law(mdp, theta, estimator, **options), v)


def gradient_variance(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, **options: Unpack[Options]
) -> float:
    """tr Cov ĝ of one trajectory, without forming the covariance."""
    law, _ = _law(mdp, theta, estimator, **options)
    return covariance.gradient_variance(law)


def hvp_variance(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, v: Any, **options: Unpack[Options]
) -> float:
    """tr Cov Ĥv of one trajectory for v (S, A), without forming the covariance."""
    return covariance.hvp_variance(*_law(mdp, theta, estimator, **options), v)


def hessian_variance(
    mdp: TabularMDP, theta: Any, estimator: str | Estimator, **options: Unpack[Options]
) -> float:
    """E‖Ĥ − E Ĥ‖_F² of one trajectory; S·A products' traces for `loaded_dice` and `dice`."""
    return covariance.hessian_variance(*_law(mdp, theta, estimator, **options))


def _law(
    mdp: TabularMDP,
    theta: Any,
    estimator: str | Estimator,
    *,
    horizon: Any,
    baseline: Any = None,
    gae_lambda: Any = 1.0,
) -> tuple[TrajectoryLaw, Estimator]:
    """One trajectory's law as an estimator sees it, and the estimator's entry."""
    kind = find_estimator(estimator)
    baseline, gae_lambda = kind.advantage_inputs(mdp.num_states, baseline, gae_lambda)
    law = TrajectoryLaw(mdp, theta, horizon=horizon, baseline=baseline, gae_lambda=gae_lambda)
    return law, kind
