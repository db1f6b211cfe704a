"""The explicit 1/N bounds: attained by quadratics, and never passed by two arms."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from tests.tabular.tolerances import Tolerance, assert_close
from theory.constants import Lipschitz, Noise
from theory.finite.paths import inner_paths
from theory.finite.quadratic import Quadratic
from theory.statements.compositional_bias import (
    Loop,
    SecondLipschitz,
    Smoothness,
    bias_bound,
    compositional_bias,
    meta_gradient_bias,
    on_segments,
)

#: Sums over the ends of a loop, exact to 1e-13 of numbers of size a^{2K}.
ATTAINED = Tolerance(rtol=1e-9, atol=0.0)
NOTHING = Lipschitz(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "every θ")
QUIET = Noise(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "every θ")
LINEAR = SecondLipschitz(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "every θ")
LOOPS = [Loop(0.3, 1, 2), Loop(0.3, 2, 5), Loop(2.0, 3, 4), Loop(0.1, 4, 3)]
replace = dataclasses.replace


def quadratic_bias(loop: Loop) -> float:
    """E θ̂²/2 − θ²/2 after K steps of a quadratic with c₁ = 0.8, σ = 1.5."""
    paths = inner_paths(Quadratic(0.8, 1.5, 0.2), **loop._asdict())
    mean = paths.probability @ paths.ends[:, 0] ** 2
    return float(mean - paths.iterates[-1, 0] ** 2) / 2


@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_prop_5_2_is_attained(loop):
    """f = θ²/2 has C₁ = 1; C₀, its slope, plays no part as ρ₁ = 0."""
    lipschitz, noise = replace(NOTHING, c1=0.8), replace(QUIET, sigma_in=1.5)
    f, bias = Smoothness(100.0, 1.0), quadratic_bias(loop)
    first, second = compositional_bias(bias, f, lipschitz, noise, loop, rounding=1e-12 * bias)
    assert second.holds
    assert_close(second.ratio, 1.0, ATTAINED)
    assert first.holds
    assert first.name == "Lemma 4.4, bias of f"
    assert second.name == "Proposition 5.2, bias of f"
    assert second.certified
    assert second.setting["K"] == loop.num_steps
    for wrong in (Smoothness(100.0, 0.99), Smoothness(100.0, 0.5)):
        assert not compositional_bias(bias, wrong, lipschitz, noise, loop)[1].holds
    quieter = replace(noise, sigma_in=1.49)
    assert not compositional_bias(bias, f, lipschitz, quieter, loop)[1].holds
    if loop.num_steps > 1:
        flatter = replace(lipschitz, c1=0.79)
        assert not compositional_bias(bias, f, flatter, noise, loop)[1].holds


def test_curved_steps_move_the_iterate_itself():
    """f = θ: C₁ = 0, and what is left is ρ₁'s, from the second step on."""
    lipschitz, noise = replace(NOTHING, c1=0.5, rho1=2.0), replace(QUIET, sigma_in=1.0)
    assert bias_bound(Smoothness(1.0, 0.0), lipschitz, noise, Loop(0.1, 1, 4)) == 0.0
    assert_close(
        bias_bound(Smoothness(1.0, 0.0), lipschitz, noise, Loop(0.1, 2, 4)),
        0.1**2 / 8 * 0.1 * 2.0,
        ATTAINED,
    )
    a = 1.05
    assert_close(
        bias_bound(Smoothness(1.0, 0.0), lipschitz, noise, Loop(0.1, 3, 4)),
        0.1**2 / 8 * 0.1 * 2.0 * (1 + a * (1 + a)),
        ATTAINED,
    )


@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_theorem_5_3_is_attained(loop):
    """J_out = θ³/6 after a quadratic's steps: E Ĝ − ∇J^K = a^K (E θ̂² − θ²)/2, D²p = 1."""
    lipschitz = replace(NOTHING, c1=0.8, zeta0=1.0)
    noise, second = replace(QUIET, sigma_in=1.5), replace(LINEAR, H_bar=0.8, rho_out=1.0)
    bias = (1 + loop.step_size * 0.8) ** loop.num_steps * quadratic_bias(loop)
    check = meta_gradient_bias(bias, lipschitz, second, noise, loop, rounding=1e-12 * bias)
    assert check.holds
    assert_close(check.ratio, 1.0, ATTAINED)
    for wrong in (replace(second, rho_out=0.99), replace(second, H_bar=0.79)):
        assert not meta_gradient_bias(bias, lipschitz, wrong, noise, loop).holds


@pytest.mark.parametrize("N", [1, 2, 6])
def test_coupling_is_attained(N):
    """ĝ = φε with ε = ±1, J_out = θ²/2, K = 1: Ĝ = α² φ ε̄² on average α²φ/N, the truth is 0."""
    phi, alpha = 0.7, 0.4
    signs = np.array(np.meshgrid(*[[-1, 1]] * N)).reshape(N, -1).mean(axis=0)
    bias = float(np.mean(alpha * signs * alpha * phi * signs))
    noise = replace(QUIET, sigma_in=phi, sigma_J=1.0)
    lipschitz, loop = replace(NOTHING, mu1=1.0), Loop(alpha, 1, N)
    check = meta_gradient_bias(
        bias, lipschitz, LINEAR, noise, loop, shared=True, rounding=1e-12 * bias
    )
    assert check.holds
    assert_close(check.ratio, 1.0, ATTAINED)
    assert check.terms["coupling"] == check.rhs
    assert not meta_gradient_bias(bias, lipschitz, LINEAR, noise, loop, shared=False).holds


def test_hessian_term_is_that_of_theorem_4_5():
    """m₁ ((a + αΔ)^K − a^K) for MAML where sup ‖H̄‖ = c₁ + Δ."""
    lipschitz = replace(NOTHING, c1=0.8, zeta0=1.0, m1=2.0)
    noise, second = replace(QUIET, Delta_H=0.5), replace(LINEAR, H_bar=1.3)
    for K in (1, 2, 3):
        check = meta_gradient_bias(0.0, lipschitz, second, noise, Loop(0.3, K, 4))
        expected = 2.0 * ((1 + 0.3 * 1.3) ** K - (1 + 0.3 * 0.8) ** K)
        assert_close(check.terms["Hessian"], expected, ATTAINED)


def test_hessian_term_of_a_general_problem():
    """m₁ (ζ̄_K − ζ_K) where sup ‖H̄‖ = c₁ + Δ_H and sup ‖Ḡ‖ = c₂ + Δ_J, each ζ unrolled."""
    one = replace(NOTHING, c1=0.8, c2=0.6, zeta0=1.4, m1=2.0)
    noise = replace(QUIET, Delta_H=0.5, Delta_J=0.3)
    second = replace(LINEAR, H_bar=1.3, G_bar=0.9)

    def unrolled(c1: float, c2: float, K: int) -> float:
        a = 1 + 0.3 * c1
        return a**K * 1.4 + 0.3 * c2 * sum(a**j for j in range(K))

    for K in (1, 2, 3):
        check = meta_gradient_bias(0.0, one, second, noise, Loop(0.3, K, 4))
        expected = 2.0 * (unrolled(1.3, 0.9, K) - unrolled(0.8, 0.6, K))
        assert_close(check.terms["Hessian"], expected, ATTAINED)


class Bounds(NamedTuple):
    """Of a function: its norm, its Lipschitz constant and that of its derivative."""

    size: float
    first: float
    second: float

    def __add__(self, other: "Bounds") -> "Bounds":  # type: ignore[override]
        return Bounds(*(x + y for x, y in zip(self, other, strict=True)))

    def times(self, other: "Bounds") -> "Bounds":
        """The product rule, twice."""
        return Bounds(
            self.size * other.size,
            self.first * other.size + self.size * other.first,
            self.second * other.size + 2 * self.first * other.first + self.size * other.second,
        )

    def after(self, step: "Bounds") -> "Bounds":
        """The chain rule, twice."""
        bent = self.second * step.first**2 + self.first * step.second
        return Bounds(self.size, self.first * step.first, bent)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_recursions_are_the_product_and_chain_rules(K, shared):
    rng = np.random.default_rng(K)
    one = Lipschitz(*rng.random(8), "every θ")
    two = SecondLipschitz(*rng.random(8), "every θ")
    noise, loop = Noise(*rng.random(9), "every θ"), Loop(0.7, K, 5)
    alpha = loop.step_size
    step = Bounds(np.nan, 1 + alpha * one.c1, alpha * one.rho1)
    moved = Bounds(1 + alpha * two.H_bar, alpha * two.rho_bar1, alpha * two.nu_bar1)
    crossed = Bounds(alpha * two.G_bar, alpha * two.rho_bar2, alpha * two.nu_bar2)
    p, q = [Bounds(one.m1, one.mu1, two.rho_out)], [Bounds(0.0, one.mu2, two.nu_q)]
    for _ in range(K - 1):
        q.insert(0, q[0].after(step) + crossed.times(p[0].after(step)))
        p.insert(0, moved.times(p[0].after(step)))
    z, curved, coupled = one.zeta0, 0.0, 0.0
    for i in range(K):
        mean = moved.size * z + crossed.size
        fresh = noise.sigma_H * z + noise.sigma_J
        curved += noise.sigma_in**2 / 2 * (q[i].second + mean * p[i].second)
        coupled += noise.sigma_in * fresh * p[i].first
        z = np.sqrt(mean**2 + shared * alpha**2 * fresh**2 / 5)
    terms = meta_gradient_bias(0.0, one, two, noise, loop, shared=shared).terms
    assert_close(terms["compositional"], alpha**2 / 5 * curved, ATTAINED)
    assert_close(terms["coupling"], shared * alpha**2 / 5 * coupled, ATTAINED)


def test_realisable_constants_are_empirical_here():
    assert on_segments("every θ") == "every θ"
    assert on_segments("every realisable θ") == "sampled θ"
    lipschitz = replace(NOTHING, scope="every realisable θ")
    first, second = compositional_bias(0.0, Smoothness(1.0, 1.0), lipschitz, QUIET, LOOPS[0])
    assert first.certified
    assert not second.certified
    assert not meta_gradient_bias(0.0, lipschitz, LINEAR, QUIET, LOOPS[0]).certified


ALL_ONE = (Lipschitz(*[1.0] * 8, "every θ"), Noise(*[1.0] * 9, "every θ"))


@pytest.mark.parametrize("shared", [False, True])
def test_bounds_beyond_the_range_of_floats_are_infinite(shared):
    """Also where 0 times infinity comes in; warnings are errors in this suite."""
    lipschitz, noise = ALL_ONE
    loop = Loop(1e6, 60, 2)
    for f in (Smoothness(1.0, 1.0), Smoothness(0.0, 1.0), Smoothness(1.0, 0.0)):
        assert bias_bound(f, lipschitz, noise, loop) == np.inf
    for second in (LINEAR, SecondLipschitz(*[1.0] * 8, "every θ")):
        check = meta_gradient_bias(1.0, lipschitz, second, noise, loop, shared=shared)
        assert check.rhs == np.inf
        assert check.holds


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (Loop(0.0, 2, 2), "step_size must be"),
        (Loop(1.0, 0, 2), "num_steps must be"),
        (Loop(1.0, 2, 0), "num_trajectories must be"),
        (Loop(1.0, 2, 2.5), "num_trajectories must be"),  # type: ignore[arg-type]
    ],
)
def test_loops_that_are_none(loop, message):
    lipschitz, noise = ALL_ONE
    with pytest.raises((ValueError, TypeError), match=message):
        meta_gradient_bias(1.0, lipschitz, LINEAR, noise, loop)
    with pytest.raises((ValueError, TypeError), match=message):
        bias_bound(Smoothness(1.0, 1.0), lipschitz, noise, loop)
