"""Assumption 4.1 ([Liu2022]): the derivatives of J_in and J_out are bounded and Lipschitz in θ.

One check a constant: the largest norm met at given points against the constant that holds for every
θ (`theory.certified_constants`), or against any others.

    c₁ ‖H‖    c₂ ‖G‖    ρ₁ ‖D_θH‖    ρ₂ ‖D_θG‖    m₁ ‖p‖    μ₁ ‖D_θp‖    μ₂ ‖D_θq‖ = 0

with H = ∇²J_in, G = ∂_φ∇J_in, p = ∇J_out. A Lipschitz constant is the largest norm of a derivative.
Norms are exact for small H and G and found from below otherwise (`theory.norms`), so that a check
that fails refutes its constant, and a ratio is how much of it was seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular import _checks
from tabular.compiled_evaluation import evaluation_of
from tabular.evaluation import Evaluation
from tabular.policy import center, project
from tabular.problems import Lirpg, Problem
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.certified_constants import certified_lipschitz
from theory.constants import Lipschitz
from theory.norms import DENSE, cubic_norm, lengths, operator_norm, unit
from theory.objectives import Objective, checked_phi, inner_objective, outer_objective

#: Rounding of a k-th derivative, in units of W^{k+1} (max|R| + max|V_b|), W = Σ_{t<T} γ^t.
ROUNDING = 1e-14


def check(
    problem: Problem, phi: Any, thetas: Any, constants: Lipschitz | None = None
) -> tuple[BoundCheck, ...]:
    """Compare the constants of Assumption 4.1 with what is met at points θ.

    Parameters
    ----------
    problem : Maml or Lirpg
    phi : array_like (S, A)
    thetas : array_like (N, S, A)
        Points, such as those of `tabular.metagradient.adapt`.
    constants : Lipschitz, optional
        The certified ones if None.

    Returns
    -------
    tuple of BoundCheck
        For c1, c2, rho1, rho2, m1, mu1 and mu2, in this order.

    Raises
    ------
    ValueError, TypeError
        If φ or θ does not fit, or the problem has no proved constants.
    """
    phi = checked_phi(problem, phi)
    inner, outer = inner_objective(problem, phi), outer_objective(problem)
    if constants is None:
        constants = certified_lipschitz(problem, phi)
    _checks.instance(constants, Lipschitz, "constants")
    met: dict[str, float] = dict.fromkeys(("c1", "c2", "rho1", "rho2", "m1", "mu1", "mu2"), 0.0)
    for group in points(thetas, inner):
        here = evaluation(inner, group)
        found = {"c1": hessian_norm(here), "rho1": third_norm(here)}
        last = here if inner.mdp is outer.mdp else evaluation(outer, group)
        found["m1"] = lengths(last.gradient)
        found["mu1"] = found["c1"] if last is here else hessian_norm(last)
        if isinstance(problem, Lirpg):
            rewards = RewardDerivatives(inner, group, here)
            found |= {"c2": rewards.norm(), "rho2": rewards.lipschitz()}
        for name, values in found.items():
            met[name] = max(met[name], float(values.max()))
    W = inner.weight
    size = max(inner.size, outer.size)
    sizes = dict.fromkeys(("c2", "rho2"), 1.0)  # of rewards of norm one
    return tuple(
        BoundCheck(
            f"Assumption 4.1, {name}",
            lhs,
            getattr(constants, name),
            obtained="exact",
            scope=constants.scope,
            rounding=ROUNDING * W ** (4 if name == "rho1" else 3) * sizes.get(name, size),
            setting={"problem": type(problem).__name__, "mdp": inner.mdp.name},
        )
        for name, lhs in met.items()
    )


def points(thetas: Any, objective: Objective) -> list[Array]:
    """Split θ (N, S, A) into groups that are evaluated together: all if small, else one at a time.

    Raises
    ------
    ValueError, TypeError
        Unless there is at least one finite table of the right shape.
    """
    shape = objective.mdp.R.shape
    flat = _checks.logits(thetas, shape).reshape(-1, *shape)
    return [flat] if flat[0].size <= DENSE else list(flat[:, None])


def evaluation(objective: Objective, thetas: Array) -> Evaluation:
    """J and its derivatives at θ (N, S, A)."""
    end = objective.terminal_value
    return evaluation_of(objective.mdp, thetas, horizon=objective.horizon, terminal_value=end)


def hessian_norm(here: Evaluation) -> Array:
    """‖∇²J‖ at each point, (N,)."""
    return operator_norm(here.vjp, here.vjp, here.gradient)


def third_norm(here: Evaluation) -> Array:
    """‖D³J‖ at each point, from below, (N,): from ∇J, ∇²J ∇J and, if small, every unit table."""
    gradient = here.gradient
    starts = np.stack([gradient, here.vjp(unit(gradient))])
    size = gradient[0].size
    if size <= DENSE:
        units = np.eye(size).reshape(size, 1, *gradient.shape[1:])
        starts = np.concatenate([starts, np.broadcast_to(units, (size, *gradient.shape))])
    return cubic_norm(lambda u: here.third(u, u), starts)


class RewardDerivatives:
    """G and D_θG for rewards R + φ: J is linear in φ, and μ = d π is its gradient.

    G w = ∇J_w, the gradient for rewards w; Gᵀu = Dμ[u]. D_θG as a form is
    (w, u, u) ↦ ⟨w, D²μ[u, u]⟩ = ⟨u, ∇²J_w u⟩: w and u are improved in turn.
    """

    def __init__(self, objective: Objective, thetas: Array, here: Evaluation) -> None:
        self._mdp, self._horizon, self._gamma = objective.mdp, objective.horizon, objective.gamma
        self._thetas, self._here = thetas, here

    def gradient(self, w: Array) -> Array:
        """G w = ∇J_w for rewards w (..., N, S, A)."""
        here, d = self._here, self._here.occupancy
        w = np.broadcast_to(w[..., None, :, :], (*w.shape[:-2], d.shape[-2], *w.shape[-2:]))
        V = here.discounted.evaluate(np.vecdot(here.pi, w))
        A = w + self._gamma * here.chain.expect_next(V) - V[..., None]
        return (d[..., None] * here.pi * A).sum(axis=-3)

    def norm(self) -> Array:
        """‖G‖ at each point, (N,)."""
        return operator_norm(self.gradient, self._here.cross_reward, self._here.pi[..., 0, :, :])

    def second(self, u: Array) -> Array:
        """D²μ[u, u], (N, S, A)."""
        here, u = self._here, u[..., None, :, :]
        pi, d = here.pi, here.occupancy[..., None]
        first = pi * center(pi, u)
        twice = project(pi, first * center(pi, u))
        moved = self._visit(d * first)
        moved_twice = self._visit(d * twice + 2 * moved * first)
        return (moved_twice * pi + 2 * moved * first + d * twice).sum(axis=-3)

    def lipschitz(self) -> Array:
        """‖D_θG‖ at each point, from below, (N,)."""
        u, best = unit(self._here.gradient), np.zeros(len(self._thetas))
        for _ in range(5):
            w = self.second(u)
            best = np.maximum(best, lengths(w))
            rewards = evaluation_of(
                self._mdp.with_reward(unit(w)), self._thetas, horizon=self._horizon
            )
            for _ in range(3):
                u = unit(rewards.vjp(u))
        return best

    def _visit(self, c: Array) -> Array:
        here = self._here
        return here.discounted.visit(self._gamma * here.chain.push_next(c))[..., None]
