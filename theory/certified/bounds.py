"""The right-hand sides of Lemma 4.4 and Theorem 4.5 ([Liu2022]) for MAML, in balls.

MAML has φ = θ⁰: ζ_i = a^i with a = 1 + α c₁, and no cross derivative. With B = a + α Δ_H and N
trajectories a step, for i <= K,

    e_i = α σ_in/√N · Σ_{j<i} a^j                       E‖θ̂^i − θ^i‖ <= e_i
    s_i = α σ_in/√N · √(Σ_{j<i} a^{2j})                 E‖θ̂^i − θ^i‖² <= s_i², s_i <= e_i
    (i) + (ii) + (iii) = μ₁ a^K s_K + m₁ (B^K − a^K) + m₁ α ρ₁ Σ_{0<i<K} B^{K−1−i} a^i s_i
    (iv) = μ₁ d_K s_K + m₁ κ_K                          shared samples only: the coupling
        z_0 = 1, z_{i+1}² = (B² + α² σ_H²/N) z_i²,  d_0 = 0, d_{i+1}² = B² d_i² + α² σ_H² z_i²/N,
        κ_0 = 0, κ_{i+1} = a κ_i + α (Δ_H + ρ₁ s_i) d_i.

The variance is at most V_path + V_est, V_path = ((i) + (ii) + (iii))² by the same terms; with
separate samples V_est = v_0, where v_K = σ_p²/N and, with l_{i+1} = m₁ B^{K−1−i},
v_i = (B² + α² σ_H²/N) v_{i+1} + α² σ_H²/N l_{i+1}². With shared samples, dF like d with σ_HF and
B^i + dF_i for z_i, it is (B^K + dF_K)² σ_p²/N + ((i) + (ii) + (iii) + m₁ dF_K)².
"""

from __future__ import annotations

from typing import NamedTuple

from theory.certified.balls import Ball, arb, root, square
from theory.certified.constants import Lipschitz
from theory.certified.tree import Noise


class Bounds(NamedTuple):
    """What bounds are made of: constants, α, K and N."""

    lipschitz: Lipschitz
    noise: Noise
    step_size: Ball
    num_steps: int
    num_trajectories: int

    @property
    def a(self) -> Ball:
        """1 + α c₁."""
        return 1 + self.step_size * self.lipschitz.c1

    @property
    def B(self) -> Ball:
        """a + α Δ_H."""
        return self.a + self.step_size * self.noise.Delta_H

    @property
    def _step(self) -> Ball:
        """α σ_in/√N."""
        return self.step_size * self.noise.sigma_in / root(arb(self.num_trajectories))

    def mean_distance(self, i: int) -> Ball:
        """e_i."""
        return self._step * sum((self.a**j for j in range(i)), arb(0))

    def root_mean_square(self, i: int) -> Ball:
        """s_i."""
        return self._step * root(sum((self.a ** (2 * j) for j in range(i)), arb(0)))

    def bias_terms(self) -> dict[str, Ball]:
        """(i), (ii) and (iii) of the bias."""
        (m1, _, mu1, rho1), K, a = self.lipschitz, self.num_steps, self.a
        products = [self.B ** (K - 1 - i) * a**i for i in range(K)]
        inner = [product * self.root_mean_square(i) for i, product in enumerate(products)]
        # B^K − a^K = (B − a) Σ_i B^{K−1−i} a^i keeps its sign in balls.
        hessians = self.step_size * self.noise.Delta_H * sum(products, arb(0))
        return {
            "outer compositional": mu1 * a**K * self.root_mean_square(K),
            "estimation bias": m1 * hessians,
            "inner compositional": m1 * self.step_size * rho1 * sum(inner, arb(0)),
        }

    def coupling(self) -> Ball:
        """(iv)."""
        m1, _, mu1, rho1 = self.lipschitz
        z, d, kappa = arb(1), arb(0), arb(0)
        noise = self._squared_noise(self.noise.sigma_H)
        for i in range(self.num_steps):
            reach = self.noise.Delta_H + rho1 * self.root_mean_square(i)
            kappa = self.a * kappa + self.step_size * reach * d
            d = root(square(self.B * d) + noise * square(z))
            z = root(square(self.B) + noise) * z
        return mu1 * d * self.root_mean_square(self.num_steps) + m1 * kappa

    def variance_terms(self) -> dict[str, Ball]:
        """V_est and V_path of separate samples."""
        v = square(self.noise.sigma_p) / self.num_trajectories
        noise = self._squared_noise(self.noise.sigma_H)
        for i in reversed(range(self.num_steps)):
            mean = self.lipschitz.m1 * self.B ** (self.num_steps - 1 - i)
            v = (square(self.B) + noise) * v + noise * square(mean)
        return {"estimators": v, "path": square(_sum(self.bias_terms()))}

    def shared_variance_terms(self) -> dict[str, Ball]:
        """The same of shared samples."""
        noise, d = self._squared_noise(self.noise.sigma_HF), arb(0)
        for i in range(self.num_steps):
            d = root(square(self.B * d) + noise * square(self.B**i + d))
        outer = (self.B**self.num_steps + d) * self.noise.sigma_p
        path = _sum(self.bias_terms()) + self.lipschitz.m1 * d
        return {"estimators": square(outer) / self.num_trajectories, "path": square(path)}

    def _squared_noise(self, sigma: Ball) -> Ball:
        """α² σ²/N."""
        return square(self.step_size * sigma) / self.num_trajectories


def _sum(terms: dict[str, Ball]) -> Ball:
    return sum(terms.values(), arb(0))
