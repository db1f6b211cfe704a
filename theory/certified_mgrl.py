"""Assumption 4.1 ([Liu2022]) for `Mgrl`: φ = (γ, λ), the update of a fixed critic V_b.

The inner update is g[u] = E Σ_t γ^t ⟨π′_u, q⟩ with q the action values for the rewards
δ̄ = R + γPV_b − V_b at the discount κ = γλ (`tabular.gae`). For λ < 1 it is the gradient of nothing,
so that its derivatives are not those of `theory.softmax`. But h = g[u] from every start, q and the
state values m of q solve linear equations, whose derivatives are bounded one after the other, as in
the `recursion` there (derived here). With W, W_κ the sums of γ^t and κ^t, a = W_κ span(δ̄)/2 half
the span of m and of q, b = span(V_b)/2, and v_k the recursion's bound of m^(k) at κ:

    |h|   <= η = W C₁ a
    |h′|  <= c₁ = W (C₂ a + C₁ κ v₁ + γ C₁ η)
    |h″|  <= ρ₁ = W (C₃ a + 2C₂ κ v₁ + C₁ κ v₂ + γ C₂ η + 2γ C₁ c₁)

and in λ and γ, where x is the half-span of what drives ∂m and y <= W_κ (...) bounds its derivative,

    x_λ = γa,        ∂_λh <= g_λ = W C₁ W_κ x_λ
    x_γ = b + λa,    ∂_γh <= g_γ = W (C₁ W_κ x_γ + η)
    z = s v₁ + κ W_κ (s v₁ + C₁ W_κ x)                  of ∂q′, s = γ for λ and λ for γ
    ∂_λh′ <= W (C₂ W_κ x + C₁ z + γ C₁ g_λ),   ∂_γh′ <= W (C₂ W_κ x + C₁ z + C₁ η + c₁ + γ C₁ g_γ)

with c₂² = g_λ² + g_γ², ρ₂ alike. A finite horizon has shorter sums of the same terms. W grows four
times over: these are loose.
"""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np

from tabular.problems import Mgrl
from theory.constants import Lipschitz
from theory.objectives import Objective
from theory.softmax_state import L1


def mgrl_lipschitz(problem: Mgrl, phi: Any) -> Lipschitz:
    """Return the constants of Assumption 4.1 at φ = (γ, λ), proved for every θ.

    Raises
    ------
    ValueError, TypeError
        If φ or the critic is not one pair and one table, or φ is out of range.
    """
    phi, critic = problem.check(phi), np.asarray(problem.critic, dtype=np.float64)
    mdp = problem.mdp
    if phi.shape != (2,) or critic.shape != (mdp.num_states,):
        raise ValueError(
            f"constants are those of one phi (2,) and one critic ({mdp.num_states},), received "
            f"shapes {phi.shape} and {critic.shape}; call once for each"
        )
    outer = Objective(mdp)
    gamma, gae_lambda = float(phi[0]), float(phi[1])
    c1 = c2 = rho1 = rho2 = 0.0
    if mdp.num_actions > 1:
        delta = mdp.R + gamma * mdp.transitions.expect(critic) - critic[:, None]
        span = float(np.ptp(delta[outer.acting]))
        c1, rho1, c2, rho2 = _update(gamma, gae_lambda, span, outer.span(critic))
    return Lipschitz(
        c1=c1,
        c2=c2,
        rho1=rho1,
        rho2=rho2,
        m1=outer.bounds.first,
        mu1=outer.bounds.second,
        mu2=0.0,
        zeta0=0.0,
        scope="every θ",
    )


def _update(
    gamma: float, gae_lambda: float, delta_span: float, critic_span: float
) -> tuple[float, float, float, float]:
    """c₁, ρ₁, c₂ and ρ₂ of the update."""
    kappa = gamma * gae_lambda
    W, W_k = 1 / (1 - gamma), 1 / (1 - kappa)
    _, C1, C2, C3, _ = L1
    a = W_k * delta_span / 2
    v1 = W_k * C1 * a
    v2 = W_k * (C2 * a + 2 * C1 * kappa * v1)
    h = W * C1 * a
    c1 = W * (C2 * a + C1 * kappa * v1 + gamma * C1 * h)
    rho1 = W * (C3 * a + 2 * C2 * kappa * v1 + C1 * kappa * v2 + gamma * C2 * h)
    rho1 += W * 2 * gamma * C1 * c1

    def second(x: float, scale: float) -> float:
        later = scale * v1 + C1 * W_k * x
        return C2 * W_k * x + C1 * (scale * v1 + kappa * W_k * later)

    by_lambda, by_gamma = gamma * a, critic_span / 2 + gae_lambda * a
    g_lambda = W * C1 * W_k * by_lambda
    g_gamma = W * (C1 * W_k * by_gamma + h)
    r_lambda = W * (second(by_lambda, gamma) + gamma * C1 * g_lambda)
    r_gamma = W * (second(by_gamma, gae_lambda) + C1 * h + c1 + gamma * C1 * g_gamma)
    return c1, rho1, hypot(g_lambda, g_gamma), hypot(r_lambda, r_gamma)
