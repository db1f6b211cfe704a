"""Mean and covariance of an estimated meta-gradient as sums over all trajectories of every step.

The iterates come from an `Unroll`, exact derivatives are autograd's derivatives of its update, and
estimates are autograd's derivatives of every trajectory's surrogate, so that nothing here shares
code with the closed forms.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad

from tabular.meta_moments import MetaMoments
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sources import Sampled
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import Law, Setting, Surrogate, quietly
from tests.tabular.tiny_cases import KINDS
from tests.tabular.unroll import MetaCase, lirpg, maml, mgrl, state_value


class Choice(NamedTuple):
    """An estimator with N, T, λ and V_b, which is "value", "zero", or a table (S,)."""

    estimator: str
    num_trajectories: int
    horizon: int
    gae_lambda: float = 1.0
    baseline: Any = "value"

    def table(self, mdp: Any, theta: Any) -> Any:
        """V_b of an MDP at θ."""
        if isinstance(self.baseline, str):
            return state_value(mdp, theta) if self.baseline == "value" else np.zeros(len(theta))
        return self.baseline

    @property
    def source(self) -> Sampled:
        """The same as a source."""
        return Sampled(
            self.estimator,
            self.num_trajectories,
            self.horizon,
            lambda mdp, theta, rng: self.table(mdp, theta),
            self.gae_lambda,
        )


def tiny_case(name: str, size: tuple[int, int], kind: str = "plain") -> MetaCase:
    """A meta-problem on a tiny MDP of `tiny_cases`, with its unroll and φ."""
    rng = np.random.default_rng([*size, list(KINDS).index(kind)])
    mdp = KINDS[kind](random_mdp(rng, size), rng)
    theta, bonus = rng.normal(size=(2, *size))
    critic = 2 * rng.normal(size=size[0])
    if name == "maml":
        return MetaCase(Maml(mdp), maml(mdp), theta)
    if name == "lirpg":
        return MetaCase(Lirpg(mdp, theta), lirpg(mdp, theta), bonus)
    return MetaCase(Mgrl(mdp, theta, critic), mgrl(mdp, theta, critic), np.array([0.85, 0.6]))


class Step(NamedTuple):
    """The outcomes of a step with their probabilities: g (M, D) and Jacobians in θ and φ."""

    probability: Any
    gradients: Any
    hessians: Any
    crosses: Any

    def factors(self, alpha: float) -> Any:
        """The linear maps (λ, Φ) ↦ (λ + α Hᵀλ, Φ + α Gᵀλ), (M, D + n, D + n)."""
        M, n, D = self.crosses.shape
        out = np.broadcast_to(np.eye(D + n), (M, D + n, D + n)).copy()
        out[:, :D, :D] += alpha * self.hessians.transpose(0, 2, 1)
        out[:, D:, :D] = alpha * self.crosses
        return out


def sampled_step(case: MetaCase, theta: Any, choice: Choice, *, outer: bool = False) -> Step:
    """Every trajectory of an inner update at θ, or of the outer objective."""
    mdp, phi, D = case.problem.mdp, case.phi, np.size(theta)
    name = type(case.problem).__name__
    zero = np.zeros(np.shape(theta))
    if name == "Mgrl" and not outer:
        setting = Setting(phi[0], phi[1], case.problem.critic, zero)
    else:
        bonus = phi if name == "Lirpg" and not outer else zero
        baseline = choice.table(mdp.add_reward(bonus), theta)
        setting = Setting(float(mdp.gamma), choice.gae_lambda, baseline, bonus)
    law = Law(mdp, theta, choice.horizon)
    each = Surrogate(choice.estimator, theta, law.sample, setting, law.probability)
    M, units = len(law.probability), np.eye(D).reshape(-1, *np.shape(theta))
    parameters = {"Maml": [], "Lirpg": ["phi"], "Mgrl": ["gamma", "gae_lambda"]}[name]
    crosses = np.zeros((M, phi.size, D))
    if parameters and not outer:
        columns = [[each.crosses(p, unit).reshape(M, -1) for p in parameters] for unit in units]
        crosses = np.stack([np.concatenate(column, axis=1) for column in columns], axis=-1)
    return Step(
        law.probability,
        each.gradients().reshape(M, D),
        each.hessians().reshape(M, D, D),
        crosses,
    )


def exact_step(case: MetaCase, theta: Any) -> Step:
    """The one outcome of an exact update."""
    D, shape, update = np.size(theta), np.shape(theta), case.unroll.update
    rows, columns = [], []
    for unit in np.eye(D).reshape(-1, *shape):
        rows.append(quietly(grad(_along(lambda x: update(case.phi, x), unit)), theta).ravel())
        columns.append(quietly(grad(_along(lambda x: update(x, theta), unit)), case.phi).ravel())
    hessian, cross = np.array(rows), np.array(columns).T
    gradient = update(case.phi, theta).reshape(1, D)
    return Step(np.ones(1), gradient, hessian[None], cross[None])


def _along(function: Callable[[Any], Any], unit: Any) -> Callable[[Any], Any]:
    return lambda x: anp.sum(function(x) * unit)


def average(one: Any, mean: Any, count: int) -> Any:
    """E[x̄ ⊗ x̄] of the mean x̄ of `count` independent x from E[x ⊗ x] and (E x) ⊗ (E x)."""
    return (one + (count - 1) * mean) / count


def enumerated_moments(
    case: MetaCase,
    *,
    step_size: float,
    num_steps: int,
    curvature: Choice | None = None,
    outer: Choice | None = None,
) -> MetaMoments:
    """E z zᵀ of z = (λ, Φ) step by step: independent steps, each a sum over its outcomes."""
    phi, problem = case.phi, case.problem
    iterates = case.unroll.iterates(phi, step_size=step_size, num_steps=num_steps)
    D, n = np.size(iterates[0]), phi.size
    z, second = np.zeros(D + n), np.zeros((D + n, D + n))
    z[:D] = quietly(grad(case.unroll.value), iterates[-1]).ravel()
    second[:D, :D] = np.outer(z[:D], z[:D])
    if outer is not None:
        last = sampled_step(case, iterates[-1], outer, outer=True)
        z[:D] = last.probability @ last.gradients
        one = np.einsum("t,ti,tj->ij", last.probability, last.gradients, last.gradients)
        second[:D, :D] = average(one, np.outer(z[:D], z[:D]), outer.num_trajectories)
    for theta in reversed(iterates[:-1]):
        if curvature is None:
            step, count = exact_step(case, theta), 1
        else:
            step, count = sampled_step(case, theta, curvature), curvature.num_trajectories
        each = step.factors(step_size)
        mean = np.tensordot(step.probability, each, axes=1)
        one = np.einsum("t,tij,jk,tlk->il", step.probability, each, second, each, optimize=True)
        second = average(one, mean @ second @ mean.T, count)
        z = mean @ z
    ends = np.zeros((n, D + n))
    ends[:, D:] = np.eye(n)
    if type(problem).__name__ == "Maml":
        ends[:, :D] = np.eye(D)
    covariance = ends @ (second - np.outer(z, z)) @ ends.T
    return MetaMoments((ends @ z).reshape(phi.shape), covariance.reshape(*phi.shape, *phi.shape))
