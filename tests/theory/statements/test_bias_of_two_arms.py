"""The explicit 1/N bounds are never passed by a bandit of two arms.

Everything hangs on x = θ₁ − θ₂, and constants are the largest values over a line.
"""

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tabular import TabularMDP
from tests.tabular.tolerances import assert_close
from tests.theory.sample_paths import Slow
from tests.theory.statements.test_compositional_bias import ATTAINED, QUIET
from theory.constants import Lipschitz, Noise
from theory.statements.compositional_bias import (
    Loop,
    SecondLipschitz,
    Smoothness,
    compositional_bias,
    meta_gradient_bias,
)

ARMS = TabularMDP(np.ones((1, 2, 1)), [[1.0, 0.2]], 0.0, 0)
THETA = np.array([[0.4, -0.3]])
BASELINE = np.array([0.3])


def largest(values: Any) -> float:
    return float(np.abs(values).max()) * (1 + 1e-3)


def two_arm_constants(name: str) -> tuple[Lipschitz, SecondLipschitz, Noise]:
    """Assumption 4.1 and 4.3, and those of H̄, for MAML; H and H̄ are multiples of (1 −1; −1 1)."""
    x = np.linspace(-30, 30, 60_001)
    step = x[1] - x[0]
    first = 1 / (1 + np.exp(-x))
    both = first * (1 - first)
    weight = np.array([1.0, 0.2]) - BASELINE
    slope = 0.8 * both
    curve = slope * (1 - 2 * first)
    mean_weight = weight[1] + 0.8 * first
    mean_curve = -mean_weight * both if name == "ad" else curve
    # score of arm 1 is (1 − π)(1, −1), of arm 2 −π (1, −1).
    scores = np.stack([1 - first, -first])
    chances = np.stack([first, 1 - first])
    sizes = weight[:, None] * scores
    variance = 2 * ((chances * sizes**2).sum(axis=0) - (chances * sizes).sum(axis=0) ** 2)
    own = -weight[:, None] * both + (name != "ad") * weight[:, None] * scores**2
    spread = 4 * ((chances * own**2).sum(axis=0) - (chances * own).sum(axis=0) ** 2)
    assert np.allclose((chances * own).sum(axis=0), mean_curve)

    def derivative(y: Any, order: int) -> Any:
        for _ in range(order):
            y = np.gradient(y, step)
        return y

    root = np.sqrt(2)
    lipschitz = Lipschitz(
        c1=2 * largest(curve),
        c2=0.0,
        rho1=2 * root * largest(derivative(curve, 1)),
        rho2=0.0,
        m1=root * largest(slope),
        mu1=2 * largest(curve),
        mu2=0.0,
        zeta0=1.0,
        scope="sampled θ",
    )
    second = SecondLipschitz(
        H_bar=2 * largest(mean_curve),
        G_bar=0.0,
        rho_bar1=2 * root * largest(derivative(mean_curve, 1)),
        rho_bar2=0.0,
        nu_bar1=4 * largest(derivative(mean_curve, 2)),
        nu_bar2=0.0,
        rho_out=lipschitz.rho1,
        nu_q=0.0,
        scope="sampled θ",
    )
    noise = replace(
        QUIET,
        sigma_in=largest(variance) ** 0.5,
        sigma_H=largest(spread) ** 0.5,
        Delta_H=2 * largest(mean_curve - curve),
        scope="sampled θ",
    )
    return lipschitz, second, noise


def meta_truth(slow: Slow, K: int) -> Any:
    """∇J^K by autograd's Hessians."""
    path = slow.exact_path(THETA, K)
    left = slow.reference(path[-1]).gradient.ravel()
    for theta in reversed(path[:-1]):
        left = left + slow.step_size * slow.reference(theta).hessian.reshape(2, 2) @ left
    return left


@pytest.mark.parametrize("name", ["ad", "loaded_dice"])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 8.0])
def test_theorem_5_3_holds_for_two_arms(name, alpha):
    slow = Slow(ARMS, alpha, 1, BASELINE, name)
    constants = two_arm_constants(name)
    for K in (1, 2, 3):
        truth = meta_truth(slow, K)
        for N in (1, 2, 8):
            for shared in (False, True):
                mean = slow.mean_meta_gradient(THETA, K, N, shared=shared)
                check = meta_gradient_bias(
                    float(np.linalg.norm(mean - truth)),
                    *constants,
                    Loop(alpha, K, N),
                    shared=shared,
                    rounding=1e-14,
                )
                assert check.holds, check
                assert not check.certified
                assert (check.terms["coupling"] > 0) == shared


@pytest.mark.parametrize("alpha", [0.1, 1.0, 8.0])
def test_prop_5_2_holds_for_two_arms(alpha):
    """f = J: C₀ = m₁ and C₁ = μ₁; at small αN^{−1/2} far below Lemma 4.4's bound."""
    slow = Slow(ARMS, alpha, 1, BASELINE)
    lipschitz, _, noise = two_arm_constants("loaded_dice")
    f = Smoothness(lipschitz.m1, lipschitz.mu1)
    for K in (1, 2):
        exact = slow.reference(slow.exact_path(THETA, K)[-1]).value
        for N in (1, 8, 30):
            weight, ends = slow.ends(THETA, K, N)
            values = np.array([slow.reference(end).value for end in ends])
            bias = abs(float(weight @ values - exact))
            first, second = compositional_bias(bias, f, lipschitz, noise, Loop(alpha, K, N))
            assert first.holds
            assert second.holds
            if alpha <= 1.0 and N == 30:
                assert second.rhs < 0.3 * first.rhs


def test_unbiased_maml_takes_assumption_4_1():
    lipschitz, second, _ = two_arm_constants("loaded_dice")
    found = SecondLipschitz.unbiased_maml(lipschitz, second.nu_bar1)
    assert_close(dataclasses.astuple(found)[:-1], dataclasses.astuple(second)[:-1], ATTAINED)
