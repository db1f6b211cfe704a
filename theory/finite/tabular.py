"""A tabular problem with a sampled source, on an MDP so small that all trajectories can be listed.

One list of trajectories serves every θ: their estimates and probabilities

    p(τ; θ) = w(τ) Π_t π_θ(a_t|s_t),    w(τ) = ρ(s_0) Π_t P(s_{t+1}|s_t, a_t),

are functions of θ (`tabular.estimators`). Trajectories that give the same estimates at every θ are
one: those that differ in s_T only, where the last state has no value or the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tabular.baselines import FixedBaseline, zero_baseline
from tabular.enumeration import count_trajectories, enumerate_trajectories
from tabular.estimators import Estimate
from tabular.mdp import TabularMDP
from tabular.policy import softmax
from tabular.problems import Problem
from tabular.registry import find_estimator
from tabular.sampling import Trajectories
from tabular.sources import Differential, Sampled, Update
from tabular.transitions import Array
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes

#: Most trajectories of one list; a K-step path has a power of it.
MAX_TRAJECTORIES = 20_000


class TabularFinite:
    """A `FiniteProblem` of a tabular problem at one φ.

    Parameters
    ----------
    problem : Maml, Lirpg or Mgrl
        With a finite horizon its gradient is the mean estimate of a source with the same T, V_b
        the terminal table and λ = 1 (Assumption 4.2).
    phi : array_like
        One φ.
    source : Sampled
        The inner estimator; its N does not matter.
    outer : Sampled, optional
        The outer estimator; `source` if not given.

    Raises
    ------
    ValueError, TypeError
        If φ does not fit or is a batch, or there are more than `MAX_TRAJECTORIES` trajectories.
    """

    def __init__(
        self, problem: Problem, phi: Any, source: Sampled, outer: Sampled | None = None
    ) -> None:
        for name, given in (("source", source), ("outer", outer)):
            if not (isinstance(given, Sampled) or (name == "outer" and given is None)):
                raise TypeError(f"{name} must be a Sampled(...), received {given!r}")
        self.problem, self.source, self.outer_source = problem, source, outer or source
        self.phi = problem.check(phi)
        theta = problem.start(self.phi)
        if theta.ndim != 2:
            raise ValueError(
                f"a finite problem has one phi and one theta0, received phi of shape "
                f"{self.phi.shape} and theta0 of shape {theta.shape}"
            )
        self.shape = theta.shape
        self.start: Array = theta.ravel()
        self._inner_list = _Listed(problem.inner(self.phi, theta).mdp, self.source)
        self._outer_list = _Listed(problem.outer(self.phi, theta).mdp, self.outer_source)

    @property
    def start_jacobian(self) -> Array:
        """Z_0, (d, m)."""
        shape = (self.start.size, self.phi.size)
        rows = self.problem.start_vjp(self._basis)
        return np.zeros(shape) if rows is None else rows.reshape(shape)

    @cached_property
    def _basis(self) -> Array:
        return np.eye(self.start.size).reshape(-1, *self.shape)

    def inner(self, theta: Array) -> Inner:
        """The exact inner derivatives at θ (..., d)."""
        update = self.problem.inner(self.phi, theta.reshape(-1, *self.shape))
        return self._vectors(update.exact(), theta.shape[:-1])

    def outer(self, theta: Array) -> Outer:
        """The exact outer derivatives at θ (..., d)."""
        exact = self.problem.outer(self.phi, theta.reshape(-1, *self.shape)).exact()
        q, lead = self.problem.direct(exact), (*theta.shape[:-1], self.phi.size)
        direct = np.zeros(lead) if q is None else q.reshape(lead)
        return Outer(exact.gradient.reshape(theta.shape), direct)

    def inner_outcomes(self, theta: Array) -> InnerOutcomes:
        """One trajectory's estimates of them."""
        update = self.problem.inner(self.phi, theta.reshape(-1, *self.shape))
        estimate, probability = self._inner_list.estimates(update)
        shape = (*theta.shape[:-1], probability.shape[-1])
        return InnerOutcomes(probability.reshape(shape), *self._vectors(estimate, shape))

    def outer_outcomes(self, theta: Array) -> OuterOutcomes:
        """One trajectory's estimates of p; q is exact."""
        update = self.problem.outer(self.phi, theta.reshape(-1, *self.shape))
        estimate, probability = self._outer_list.estimates(update)
        shape = (*theta.shape[:-1], probability.shape[-1])
        q = np.broadcast_to(self.outer(theta).direct[..., None, :], (*shape, self.phi.size))
        return OuterOutcomes(probability.reshape(shape), estimate.gradient.reshape(*shape, -1), q)

    def _vectors(self, found: Differential, lead: tuple[int, ...]) -> Inner:
        """g, and row by row H and G: Hᵀe_k and Gᵀe_k."""
        d, m, units = self.start.size, self.phi.size, self._basis
        gradient = found.gradient.reshape(*lead, d)
        hessian = np.stack([found.vjp(e).reshape(*lead, d) for e in units], axis=-2)
        rows = [self.problem.cross(found, e) for e in units]
        given = [row.reshape(*lead, m) for row in rows if row is not None]
        return Inner(
            gradient, hessian, np.stack(given, axis=-2) if given else np.zeros((*lead, d, m))
        )


class _Listed:
    """All trajectories of a source on an MDP, with w(τ)."""

    def __init__(self, mdp: TabularMDP, source: Sampled) -> None:
        self.source = source
        zeros = np.zeros((mdp.num_states, mdp.num_actions))
        count = count_trajectories(mdp, zeros, horizon=source.horizon)
        if count > MAX_TRAJECTORIES:
            raise ValueError(
                f"this MDP has {count:.3g} trajectories of length {source.horizon}, more than the "
                f"{MAX_TRAJECTORIES} that a finite problem may have; take fewer states, actions or "
                "steps"
            )
        every, probability = enumerate_trajectories(mdp, zeros, horizon=source.horizon)
        weight = probability * float(mdp.num_actions) ** source.horizon
        kept, place = self._distinct(every)
        self.tables: list[Any] = [table[:, kept, 0] for table in every]
        self.weight = np.bincount(place, weight, minlength=kept.size)

    def _distinct(self, every: Trajectories) -> tuple[Any, Any]:
        """Of trajectories with the same estimates at every θ the first, and each one's place."""
        source, last = self.source, every.states[-1, :, 0].astype(float)
        if not find_estimator(source.estimator).baseline or source.baseline is zero_baseline:
            last = np.zeros_like(last)
        elif isinstance(source.baseline, FixedBaseline) and source.baseline.table.ndim == 1:
            last = source.baseline.table[every.states[-1, :, 0]]
        told = [every.states[:-1, :, 0], every.actions[..., 0], every.rewards[..., 0], last[None]]
        _, kept, place = np.unique(
            np.concatenate(told), axis=1, return_index=True, return_inverse=True
        )
        return kept, place

    def estimates(self, update: Update) -> tuple[Estimate, Array]:
        """One estimate for each θ (B, S, A) and trajectory, and probabilities (B, M)."""
        theta = update.theta
        spread = [np.repeat(table[:, None], len(theta), axis=1) for table in self.tables]
        options = self.source.advantage_options(update, None)
        baseline = np.asarray(options["baseline"])
        if baseline.ndim > 1:
            options["baseline"] = baseline[:, None]
        estimate = Estimate(
            update.mdp,
            theta[:, None],
            Trajectories(*(x[..., None] for x in spread)),
            estimator=self.source.estimator,
            **options,
        )
        states, actions, _ = self.tables
        chosen = softmax(theta)[:, states[:-1], actions]
        return estimate, self.weight * chosen.prod(axis=1)
