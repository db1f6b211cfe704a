"""Lemma 4.4 ([Liu2022]): how far sampled inner steps lead a C₀-Lipschitz f astray.

    ‖E f(θ̂^K) − f(θ^K)‖ <= Δ_C = E‖f(θ̂^K) − f(θ^K)‖ <= C₀ e_K

    first moment     e_K = E‖θ̂^K − θ^K‖ <= σ_in/(c₁√N) ((1 + α c₁)^K − 1)
    second moment    e_K <= s_K = √E‖θ̂^K − θ^K‖² <= α σ_in/√N √Σ_{j<K} (1 + α c₁)^{2j}

under Assumptions 4.1, 4.2 and 4.3 (the paper names the first two only; σ_in is of the third). The
second is never larger and is attained, for K = 1 by every problem. Its proof uses that the noise of
a step has no mean given the past, the first one's only the triangle inequality.
"""

from __future__ import annotations

from math import sqrt


def first_moment(
    c1: float, sigma_in: float, *, step_size: float, num_steps: int, num_trajectories: int
) -> float:
    """Return the bound of e_K by the triangle inequality."""
    return _noise(step_size, sigma_in, num_trajectories) * sum(
        _powers(1 + step_size * c1, num_steps)
    )


def second_moment(
    c1: float, sigma_in: float, *, step_size: float, num_steps: int, num_trajectories: int
) -> float:
    """Return the bound of s_K, and so of e_K."""
    powers = _powers(1 + step_size * c1, num_steps)
    return _noise(step_size, sigma_in, num_trajectories) * sqrt(sum(x * x for x in powers))


def _noise(step_size: float, sigma_in: float, num_trajectories: int) -> float:
    return step_size * sigma_in / sqrt(num_trajectories)


def _powers(a: float, num_steps: int) -> list[float]:
    """a^0, ..., a^{K−1}."""
    powers = [1.0]
    while len(powers) < num_steps:
        powers.append(powers[-1] * a)
    return powers
