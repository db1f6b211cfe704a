"""All sampled inner paths from θ⁰: moments of θ̂^K and of the meta-gradient, backwards.

At a node θ = θ̂^i with children θ + α ĝ(τ) over the samples τ of N trajectories, u the mean and M
the second moment of what is still to be multiplied (MAML, [Liu2022], Proposition 3.1),

    independent   u_i = (I + α H̄) E u_{i+1},            M_i = E (I + α Ĥ) (E M_{i+1}) (I + α Ĥ)
    shared        u_i = E (I + α Ĥ(τ)) u_{i+1},         M_i = E (I + α Ĥ(τ)) M_{i+1} (I + α Ĥ(τ))

with Ĥ of a fresh sample or of the one that moved θ. At the leaves u_K = E p̂ and M_K = E p̂ p̂ᵀ. So
E Ĝ^K = u_0 and V[Ĝ^K] = tr M_0 − ‖u_0‖². The largest σ and Δ of Assumption 4.3 are collected on
the way: these nodes are all the θ that samples can lead to.
"""

from __future__ import annotations

from typing import NamedTuple

from theory.certified.balls import (
    Ball,
    Matrix,
    arb,
    arb_mat,
    identity,
    norm,
    root,
    square,
    squared_norm,
    symmetric_norm,
)
from theory.certified.estimates import Estimates, Mean, Outcomes


class Noise(NamedTuple):
    """σ_in, σ_p, σ_H, σ_HF and Δ_H of Assumption 4.3 at every realisable θ."""

    sigma_in: Ball
    sigma_p: Ball
    sigma_H: Ball
    sigma_HF: Ball
    Delta_H: Ball


class Sampled(NamedTuple):
    """u and M, of independent and of shared samples."""

    mean: Matrix
    second: Matrix
    shared_mean: Matrix
    shared_second: Matrix


class Moments(NamedTuple):
    """From one node on: E‖θ̂^K − θ^K‖, its square's mean, E‖p(θ̂^K) − p(θ^K)‖, u and M."""

    distance: Ball
    squared: Ball
    gradient_distance: Ball
    sampled: Sampled


class Tree:
    """The moments over all paths, and the noise met on them.

    Attributes
    ----------
    meta_gradient : Matrix
        ∇J^K along the exact path.
    moments : Moments
        At the root.
    noise : Noise
    """

    def __init__(
        self,
        outcomes: Outcomes,
        theta: Matrix,
        *,
        step_size: Ball,
        num_steps: int,
        num_trajectories: int,
    ) -> None:
        self._outcomes, self._steps, self._count = outcomes, num_steps, num_trajectories
        self._alpha, self._identity = step_size, identity(theta.nrows())
        self._gradient_noise, self._outer_noise = arb(0), arb(0)
        self._weak, self._frobenius, self._bias = arb(0), arb(0), arb(0)
        self._end, self._end_gradient, self.meta_gradient = self._exact_path(theta)
        self.moments = self._visit(theta, 0)
        self.noise = Noise(
            root(self._gradient_noise),
            root(self._outer_noise),
            root(self._weak),
            root(self._frobenius),
            self._bias,
        )

    def _exact_path(self, theta: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """θ^K, p(θ^K) and ∇J^K."""
        factors = []
        for _ in range(self._steps):
            exact = Estimates(self._outcomes, theta).objective()
            factors.append(self._identity + exact.hessian * self._alpha)
            theta = theta + exact.gradient * self._alpha
        gradient = Estimates(self._outcomes, theta).objective().gradient
        product = gradient
        for factor in reversed(factors):
            product = factor * product
        return theta, gradient, product

    def _visit(self, theta: Matrix, step: int) -> Moments:
        at = Estimates(self._outcomes, theta)
        return self._leaf(at, theta) if step == self._steps else self._node(at, theta, step)

    def _leaf(self, at: Estimates, theta: Matrix) -> Moments:
        mean = at.mean().gradient
        outer = mean * mean.transpose()
        noise = at.gradient_second_moment() - outer
        self._outer_noise = self._outer_noise.max(noise.trace())
        second = outer + noise / self._count
        squared = squared_norm(theta - self._end)
        gradient_distance = norm(at.objective().gradient - self._end_gradient)
        return Moments(
            root(squared), squared, gradient_distance, Sampled(mean, second, mean, second)
        )

    def _node(self, at: Estimates, theta: Matrix, step: int) -> Moments:
        mean, hessians = at.mean(), at.single_hessians()
        self._collect(at, mean, hessians)
        d = theta.nrows()
        distance, squared, gradient_distance = arb(0), arb(0), arb(0)
        u, M, shared_u, shared_M = arb_mat(d, 1), arb_mat(d, d), arb_mat(d, 1), arb_mat(d, d)
        for sample in self._outcomes.samples:
            weight = at.probability(sample)
            child = self._visit(theta + at.gradient(sample.table) * self._alpha, step + 1)
            factor = self._identity + at.hessian(sample.table, sample.pairs) * self._alpha
            distance += child.distance * weight
            squared += child.squared * weight
            gradient_distance += child.gradient_distance * weight
            u += child.sampled.mean * weight
            M += child.sampled.second * weight
            shared_u += factor * child.sampled.shared_mean * weight
            shared_M += factor * child.sampled.shared_second * factor * weight
        factor = self._identity + mean.hessian * self._alpha
        noise = sum((H * M * H * p for p, H in hessians), arb_mat(d, d))
        noise -= mean.hessian * M * mean.hessian
        M = factor * M * factor + noise * (square(self._alpha) / self._count)
        sampled = Sampled(factor * u, M, shared_u, shared_M)
        return Moments(distance, squared, gradient_distance, sampled)

    def _collect(self, at: Estimates, mean: Mean, hessians: list[tuple[Ball, Matrix]]) -> None:
        """Keep the largest noise and bias."""
        d = len(at.policy)
        squares = arb_mat(d, d)
        for probability, H in hessians:
            Xi = H - mean.hessian
            squares += Xi * Xi * probability
        bias = symmetric_norm(mean.hessian - at.objective().hessian)
        self._gradient_noise = self._gradient_noise.max(at.gradient_variance(mean.gradient))
        self._weak = self._weak.max(symmetric_norm(squares))
        self._frobenius = self._frobenius.max(squares.trace())
        self._bias = self._bias.max(bias)
