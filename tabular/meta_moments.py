"""Exact mean and covariance of an estimated meta-gradient along a certain path.

With independent estimates p̂ of the outer gradient and (Ĥ_i, Ĝ_i) of the inner derivatives at given
iterates, the backward pass of Proposition 3.1 ([Liu2022]; `tabular.metagradient`),

    λ_K = p̂,   Φ_K = 0,   Φ_i = Φ_{i+1} + α Ĝ_iᵀ λ_{i+1},   λ_i = λ_{i+1} + α Ĥ_iᵀ λ_{i+1},

is linear in each estimate. The mean of z = (λ, Φ) is the pass with mean estimates, z ↦ L_i z, and

    Cov z_i = L_i Cov z_{i+1} L_iᵀ + α²/N Σ_k μ_k Cov(Ĥᵀu_k, Ĝᵀu_k),   Σ_k μ_k u_k u_kᵀ = E λ λᵀ,

where E λ λᵀ is that of λ_{i+1} and Cov that of one trajectory at θ^i: the same trajectories give
Ĥ_i and Ĝ_i, others each i. With N′ trajectories for p̂ the covariance is therefore a polynomial,

    Cov z_i = Σ_{a ≤ 1} Σ_{b ≤ K−i} N′^{−a} N^{−b} C_ab,

whose coefficients are passed on one by one: once for all N and N′. The blocks of Cov(Ĥᵀu, Ĝᵀu)
are in `tabular.covariance`, those with Ĝᵀu in `tabular.reward_covariance` (LIRPG) and
`tabular.discount_covariance` (MGRL); averages over a noisy baseline, one z an estimate, are
`tabular.estimate_law`'s (Ĝ does not depend on the baseline). The estimate is Φ_0 + (∂θ⁰/∂φ)ᵀ λ_0;
λ_0 is left out where θ⁰ does not depend on φ. In all three problems the outer objective depends on
φ through θ^K only, so that Φ starts from q = 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tabular import _checks, discount_covariance, reward_covariance
from tabular.estimate_law import EstimateLaw, Parts, centered, eigenpairs, estimate_law, square
from tabular.metagradient import EXACT, positive_number
from tabular.problems import Lirpg, Maml, Mgrl, Problem
from tabular.registry import Estimator, find_estimator
from tabular.sources import Differential, Exact, Mean, Sampled, Update
from tabular.transitions import Array

#: Where the blocks with Ĝᵀu are; the update of MAML does not depend on φ.
PARAMETERS: dict[type, Any] = {Maml: None, Lirpg: reward_covariance, Mgrl: discount_covariance}
#: The C_ab by (a, b).
Terms = dict[tuple[int, int], Array]


class MetaMoments(NamedTuple):
    """Mean and covariance of the estimated meta-gradient, in the shape of φ once and twice."""

    mean: Array
    covariance: Array


def meta_moments(
    problem: Problem,
    phi: Any,
    *,
    step_size: float,
    num_steps: int,
    path: Exact | Mean = EXACT,
    curvature: Exact | Sampled = EXACT,
    outer: Exact | Sampled = EXACT,
) -> MetaMoments:
    """Return the first two moments of the estimate along a path without randomness.

    Parameters
    ----------
    problem : Maml, Lirpg or Mgrl
    phi : array_like
        One φ: (S, A), or (2,) for `Mgrl`.
    step_size, num_steps : float, int
        α and K.
    path : Exact or Mean
        Source I: the exact gradient, or the expectation of an estimated one (over its noise too).
    curvature, outer : Exact or Sampled
        Sources II and III, independent of each other and from step to step. A baseline is without
        randomness, or a `NoisyBaseline`.

    Returns
    -------
    MetaMoments
        `mean` in the shape of φ, `covariance` in that shape twice.

    Raises
    ------
    ValueError, TypeError
        If the problem is of another class, φ does not fit or is a batch, or α or K is not positive.

    Notes
    -----
    Source: [Liu2022], Proposition 3.1, for the estimate; its law is derived above. A sampled step
    costs up to D = S·A covariances for each C_ab so far, the first one only those of Ĝᵀu where θ⁰
    is fixed, and all of them S + 1 times where the baseline is noisy; more N and N′ cost nothing.
    """
    law = PathLaw(problem, phi, step_size=step_size, num_steps=num_steps, path=path)
    return law.moments(curvature=curvature, outer=outer)


class PathLaw:
    """`meta_moments` of several sources on one path; what they share is computed once.

    The parameters and errors are those of `meta_moments`.
    """

    def __init__(
        self,
        problem: Problem,
        phi: Any,
        *,
        step_size: float,
        num_steps: int,
        path: Exact | Mean = EXACT,
    ) -> None:
        if type(problem) not in PARAMETERS:
            raise TypeError(
                "problem must be a Maml, Lirpg or Mgrl, received "
                f"{type(problem).__name__}; the law of no other problem's estimates is known"
            )
        _require(path, "path", (Exact, Mean))
        self._problem, self._phi = problem, problem.check(phi)
        self._alpha = positive_number(step_size, "step_size")
        theta = problem.start(self._phi)
        if theta.ndim != 2:
            raise ValueError(
                "covariances take one phi and one theta0 at a time, received phi of shape "
                f"{self._phi.shape} with theta0 of shape {theta.shape}; call once for each trial"
            )
        self._means: dict[tuple[int, Exact | Sampled], Any] = {}
        self._laws: dict[tuple[Any, ...], EstimateLaw] = {}
        self._terms: dict[tuple[Exact | Sampled, ...], tuple[Array, Terms]] = {}
        self._updates: list[Update] = []
        source = path if isinstance(path, Exact) else path.of
        for i in range(_checks.positive_integer(num_steps, "num_steps")):
            self._updates.append(problem.inner(self._phi, theta))
            theta = theta + self._alpha * self._mean(i, source).gradient
        self._updates.append(problem.outer(self._phi, theta))

    def moments(
        self, *, curvature: Exact | Sampled = EXACT, outer: Exact | Sampled = EXACT
    ) -> MetaMoments:
        """Return mean and covariance for these sources II and III."""
        for name, source in (("curvature", curvature), ("outer", outer)):
            _require(source, name, (Exact, Sampled))
        key = (_once(curvature), _once(outer))
        if key not in self._terms:
            self._terms[key] = self._expand(*key)
        mean, terms = self._terms[key]
        N, last = (x.num_trajectories if isinstance(x, Sampled) else 1 for x in (curvature, outer))
        table = sum(C / (last**a * N**b) for (a, b), C in terms.items())
        shape = self._phi.shape
        return MetaMoments(mean.reshape(shape), np.asarray(table).reshape(*shape, *shape))

    def _expand(self, curvature: Exact | Sampled, outer: Exact | Sampled) -> tuple[Array, Terms]:
        """The mean (n,) and the C_ab (n, n) of the estimate, for all N and N′."""
        phi, alpha, problem = self._phi, self._alpha, self._problem
        num_steps, theta = len(self._updates) - 1, self._updates[-1].theta
        last = self._mean(num_steps, outer)
        units = np.eye(theta.size).reshape(-1, *theta.shape)
        D, n = theta.size, phi.size
        z, terms = np.zeros(D + n), {(0, 0): np.zeros((D + n, D + n))}
        z[:D] = last.gradient.ravel()
        if isinstance(outer, Sampled):
            law, _ = self._law(num_steps, outer, last)
            terms[1, 0] = np.zeros((D + n, D + n))
            for a, table in enumerate(reversed(law.gradient_covariance)):
                terms[a, 0][:D, :D] = square(table)
        start = problem.start_vjp(units)
        for i in reversed(range(num_steps)):
            mean = self._mean(i, curvature)
            through = i > 0 or start is not None
            factor = np.eye(D + n)
            cross = problem.cross(mean, units)
            if cross is not None:
                factor[D:, :D] = alpha * cross.reshape(D, n).T
            if through:
                factor[:D, :D] += alpha * mean.vjp(units).reshape(D, D).T
            passed: Terms = {power: factor @ C @ factor.T for power, C in terms.items()}
            if isinstance(curvature, Sampled):
                law, kind = self._law(i, curvature, mean)
                parameters = PARAMETERS[type(problem)]
                for (a, b), C in terms.items():
                    M = C[:D, :D] + (np.outer(z[:D], z[:D]) if a == b == 0 else 0)
                    within, lasting = step_noise(law, kind, parameters, M, n, through=through)
                    passed[a, b] += alpha**2 * lasting
                    passed[a, b + 1] = passed.get((a, b + 1), 0) + alpha**2 * within
            z, terms = factor @ z, passed
        ends = np.zeros((n, D + n))
        ends[:, D:] = np.eye(n)
        if start is not None:
            ends[:, :D] = start.reshape(D, n).T
        return ends @ z, {power: ends @ C @ ends.T for power, C in terms.items()}

    def _mean(self, i: int, source: Exact | Sampled) -> Differential:
        """The mean of a source at θ^i, whatever its N."""
        if isinstance(source, Sampled):
            source = _once(centered(source))
        if (i, source) not in self._means:
            of = Mean(source) if isinstance(source, Sampled) else source
            self._means[i, source] = of(self._updates[i], None)
        return self._means[i, source]

    def _law(self, i: int, source: Sampled, mean: Differential) -> tuple[EstimateLaw, Estimator]:
        """The law of a source at θ^i; estimators with the same baseline share it."""
        kind = find_estimator(source.estimator)
        key = (i, source.horizon, source.baseline, source.gae_lambda, kind.baseline)
        if key not in self._laws:
            self._laws[key], _ = estimate_law(self._updates[i], source, mean)
        return self._laws[key], kind


def step_noise(
    law: EstimateLaw, kind: Estimator, parameters: Any, M: Array, n: int, *, through: bool
) -> Parts:
    """Σ_k μ_k Cov(Ĥu_k, Ĝᵀu_k) of an estimate for M (D, D), each (D + n, D + n).

    `parameters` is the module with the blocks of Ĝᵀu, or None. Without `through`, those with Ĥu are
    not needed and left at zero.
    """
    center, D = law.center, law.center.size
    parts = Parts(*np.zeros((2, D + n, D + n)))
    if through:
        sandwich = law.sandwich(kind, M.reshape(*center.shape, *center.shape))
        for total, table in zip(parts, sandwich, strict=True):
            total[:D, :D] = square(table)
    within = parts.within
    for value, u in eigenpairs(center, M) if parameters is not None else ():
        within[D:, D:] += value * parameters.own_covariance(center, kind, u)
        if through:
            within[:D, D:] += value * parameters.joint_covariance(center, kind, u)
    within[D:, :D] = within[:D, D:].T
    return parts


def _once(source: Exact | Sampled) -> Exact | Sampled:
    """The source for one trajectory: what it has in common for all N."""
    return replace(source, num_trajectories=1) if isinstance(source, Sampled) else source


def _require(source: Any, name: str, kinds: tuple[type, ...]) -> None:
    """Raise unless the source is of one of these kinds."""
    if not isinstance(source, kinds):
        allowed = " or ".join(f"{kind.__name__}(...)" for kind in kinds)
        raise TypeError(f"{name} must be {allowed}, received {source!r}")
