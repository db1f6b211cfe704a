"""JAX's side: the objective written down, differentiated and compiled, in float64.

Importing this module switches JAX to 64 bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.sides import Prepared, Problem
from benchmarks.with_gmrl import first_trial, shared_trajectories
from tabular.sampling import Trajectories

jax.config.update("jax_enable_x64", True)


def hessian(problem: Problem) -> Prepared:
    """`jax.hessian` of ρᵀ(I − γ P_π)⁻¹ r_π."""
    return _prepare(jax.hessian(_objective(problem.mdp.gamma)), problem)


def meta(problem: Problem) -> Prepared:
    """`jax.grad` of the unrolled inner steps."""
    J = _objective(problem.mdp.gamma)

    def unrolled(theta: Any, *tables: Any) -> Any:
        for _ in range(problem.num_steps):
            theta = theta + problem.step_size * jax.grad(J)(theta, *tables)
        return J(theta, *tables)

    return _prepare(jax.grad(unrolled), problem)


def estimate(problem: Problem) -> Prepared:
    """Sample by inverse distribution functions; grad and jvp of grad of the Loaded-DiCE surrogate.

    All trajectories of a trial in one array, trials by vmap.
    """
    mdp = problem.mdp
    P_steps, R = jnp.asarray(np.cumsum(mdp.P, axis=-1)[..., :-1]), jnp.asarray(mdp.R)
    start = int(np.argmax(mdp.initial))
    shape = (problem.horizon, 2, problem.num_trajectories)

    def trajectories(key: Any, theta: Any) -> Any:
        policy_steps = jnp.cumsum(jax.nn.softmax(theta), axis=-1)[:, :-1]

        def step(s: Any, uniform: Any) -> Any:
            a = (uniform[0][:, None] > policy_steps[s]).sum(-1)
            following = (uniform[1][:, None] > P_steps[s, a]).sum(-1)
            return following, (s, a, R[s, a], following)

        starts = jnp.full(shape[-1], start)
        return jax.lax.scan(step, starts, jax.random.uniform(key, shape))[1]

    def derivatives(theta: Any, V: Any, v: Any, drawn: Any) -> Any:
        gradient = jax.grad(_loaded_dice(mdp.gamma))
        return jax.jvp(lambda x: gradient(x, V, drawn), (theta,), (v,))

    def one_trial(key: Any, theta: Any, V: Any, v: Any) -> Any:
        return derivatives(theta, V, v, trajectories(key, theta))

    def result() -> Any:
        theta, v, V = first_trial(problem)
        return np.stack(jax.jit(derivatives)(theta, V, v, _as_tuple(shared_trajectories(problem))))

    batch = problem.theta.shape[:-2]
    keys = jax.random.split(jax.random.key(problem.seed), batch)
    every = jax.vmap(one_trial) if batch else one_trial
    call, seconds = _compile(every, (keys, problem.theta, problem.baseline, problem.v))
    return Prepared(call, result, seconds, work=problem.num_steps_simulated)


def _objective(gamma: float) -> Callable[..., Any]:
    def J(theta: Any, P: Any, R: Any, rho: Any) -> Any:
        pi = jax.nn.softmax(theta, axis=-1)
        P_pi = jnp.einsum("sa,sat->st", pi, P)
        r_pi = jnp.sum(pi * R, axis=-1)
        return rho @ jnp.linalg.solve(jnp.eye(len(rho)) - gamma * P_pi, r_pi)

    return J


def _loaded_dice(gamma: float) -> Callable[..., Any]:
    """Mean over trajectories of Σ_t γ^t Â_t (□_t − □_{t−1})."""

    def surrogate(theta: Any, V: Any, drawn: Any) -> Any:
        states, actions, rewards, following = drawn

        def accumulate(tail: Any, delta: Any) -> Any:
            tail = delta + gamma * tail
            return tail, tail

        delta = rewards + gamma * V[following] - V[states]
        advantage = jax.lax.scan(accumulate, jnp.zeros(delta.shape[1]), delta, reverse=True)[1]
        log_pi = jax.nn.log_softmax(theta)[states, actions]
        box = jnp.exp(jnp.cumsum(log_pi - jax.lax.stop_gradient(log_pi), axis=0))
        loaded = box - jnp.concatenate([jnp.ones_like(box[:1]), box[:-1]])
        powers = gamma ** jnp.arange(len(delta))[:, None]
        return (powers * advantage * loaded).sum(0).mean()

    return surrogate


def _as_tuple(drawn: Trajectories) -> Any:
    return drawn.states[:-1], drawn.actions, drawn.rewards, drawn.states[1:]


def _prepare(function: Callable[..., Any], problem: Problem) -> Prepared:
    """Compile `function(theta, P, R, ρ)`, over the batch if there is one."""
    mdp = problem.mdp
    mapped = jax.vmap(function) if problem.batch else function
    call, seconds = _compile(mapped, (problem.theta, mdp.P, mdp.R, mdp.initial))
    return Prepared(call, compile_seconds=seconds)


def _compile(function: Callable[..., Any], arguments: Any) -> tuple[Callable[[], Any], float]:
    """Return the compiled call on device arrays, and what the compilation took."""
    placed = tuple(jnp.asarray(x) for x in arguments)
    started = time.perf_counter()
    compiled = jax.jit(function).lower(*placed).compile()
    seconds = time.perf_counter() - started
    return lambda: jax.block_until_ready(compiled(*placed)), seconds
