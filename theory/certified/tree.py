"""All sampled inner paths from θ⁰: moments of θ̂^K and of the meta-gradient, backwards.

At a node θ = θ̂^i with children θ + α ĝ(τ) over the samples τ of N trajectories, u the mean and M
the second moment of what is still to be multiplied (MAML, [Liu2022], Proposition 3.1),

    independent   u_i = (I + α H̄) E u_{i+1},            M_i = E (I + α Ĥ) (E M_{i+1}) (I + α Ĥ)
    shared        u_i = E (I + α Ĥ(τ)) u_{i+1},         M_i = E (I + α Ĥ(τ)) M_{i+1} (I + α Ĥ(τ))

with Ĥ of a fresh sample or of the one that moved θ. At the leaves u_K = E p̂ and M_K = E p̂ p̂ᵀ. So
E Ĝ^K = u_0 and V[Ĝ^K] = tr M_0 − ‖u_0‖². The constants of Assumptions 4.1 and 4.3 are collected on
the way, since these nodes are all the θ that samples can lead to: of Lipschitz constants the proofs
use no more than ‖f(θ̂^i) − f(θ^i)‖ <= c ‖θ̂^i − θ^i‖, slopes between a node and the exact path. Where
the two points may be one, the bound for every θ stands in.
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
from theory.certified.constants import Lipschitz
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
    lipschitz : Lipschitz
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
        everywhere: Lipschitz,
    ) -> None:
        self._outcomes, self._steps, self._count = outcomes, num_steps, num_trajectories
        self._everywhere, self.lipschitz = everywhere, Lipschitz(*[arb(0)] * 4)
        self._alpha, self._identity = step_size, identity(theta.nrows())
        self._gradient_noise, self._outer_noise = arb(0), arb(0)
        self._weak, self._frobenius, self._bias = arb(0), arb(0), arb(0)
        self._path: list[tuple[Matrix, Mean]] = []
        self.meta_gradient = self._exact_path(theta)
        self.moments = self._visit(theta, 0)
        self.noise = Noise(
            root(self._gradient_noise),
            root(self._outer_noise),
            root(self._weak),
            root(self._frobenius),
            self._bias,
        )

    def _exact_path(self, theta: Matrix) -> Matrix:
        """Walk it, and return ∇J^K."""
        for _ in range(self._steps):
            self._path.append((theta, Estimates(self._outcomes, theta).objective()))
            theta = theta + self._path[-1][1].gradient * self._alpha
        self._path.append((theta, Estimates(self._outcomes, theta).objective()))
        product = self._path[-1][1].gradient
        for _, exact in reversed(self._path[:-1]):
            product += exact.hessian * product * self._alpha
        return product

    def _visit(self, theta: Matrix, step: int) -> Moments:
        at = Estimates(self._outcomes, theta)
        return self._leaf(at, theta) if step == self._steps else self._node(at, theta, step)

    def _leaf(self, at: Estimates, theta: Matrix) -> Moments:
        mean, gradient = at.mean().gradient, at.objective().gradient
        end, exact = self._path[-1]
        outer = mean * mean.transpose()
        noise = at.gradient_second_moment() - outer
        self._outer_noise = self._outer_noise.max(noise.trace())
        second = outer + noise / self._count
        squared = squared_norm(theta - end)
        away, change = root(squared), norm(gradient - exact.gradient)
        self._keep(
            m1=norm(gradient).max(norm(exact.gradient)),
            mu1=slope(change, away, self._everywhere.mu1),
        )
        return Moments(away, squared, change, Sampled(mean, second, mean, second))

    def _node(self, at: Estimates, theta: Matrix, step: int) -> Moments:
        mean, objective, hessians = at.mean(), at.objective(), at.single_hessians()
        self._collect(at, mean, objective, hessians)
        if step > 0:
            self._compare(objective, theta, step)
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

    def _collect(
        self, at: Estimates, mean: Mean, objective: Mean, hessians: list[tuple[Ball, Matrix]]
    ) -> None:
        """Keep the largest noise and bias, and ‖H‖."""
        d = len(at.policy)
        squares = arb_mat(d, d)
        for probability, H in hessians:
            Xi = H - mean.hessian
            squares += Xi * Xi * probability
        self._gradient_noise = self._gradient_noise.max(at.gradient_variance(mean.gradient))
        self._weak = self._weak.max(symmetric_norm(squares))
        self._frobenius = self._frobenius.max(squares.trace())
        self._bias = self._bias.max(symmetric_norm(mean.hessian - objective.hessian))
        self._keep(c1=symmetric_norm(objective.hessian))

    def _compare(self, here: Mean, theta: Matrix, step: int) -> None:
        """Keep ‖H‖ on the exact path, and the slopes of ∇J_T and ∇²J_T from there."""
        there, exact = self._path[step]
        away = norm(theta - there)
        first = norm(here.gradient - exact.gradient)
        second = symmetric_norm(here.hessian - exact.hessian)
        self._keep(
            c1=symmetric_norm(exact.hessian).max(slope(first, away, self._everywhere.c1)),
            rho1=slope(second, away, self._everywhere.rho1),
        )

    def _keep(self, **found: Ball) -> None:
        """Keep the largest Lipschitz constants."""
        known = self.lipschitz._asdict()
        self.lipschitz = self.lipschitz._replace(**{k: known[k].max(x) for k, x in found.items()})


def slope(change: Ball, away: Ball, everywhere: Ball) -> Ball:
    """‖change‖/‖away‖, at most the bound for every θ, which stands in where away may be zero."""
    return (change / away).min(everywhere) if away.lower() > 0 else everywhere
