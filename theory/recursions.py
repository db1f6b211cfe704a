"""How bounds grow along K inner steps: the recursions that Lemma 4.4 and Theorem 4.5 share.

From the constants of Assumptions 4.1 and 4.3 (`theory.constants`), with N trajectories a step,

    a = 1 + α c₁,    B = a + α Δ_H >= ‖I + α E Ĥ‖,
    ‖θ̂^i − θ^i‖_{L2} <= s_i:      s_{i+1}² = a² s_i² + α² σ_in²/N
    ‖Z_i‖ <= ζ_i:                 ζ_{i+1} = a ζ_i + α c₂,                      ζ_0 = ‖Z_0‖
    ‖Z̄_i‖ <= ζ̄_i:                 ζ̄_{i+1} = B ζ̄_i + α (c₂ + Δ_J),             ζ̄_0 = ζ_0
    ‖Z̄_i − Z_i‖ <= δ_i + ω_i:     δ_{i+1} = B δ_i + α (Δ_H ζ_i + Δ_J)
                                  ω_{i+1} = B ω_i + α (ρ₁ ζ_i + ρ₂) s_i

where Z_i = ∂θ^i/∂φ along the exact path and Z̄_i is built from mean estimates along a sampled one
([Liu2022], Appendix G; constants derived in docs/theory.md). With shared samples the estimate Ẑ_i
scatters about Z̄_i and hangs together with θ̂^i; for every unit vector u, in L2,

    ‖Ẑ_i u‖ <= z_i:               z_{i+1}² = (B z_i + α (c₂ + Δ_J))² + α² (σ_H z_i + σ_J)²/N
    ‖(Ẑ_i − Z̄_i) u‖ <= d_i:       d_{i+1}² = B² d_i² + α² (σ_H z_i + σ_J)²/N
    ‖E (Ẑ_i − Z̄_i)‖ <= κ_i:       κ_{i+1} = a κ_i + α (Δ_H + ρ₁ s_i) d_i
    ‖Ẑ_i − Z̄_i‖_F <= f_i:         f_{i+1}² = B² f_i² + α² (σ_HF (ζ̄_i + f_i) + σ_JF)²/N
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import NamedTuple

from theory.constants import Lipschitz, Noise


class Growth(NamedTuple):
    """The bounds after i steps, by the symbols above."""

    s: float
    zeta: float
    zeta_bar: float
    delta: float
    omega: float
    z: float
    d: float
    kappa: float
    f: float


def growth(
    lipschitz: Lipschitz,
    noise: Noise,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
) -> list[Growth]:
    """Return the bounds after 0, ..., K steps; infinite where they leave the range of floats."""
    c, n, alpha = lipschitz, noise, step_size
    a = 1 + alpha * c.c1
    B, cross = a + alpha * n.Delta_H, c.c2 + n.Delta_J
    root = alpha / sqrt(num_trajectories)
    found = [Growth(0.0, c.zeta0, c.zeta0, 0.0, 0.0, c.zeta0, 0.0, 0.0, 0.0)]
    for _ in range(num_steps):
        s, zeta, zeta_bar, delta, omega, z, d, kappa, f = found[-1]
        scatter = root * (n.sigma_H * z + n.sigma_J)
        found.append(
            Growth(
                s=hypot(a * s, root * n.sigma_in),
                zeta=a * zeta + alpha * c.c2,
                zeta_bar=B * zeta_bar + alpha * cross,
                delta=B * delta + alpha * (n.Delta_H * zeta + n.Delta_J),
                omega=B * omega + alpha * (c.rho1 * zeta + c.rho2) * s,
                z=hypot(B * z + alpha * cross, scatter),
                d=hypot(B * d, scatter),
                kappa=a * kappa + alpha * (n.Delta_H + c.rho1 * s) * d,
                f=hypot(B * f, root * (n.sigma_HF * (zeta_bar + f) + n.sigma_JF)),
            )
        )
    return found
