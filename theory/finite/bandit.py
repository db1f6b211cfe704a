"""A contextual bandit (γ = 0) as a finite problem: MAML with S·A outcomes a trajectory.

A trajectory is one pair x = (s, a) with probability ρ(s) π(a|s). With W(x) = R(x) − V_b(s), score ψ
and F = diag π_s − π_s π_sᵀ, its estimates are

    ĝ = W ψ,    Ĥ = W (ψ ψᵀ − F)  [− W F for `ad`],

so that E ĝ = ∇J, whatever V_b. The exact derivatives are `tabular.exact`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import _checks, exact
from tabular.mdp import TabularMDP
from tabular.policy import softmax
from tabular.registry import find_estimator
from tabular.transitions import Array
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes


@dataclass(frozen=True, eq=False)
class Bandit:
    """MAML on a contextual bandit.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP with γ = 0 and rewards R(s, a).
    theta0 : array_like (S, A)
        θ⁰ = φ.
    estimator : str
        `ad`, or any of the others, which are one here.
    baseline : array_like (S,), optional
        V_b; zero if not given, and always for `dice`.

    Raises
    ------
    ValueError, TypeError
        If γ is not zero, rewards hang on the successor, or a table does not fit.
    """

    mdp: TabularMDP
    theta0: Any
    estimator: str = "loaded_dice"
    baseline: Any = None

    def __post_init__(self) -> None:
        S, A = self.mdp.num_states, self.mdp.num_actions
        if np.any(self.mdp.gamma) or self.mdp.successor_reward is not None:
            raise ValueError(
                "a bandit needs gamma = 0 and rewards R(s, a), received gamma = "
                f"{self.mdp.gamma} and rewards "
                f"{'R(s, a)' if self.mdp.successor_reward is None else 'by successor'}; give "
                "mdp.with_gamma(0).with_reward(mdp.R)"
            )
        kind = find_estimator(self.estimator)
        baseline, _ = kind.advantage_inputs(S, self.baseline, 1.0)
        object.__setattr__(self, "theta0", _checks.logits(self.theta0, (S, A)))
        object.__setattr__(self, "baseline", _checks.table(baseline, "baseline", (S,)))

    @property
    def start(self) -> Array:
        """θ⁰, (D,)."""
        return np.ravel(self.theta0)

    @property
    def start_jacobian(self) -> Array:
        """The identity."""
        return np.eye(self.start.size)

    def inner(self, theta: Array) -> Inner:
        """∇J, ∇²J and no cross derivative, θ (..., D)."""
        here = exact.evaluate(self.mdp, self._tables(theta))
        shape = (*theta.shape, theta.shape[-1])
        return Inner(
            here.gradient.reshape(theta.shape), here.hessian.reshape(shape), np.zeros(shape)
        )

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """The S·A outcomes."""
        pi = softmax(self._tables(theta)).reshape(theta.shape)
        S, A = np.shape(self.theta0)
        same = np.kron(np.eye(S), np.ones((A, A)))
        score = np.eye(S * A) - same * pi[..., None, :]
        weight = (self.mdp.R - self.baseline[:, None]).reshape(-1, 1)
        fisher = same * (pi[..., None] * (np.eye(S * A) - pi[..., None, :]))
        curvature = -weight[..., None] * same[..., None] * fisher[..., None, :, :]
        if find_estimator(self.estimator).local:
            curvature = curvature + weight[..., None] * score[..., :, None] * score[..., None, :]
        return InnerOutcomes(
            np.repeat(self.mdp.initial, A) * pi,
            weight * score,
            curvature,
            np.zeros_like(curvature),
        )

    def outer(self, theta: Array) -> Outer:
        """∇J and zero."""
        gradient = exact.gradient(self.mdp, self._tables(theta)).reshape(theta.shape)
        return Outer(gradient, np.zeros(theta.shape))

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """The same trajectories' estimates."""
        one = self.inner_outcomes(theta)
        return OuterOutcomes(one.probability, one.gradient, np.zeros_like(one.gradient))

    def _tables(self, theta: Array) -> Array:
        return theta.reshape(*theta.shape[:-1], *np.shape(self.theta0))
