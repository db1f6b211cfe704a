"""The compositional bias is O(1/N): explicit bounds, beside the 1/√N of Lemma 4.4.

Derived here. For f with ‖Df‖ <= C₀ and Df C₁-Lipschitz, a = 1 + αc₁ and T(θ) = θ + α ∇_θ J_in(θ),

    Lemma 4.4    ‖E f(θ̂^K) − f(θ^K)‖ <= C₀ (α σ_in/√N) √(Σ_{j<K} a^{2j})
    Prop 5.2     ‖E f(θ̂^K) − f(θ^K)‖ <= (α² σ_in²/2N) Σ_{j<K} ℓ_j,
                 ℓ_j = C₁ a^{2j} + C₀ α ρ₁ a^{j−1} Σ_{k<j} a^k >= Lip D(f ∘ T^j).

Idea: f(θ̂^K) − f(θ^K) telescopes into the steps f_{i+1}(T(θ̂^i) + α ξ̄_i) − f_{i+1}(T(θ̂^i)) with
f_i = f ∘ T^{K−i}; the mean of each is only its second-order part, as E ξ̄_i = 0. K = 1, f = p gives
Prop 5.1.

Theorem 5.3 does the same for the meta-gradient, on the state (θ, Z): begun at (θ, Z) with K − i
steps to go, its mean is q_i(θ) + Zᵀ p_i(θ). With the means H̄ and Ḡ of the estimates,
B = 1 + α sup ‖H̄‖ and M_i = m₁ B^{K−1−i}, the Lipschitz constants of p_i, Dp_i, q_i and Dq_i are
at most P_i, R_i, Q_i and U_i:

    P_i = α ρ̄₁ M_i + B a P_{i+1}
    R_i = α ν̄₁ M_i + 2 α ρ̄₁ a P_{i+1} + B (a² R_{i+1} + α ρ₁ P_{i+1})
    Q_i = a Q_{i+1} + α (ρ̄₂ M_i + ḡ a P_{i+1})
    U_i = a² U_{i+1} + α ρ₁ Q_{i+1} + α (ν̄₂ M_i + 2 ρ̄₂ a P_{i+1} + ḡ (a² R_{i+1} + α ρ₁ P_{i+1}))

    ‖E Ĝ − ∇J^K‖ <= m₁ δ_K + (α²/N) Σ_{i<K} [ (σ_in²/2) (U_{i+1} + y_{i+1} R_{i+1})
                                              + 1_shared σ_in (σ_H z_i + σ_J) P_{i+1} ]

with y_{i+1} = B z_i + α ḡ for shared samples and of the same recursion for independent ones.

Derivatives are met on segments from T(θ̂^i) to θ̂^{i+1} and on their images under T, not only at the
θ̂^i themselves: constants of the realisable θ prove nothing here, and count as empirical.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any, NamedTuple

from tabular._checks import instance, positive_integer
from tabular.metagradient import positive_number
from theory.bounds import BoundCheck, Obtained
from theory.constants import Lipschitz, Noise, Scope, both, require_sizes
from theory.recursions import or_infinite, weaker
from theory.statements.lemma_4_4 import second_moment_bound


class Smoothness(NamedTuple):
    """‖Df‖ <= C₀, and C₁ the Lipschitz constant of Df."""

    C0: float
    C1: float


class Loop(NamedTuple):
    """α, K and N."""

    step_size: float
    num_steps: int
    num_trajectories: int

    def checked(self) -> Loop:
        """Itself, once all three are positive numbers, or ValueError or TypeError."""
        return Loop(
            positive_number(self.step_size, "step_size"),
            positive_integer(self.num_steps, "num_steps"),
            positive_integer(self.num_trajectories, "num_trajectories"),
        )

    @property
    def setting(self) -> dict[str, Any]:
        """The three by their symbols."""
        return {"K": self.num_steps, "α": self.step_size, "N": self.num_trajectories}


@dataclass(frozen=True)
class SecondLipschitz:
    """What Theorem 5.3 needs beyond Assumption 4.1; for K = 1 only the suprema and the last two.

    Attributes
    ----------
    H_bar, G_bar : float
        sup ‖H̄‖ and sup ‖Ḡ‖, of the estimates' means.
    rho_bar1, rho_bar2 : float
        Lipschitz constants of H̄ and Ḡ in θ.
    nu_bar1, nu_bar2 : float
        Those of their derivatives.
    rho_out, nu_q : float
        Those of Dp and Dq.
    scope : str
    """

    H_bar: float
    G_bar: float
    rho_bar1: float
    rho_bar2: float
    nu_bar1: float
    nu_bar2: float
    rho_out: float
    nu_q: float
    scope: Scope

    def __post_init__(self) -> None:
        require_sizes(self)

    @classmethod
    def unbiased_maml(cls, lipschitz: Lipschitz, nu1: float = 0.0) -> SecondLipschitz:
        """Those of H̄ = H and J_out = J_in: all in Assumption 4.1 but ν₁, for DH, if K > 1."""
        c1, rho1 = lipschitz.c1, lipschitz.rho1
        return cls(c1, 0.0, rho1, 0.0, nu1, 0.0, rho1, 0.0, lipschitz.scope)


def bias_bound(f: Smoothness, lipschitz: Lipschitz, noise: Noise, loop: Loop) -> float:
    """The right-hand side of Prop 5.2; infinite where it leaves the range of floats."""
    both((lipschitz, noise))
    C0, C1 = instance(f, Smoothness, "f")
    if not (C0 >= 0 and C1 >= 0):
        raise ValueError(f"the constants of f must be numbers >= 0, received {f}")
    alpha, K, N = loop.checked()
    a = 1 + alpha * lipschitz.c1
    total, power, bent = 0.0, 1.0, 0.0  # a^j and a^{j−1} Σ_{k<j} a^k, for one j after another
    for _ in range(K):
        total += C1 * power * power + C0 * alpha * lipschitz.rho1 * bent
        bent, power = a * bent + power * power, a * power
    noisy = alpha * noise.sigma_in
    return or_infinite({"bias of f": noisy * noisy / (2 * N) * total})["bias of f"]


def compositional_bias(
    lhs: float,
    f: Smoothness,
    lipschitz: Lipschitz,
    noise: Noise,
    loop: Loop,
    *,
    name: str = "f",
    obtained: Obtained = "enumeration",
    rounding: float = 0.0,
) -> tuple[BoundCheck, BoundCheck]:
    """Check ‖E f(θ̂^K) − f(θ^K)‖ against Lemma 4.4 and against Prop 5.2.

    Parameters
    ----------
    lhs : float
        ‖E f(θ̂^K) − f(θ^K)‖.
    f : Smoothness
    lipschitz, noise : Lipschitz, Noise
    loop : Loop
    name : str
        What f is called.
    obtained, rounding : str, float
        Of lhs (`theory.bounds`).
    """
    scope = weaker(lipschitz.scope, noise.scope)
    error = second_moment_bound(lipschitz, noise, **loop._asdict())
    lemma = BoundCheck(
        f"Lemma 4.4, bias of {name}",
        lhs,
        f.C0 * error,
        obtained=obtained,
        scope=scope,
        rounding=rounding,
        setting=loop.setting,
    )
    proposition = BoundCheck(
        f"Proposition 5.2, bias of {name}",
        lhs,
        bias_bound(f, lipschitz, noise, loop),
        obtained=obtained,
        scope=on_segments(scope),
        rounding=rounding,
        setting=loop.setting,
    )
    return lemma, proposition


def meta_gradient_bias(
    lhs: float,
    lipschitz: Lipschitz,
    second: SecondLipschitz,
    noise: Noise,
    loop: Loop,
    *,
    shared: bool = False,
    obtained: Obtained = "enumeration",
    rounding: float = 0.0,
) -> BoundCheck:
    """Check ‖E Ĝ − ∇J^K‖ against Theorem 5.3; its terms are the Hessian's and the 1/N ones."""
    terms = meta_terms(lipschitz, second, noise, loop, shared=shared)
    return BoundCheck(
        "Theorem 5.3, bias",
        lhs,
        sum(terms.values()),
        terms,
        obtained=obtained,
        scope=on_segments(weaker(lipschitz.scope, noise.scope, second.scope)),
        rounding=rounding,
        setting=loop.setting | {"shared": shared},
    )


def meta_terms(
    lipschitz: Lipschitz, second: SecondLipschitz, noise: Noise, loop: Loop, *, shared: bool
) -> dict[str, float]:
    """The Hessian term m₁ δ_K, and the compositional and coupling terms of order 1/N."""
    both((lipschitz, noise))
    instance(shared, bool, "shared")
    instance(second, SecondLipschitz, "second")
    (alpha, K, N), one, two = loop.checked(), lipschitz, second
    a, B = 1 + alpha * one.c1, 1 + alpha * two.H_bar
    zeta, delta, z = one.zeta0, 0.0, [one.zeta0]
    for _ in range(K):
        delta = B * delta + alpha * (noise.Delta_H * zeta + noise.Delta_J)
        zeta = a * zeta + alpha * one.c2
        noisy = alpha * (noise.sigma_H * z[-1] + noise.sigma_J) / sqrt(N) if shared else 0.0
        z.append(hypot(B * z[-1] + alpha * two.G_bar, noisy))
    M, P, R, Q, U = one.m1, one.mu1, two.rho_out, one.mu2, two.nu_q
    curved = coupled = 0.0
    for i in reversed(range(K)):
        y = B * z[i] + alpha * two.G_bar
        curved += noise.sigma_in * noise.sigma_in / 2 * (U + y * R)
        coupled += noise.sigma_in * (noise.sigma_H * z[i] + noise.sigma_J) * P if shared else 0.0
        bent = a * a * R + alpha * one.rho1 * P
        later = two.nu_bar2 * M + 2 * two.rho_bar2 * a * P + two.G_bar * bent
        M, P, R, Q, U = (
            B * M,
            alpha * two.rho_bar1 * M + B * a * P,
            alpha * (two.nu_bar1 * M + 2 * two.rho_bar1 * a * P) + B * bent,
            a * Q + alpha * (two.rho_bar2 * M + two.G_bar * a * P),
            a * a * U + alpha * one.rho1 * Q + alpha * later,
        )
    terms = {
        "Hessian": one.m1 * delta,
        "compositional": alpha * alpha / N * curved,
        "coupling": alpha * alpha / N * coupled,
    }
    return or_infinite(terms)


def on_segments(scope: Scope) -> Scope:
    """The scope of a bound whose proof leaves the realisable θ."""
    return scope if scope == "every θ" else "sampled θ"
