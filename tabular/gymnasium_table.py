"""The transition table of a gymnasium environment, ``P[s][a] = [(p, s', r, done), ...]``.

An episode's end (`done`) becomes one absorbing state x with R(x,·) = 0: a done entry
(p, s', r) is read as (p, x, r), so that no value is added after it and J keeps its meaning,
J = E Σ_{t < end} γ^t r_t. Following s' instead would go on collecting rewards. Time limits are
not part of the table and are ignored.

Entries that share a successor are summed: P = Σ p and R(s,a,s') = Σ p r / Σ p. The mean reward
R(s,a), and with it every value and derivative, is exact; the variance of r *given* s' is lost, so
an estimator fed with these rewards can have a smaller variance than in the environment. It matters
where one action may end the episode in several ways, as between a hole and the goal of FrozenLake.
"""

from __future__ import annotations

import difflib
import math
import warnings
from typing import Any

import numpy as np

from tabular._checks import finite_array
from tabular.mdp import TabularMDP
from tabular.transitions import Array

_ACTIONS = {
    "FrozenLakeEnv": ("left", "down", "right", "up"),
    "CliffWalkingEnv": ("up", "right", "down", "left"),
    "TaxiEnv": ("south", "north", "east", "west", "pickup", "dropoff"),
}


def from_gymnasium(env: Any, *, gamma: float = 0.99, **make_kwargs: Any) -> TabularMDP:
    """Read the table of a gymnasium environment: FrozenLake, CliffWalking, Taxi, or your own.

    Parameters
    ----------
    env : str or gymnasium.Env
        An id, with or without its version, or an environment. `env.unwrapped` must have the table
        ``P[s][a] = [(probability, next_state, reward, done), ...]`` and
        `initial_state_distrib` (S,).
    gamma : float
        Discount, 0 <= γ < 1; gymnasium has none.
    **make_kwargs
        Options of ``gymnasium.make`` for an id, such as ``map_name="8x8"``.

    Returns
    -------
    TabularMDP
        With `successor_reward`, named by the id and its options (``FrozenLake-v1 8x8``). If any
        transition ends the episode, the last state is the absorbing one, labelled ``end``, and S
        is one more than the environment's.

    Raises
    ------
    ValueError
        If gymnasium cannot make the id, the environment has no table or start distribution, or the
        table is not that of an MDP.
    TypeError
        If `env` is neither an id nor an environment, or options come with an environment.

    References
    ----------
    [Towers2024].
    """
    if isinstance(env, str):
        env = _make(env, make_kwargs)
        env.close()
    elif make_kwargs:
        raise TypeError(
            f"options are for an id, received {sorted(make_kwargs)} with an environment; "
            "pass them to gymnasium.make"
        )
    world = getattr(env, "unwrapped", None)
    if world is None:
        raise TypeError(f"env must be a gymnasium id or environment, received {env!r}")
    name = _name(env)
    for attribute in ("P", "initial_state_distrib"):
        if getattr(world, attribute, None) is None:
            raise ValueError(
                f"{name} is no tabular environment: it has no .unwrapped.{attribute}. FrozenLake, "
                "CliffWalking and Taxi have one; elsewhere build TabularMDP(P, R, gamma, initial)"
            )
    if getattr(world, "fickle_passenger", False):
        raise ValueError(
            f"{name}: a fickle passenger is not in the table .P, only in the environment's step; "
            "make it without fickle_passenger"
        )
    P, R, ends = _dense_tables(world.P, name)
    initial = finite_array(world.initial_state_distrib, f"initial_state_distrib of {name}")
    labels = _state_labels(world)
    return TabularMDP(
        P,
        R,
        gamma,
        np.append(initial, [0.0] * ends),
        state_labels=labels and labels + ["end"] * ends,
        action_labels=_ACTIONS.get(type(world).__name__),
        name=name,
    )


def _make(env_id: str, options: dict[str, Any]) -> Any:
    """gymnasium.make, with every failure as a ValueError."""
    import gymnasium  # here, because it is slow to import

    try:
        with warnings.catch_warnings():
            # An id without version, or an old one that still works, is what the caller asked for.
            warnings.filterwarnings("ignore", message=".*(latest versioned|out of date)")
            return gymnasium.make(env_id, **options)
    except Exception as error:  # whatever the environment's own code may raise
        near = difflib.get_close_matches(env_id, list(gymnasium.registry), n=4)
        hint = f"; near ids: {', '.join(near)}" if near and env_id not in near else ""
        raise ValueError(
            f"gymnasium cannot make {env_id!r}: {type(error).__name__}: {error}{hint}"
        ) from error


def _name(env: Any) -> str:
    """Return the id, with the options that differ from its registration."""
    import gymnasium

    spec = getattr(env, "spec", None)
    if spec is None:
        return type(env.unwrapped).__name__
    registered = gymnasium.registry.get(spec.id)
    defaults = registered.kwargs if registered else {}
    words = [spec.id]
    for key, value in spec.kwargs.items():
        if key not in defaults or defaults[key] != value:
            words.append(str(value) if key == "map_name" else f"{key}={value}")
    return " ".join(words)


def _dense_tables(table: Any, name: str) -> tuple[Array, Array, bool]:
    """Return P and R (S, A, S), and whether their last state is an added absorbing one."""
    try:
        num_states, num_actions = len(table), len(table[0])
        entries = [
            (s, a, float(p), int(successor), float(r), bool(done))
            for s in range(num_states)
            for a in range(num_actions)
            for p, successor, r, done in table[s][a]
        ]
        even = all(len(table[s]) == num_actions for s in range(num_states))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"the table of {name} must be P[s][a] = [(probability, next_state, reward, done), "
            f"...] for s = 0..S-1 and a = 0..A-1 ({type(error).__name__}: {error})"
        ) from error
    if not even:
        raise ValueError(f"every state of {name} must have the same {num_actions} actions")
    ends = any(done and p > 0 for _, _, p, _, _, done in entries)
    P = np.zeros((num_states + ends, num_actions, num_states + ends))
    R = np.zeros_like(P)
    for s, a, p, successor, r, done in entries:
        if not (p >= 0 and math.isfinite(r) and 0 <= successor < num_states):
            raise ValueError(
                f"{name}, state {s}, action {a}: the entry ({p}, {successor}, {r}, {done}) must "
                f"have probability >= 0, next_state in 0..{num_states - 1} and a finite reward"
            )
        if p > 0:
            where = s, a, num_states if done else successor
            P[where] += p
            R[where] += (r - R[where]) * (p / P[where])
    if ends:
        P[-1, :, -1] = 1.0
    return P, R, ends


def _state_labels(world: Any) -> list[str] | None:
    """Cells of a lettered map or a grid, the parts of a Taxi's state; None elsewhere."""
    match type(world).__name__:
        case "FrozenLakeEnv":
            cells = np.ndenumerate(world.desc)
            return [f"{row},{column} {letter.decode()}" for (row, column), letter in cells]
        case "CliffWalkingEnv":
            return [f"{row},{column}" for row, column in np.ndindex(*world.shape)]
        case "TaxiEnv":
            return [",".join(str(part) for part in world.decode(s)) for s in range(len(world.P))]
        case _:
            return None
