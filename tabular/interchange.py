"""Other libraries' conventions of a tabular MDP, in and out.

============  =====================================  ========================================
library       transitions                            rewards
============  =====================================  ========================================
gymnasium     ``P[s][a] = [(p, s', r, done), ...]``  in the entries
QuantEcon     Q (S, A, S), or pairs (L, S)           R (S, A) or (L,); −inf marks infeasible
pymdptoolbox  P (A, S, S), or A sparse matrices      R (S,), (S, A), (A, S, S), or A sparse
============  =====================================  ========================================

The table of a gymnasium environment is read by `tabular.gymnasium_table`. Neither QuantEcon nor
pymdptoolbox is needed: the functions take and return the arguments of their constructors, and
what goes out and in again is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular._checks import finite_array
from tabular.gymnasium_table import from_gymnasium
from tabular.mdp import TabularMDP
from tabular.mdp_checks import require_one

__all__ = [
    "from_gymnasium",
    "from_pymdptoolbox",
    "from_quantecon",
    "to_pymdptoolbox",
    "to_quantecon",
]


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
    require_one(mdp, "to_quantecon")
    if not mdp.is_sparse:
        return mdp.R.copy(), mdp.P.copy(), mdp.gamma
    s, a = np.divmod(np.arange(mdp.R.size), mdp.num_actions)
    return mdp.R.flatten(), sp.csr_matrix(mdp.P, copy=True), mdp.gamma, s, a


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

    Returns
    -------
    TabularMDP
        Sparse where Q is.

    Raises
    ------
    ValueError
        If an action is infeasible (R = −inf, or its pair is missing), the indices are not those of
        pairs, or the arrays are not an MDP.
    """
    R = np.asarray(R, dtype=np.float64)
    if s_indices is None and a_indices is None:
        if R.ndim < 2:
            raise ValueError(
                f"R of shape {R.shape} needs s_indices and a_indices; without them R is (S, A)"
            )
        if np.isneginf(R).any():
            raise _infeasible(*(int(i) for i in np.argwhere(np.isneginf(R))[0][-2:]))
        return TabularMDP(Q, R, beta, initial, name="quantecon")
    s, a = (_indices(i, R) for i in (s_indices, a_indices))
    if not R.size or len(np.shape(Q)) != 2:
        raise ValueError(
            f"state-action pairs need R (L,) and Q (L, S) with L >= 1, received shapes {R.shape} "
            f"and {np.shape(Q)}"
        )
    num_states, num_actions = np.shape(Q)[-1], int(a.max()) + 1
    pair = s * num_actions + a
    if s.max() >= num_states or np.unique(pair).size != pair.size:
        raise ValueError(
            "s_indices and a_indices must name each pair once, with states below "
            f"{num_states}, received {s} and {a}"
        )
    absent = np.setdiff1d(np.arange(num_states * num_actions), pair[~np.isneginf(R)])
    if absent.size:
        raise _infeasible(*divmod(int(absent[0]), num_actions))
    order = np.argsort(pair)
    reward = R[order].reshape(num_states, num_actions)
    if sp.issparse(Q):
        return TabularMDP(sp.csr_array(Q)[order], reward, beta, initial, name="quantecon")
    P = np.asarray(Q)[order].reshape(num_states, num_actions, num_states)
    return TabularMDP(P, reward, beta, initial, name="quantecon")


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
    require_one(mdp, "to_pymdptoolbox")
    reward = mdp.R.copy()
    if mdp.successor_reward is not None:
        reward = _by_action(mdp.rewards, mdp.num_actions)
    return _by_action(mdp.P, mdp.num_actions), reward, mdp.gamma


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

    Returns
    -------
    TabularMDP
        Sparse where `transitions` is.

    Raises
    ------
    ValueError
        If the arrays are not an MDP.
    """
    P = _by_state(transitions, "transitions")
    R = _by_state(reward, "reward")
    if R.ndim == 1:
        num_actions = P.shape[0] // P.shape[1] if sp.issparse(P) else P.shape[1]
        R = np.repeat(R[:, None], num_actions, axis=1)
    return TabularMDP(P, R, discount, initial, name="pymdptoolbox")


def _infeasible(state: int, action: int) -> ValueError:
    return ValueError(
        f"action {action} is infeasible in state {state} (R = -inf, or the pair is missing), but a "
        "softmax policy takes every action; put a copy of a feasible action's R and Q in its place"
    )


def _indices(value: Any, R: Any) -> Any:
    """Return state or action numbers of the pairs in R (L,)."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.shape != R.shape or R.ndim != 1 or np.any(array < 0):
        raise ValueError(
            "s_indices and a_indices must both hold one integer >= 0 for each of the pairs in R "
            f"(L,), received {value!r} for R of shape {R.shape}"
        )
    return array


def _by_action(table: Any, num_actions: int) -> Any:
    """Put actions first: (S, A, S) -> (A, S, S), CSR (S·A, S) -> A matrices (S, S)."""
    if sp.issparse(table):
        return [sp.csr_matrix(table[a::num_actions]) for a in range(num_actions)]
    return np.moveaxis(table, 1, 0).copy()


def _by_state(tables: Any, name: str) -> Any:
    """Put states first: (A, S, S) -> (S, A, S), A sparse matrices (S, S) -> CSR (S·A, S)."""
    if isinstance(tables, Sequence | np.ndarray) and len(tables) and sp.issparse(tables[0]):
        stacked = sp.csr_array(sp.vstack(list(tables)))
        return stacked[np.arange(stacked.shape[0]).reshape(len(tables), -1).T.ravel()]
    table = finite_array(tables, name)
    return np.moveaxis(table, 0, 1) if table.ndim == 3 else table
