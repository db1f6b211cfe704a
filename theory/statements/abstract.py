"""The two rates of the abstract ([Liu2022]), and the regimes in which each is right, in numbers.

**O(K α^K σ_in N^{−1/2})**, the compositional part. The bound of Lemma 4.4, attained by a quadratic
(`theory.finite.quadratic`), is α σ_in N^{−1/2} √(Σ_{j<K} a^{2j}) with a = 1 + αc₁. So

    N              the *error* E‖θ̂^K − θ^K‖ has N^{−1/2}, but the *bias* has N^{−1}
    α → 0          the error has α¹ and the bias α², for every K: α^K is wrong for K > 1
    αc₁ >= 1       at most (2c₁)^{K−1} K α^K σ_in N^{−1/2}: α^K is right, as the largest power
    K, αc₁ → 0     the spread has √K and the bias K¹, not K times a power
    K, αc₁ large   a factor a for each step
    softmax        one trajectory's ĝ is bounded, ‖ĝ‖ <= G, so that ‖θ̂^K − θ^K‖ <= 2KαG: in a
                   tabular MDP the error has at most α¹ for α → ∞ too, and α^K is the bound's alone

**O((K − 1) Δ_H^{K−1})**, the part of the Hessians' bias (`theory.hessian_error`):

    Δ_H → 0        linear, for every K and problem
    αΔ_H >= a      Δ_H^{K−1} where θ⁰ does not depend on φ; Δ_H^K for MAML, with a bias at K = 1

Regimes derived here.
"""

from __future__ import annotations

import numpy as np

from tabular._checks import finite_array, one_number, positive_integer
from tabular.mdp import TabularMDP
from tabular.problems import Lirpg, Maml
from tabular.sources import Sampled
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.constants import Scope
from theory.finite.quadratic import Quadratic
from theory.finite.tabular import TabularFinite
from theory.hessian_error import hessian_error_curve
from theory.rates import Rate, compositional_numbers

#: Numbers of trajectories for K = 1, 2, 3, as many as fit in a fraction of a second.
COUNTS = {1: (32, 128, 512), 2: (16, 64, 256), 3: (16, 32, 64)}
#: The regimes α → 0, αc₁ large, Δ_H → 0 and αΔ_H large.
SMALL_STEPS = np.array([1e-4, 1e-3, 1e-2])
LARGE_STEPS = np.array([1e2, 1e3, 1e4])
SMALL_ERRORS = np.array([1e-4, 1e-3, 1e-2])
LARGE_ERRORS = np.array([1e2, 1e3, 1e4])


def two_arms() -> TabularFinite:
    """A bandit of two arms, rewards 1 and 0.2, away from the uniform policy; no baseline."""
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 0.2]], 0.0, 0, name="two arms")
    return TabularFinite(Maml(mdp), np.array([[0.3, -0.4]]), Sampled("dice", 1, 1))


def compositional_rates(num_steps: int) -> tuple[Rate, ...]:
    """Return the rates of the compositional part against N and α for one K, 1 to 3."""
    K = positive_integer(num_steps, "num_steps")
    if K not in COUNTS:
        raise ValueError(f"num_steps must be one of {', '.join(map(str, COUNTS))}, received {K}")
    bandit = two_arms()
    counts = np.array(COUNTS[K], dtype=np.float64)
    in_n = compositional_numbers(bandit, "N", COUNTS[K], num_steps=K)
    small = compositional_numbers(bandit, "alpha", SMALL_STEPS, num_steps=K, num_trajectories=4)
    large = compositional_numbers(bandit, "alpha", LARGE_STEPS, num_steps=K, num_trajectories=4)
    climb = compositional_numbers(
        Quadratic(), "alpha", LARGE_STEPS, num_steps=K, num_trajectories=4
    )
    return (
        Rate("error", "N", "large", -0.5, counts, in_n.error, "last"),
        Rate("bias", "N", "large", -1.0, counts, in_n.bias, "last"),
        Rate("error", "alpha", "small", 1.0, SMALL_STEPS, small.error, "first"),
        Rate("bias", "alpha", "small", 2.0, SMALL_STEPS, small.bias, "first"),
        Rate("error", "alpha", "large, softmax", 1.0, LARGE_STEPS, large.error, "last"),
        Rate("error", "alpha", "large, quadratic", float(K), LARGE_STEPS, climb.error, "last"),
    )


def step_rates(most_steps: int = 8) -> tuple[Rate, ...]:
    """Return the rates against K: at αc₁ → 0 in K, at large αc₁ in a^K."""
    steps = range(1, positive_integer(most_steps, "most_steps") + 1)
    K = np.array(steps, dtype=np.float64)
    small = compositional_numbers(two_arms(), "K", steps, step_size=1e-4, num_trajectories=2)
    climb = compositional_numbers(Quadratic(), "K", steps, step_size=10.0, num_trajectories=2)
    return (
        Rate("spread", "K", "small alpha", 0.5, K, small.spread, "first"),
        Rate("bias", "K", "small alpha", 1.0, K, small.bias, "first"),
        Rate("spread", "a^K", "large alpha, quadratic", 1.0, 11.0**K, climb.spread, "last"),
    )


def hessian_rates(num_steps: int) -> tuple[Rate, ...]:
    """Return the rates of the Hessians' part against Δ_H for one K >= 2, MAML and fixed θ⁰."""
    rng = np.random.default_rng(0)
    mdp = TabularMDP.random(4, 3, concentration=1.0, rng=rng)
    theta, bonus = rng.normal(size=(2, 4, 3))
    rates = []
    for problem, phi in ((Maml(mdp), theta), (Lirpg(mdp, theta), bonus)):
        for regime, errors in (("small", SMALL_ERRORS), ("large", LARGE_ERRORS)):
            curve = hessian_error_curve(problem, phi, errors, step_size=1.0, num_steps=num_steps)
            small = regime == "small"
            rates.append(
                Rate(
                    "bias",
                    "Delta_H",
                    f"{regime}, {type(problem).__name__.lower()}",
                    1 if small else curve.degree,
                    errors,
                    curve.bias,
                    "first" if small else "last",
                )
            )
    return tuple(rates)


def stated_compositional_rate(
    lhs: Array,
    step_sizes: Array,
    *,
    c1: float,
    sigma_in: float,
    num_steps: int,
    N: int,
    scope: Scope,
) -> tuple[BoundCheck, ...]:
    """Check errors at each α against (2c₁)^{K−1} K α^K σ_in/√N, the abstract's rate.

    It follows from Lemma 4.4 where αc₁ >= 1, and fails for K > 1 as α → 0.
    """
    lhs, step_sizes = finite_array(lhs, "lhs"), finite_array(step_sizes, "step_sizes")
    if lhs.ndim != 1 or lhs.shape != step_sizes.shape or np.any(step_sizes <= 0):
        raise ValueError(
            "lhs and step_sizes must be of one length, with positive steps, received shapes "
            f"{lhs.shape} and {step_sizes.shape}, steps {step_sizes}"
        )
    K, N = positive_integer(num_steps, "num_steps"), positive_integer(N, "N")
    c1, sigma_in = one_number(c1, "c1"), one_number(sigma_in, "sigma_in")
    with np.errstate(over="ignore"):
        rhs = (2 * c1) ** (K - 1) * K * step_sizes**K * sigma_in / np.sqrt(N)
    return tuple(
        BoundCheck(
            "abstract, compositional",
            float(left),
            float(right),
            obtained="enumeration",
            scope=scope,
            rounding=1e-12 * float(right),
            setting={"K": K, "N": N, "step_size": float(alpha), "alpha c1": float(alpha) * c1},
        )
        for left, right, alpha in zip(lhs, rhs, step_sizes, strict=True)
    )
