"""Derivatives at one θ in balls: the estimators', their means, and the objective's.

With L = (ψ(x))_x, the matrix whose columns are the scores ψ(x) = e_x − Σ_b π(b|s) e_(s,b), and the
tables C, D and visits' states of `enumeration`,

    gradient = L C,      Hessian = L (D − diag(π c)) Lᵀ,      c(s) = Σ_a C(s, a),

because F(s) = Σ_a π(a|s) ψ(s,a) ψ(s,a)ᵀ is the covariance of the scores. With C = G n, D = G n nᵀ
the means of the same are ∇J_T and ∇²J_T (the score-function identity).
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from theory.certified.balls import (
    Ball,
    Matrix,
    Rational,
    arb,
    arb_mat,
    column,
    diagonal,
    squared_norm,
)
from theory.certified.enumeration import Enumeration, Vector


class Outcome(NamedTuple):
    """Weight w, the visited pairs in a list, C (d, 1) and D (d, d) in balls."""

    weight: Ball
    visited: list[int]
    table: Matrix
    pairs: Matrix


class Outcomes(NamedTuple):
    """One trajectory's outcomes, those of N, and the objective's; at one precision."""

    num_states: int
    num_actions: int
    single: list[Outcome]
    samples: list[Outcome]
    objective: list[Outcome]


class Mean(NamedTuple):
    """A mean gradient (d, 1) and a mean Hessian (d, d)."""

    gradient: Matrix
    hessian: Matrix


def in_balls(enumeration: Enumeration, num_trajectories: int) -> Outcomes:
    """Return the enumeration at the working precision."""
    single = [_outcome(w, t.visits, t.table, t.pairs) for t, w in enumeration.weights.items()]
    samples = [
        _outcome(s.weight, s.visits, s.table, s.pairs)
        for s in enumeration.samples(num_trajectories)
    ]
    objective = [
        _outcome(w, n, n, tuple(tuple(i * j for j in n) for i in n))
        for n, w in enumeration.returns.items()
    ]
    return Outcomes(enumeration.num_states, enumeration.num_actions, single, samples, objective)


def _outcome(
    weight: Rational,
    visits: tuple[int, ...],
    table: Vector | tuple[int, ...],
    pairs: tuple[Vector | tuple[int, ...], ...],
) -> Outcome:
    d = len(visits)
    visited = [x for x, times in enumerate(visits) for _ in range(times)]
    matrix = arb_mat(d, d, [arb(entry) for row in pairs for entry in row])
    return Outcome(arb(weight), visited, column(table), matrix)


class Estimates:
    """All estimates at one θ (d, 1)."""

    def __init__(self, outcomes: Outcomes, theta: Matrix) -> None:
        self.outcomes = outcomes
        A = outcomes.num_actions
        blocks = [theta.entries()[i : i + A] for i in range(0, theta.nrows(), A)]
        self.policy = [pi for block in blocks for pi in softmax(block)]
        d = len(self.policy)
        self.scores = arb_mat(
            d,
            d,
            [
                int(y == x) - (self.policy[y] if y // A == x // A else 0)
                for y in range(d)
                for x in range(d)
            ],
        )
        self._scores_transposed = self.scores.transpose()

    def probability(self, outcome: Outcome) -> Ball:
        """w π^n."""
        return prod((self.policy[x] for x in outcome.visited), start=outcome.weight)

    def gradient(self, table: Matrix) -> Matrix:
        """L C."""
        return self.scores * table

    def hessian(self, table: Matrix, pairs: Matrix) -> Matrix:
        """L (D − diag(π c)) Lᵀ."""
        C, A = table.entries(), self.outcomes.num_actions
        c = [sum(C[i : i + A], arb(0)) for i in range(0, len(C), A)]
        local = diagonal([pi * c[x // A] for x, pi in enumerate(self.policy)])
        return self.scores * (pairs - local) * self._scores_transposed

    def _mean(self, outcomes: list[Outcome]) -> tuple[Matrix, Matrix]:
        """E C and E D."""
        d = len(self.policy)
        table, pairs = arb_mat(d, 1), arb_mat(d, d)
        for outcome in outcomes:
            probability = self.probability(outcome)
            table += outcome.table * probability
            pairs += outcome.pairs * probability
        return table, pairs

    def objective(self) -> Mean:
        """∇J_T and ∇²J_T."""
        tables = self._mean(self.outcomes.objective)
        return Mean(self.gradient(tables[0]), self.hessian(*tables))

    def mean(self) -> Mean:
        """E ĝ and E Ĥ."""
        tables = self._mean(self.outcomes.single)
        return Mean(self.gradient(tables[0]), self.hessian(*tables))

    def gradient_second_moment(self) -> Matrix:
        """E ĝ ĝᵀ of one trajectory."""
        d = len(self.policy)
        second = arb_mat(d, d)
        for outcome in self.outcomes.single:
            table = outcome.table
            second += table * table.transpose() * self.probability(outcome)
        return self.scores * second * self._scores_transposed

    def gradient_variance(self, mean: Matrix) -> Ball:
        """E‖ĝ − E ĝ‖² of one trajectory."""
        return sum(
            (
                self.probability(outcome) * squared_norm(self.gradient(outcome.table) - mean)
                for outcome in self.outcomes.single
            ),
            arb(0),
        )

    def single_hessians(self) -> list[tuple[Ball, Matrix]]:
        """Probability and Ĥ of every trajectory."""
        return [
            (self.probability(outcome), self.hessian(outcome.table, outcome.pairs))
            for outcome in self.outcomes.single
        ]


def softmax(logits: list[Ball]) -> list[Ball]:
    """exp θ_a / Σ_b exp θ_b as 1 / Σ_b exp(θ_b − θ_a): each quotient depends on π once."""
    return [1 / sum(((b - a).exp() for b in logits), arb(0)) for a in logits]
