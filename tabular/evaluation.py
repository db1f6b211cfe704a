"""Exact value, gradient, Hessian-vector product, third and cross derivatives of J(θ).

With the advantage A = Q − V, the occupancy d = Σ_t γ^t P(s_t = ·) and ψ·v = v − ⟨π, v⟩,

    ∇J(s,a)       = d π A                                            (policy gradient theorem)
    dπ            = π (ψ·v)
    dV            = evaluate(Σ_a dπ Q)          dQ = γ P dV
    dd            = visit(γ Pᵀ(d dπ))           dA = dQ − dV
    ∇²J v         = dd π A + d dπ A + d π dA
    ∂_γ ∇J        = π (∂d A + d ∂A),  ∂V = evaluate(Σ_a π P V),  ∂d = visit(Pᵀ(d π))
    ⟨∂_φ∇J, u⟩    = dd_u π + d π (ψ·u)          for rewards R + φ

and the third derivative along (u, v) is the product rule once more. A horizon T with terminal
table V_b has the same formulas with a time axis, summed over t (`tabular.chain`); V_b is a
constant: J_T = E[Σ_{t<T} γ^t r_t + γ^T V_b(s_T)].

Sources: Sutton et al. (2000) for the gradient; the rest is its derivative, checked in the tests
against autograd, finite differences and mpmath.

The functions of `tabular.exact` are the public face of this, and check what they are given.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks
from tabular.chain import Chain, Discounted
from tabular.hessian import HessianParts, assemble, block_diagonal, cross_factor, local_blocks
from tabular.mdp import TabularMDP
from tabular.policy import center, project, softmax
from tabular.transitions import Array


class Evaluation:
    """All exact quantities of one policy (or a batch), sharing one factorisation.

    `tabular.exact.evaluate` makes one from any input; here θ (..., S, A), the horizon and V_b
    (..., S) are taken as checked.

    Attributes `V`, `Q`, `advantage` (..., H, S[, A]) and `occupancy` (..., H, S) carry the time
    axis H of `tabular.chain`: length 1 for the infinite horizon, T otherwise.
    """

    def __init__(
        self,
        mdp: TabularMDP,
        theta: Array,
        *,
        horizon: int | None = None,
        terminal_value: Array | None = None,
    ) -> None:
        self._mdp = mdp
        self._theta = theta
        self._horizon = horizon
        self._terminal_value = terminal_value
        self.gamma = np.asarray(mdp.gamma, dtype=np.float64)

    @cached_property
    def pi(self) -> Array:
        """π, (..., 1, S, A)."""
        policy = softmax(self._theta)
        if self.gamma.ndim:
            batch = np.broadcast_shapes(policy.shape[:-2], self.gamma.shape)
            policy = np.broadcast_to(policy, (*batch, *policy.shape[-2:]))
        return shared(policy[..., None, :, :])

    @cached_property
    def chain(self) -> Chain:
        """The Markov chain P_π."""
        return Chain(self._mdp.transitions, self.pi[..., 0, :, :], self._horizon)

    @cached_property
    def discounted(self) -> Discounted:
        """Its two linear equations."""
        return Discounted(self.chain, self.gamma)

    def _discount(self, x: Array) -> Array:
        """γ x for x (..., H, S, A)."""
        return (self.gamma[..., None, None, None] if self.gamma.ndim else self.gamma) * x

    def _with_terminal(self, x: Array, terminal: Array) -> Array:
        """Add P V_b (..., S, A) at the last step to x (..., H, S, A)."""
        steps = self._horizon or 1
        last = (np.arange(steps) == steps - 1)[:, None, None]
        return x + last * terminal[..., None, :, :]

    @cached_property
    def _reward(self) -> Array:
        """R, plus γ P V_b at the last step: (..., H, S, A)."""
        reward = self._mdp.R[..., None, :, :]
        if self._terminal_value is not None:
            terminal = self.gamma[..., None, None] * self.chain.expect(self._terminal_value)
            return self._with_terminal(reward, terminal)
        if self._horizon is None:
            return reward
        return np.broadcast_to(reward, (*reward.shape[:-3], self._horizon, *reward.shape[-2:]))

    @cached_property
    def V(self) -> Array:
        """V_t(s), (..., H, S)."""
        return shared(self.discounted.evaluate(np.vecdot(self.pi, self._reward)))

    @cached_property
    def Q(self) -> Array:
        """Q_t(s,a), (..., H, S, A)."""
        return shared(self._reward + self._discount(self.chain.expect_next(self.V)))

    @cached_property
    def advantage(self) -> Array:
        """A = Q − V, (..., H, S, A)."""
        return shared(self.Q - self.V[..., None])

    @cached_property
    def occupancy(self) -> Array:
        """γ^t P(s_t = s), (..., H, S); over an infinite horizon, its sum over t."""
        return shared(self.discounted.visit(self.chain.start(self._mdp.initial)))

    @cached_property
    def _d(self) -> Array:
        return self.occupancy[..., None]

    @cached_property
    def _w(self) -> Array:
        """w = π A, (..., H, S, A)."""
        return self.pi * self.advantage

    def _over_time(self, x: Array) -> Array:
        """Σ_t x_t, (..., H, S, A) -> (..., S, A)."""
        return x[..., 0, :, :] if self._horizon is None else x.sum(axis=-3)

    @property
    def value(self) -> Array:
        """J = ρ·V, (...)."""
        return (self._mdp.initial * self.V[..., 0, :]).sum(axis=-1)

    @cached_property
    def gradient(self) -> Array:
        """∇J = Σ_t d π A, (..., S, A)."""
        return shared(self._over_time(self._d * self._w))

    def _tangent(self, v: Array) -> tuple[Array, Array, Array, Array]:
        """(dπ, dV, dQ, dd) along v (..., 1, S, A)."""
        dpi = self.pi * center(self.pi, v)
        dV = self.discounted.evaluate(np.vecdot(dpi, self.Q))
        dQ = self._discount(self.chain.expect_next(dV))
        dd = self._visit_change(self._d * dpi)
        return dpi, dV, dQ, dd

    def _visit_change(self, c: Array) -> Array:
        """visit(γ Pᵀ c) as (..., H, S, 1)."""
        gamma = self.gamma[..., None, None] if self.gamma.ndim else self.gamma
        return self.discounted.visit(gamma * self.chain.push_next(c))[..., None]

    def hvp_parts(self, v: Any) -> dict[str, Array]:
        """`local`, `cross` and `cross_transposed` parts of ∇²J v, each (..., S, A).

        local differentiates π twice at fixed Q and d; cross moves Q, cross_transposed moves d.
        """
        dpi, _, dQ, dd = self._tangent(self._direction(v, "v"))
        pi, weighted = self.pi, dpi * self.advantage
        return {
            "local": self._over_time(self._d * project(pi, weighted)),
            "cross": self._over_time(self._d * pi * center(pi, dQ)),
            "cross_transposed": self._over_time(dd * self._w),
        }

    def hvp(self, v: Any) -> Array:
        """∇²J v for v (..., S, A), (..., S, A)."""
        return self.vjp(_checks.table(v, "v", self._theta.shape[-2:]))

    def vjp(self, u: Array) -> Array:
        """The transposed Jacobian of the gradient times u, unchecked; the Hessian is symmetric."""
        dpi, dV, dQ, dd = self._tangent(u[..., None, :, :])
        dw = dpi * self.advantage + self.pi * (dQ - dV[..., None])
        return self._over_time(dd * self._w + self._d * dw)

    @property
    def hessian(self) -> Array:
        """∇²J, (..., S, A, S, A)."""
        if self._horizon is not None:
            return self._hessian_by_columns(self.vjp)
        return assemble(*self._hessian_factors())

    @property
    def hessian_parts(self) -> HessianParts:
        """`local` and `cross` with ∇²J = local + cross + crossᵀ, each (..., S, A, S, A)."""
        if self._horizon is not None:
            return HessianParts(
                self._hessian_by_columns(lambda v: self.hvp_parts(v)["local"]),
                self._hessian_by_columns(lambda v: self.hvp_parts(v)["cross"]),
            )
        blocks, factor, w = self._hessian_factors()
        return HessianParts(block_diagonal(blocks), factor[..., None] * w[..., None, None, :, :])

    def _hessian_factors(self) -> tuple[Array, Array, Array]:
        pi, A, d = self.pi[..., 0, :, :], self.advantage[..., 0, :, :], self.occupancy[..., 0, :]
        M = self.discounted.inverse
        factor = cross_factor(d, pi, M, self.chain.times(M), self.gamma)
        return local_blocks(d, pi, A), factor, self._w[..., 0, :, :]

    def _hessian_by_columns(self, product: Any) -> Array:
        """∇²J column by column from a Hessian-vector product."""
        shape = (self._mdp.num_states, self._mdp.num_actions)
        batch = (1,) * (self.gradient.ndim - 2)
        basis = np.eye(shape[0] * shape[1]).reshape(-1, *batch, *shape)
        columns = np.moveaxis(product(basis), 0, -1)
        return columns.reshape(*columns.shape[:-1], *shape)

    def third(self, u: Any, v: Any) -> Array:
        """∇³J[u, v, ·], the directional third derivative, (..., S, A)."""
        u, v = self._direction(u, "u"), self._direction(v, "v")
        pi, A, d = self.pi, self.advantage, self._d
        pi_u, V_u, Q_u, d_u = self._tangent(u)
        pi_v, V_v, Q_v, d_v = self._tangent(v)
        pi_uv = project(pi, pi_u * center(pi, v))
        V_uv = self.discounted.evaluate((pi_uv * self.Q + pi_u * Q_v + pi_v * Q_u).sum(axis=-1))
        Q_uv = self._discount(self.chain.expect_next(V_uv))
        d_uv = self._visit_change(d * pi_uv + d_u * pi_v + d_v * pi_u)
        A_u, A_v, A_uv = (Q_u - V_u[..., None], Q_v - V_v[..., None], Q_uv - V_uv[..., None])
        w_u, w_v = pi_u * A + pi * A_u, pi_v * A + pi * A_v
        w_uv = pi_uv * A + pi_u * A_v + pi_v * A_u + pi * A_uv
        return self._over_time(d_uv * self._w + d_u * w_v + d_v * w_u + d * w_uv)

    def cross_reward(self, u: Any) -> Array:
        """∂/∂φ ⟨∇_θ J, u⟩ for rewards R + φ: a table (..., S, A) over φ."""
        tangent = self.pi * center(self.pi, self._direction(u, "u"))
        dd = self._visit_change(self._d * tangent)
        return self._over_time(dd * self.pi + self._d * tangent)

    def cross_gamma(self) -> Array:
        """∂_γ ∇_θ J, (..., S, A)."""
        pi, d = self.pi, self._d
        next_value = self.chain.expect_next(self.V)
        if self._terminal_value is not None:
            terminal = self.chain.expect(self._terminal_value)
            next_value = self._with_terminal(next_value, terminal)
        dV = self.discounted.evaluate(np.vecdot(pi, next_value))
        dQ = next_value + self._discount(self.chain.expect_next(dV))
        dd = self.discounted.visit(self.chain.push_next(d * pi))[..., None]
        return self._over_time(pi * (dd * self.advantage + d * (dQ - dV[..., None])))

    def cross_lambda(self) -> Array:
        """∂_λ ∇_θ J = 0: with exact values the advantage does not depend on λ."""
        return np.zeros_like(self.gradient)

    def _direction(self, v: Any, name: str) -> Array:
        return _checks.table(v, name, self._theta.shape[-2:])[..., None, :, :]


def shared(x: Array) -> Array:
    """Make read-only what later quantities are computed from."""
    x.flags.writeable = False
    return x
