"""The leading order of the meta-gradient's compositional bias: sampled steps, MAML, any K.

The estimate is Ĝ = Π_i (I + α Ĥ_i) p̂, smallest index on the left, along θ̂^0, ..., θ̂^K, with an
unbiased p̂ and with Ĥ_i of an estimator of mean H̄. On the exact path let L̄_i = I + α H̄(θ^i), and

    p_K = ∇J,    p_i(θ) = (I + α H̄(θ)) p_{i+1}(θ + α ∇J(θ))

be the mean meta-gradient of the steps from i on, begun at θ. Then

    E Ĝ = p_0(θ⁰) + (α²/N) Σ_{i<K} L̄_0 ⋯ L̄_{i−1} (½ L̄_i ∇²p_{i+1} : Σ_i + [C_i]_shared) + O(N⁻²)
    C_i = E[Ξ_i B_{i+1} ξ_i],    B_{i+1} = Dp_{i+1}(θ^{i+1}),

derivatives at θ^{i+1}; ξ_i and Ξ_i are one trajectory's noise of gradient and Hessian at θ^i, and
the coupling C_i is there only if the same trajectories give both, as plain automatic
differentiation does. For an unbiased Hessian p_0(θ⁰) is the meta-gradient itself. Derived here: a
step moves θ by α ξ̄_i and multiplies by α Ξ̄_i, and Taylor's formula in both, in expectation.

For K = 1 all is in closed form (∇²p_1 = ∇³J). For K > 1 the derivatives of p_{i+1}, i + 1 < K, are
central differences of order six of the exact p_{i+1}. With Ĥ = Σ_x C(x) Φ(x) of `ad` and `lvc`,
C_i = Σ_x Φ(x) B Cov(ĝ, C(x)); for `dice` and `loaded_dice` it is a sum over all trajectories.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tabular import _checks, covariance
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.metagradient import meta_gradient
from tabular.policy import project
from tabular.problems import Maml
from tabular.registry import Estimator, find_estimator
from tabular.sources import Mean, Sampled
from tabular.trajectory_law import TrajectoryLaw
from tabular.transitions import Array
from theory.second_order import TOGETHER, SampledLoop, contract_third, eigenpairs

#: Length of a difference step over Π ‖L̄_j‖ of the steps to come: truncation h⁶/560 of the eighth
#: derivative, rounding 1e-16/h² of p.
STEP = 0.05
#: Weights of f(x ± h), f(x ± 2h), f(x ± 3h), the second derivative's with f(x) = −49/18 besides.
FIRST = np.array([3 / 4, -3 / 20, 1 / 60])
SECOND = np.array([3 / 2, -3 / 20, 1 / 90])


def meta_coefficient(
    loop: SampledLoop, estimator: str | Estimator, *, shared: bool = False
) -> Array:
    """Return lim N (E Ĝ − p_0(θ⁰)), (S, A).

    Parameters
    ----------
    loop : SampledLoop
        θ⁰ = φ, J_T with V_b inside and outside.
    estimator : str
        Of the inner Hessians: `ad`, `lvc`, `loaded_dice` or `dice`.
    shared : bool
        The same trajectories move θ and give the Hessians.

    Raises
    ------
    ValueError
        If `dice` is given a loop with a baseline, or the trajectories of a shared `dice` or
        `loaded_dice` are too many to enumerate.
    """
    _checks.instance(loop, SampledLoop, "loop")
    kind = find_estimator(estimator)
    if not kind.baseline and loop.baseline.any():
        raise ValueError(
            f"{kind.name} uses no baseline and estimates another objective than this loop's; "
            "make the loop without a baseline, or use loaded_dice"
        )
    problem, source = maml(loop), mean_source(loop, kind)
    total = np.zeros_like(loop.theta0)
    for i in reversed(range(loop.num_steps)):
        last = i == loop.num_steps - 1
        if last:
            bent = contract_third(loop.evaluations[-1], loop.step_size**2 * loop.noises[i])
        else:
            bent = differences(loop, source, i)
        mean = source(problem.inner(loop.theta0, loop.iterates[i]), None)
        total = total + 0.5 * bent
        total = total + loop.step_size * mean.vjp(total)
        if shared:
            B = loop.last_hessian if last else jacobian(loop, source, i)
            total = total + loop.step_size**2 * coupling(loop, kind, i, B)
    return total


def maml(loop: SampledLoop) -> Maml:
    """The meta-problem of a loop."""
    return Maml(loop.mdp, horizon=loop.horizon, terminal_value=loop.baseline)


def mean_source(loop: SampledLoop, kind: str | Estimator) -> Mean:
    """The mean of an estimator's Hessian in a loop."""
    name = find_estimator(kind).name
    return Mean(Sampled(name, 1, loop.horizon, lambda mdp, theta, rng: loop.baseline))


def remaining_gradient(loop: SampledLoop, source: Mean, steps: int) -> Callable[[Array], Array]:
    """p_{K−steps} as a function of θ (..., S, A)."""
    problem = maml(loop)
    if steps == 0:
        return lambda theta: problem.outer(theta, theta).exact().gradient
    return lambda theta: meta_gradient(
        problem, theta, step_size=loop.step_size, num_steps=steps, curvature=source
    )


def differences(loop: SampledLoop, source: Mean, i: int) -> Array:
    """α² ∇²p_{i+1}(θ^{i+1}) : Σ_i by differences, (S, A)."""
    function, h = remaining_gradient(loop, source, loop.num_steps - 1 - i), _length(loop, i)
    values, u = eigenpairs(loop.step_size**2 * loop.noises[i], loop.theta0.shape)
    bent = -49 / 18 * values.sum() * function(loop.iterates[i + 1])
    for part in _parts(loop, len(values)):
        plus, minus = _around(function, loop.iterates[i + 1], h * u[part])
        bent = bent + np.einsum("k,d,kd...->...", SECOND, values[part], plus + minus)
    return bent / h**2


def jacobian(loop: SampledLoop, source: Mean, i: int) -> Array:
    """B_{i+1} = Dp_{i+1}(θ^{i+1}) by differences, (D, D)."""
    D, h = loop.theta0.size, _length(loop, i)
    function = remaining_gradient(loop, source, loop.num_steps - 1 - i)
    basis, rows = np.eye(D).reshape(D, *loop.theta0.shape), []
    for part in _parts(loop, D):
        plus, minus = _around(function, loop.iterates[i + 1], h * basis[part])
        rows.append(np.tensordot(FIRST, plus - minus, axes=1).reshape(-1, D))
    return np.concatenate(rows).T / h


def _parts(loop: SampledLoop, count: int) -> list[slice]:
    """As many directions at a time as fit into memory."""
    few = max(1, TOGETHER // (6 * loop.horizon * loop.theta0.size))
    return [slice(i, i + few) for i in range(0, count, few)]


def _around(function: Callable[[Array], Array], theta: Array, steps: Array) -> tuple[Array, Array]:
    """The function at θ ± k·steps, k = 1, 2, 3, each (3, ...)."""
    multiples = np.arange(1, 4).reshape(3, *(1,) * steps.ndim) * steps
    return function(theta + multiples), function(theta - multiples)


def _length(loop: SampledLoop, i: int) -> float:
    """h for p_{i+1}."""
    return STEP / float(np.prod([np.linalg.norm(L, 2) for L in loop.factors[i + 1 :]]))


def coupling(loop: SampledLoop, kind: Estimator, i: int, B: Array) -> Array:
    """C_i = E[Ξ_i B ξ_i] of one trajectory at θ^i for a B (D, D), (S, A)."""
    theta, shape = loop.iterates[i], loop.theta0.shape
    if not kind.cross:
        law = TrajectoryLaw(
            loop.mdp, theta, horizon=loop.horizon, baseline=loop.baseline, gae_lambda=1.0
        )
        with_gradient = project(law.pi, covariance.table_covariance(law))
        moved = (with_gradient.reshape(-1, B.shape[0]) @ B.T).reshape(*shape, *shape)
        own = np.einsum("sasb->sab", moved)
        return covariance.own_products(law, kind, own)
    every, probability = enumerate_trajectories(loop.mdp, theta, horizon=loop.horizon)
    estimate = Estimate(loop.mdp, theta, every, estimator=kind, baseline=loop.baseline)
    noise = estimate.gradient - loop.evaluations[i].gradient
    direction = (noise.reshape(-1, B.shape[0]) @ B.T).reshape(noise.shape)
    return np.tensordot(probability, estimate.hvp(direction), axes=1)
