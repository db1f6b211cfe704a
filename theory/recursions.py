"""The recursions over inner steps that Lemma 4.4 and Theorem 4.5 share.

With a = 1 + αc₁, B = 1 + α(c₁ + Δ_H) >= ‖I + α E Ĥ‖, ḡ = c₂ + Δ_J, and σ those of averages
(one trajectory's over √N, zero where the exact quantity is taken), from i = 0 on:

    ζ_{i+1} = a ζ_i + αc₂                      ‖Z_i‖ <= ζ_i, ζ_0 = ‖Z_0‖
    ζ̄_{i+1} = B ζ̄_i + αḡ                       the same with E Ĥ, E Ĝ
    δ_{i+1} = B δ_i + α(Δ_H ζ_i + Δ_J)         bias of Z_i from Δ_H and Δ_J
    e_{i+1} = a e_i + ασ_in                    E‖θ̂^i − θ^i‖, by the triangle inequality
    s²_{i+1} = a² s_i² + α²σ_in²               E‖θ̂^i − θ^i‖², by orthogonal noise
    r_{i+1} = B r_i + α(ρ₁ζ_i + ρ₂) s_i        bias of Z_i from the error of θ̂^i

and, where Ĥ_i, Ĝ_i come from the path's own trajectories,

    z²_{i+1} = (B z_i + αḡ)² + α²(σ_H z_i + σ_J)²         E‖Ẑ_i u‖²,  z_0 = ζ_0
    d²_{i+1} = B² d_i² + α²(σ_H z_i + σ_J)²               E‖(Ẑ_i − Z̄_i) u‖²
    κ_{i+1}  = a κ_i + α(Δ_H + ρ₁s_i) d_i                 ‖E(Ẑ_i − Z̄_i) u‖
    dF²_{i+1} = B² dF_i² + α²(σ_HF(ζ̄_i + dF_i) + σ_JF)²    E‖Ẑ_i − Z̄_i‖_F²

for unit vectors u, with Z̄_i the Z_i of E Ĥ and E Ĝ along the sampled path. All others start at
zero. Derived here; [Liu2022], Lemma 4.4 and Theorem 4.5 state orders only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, isnan, sqrt

from tabular._checks import instance, positive_integer
from tabular.metagradient import positive_number
from theory.constants import Lipschitz, Noise, Scope, both


@dataclass(frozen=True)
class Recursions:
    """The values at i = 0, ..., K, each a tuple of K + 1 numbers."""

    zeta: tuple[float, ...]
    zeta_bar: tuple[float, ...]
    delta: tuple[float, ...]
    e: tuple[float, ...]
    s: tuple[float, ...]
    r: tuple[float, ...]
    z: tuple[float, ...]
    d: tuple[float, ...]
    kappa: tuple[float, ...]
    d_F: tuple[float, ...]


def recursions(
    lipschitz: Lipschitz, noise: Noise, *, step_size: float, num_steps: int
) -> Recursions:
    """Run all recursions; `noise` is that of averages (`averaged`).

    Raises ValueError or TypeError if α or K is not positive.
    """
    both((lipschitz, noise))
    alpha = positive_number(step_size, "step_size")
    a = 1 + alpha * lipschitz.c1
    B = a + alpha * noise.Delta_H
    g = lipschitz.c2 + noise.Delta_J
    rows = [(lipschitz.zeta0, lipschitz.zeta0, 0.0, 0.0, 0.0, 0.0, lipschitz.zeta0, 0.0, 0.0, 0.0)]
    for _ in range(positive_integer(num_steps, "num_steps")):
        zeta, zeta_bar, delta, e, s, r, z, d, kappa, d_F = rows[-1]
        fresh = alpha * (noise.sigma_H * z + noise.sigma_J)
        fresh_F = alpha * (noise.sigma_HF * (zeta_bar + d_F) + noise.sigma_JF)
        rows.append(
            (
                a * zeta + alpha * lipschitz.c2,
                B * zeta_bar + alpha * g,
                B * delta + alpha * (noise.Delta_H * zeta + noise.Delta_J),
                a * e + alpha * noise.sigma_in,
                hypot(a * s, alpha * noise.sigma_in),
                B * r + alpha * (lipschitz.rho1 * zeta + lipschitz.rho2) * s,
                hypot(B * z + alpha * g, fresh),
                hypot(B * d, fresh),
                a * kappa + alpha * (noise.Delta_H + lipschitz.rho1 * s) * d,
                hypot(B * d_F, fresh_F),
            )
        )
    return Recursions(*zip(*rows, strict=True))


def averaged(
    noise: Noise,
    *,
    num_trajectories: int | None,
    curvature_trajectories: int | None,
    outer_trajectories: int | None,
) -> Noise:
    """The noise of averages over so many trajectories; none where a number is None (exact)."""
    instance(noise, Noise, "noise")
    counts = {
        "num_trajectories": num_trajectories,
        "curvature_trajectories": curvature_trajectories,
        "outer_trajectories": outer_trajectories,
    }
    inner, curvature, outer = (
        0.0 if count is None else 1 / sqrt(positive_integer(count, name))
        for name, count in counts.items()
    )
    biased = curvature > 0
    return replace(
        noise,
        sigma_in=noise.sigma_in * inner,
        sigma_p=noise.sigma_p * outer,
        sigma_q=noise.sigma_q * outer,
        sigma_H=noise.sigma_H * curvature,
        sigma_J=noise.sigma_J * curvature,
        sigma_HF=noise.sigma_HF * curvature,
        sigma_JF=noise.sigma_JF * curvature,
        Delta_H=noise.Delta_H * biased,
        Delta_J=noise.Delta_J * biased,
    )


def or_infinite(terms: dict[str, float]) -> dict[str, float]:
    """Terms that leave the range of floats are infinite, 0·∞ among them: they say nothing."""
    return {name: inf if isnan(term) else term for name, term in terms.items()}


#: From the strongest to the weakest.
SCOPES: tuple[Scope, ...] = ("every θ", "every realisable θ", "sampled θ")


def weaker(*scopes: Scope) -> Scope:
    """What a bound from constants of these scopes is worth."""
    return max(scopes, key=SCOPES.index)
