"""Meta-gradients by autograd through the whole unroll, and tools for expected meta-gradients.

An `Unroll` is θ⁰(φ), the inner update and the outer value as plain functions. The inner updates of
`maml` and `lirpg` are autograd's own gradients of J, that of `mgrl` is autograd's gradient of
Σ_t d_t Σ_a π A_t in π alone, so a meta-gradient is a gradient through gradients and shares nothing
with the engine. `Estimates` are all estimates of one trajectory with their probabilities, and
`Enumerated` is a sampled source that draws every trajectory once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad

from tabular import TabularMDP
from tabular.enumeration import enumerate_trajectories
from tabular.estimators import Estimate
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sampling import Trajectories
from tabular.sources import Sampled
from tests.tabular.reference import Reference, dense_rows, random_mdp
from tests.tabular.surrogates import Law, quietly
from tests.tabular.tolerances import Tolerance

#: A K-step meta-gradient multiplies K Hessians, each exact to 1e-12; the largest error seen
#: is 2e-12 of the largest component.
META = Tolerance(rtol=1e-11, atol=1e-13)


class Unroll(NamedTuple):
    """θ⁰(φ), g(φ, θ) and J_Out(θ), written in autograd's numpy."""

    start: Callable[[Any], Any]
    update: Callable[[Any, Any], Any]
    value: Callable[[Any], Any]

    def iterates(self, phi: Any, *, step_size: float, num_steps: int) -> list[Any]:
        """θ⁰, ..., θ^K."""
        out = [self.start(phi)]
        for _ in range(num_steps):
            out.append(out[-1] + step_size * self.update(phi, out[-1]))
        return out

    def meta_gradient(self, phi: Any, **options: Any) -> Any:
        """∇_φ J_Out(θ^K(φ))."""
        return quietly(grad(lambda x: self.value(self.iterates(x, **options)[-1])), phi)


def maml(mdp: TabularMDP, horizon: int | None = None, terminal_value: Any = None) -> Unroll:
    """φ = θ⁰."""
    J = Reference(mdp, np.zeros(mdp.R.shape), horizon, terminal_value)
    own = (J.R, J.gamma)
    slope = grad(J.objective, 0)
    return Unroll(
        start=lambda phi: phi,
        update=lambda phi, theta: slope(theta, *own),
        value=lambda theta: J.objective(theta, *own),
    )


def lirpg(mdp: TabularMDP, theta0: Any) -> Unroll:
    """φ is added to R inside."""
    J = Reference(mdp, theta0)
    slope = grad(J.objective, 0)
    return Unroll(
        start=lambda phi: theta0,
        update=lambda phi, theta: slope(theta, J.R + phi, J.gamma),
        value=lambda theta: J.objective(theta, J.R, J.gamma),
    )


def mgrl(mdp: TabularMDP, theta0: Any, critic: Any, horizon: int | None = None) -> Unroll:
    """φ = (γ, λ) of the inner advantages of a fixed critic."""
    J = Reference(mdp, theta0)
    update = ActorCritic(mdp, critic, horizon)
    return Unroll(
        start=lambda phi: theta0,
        update=lambda phi, theta: update(theta, phi[0], phi[1]),
        value=lambda theta: J.objective(theta, J.R, J.gamma),
    )


class ActorCritic:
    """g(θ; γ, λ) = Σ_t γ^t E[Â_t ψ_t] with Â_t = Σ_l (γλ)^l δ_{t+l} and a constant critic."""

    def __init__(self, mdp: TabularMDP, critic: Any, horizon: int | None) -> None:
        self.P, self.R, self.rho = dense_rows(mdp), np.array(mdp.R), np.array(mdp.initial)
        self.critic, self.horizon = np.array(critic), horizon

    def _weights(self, theta: Any, gamma: Any, gae_lambda: Any) -> list[tuple[Any, Any]]:
        """(d_t, A_t) for every t < T, or the one pair of the infinite horizon."""
        pi, kappa = Reference.policy(theta), gamma * gae_lambda
        P_pi = anp.sum(pi[:, :, None] * self.P, axis=1)
        delta = self.R + gamma * anp.dot(self.P, self.critic) - self.critic[:, None]
        delta_pi = anp.sum(pi * delta, axis=1)
        if self.horizon is None:
            eye = anp.eye(len(self.rho))
            d = anp.linalg.solve((eye - gamma * P_pi).T, self.rho)
            to_come = anp.linalg.solve(eye - kappa * P_pi, delta_pi)
            return [(d, delta + kappa * anp.dot(self.P, to_come))]
        occupancies, advantages = [self.rho], [delta]
        for _ in range(self.horizon - 1):
            occupancies.append(gamma * anp.dot(occupancies[-1], P_pi))
            to_come = anp.sum(pi * advantages[-1], axis=1)
            advantages.append(delta + kappa * anp.dot(self.P, to_come))
        return list(zip(occupancies, advantages[::-1], strict=True))

    def __call__(self, theta: Any, gamma: Any, gae_lambda: Any) -> Any:
        """The update, as the π-gradient of Σ_t d_t Σ_a π A_t."""
        weights = self._weights(theta, gamma, gae_lambda)

        def surrogate(moving: Any) -> Any:
            pi = Reference.policy(moving)
            return sum(anp.dot(d, anp.sum(pi * A, axis=1)) for d, A in weights)

        return grad(surrogate)(theta)


class MetaCase(NamedTuple):
    """A problem, its unroll, and φ."""

    problem: Any
    unroll: Unroll
    phi: Any


PROBLEMS = ("maml", "maml-finite", "lirpg", "mgrl", "mgrl-finite")


def meta_case(name: str, size: tuple[int, int], *, sparse: bool = False) -> MetaCase:
    """The problem of this name on a random MDP of this size."""
    rng = np.random.default_rng([*size, PROBLEMS.index(name)])
    mdp = random_mdp(rng, size)
    given = mdp.sparse() if sparse else mdp
    theta = rng.normal(size=size)
    table = 3 * rng.normal(size=size[0])
    kind, _, finite = name.partition("-")
    horizon = 4 if finite else None
    if kind == "maml":
        end = {"horizon": horizon, "terminal_value": table if finite else None}
        return MetaCase(Maml(given, **end), maml(mdp, **end), theta)
    if kind == "lirpg":
        return MetaCase(Lirpg(given, theta), lirpg(mdp, theta), rng.normal(size=size))
    problem = Mgrl(given, theta, table, horizon=horizon)
    return MetaCase(problem, mgrl(mdp, theta, table, horizon), np.array([0.85, 0.6]))


class Estimates(NamedTuple):
    """Every trajectory's probability (M,), gradient (M, D) and Hessian (M, D, D) at one θ."""

    probability: Any
    gradients: Any
    hessians: Any

    @classmethod
    def at(
        cls,
        mdp: TabularMDP,
        theta: Any,
        estimator: str,
        *,
        horizon: int,
        baseline: Any = None,
        gae_lambda: float = 1.0,
    ) -> "Estimates":
        """One trajectory of `estimator`, with V_b = V^π unless given."""
        baseline = state_value(mdp, theta) if baseline is None else baseline
        law = Law(mdp, theta, horizon)
        each = law.surrogate(estimator, gae_lambda, baseline)
        M, D = len(law.probability), np.size(theta)
        return cls(
            law.probability, each.gradients().reshape(M, D), each.hessians().reshape(M, D, D)
        )

    def mean(self, values: Any) -> Any:
        """E x for values (M, ...)."""
        return np.tensordot(self.probability, values, axes=1)


def state_value(mdp: TabularMDP, theta: Any) -> Any:
    """V^π of one MDP, (S,)."""
    pi = Reference.policy(np.array(theta))
    P_pi = np.einsum("sa,sat->st", pi, dense_rows(mdp))
    return np.linalg.solve(np.eye(len(P_pi)) - mdp.gamma * P_pi, (pi * mdp.R).sum(axis=1))


@dataclass(frozen=True)
class Enumerated(Sampled):
    """One trajectory an estimate: number `index[b]` of the enumeration in trial b.

    Works where θ is one table: at the first step.
    """

    index: Any = None

    def __call__(self, update: Any, rng: Any) -> Any:
        """The estimates of the chosen trajectories."""
        every, _ = enumerate_trajectories(update.mdp, update.theta, horizon=self.horizon)
        chosen = Trajectories(*(part[:, self.index] for part in every))
        options = self.advantage_options(update, rng)
        return Estimate(update.mdp, update.theta, chosen, estimator=self.estimator, **options)


#: Standard errors allowed between a Monte Carlo mean and its expectation. A component exceeds
#: five with probability 6e-7; all comparisons of the suite together are below a thousand.
STANDARD_ERRORS = 5.0


def assert_mean(draws: Any, expected: Any) -> None:
    """Fail unless the mean of draws (B, ...) is within STANDARD_ERRORS of `expected`.

    The standard error is estimated from the draws: there must be many, without heavy tails.
    """
    assert len(draws) >= 4000, "too few draws to estimate their standard error"
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(error > 0), "a component does not vary: compare it exactly"
    z = np.abs(draws.mean(axis=0) - expected) / error
    assert z.max() < STANDARD_ERRORS, f"the mean is {z.max():.1f} standard errors away"
