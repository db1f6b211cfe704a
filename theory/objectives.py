"""What the theory needs of a problem's objectives: their MDP, horizon and end, and its size.

J = E Σ_t γ^t r_t, or J_T = E[Σ_{t<T} γ^t r_t + γ^T V_b(s_T)] with a constant table V_b. Bounds for
every θ depend on the states that some policy reaches, and among those on the *decision states*:
those at which some action changes (R, P), and that are reached with a step to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabular.mdp import TabularMDP
from tabular.problems import Lirpg, Maml, Problem
from tabular.transitions import Array
from theory.softmax import DerivativeBounds, derivative_bounds
from theory.value_range import value_range


@dataclass(frozen=True, eq=False)
class Objective:
    """J of one MDP, or its J_T with V_b (S,); zero if None."""

    mdp: TabularMDP
    horizon: int | None = None
    terminal_value: Array | None = None

    def __post_init__(self) -> None:
        mdp, end = self.mdp, self.terminal_value
        if mdp.batch_shape or mdp.R.ndim > 2 or np.ndim(mdp.gamma):
            raise ValueError(
                f"certified constants are those of one MDP, received {mdp!r} with rewards "
                f"{mdp.R.shape}; take one with mdp[i]"
            )
        if end is not None and end.shape != (mdp.num_states,):
            raise ValueError(
                f"terminal_value must be one table ({mdp.num_states},), received {end.shape}"
            )

    @property
    def gamma(self) -> float:
        """γ."""
        return float(self.mdp.gamma)

    @property
    def weight(self) -> float:
        """W = Σ_t γ^t over the objective's steps."""
        if self.horizon is None:
            return 1 / (1 - self.gamma)
        return float((self.gamma ** np.arange(self.horizon)).sum())

    @cached_property
    def _reached(self) -> tuple[Array, Array]:
        return reachable(self.mdp, self.horizon)

    @property
    def acting(self) -> Array:
        """Which states are reached with a step to go, (S,)."""
        return self._reached[0]

    @property
    def visited(self) -> Array:
        """Which states are reached at all, s_T included, (S,)."""
        return self._reached[1]

    @property
    def decision_states(self) -> int:
        """How many of the acting states are decision states."""
        rows, mdp = self.mdp.transitions.rows, self.mdp
        first = np.repeat(np.arange(mdp.num_states) * mdp.num_actions, mdp.num_actions)
        moves = abs(rows - rows[first]).sum(axis=1).reshape(mdp.R.shape) > 0
        return int(np.sum(self.acting & (moves.any(axis=1) | (np.ptp(mdp.R, axis=1) > 0))))

    @property
    def reward_span(self) -> float:
        """Largest less smallest R(s, a) of acting states."""
        return float(np.ptp(self.mdp.R[self.acting]))

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """The least and the largest V^π of any policy, over an infinite horizon from here."""
        return value_range(self.mdp, reachable(self.mdp)[0])

    @property
    def value_span(self) -> float:
        """L, the length of that range."""
        low, high = self.value_range
        return high - low

    @property
    def terminal_span(self) -> float:
        """Largest less smallest V_b of visited states."""
        return 0.0 if self.terminal_value is None else self.span(self.terminal_value)

    @property
    def size(self) -> float:
        """max|R| + max|V_b|: in units of it values are rounded."""
        end = np.zeros(1) if self.terminal_value is None else self.terminal_value
        return float(np.abs(self.mdp.R).max() + np.abs(end).max())

    def span(self, table: Array) -> float:
        """Largest less smallest entry (S,) over the visited states."""
        return float(np.ptp(table[self.visited]))

    @cached_property
    def bounds(self) -> DerivativeBounds:
        """Of the derivatives in θ, for every θ.

        L is a span over an infinite horizon, which has the decision states and the rewards of T
        steps only if these lead everywhere; otherwise W times the rewards' span stands for it.
        """
        everywhere = np.array_equal(self.acting, reachable(self.mdp)[0])
        return derivative_bounds(
            self.decision_states,
            self.gamma,
            self.reward_span,
            horizon=self.horizon,
            terminal_span=self.terminal_span,
            value_span=self.value_span if everywhere else None,
        )


def reachable(mdp: TabularMDP, horizon: int | None = None) -> tuple[Array, Array]:
    """Return which states some policy is in at t < T, and at t <= T; T is infinite if None."""
    rows = mdp.transitions.rows != 0
    acting, visited = np.zeros(mdp.num_states, dtype=bool), mdp.initial > 0
    steps = 0
    while (horizon is None or steps < horizon) and not np.array_equal(acting, visited):
        acting = visited
        onward = np.repeat(acting, mdp.num_actions).astype(np.float64) @ rows
        visited = acting | (onward > 0)
        steps += 1
    return acting, visited


def checked_phi(problem: Problem, phi: object) -> Array:
    """Return φ, or raise unless it is one φ of a `Maml` or `Lirpg`."""
    if not isinstance(problem, Maml | Lirpg):
        raise TypeError(
            f"this is proved for Maml and Lirpg, received a {type(problem).__name__}; of other "
            "problems measure it at the points that matter"
        )
    phi = problem.check(phi)
    if phi.ndim != 2:
        raise ValueError(
            f"constants are those of one phi (S, A), received shape {phi.shape}; call once for each"
        )
    return phi


def inner_objective(problem: Problem, phi: Array) -> Objective:
    """J_in at φ, for a φ of `checked_phi`."""
    if isinstance(problem, Lirpg):
        return Objective(problem.mdp.add_reward(phi), problem.horizon, problem.terminal_value)
    return outer_objective(problem)


def outer_objective(problem: Problem) -> Objective:
    """J_out, which depends on φ through θ alone."""
    if isinstance(problem, Maml | Lirpg):
        return Objective(problem.mdp, problem.horizon, problem.terminal_value)
    raise TypeError(f"problem must be a Maml or Lirpg, received a {type(problem).__name__}")
