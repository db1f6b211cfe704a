"""Other libraries' conventions of a tabular MDP, in and out.

==================  ==================================  =======================================
library             transitions                         rewards
==================  ==================================  =======================================
gymnasium           ``P[s][a] = [(p, s', r, done)]``    per entry
QuantEcon           Q (S, A, S), or pairs (L, S)        R (S, A) or (L,); −inf marks infeasible
pymdptoolbox        P (A, S, S), or A sparse matrices   R (S,), (S, A), (A, S, S)
==================  ==================================  =======================================

An episode's end (`done`) becomes one absorbing state x with R(x,·) = 0: a done entry
(p, s', r) is read as (p, x, r), so that no value is added after it and J keeps its meaning,
J = E Σ_{t < end} γ^t r_t. Following s' instead would go on collecting rewards. Time limits are
not part of the table and are ignored.

Entries that share a successor are summed: P = Σ p and R(s,a,s') = Σ p r / Σ p. The mean reward
R(s,a), and with it every value and derivative, is exact; the variance of r *given* s' is lost, so
the variance of an estimator fed with rewards can be smaller than in the environment. It matters
where one action may end the episode in several ways, as beside a hole and the goal of FrozenLake.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular._checks import finite_array
from tabular.mdp import TabularMDP
from tabular.transitions import Array

_ACTIONS = {
    "FrozenLakeEnv": ("left", "down", "right", "up"),
    "CliffWalkingEnv": ("up", "right", "down", "left"),
    "TaxiEnv": ("south", "north", "east", "west", "pickup", "dropoff"),
}


def from_gymnasium(env: Any, *, gamma: float = 0.99, **make_kwargs: Any) -> TabularMDP:
    """Read the table of a gymnasium environment (FrozenLake, CliffWalking, Taxi, or your own).

    Parameters
    ----------
    env : str or gymnasium.Env
        An id, with or without version, or an environment. `env.unwrapped` must have the table
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
                f"{name} has no transition table: .unwrapped.{attribute} is missing. FrozenLake, "
                "CliffWalking and Taxi have one; elsewhere build TabularMDP(P, R, gamma, initial)"
            )
    P, R, ends = _dense_tables(world.P, name)
    initial = finite_array(world.initial_state_distrib, f"initial_state_distrib of {name}")
    labels = _state_labels(world, len(P) - ends)
    actions = _ACTIONS.get(type(world).__name__)
    return TabularMDP(
        P,
        R,
        gamma,
        np.append(initial, [0.0] * ends),
        state_labels=labels and labels + ["end"] * ends,
        action_labels=actions if actions and len(actions) == P.shape[1] else None,
        name=name,
    )


def to_quantecon(mdp: TabularMDP) -> tuple[Any, ...]:
    """Return the arguments of ``quantecon.markov.DiscreteDP``.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP. QuantEcon has neither R(s,a,s') nor a start: the mean R(s,a) is given, ρ is not.

    Returns
    -------
    tuple
        (R (S, A), Q (S, A, S), beta), or for a sparse MDP the state-action pairs
        (R (S·A,), Q (S·A, S) CSR, beta, s_indices (S·A,), a_indices (S·A,)).

    Raises
    ------
    ValueError
        If `mdp` is a batch.
    """
    _require_single(mdp)
    if not mdp.is_sparse:
        return mdp.R.copy(), mdp.P.copy(), mdp.gamma
    s, a = np.divmod(np.arange(mdp.num_states * mdp.num_actions), mdp.num_actions)
    return mdp.R.ravel(), sp.csr_matrix(mdp.P, copy=True), mdp.gamma, s, a


def from_quantecon(
    R: Any, Q: Any, beta: float, s_indices: Any = None, a_indices: Any = None, *, initial: Any
) -> TabularMDP:
    """Read the arguments of ``quantecon.markov.DiscreteDP``.

    Parameters
    ----------
    R : array_like (S, A), or (L,) for state-action pairs
    Q : array_like (S, A, S), or array_like or sparse (L, S)
    beta : float
        The discount.
    s_indices, a_indices : array_like (L,), optional
        State and action of each pair; every pair once, in any order.
    initial : array_like (S,) or int
        Initial distribution or start state, which QuantEcon does not have.

    Raises
    ------
    ValueError
        If an action is infeasible (R = −inf, or its pair is missing), the indices are not those of
        pairs, or the arrays are not an MDP.
    """
    R = np.asarray(R)
    infeasible = R == -np.inf
    if s_indices is None and a_indices is None:
        if infeasible.any():
            raise _infeasible(*(int(i) for i in np.argwhere(infeasible)[0][-2:]))
        return TabularMDP(Q, R, beta, initial, name="quantecon")
    num_states = np.shape(Q)[-1]
    s, a = (_indices(i, R) for i in (s_indices, a_indices))
    num_actions = int(a.max(initial=0)) + 1
    pair = s * num_actions + a
    if s.max(initial=0) >= num_states or len(np.unique(pair)) != len(pair):
        raise ValueError("each pair of s_indices (below S) and a_indices must occur once")
    absent = np.setdiff1d(np.arange(num_states * num_actions), pair[~infeasible])
    if absent.size:
        raise _infeasible(*divmod(int(absent[0]), num_actions))
    order = np.argsort(pair)
    Q = sp.csr_array(Q)[order] if sp.issparse(Q) else np.asarray(Q)[order]
    if not sp.issparse(Q):
        Q = Q.reshape(num_states, num_actions, num_states)
    reward = R[order].reshape(num_states, num_actions)
    return TabularMDP(Q, reward, beta, initial, name="quantecon")


def to_pymdptoolbox(mdp: TabularMDP) -> tuple[Any, Any, float]:
    """Return (transitions, reward, discount) as pymdptoolbox takes them.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP. pymdptoolbox has no start: ρ is not given.

    Returns
    -------
    transitions : ndarray (A, S, S), or a list of A CSR matrices (S, S)
    reward : ndarray (S, A); or in the form of `transitions` where the MDP has R(s,a,s')
    discount : float

    Raises
    ------
    ValueError
        If `mdp` is a batch.
    """
    _require_single(mdp)
    by_action = _split if mdp.is_sparse else (lambda table, _: np.moveaxis(table, 1, 0).copy())
    reward: Any = mdp.R.copy()
    if mdp.successor_reward is not None:
        reward = by_action(mdp.successor_reward, mdp.num_actions)
    return by_action(mdp.P, mdp.num_actions), reward, mdp.gamma


def from_pymdptoolbox(
    transitions: Any, reward: Any, discount: float, *, initial: Any
) -> TabularMDP:
    """Read an MDP as pymdptoolbox holds it.

    Parameters
    ----------
    transitions : array_like (A, S, S), or a sequence of A sparse matrices (S, S)
    reward : array_like (S,), (S, A) or (A, S, S), or a sequence of A sparse matrices (S, S)
    discount : float
    initial : array_like (S,) or int
        Initial distribution or start state, which pymdptoolbox does not have.

    Raises
    ------
    ValueError
        If the arrays are not an MDP.
    """
    P = _join(transitions, "transitions")
    R = _join(reward, "reward")
    if not sp.issparse(R) and R.ndim == 1:
        num_states = P.shape[-1]
        num_actions = P.shape[0] // num_states if sp.issparse(P) else P.shape[1]
        R = np.repeat(R[:, None], num_actions, axis=1)
    return TabularMDP(P, R, discount, initial, name="pymdptoolbox")


def _make(env_id: str, options: dict[str, Any]) -> Any:
    """gymnasium.make, with every failure as a ValueError."""
    import gymnasium  # here: slow, and only this function needs it

    try:
        with warnings.catch_warnings():
            # An unversioned id, or an old version that still works, is what the caller asked for.
            warnings.filterwarnings("ignore", message=".*(latest versioned|out of date)")
            return gymnasium.make(env_id, **options)
    except Exception as error:  # whatever the environment's own code may raise
        near = difflib.get_close_matches(env_id, list(gymnasium.registry), n=4)
        hint = f"; near ids: {', '.join(near)}" if near and env_id not in near else ""
        raise ValueError(
            f"gymnasium cannot make {env_id!r}: {type(error).__name__}: {error}{hint}"
        ) from error


def _name(env: Any) -> str:
    """Return the id with the options that differ from its registration."""
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


def _state_labels(world: Any, num_states: int) -> list[str] | None:
    """Labels read off a Taxi, a lettered map or a grid; None elsewhere."""
    if hasattr(world, "decode"):
        return [",".join(str(part) for part in world.decode(s)) for s in range(num_states)]
    letters = getattr(world, "desc", None)
    shape = getattr(world, "shape", ()) if letters is None else np.shape(letters)
    if len(shape) != 2 or shape[0] * shape[1] != num_states:
        return None
    cells = [f"{row},{column}" for row, column in np.ndindex(*shape)]
    if letters is None:
        return cells
    return [
        f"{cell} {letter.decode()}" for cell, letter in zip(cells, np.ravel(letters), strict=True)
    ]


def _require_single(mdp: TabularMDP) -> None:
    if mdp.batch_shape or mdp.R.ndim != 2 or np.ndim(mdp.gamma):
        raise ValueError(f"this needs one MDP, received a batch: {mdp!r}; take one with mdp[i]")


def _infeasible(state: int, action: int) -> ValueError:
    return ValueError(
        f"action {action} is infeasible in state {state} (R = -inf, or the pair is missing), but a "
        "softmax policy takes every action; put a copy of a feasible action's R and Q in its place"
    )


def _indices(value: Any, R: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.shape != R.shape or R.ndim != 1 or np.any(array < 0):
        raise ValueError(
            "s_indices and a_indices must both hold one integer >= 0 for each of the pairs in R "
            f"(L,), received {value!r} for R of shape {R.shape}"
        )
    return array


def _split(rows: Any, num_actions: int) -> list[Any]:
    """(S·A, S) CSR, row s·A + a, as A matrices (S, S)."""
    return [sp.csr_matrix(rows[a::num_actions]) for a in range(num_actions)]


def _join(tables: Any, name: str) -> Any:
    """Action-first tables as state-first: (A, S, S) -> (S, A, S), sparse A x (S, S) -> (S·A, S)."""
    if isinstance(tables, Sequence | np.ndarray) and len(tables) and sp.issparse(tables[0]):
        stacked = sp.csr_array(sp.vstack(list(tables)))
        num_actions = len(tables)
        return stacked[np.arange(stacked.shape[0]).reshape(num_actions, -1).T.ravel()]
    table = finite_array(tables, name)
    return np.moveaxis(table, 0, 1) if table.ndim == 3 else table
