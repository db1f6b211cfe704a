"""The K-sample meta-gradient and its sampling correction: exact means and variances.

The inner loop is *defined* as sampled: θ̂^{i+1} = θ̂^i + α ĝ(θ̂^i; τ_i), τ_i ~ p(·; θ̂^i) being N
trajectories. Its objective and, by differentiating p and θ̂^K along every path, its gradient are

    J_S^K(φ) = E[J_out(θ̂^K)],
    ∇J_S^K   = E[X] + E[Y],   X = q̂ + Ẑ_Kᵀ p̂,   Y = (R̂ − b) Σ_i Ẑ_iᵀ s_i,
    Ẑ_{i+1}  = (I + α Ĥ_i) Ẑ_i + α Ĝ_i,   Ẑ_0 = ∂θ⁰/∂φ,   s_i = ∇_θ log p(τ_i; θ̂^i),

with Ĥ_i, Ĝ_i the derivatives of ĝ(θ̂^i; τ_i) at fixed τ_i and R̂, p̂, q̂ from n_o outer trajectories
drawn at θ̂^K. X is the path derivative, what automatic differentiation gives; Y is the *sampling
correction* of E-MAML. E Σ_i Ẑ_iᵀ s_i = 0, so that the constant b does not matter to the mean. The
expected-policy-gradient formulation (EPG) has the target ∇J^K of Proposition 3.1 instead.
With a coefficient c ∈ [0, 1] on the correction the estimate is X + c Y, and

    mean E X + c E Y,   variance V[X] + 2 c Cov(X, Y) + c² V[Y]   (traces).

The sums run over all paths: the tree of multisets of N outcomes, a level at a time, with the law of
the outer trajectories given the path in closed form. As α → 0, (R̂ − b) and the s_i become
independent and V[Y] → K N E‖s‖² (V[R̂]/n_o + (J_out − b)²), s one trajectory's score: K terms, each
the sum of N scores. Sources: [Stadie2018], [AlShedivat2018]; the coefficient, [Vuorio2021];
[Liu2022], Appendix B. The laws are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tabular import _checks
from tabular.metagradient import positive_number
from tabular.transitions import Array
from theory.formulations.problem import ScoredProblem
from theory.formulations.samples import Samples


@dataclass(frozen=True)
class CorrectionLaw:
    """The law of X and Y; vectors in φ's flat shape (m,), variances are traces.

    Attributes
    ----------
    objective : float
        J_S^K(φ).
    path_mean, correction_mean : ndarray (m,)
        E X and E Y.
    score_mean : ndarray (m,)
        E Σ_i Ẑ_iᵀ s_i, zero up to rounding.
    score_variance : float
        V[Σ_i Ẑ_iᵀ s_i].
    path_variance, correction_variance : float
        V[X] and V[Y].
    covariance : float
        E⟨X − E X, Y − E Y⟩.
    step_variance : ndarray (K,)
        V[(R̂ − b) Ẑ_iᵀ s_i], the K terms of the correction one by one.
    """

    objective: float
    path_mean: Array
    correction_mean: Array
    score_mean: Array
    score_variance: float
    path_variance: float
    correction_variance: float
    covariance: float
    step_variance: Array

    def mean(self, coefficient: float = 1.0) -> Array:
        """E[X + c Y], (m,)."""
        c = _checks.one_number(coefficient, "coefficient")
        return self.path_mean + c * self.correction_mean

    def variance(self, coefficient: float = 1.0) -> float:
        """V[X + c Y]."""
        c = _checks.one_number(coefficient, "coefficient")
        return self.path_variance + 2 * c * self.covariance + c * c * self.correction_variance

    def bias(self, target: Array, coefficient: float = 1.0) -> float:
        """‖E[X + c Y] − target‖."""
        return float(np.linalg.norm(self.mean(coefficient) - self._target(target)))

    def squared_error(self, target: Array, coefficient: float = 1.0) -> float:
        """E‖X + c Y − target‖²."""
        return self.variance(coefficient) + self.bias(target, coefficient) ** 2

    def best_coefficient(self, target: Array) -> float:
        """The c in [0, 1] of least mean squared error: a parabola's vertex, or the nearer end."""
        curvature = self.correction_variance + self.correction_mean @ self.correction_mean
        if curvature == 0:
            return 0.0
        off = self.path_mean - self._target(target)
        vertex = -(self.covariance + off @ self.correction_mean) / curvature
        return float(np.clip(vertex, 0.0, 1.0))

    def _target(self, target: Any) -> Array:
        """A target of as many entries as φ, flat."""
        flat = _checks.finite_array(target, "target").ravel()
        if flat.shape != self.path_mean.shape:
            raise ValueError(
                f"target must have {self.path_mean.size} entries, as phi, received {flat.size}"
            )
        return flat


class Paths(NamedTuple):
    """All paths of i steps: probability (L,), θ̂^i (L, d), Ẑ_i (L, d, m), Ẑ_jᵀ s_j (L, i, m)."""

    probability: Array
    theta: Array
    jacobian: Array
    scores: Array


def law(
    problem: ScoredProblem,
    *,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    outer_trajectories: int | None = None,
    return_baseline: float = 0.0,
) -> CorrectionLaw:
    """Return the exact law of the path derivative and the sampling correction.

    Parameters
    ----------
    problem : ScoredProblem
        Such as `theory.formulations.maml.TinyMaml`.
    step_size, num_steps, num_trajectories : float, int, int
        α, K and N.
    outer_trajectories : int, optional
        n_o; exact p, q and J_out at θ̂^K if None.
    return_baseline : float
        b.

    Returns
    -------
    CorrectionLaw

    Raises
    ------
    ValueError, TypeError
        If α, K, N or n_o is not positive, b is not a finite number, there are more than
        `samples.MAX_PATHS` paths, or a path leaves the floating-point range.
    """
    alpha = positive_number(step_size, "step_size")
    num_steps = _checks.positive_integer(num_steps, "num_steps")
    if outer_trajectories is not None:
        outer_trajectories = _checks.positive_integer(outer_trajectories, "outer_trajectories")
    return_baseline = _checks.one_number(return_baseline, "return_baseline")
    start, jacobian = problem.start, problem.start_jacobian
    outcomes = problem.inner_scores(start).shape[-2]
    samples = Samples.of(outcomes, num_trajectories, num_steps)
    none_yet = np.empty((1, 0, jacobian.shape[-1]))
    paths = Paths(np.ones(1), start[None], jacobian[None], none_yet)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(num_steps):
            paths = _extend(problem, paths, alpha, samples)
        found = _law(problem, paths, outer_trajectories, return_baseline)
    if not np.isfinite(found.variance() + found.mean()).all():
        raise ValueError(
            "theta, its derivatives and their squares must stay finite over "
            f"{num_steps} inner steps; take a smaller step_size than {step_size}"
        )
    return found


def _extend(problem: ScoredProblem, paths: Paths, alpha: float, samples: Samples) -> Paths:
    """Every path, followed by every sample of N trajectories."""
    here = problem.inner_outcomes(paths.theta)
    probability = paths.probability[:, None] * samples.probability(here.probability)
    theta = paths.theta[:, None] + alpha * samples.mean(here.gradient)
    Z = paths.jacobian[:, None]
    H, G = samples.mean(here.hessian), samples.mean(here.cross)
    scores = samples.num * samples.mean(problem.inner_scores(paths.theta))
    newest = (scores[..., None, :] @ Z)[..., None, 0, :]
    earlier = np.broadcast_to(paths.scores[:, None], (*probability.shape, *paths.scores.shape[1:]))
    parts = (
        probability,
        theta,
        Z + alpha * (H @ Z + G),
        np.concatenate([earlier, newest], axis=2),
    )
    return Paths(*(part.reshape(-1, *part.shape[2:]) for part in parts))


def _law(
    problem: ScoredProblem, paths: Paths, outer_trajectories: int | None, baseline: float
) -> CorrectionLaw:
    """E f = E E[f | path]; V f = V E[f | path] + E V[f | path]."""
    p, here = paths.probability, problem.outer_outcomes(paths.theta)
    every = here.direct + here.gradient @ paths.jacobian
    returns = problem.outer_returns(paths.theta)
    X = (here.probability[:, None] @ every)[:, 0]
    J = np.vecdot(here.probability, returns)
    score = paths.scores.sum(axis=1)
    Y = (J - baseline)[:, None] * score
    mean_X, mean_Y = p @ X, p @ Y
    terms = (J - baseline)[:, None, None] * paths.scores
    mean_terms = np.tensordot(p, terms, axes=1)
    variance_X = p @ ((X - mean_X) ** 2).sum(axis=-1)
    variance_Y = p @ ((Y - mean_Y) ** 2).sum(axis=-1)
    covariance = p @ ((X - mean_X) * (Y - mean_Y)).sum(axis=-1)
    step_variance = p @ ((terms - mean_terms) ** 2).sum(axis=-1)
    if outer_trajectories is not None:
        share = p[:, None] * here.probability / outer_trajectories
        noise_X, noise_R = every - X[:, None], returns - J[:, None]
        variance_X += (share * (noise_X**2).sum(axis=-1)).sum()
        spread = (share * noise_R**2).sum(axis=-1)
        variance_Y += spread @ (score**2).sum(axis=-1)
        step_variance = step_variance + spread @ (paths.scores**2).sum(axis=-1)
        covariance += (share * noise_R * (noise_X @ score[..., None])[..., 0]).sum()
    return CorrectionLaw(
        objective=float(p @ J),
        path_mean=mean_X,
        correction_mean=mean_Y,
        score_mean=p @ score,
        score_variance=float(p @ ((score - p @ score) ** 2).sum(axis=-1)),
        path_variance=float(variance_X),
        correction_variance=float(variance_Y),
        covariance=float(covariance),
        step_variance=step_variance,
    )


def small_step_variance(
    problem: ScoredProblem,
    *,
    num_steps: int,
    num_trajectories: int,
    outer_trajectories: int | None = None,
    return_baseline: float = 0.0,
) -> float:
    """K N E‖Z_0ᵀs‖² (V[R̂]/n_o + (J_out − b)²), all at θ⁰: what V[Y] tends to as α → 0.

    The arguments are those of `law`.
    """
    for name, count in (("num_steps", num_steps), ("num_trajectories", num_trajectories)):
        _checks.positive_integer(count, name)
    return_baseline = _checks.one_number(return_baseline, "return_baseline")
    scores = problem.inner_scores(problem.start) @ problem.start_jacobian
    inner = problem.inner_outcomes(problem.start).probability
    outer = problem.outer_outcomes(problem.start).probability
    J = float(problem.outer_value(problem.start))
    size = (J - return_baseline) * (J - return_baseline)
    if outer_trajectories is not None:
        outer_trajectories = _checks.positive_integer(outer_trajectories, "outer_trajectories")
        size += float(outer @ (problem.outer_returns(problem.start) - J) ** 2) / outer_trajectories
    return num_steps * num_trajectories * float(inner @ (scores**2).sum(axis=-1)) * size
