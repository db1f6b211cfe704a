"""All trajectories of a tiny MDP as rational data: what does not depend on θ.

A trajectory τ has probability w(τ) π^n = w Π_x π(x)^{n(x)}, with w = ρ(s_0) Π_t P(s_{t+1}|x_t) and
the visits n(x) = Σ_t [x_t = x]. With weights W_t = γ^t Â_t (λ = 1, fixed V_b) all that an estimator
sees of it are the tables

    C(x) = Σ_t W_t [x_t = x],
    D    = 0 (ad), diag C (lvc), diag C + Σ_{j<t} W_t (e_{x_j} e_{x_t}ᵀ + e_{x_t} e_{x_j}ᵀ)  (dice).

The objective J_T = Σ_τ w π^n G, G = Σ_t γ^t R_t + γ^T V_b(s_T), is a polynomial in π; its gradient
and Hessian are the means of the same two forms with C = G n and D = G n nᵀ (`estimates`), because
∇π^n = π^n Σ_x n(x) ψ(x). Trajectories that no estimate tells apart are merged. The MDP is the one
with exactly these floats, rows of P and ρ divided by their exact sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from math import comb, factorial, prod
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from tabular import _checks
from tabular.enumeration import count_trajectories
from tabular.mdp import TabularMDP
from tabular.mdp_checks import require_one
from tabular.registry import Estimator
from theory.certified.balls import Rational, fmpq, rational

#: Trajectories enumerated, and estimates evaluated over all paths, at most.
MAX_TRAJECTORIES = 4096
MAX_EVALUATIONS = 2_000_000

Vector = tuple[Rational, ...]


class Trajectory(NamedTuple):
    """n, C and D (rows), each flat in x = s·A + a."""

    visits: tuple[int, ...]
    table: Vector
    pairs: tuple[Vector, ...]


class Sample(NamedTuple):
    """N trajectories: the product of their n and w, the number of orders, means of C and D."""

    visits: tuple[int, ...]
    weight: Rational
    table: Vector
    pairs: tuple[Vector, ...]


class Enumeration(NamedTuple):
    """w of every trajectory that an estimator tells apart, and Σ w G by visits.

    `reward_span` and `terminal_span` are the largest less the smallest reward and V_b(s_T) met;
    `scale` is the largest Σ_t |W_t|.
    """

    num_states: int
    num_actions: int
    gamma: Rational
    horizon: int
    weights: dict[Trajectory, Rational]
    returns: dict[tuple[int, ...], Rational]
    reward_span: Rational
    terminal_span: Rational
    scale: Rational

    def samples(self, count: int) -> list[Sample]:
        """Every sample of `count` trajectories, in any order."""
        chosen = combinations_with_replacement(self.weights.items(), count)
        return [_sample(trajectories, count) for trajectories in chosen]


def enumerate_exactly(
    mdp: TabularMDP, estimator: Estimator, *, horizon: int, baseline: Any
) -> Enumeration:
    """Make every trajectory of length T.

    Raises
    ------
    ValueError, TypeError
        If there are more than `MAX_TRAJECTORIES` (the message gives their number), the MDP is a
        batch, V_b does not fit, or T is not a positive integer.
    """
    horizon = _checks.positive_integer(horizon, "horizon")
    require_one(mdp, "certified mode")
    S, A = mdp.num_states, mdp.num_actions
    count = count_trajectories(mdp, np.zeros((S, A)), horizon=horizon)
    if count > MAX_TRAJECTORIES:
        raise ValueError(
            f"certified mode takes at most {MAX_TRAJECTORIES} trajectories, this MDP has "
            f"{count:.6g} of length {horizon}; take a smaller MDP or a shorter horizon"
        )
    values = np.asarray(estimator.advantage_inputs(S, baseline, 1.0)[0])
    V = [rational(v) for v in _one_table(values, S)]
    gamma = rational(mdp.gamma)
    weights: dict[Trajectory, Rational] = {}
    returns: dict[tuple[int, ...], Rational] = {}
    met: list[Rational] = []
    ends: list[Rational] = []
    scale = fmpq(0)
    for w, states, actions, rewards in _walks(mdp, horizon):
        advantage, W = fmpq(0), [fmpq(0)] * horizon
        for t in reversed(range(horizon)):
            delta = rewards[t] + gamma * V[states[t + 1]] - V[states[t]]
            advantage = delta + gamma * advantage
            W[t] = gamma**t * advantage
        x = [s * A + a for s, a in zip(states, actions, strict=False)]
        visits = tuple(x.count(k) for k in range(S * A))
        trajectory = Trajectory(visits, *_tables(estimator, x, W, S * A))
        weights[trajectory] = weights.get(trajectory, fmpq(0)) + w
        total = sum((gamma**t * r for t, r in enumerate(rewards)), fmpq(0))
        total += gamma**horizon * V[states[-1]]
        returns[visits] = returns.get(visits, fmpq(0)) + w * total
        met += rewards
        ends.append(V[states[-1]])
        scale = max(scale, sum(map(abs, W), fmpq(0)))
    spans = max(met) - min(met), max(ends) - min(ends)
    return Enumeration(S, A, gamma, horizon, weights, returns, *spans, scale)


def require_few(enumeration: Enumeration, num_trajectories: int, num_steps: int) -> None:
    """Raise ValueError if all sampled paths together take too many evaluations."""
    M = len(enumeration.weights)
    paths = comb(M + num_trajectories - 1, num_trajectories) ** num_steps
    if paths * M > MAX_EVALUATIONS:
        raise ValueError(
            f"certified mode takes at most {MAX_EVALUATIONS:,} estimates, K = {num_steps} steps of "
            f"N = {num_trajectories} out of {M} trajectories need {paths * M:,}; "
            "take fewer steps, trajectories, states or a shorter horizon"
        )


def _one_table(values: Any, num_states: int) -> Any:
    table = _checks.table(values, "baseline", (num_states,))
    if table.ndim != 1:
        raise ValueError(f"certified mode needs one baseline table, received {table.shape}")
    return table


def _walks(
    mdp: TabularMDP, horizon: int
) -> Iterator[tuple[Rational, list[int], list[int], list[Rational]]]:
    """(w, states, actions, rewards) of every walk of positive w."""
    S, A = mdp.num_states, mdp.num_actions
    P, R = _dense(mdp.P, (S, A, S)), _dense(mdp.rewards, (S, A, S))
    start = _exact_law(mdp.initial)
    kernel = [[_exact_law(P[s, a]) for a in range(A)] for s in range(S)]

    def extend(
        w: Rational, states: list[int], actions: list[int], rewards: list[Rational]
    ) -> Iterator[tuple[Rational, list[int], list[int], list[Rational]]]:
        if len(actions) == horizon:
            yield w, states, actions, rewards
            return
        s = states[-1]
        for a in range(A):
            for s_next, p in kernel[s][a].items():
                reward = rational(R[s, a, s_next])
                yield from extend(w * p, [*states, s_next], [*actions, a], [*rewards, reward])

    for s, p in start.items():
        yield from extend(p, [s], [], [])


def _dense(table: Any, shape: tuple[int, int, int]) -> Any:
    """A table (S, A), (S, A, S) or sparse (S·A, S) as (S, A, S)."""
    array = table.toarray().reshape(shape) if sp.issparse(table) else np.asarray(table)
    return np.broadcast_to(array if array.ndim == 3 else array[..., None], shape)


def _exact_law(row: Any) -> dict[int, Rational]:
    """Positive entries divided by their exact sum."""
    entries = {k: rational(p) for k, p in enumerate(row) if p > 0}
    total = sum(entries.values(), fmpq(0))
    return {k: p / total for k, p in entries.items()}


def _tables(
    estimator: Estimator, x: list[int], W: list[Rational], d: int
) -> tuple[Vector, tuple[Vector, ...]]:
    """C and D."""
    C = [fmpq(0)] * d
    D = [[fmpq(0)] * d for _ in range(d)]
    for t, weight in enumerate(W):
        C[x[t]] += weight
        if estimator.local:
            D[x[t]][x[t]] += weight
        for j in range(t) if estimator.cross else ():
            D[x[j]][x[t]] += weight
            D[x[t]][x[j]] += weight
    return tuple(C), tuple(map(tuple, D))


def _sample(trajectories: tuple[tuple[Trajectory, Rational], ...], count: int) -> Sample:
    orders = factorial(count)
    for item in set(trajectories):
        orders //= factorial(trajectories.count(item))
    each = [trajectory for trajectory, _ in trajectories]

    def mean(*vectors: Vector) -> Vector:
        return tuple(sum(entries, fmpq(0)) / count for entries in zip(*vectors, strict=True))

    return Sample(
        tuple(map(sum, zip(*(t.visits for t in each), strict=True))),
        orders * prod((w for _, w in trajectories), start=fmpq(1)),
        mean(*(t.table for t in each)),
        tuple(mean(*rows) for rows in zip(*(t.pairs for t in each), strict=True)),
    )
