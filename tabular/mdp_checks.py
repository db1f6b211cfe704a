"""What makes arrays an MDP: the checks behind `TabularMDP`, each naming the first offender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from tabular._checks import finite_array
from tabular._frozen import freeze, frozen
from tabular.transitions import Array, DenseTransitions, SparseTransitions, Transitions

if TYPE_CHECKING:
    from tabular.mdp import TabularMDP

#: How far a probability row may be from summing to one: float32 tables pass, typos do not. Rows
#: further off than rounding are divided by their sum, since 1/(1 − γ) would magnify the rest.
ROW_SUM_TOLERANCE = 1e-6
ROW_SUM_ROUNDING = 1e-13


def check_discount(gamma: Any, batch: tuple[int, ...] = ()) -> Any:
    """Return γ as a float, or an array that broadcasts with `batch`, after 0 <= γ < 1."""
    value = finite_array(gamma, "gamma")
    if np.any(value < 0) or np.any(value >= 1):
        raise ValueError(
            f"gamma must satisfy 0 <= gamma < 1, received {gamma}; "
            "for an undiscounted episode use a horizon and gamma close to 1"
        )
    check_batch("gamma", value.shape, batch)
    return float(value) if value.ndim == 0 else frozen(value)


def check_batch(name: str, shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """Raise if `shape` does not broadcast with P's leading dimensions."""
    try:
        np.broadcast_shapes(shape, batch)
    except ValueError:
        raise ValueError(
            f"the leading dimensions of {name} must broadcast with those of P, {batch}, "
            f"received {shape}"
        ) from None


def require_one(
    mdp: TabularMDP, what: str, *, rewards: bool = True, discounts: bool = True
) -> None:
    """Raise ValueError, naming `what`, for a batch of kernels, or of rewards or of discounts."""
    for shape, kind, remedy, wanted in (
        (mdp.batch_shape, "MDP", "take one with mdp[i]", True),
        (mdp.R.shape[:-2], "reward table", "take one with mdp.with_reward(R[i])", rewards),
        (np.shape(mdp.gamma), "discount", "take one with mdp.with_gamma(gamma[i])", discounts),
    ):
        if shape and wanted:
            raise ValueError(
                f"{what} needs one {kind}, received a batch of shape {shape}: {mdp!r}; {remedy}"
            )


def transition_table(P: Any) -> Any:
    """Validate P and return it read-only: an array, or a CSR matrix."""
    if sp.issparse(P):
        table = _csr(P, "P")
        rows, num_states = table.shape
        if num_states == 0 or rows == 0 or rows % num_states:
            raise ValueError(
                f"a sparse P must have shape (S*A, S) with S, A >= 1, received {table.shape}"
            )
        sums = table.sum(axis=1)
        _check_rows(table.data, sums.reshape(num_states, -1), table)
        table.data /= np.repeat(_divisor(sums), np.diff(table.indptr))
        return freeze(table)
    table = finite_array(P, "P")
    if table.ndim < 3 or table.shape[-1] != table.shape[-3] or 0 in table.shape:
        raise ValueError(
            f"P must have shape (..., S, A, S) with S, A >= 1, received {table.shape}; "
            "for arrays (A, S, S) use tabular.interchange.from_pymdptoolbox"
        )
    sums = table.sum(axis=-1)
    _check_rows(table, sums, None)
    return frozen(table / _divisor(sums)[..., None])


def _divisor(sums: Array) -> Array:
    """What rows are divided by: their sum, or one where it is one up to rounding."""
    return np.where(np.abs(sums - 1) <= ROW_SUM_ROUNDING, 1.0, sums)


def _check_rows(entries: Any, sums: Any, sparse: Any) -> None:
    for wrong, requirement in (
        (~np.isfinite(entries), "be finite"),
        (entries < 0, "not be negative"),
    ):
        if np.any(wrong):
            if sparse is None:
                state_action = tuple(int(i) for i in np.argwhere(wrong)[0][:-1])
            else:
                row = int(sparse.tocoo().row[np.flatnonzero(wrong)[0]])
                state_action = divmod(row, sums.shape[-1])
            raise ValueError(
                f"P must {requirement}, received {entries[wrong][0]} in {_at(state_action)}"
            )
    wrong = np.abs(sums - 1) > ROW_SUM_TOLERANCE
    if np.any(wrong):
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"each row P(.|s,a) must sum to 1, received {float(sums[where]):.10g} at "
            f"{_at(where)}; divide by P.sum(-1, keepdims=True) if that is what you mean"
        )


def _at(index: tuple[int, ...]) -> str:
    batch = f"batch index {index[:-2]}, " if len(index) > 2 else ""
    return f"{batch}state {index[-2]}, action {index[-1]}"


def reward_table(R: Any, transitions: Transitions) -> tuple[Array, Any]:
    """Return (R(s,a), R(s,a,s') or None)."""
    num_states, num_actions = transitions.num_states, transitions.num_actions
    if sp.issparse(R):
        table = _csr(R, "R")
        if not transitions.is_sparse or table.shape != transitions.rows.shape:
            raise ValueError(
                f"a sparse R must have the shape (S*A, S) of a sparse P, received {table.shape}"
            )
        if not np.all(np.isfinite(table.data)):
            raise ValueError("R must be finite, received NaN or infinity")
        mean = np.asarray(transitions.rows.multiply(table).sum(axis=1))
        return frozen(mean.reshape(num_states, num_actions)), freeze(table)
    table = finite_array(R, "R")
    expected = (*transitions.batch_shape, num_states, num_actions)
    if table.shape == expected:
        return frozen(table), None
    if isinstance(transitions, DenseTransitions) and table.shape == (*expected, num_states):
        return frozen(np.einsum("...j,...j->...", transitions.P, table)), frozen(table)
    by_successor = "be a sparse (S*A, S)" if transitions.is_sparse else (*expected, num_states)
    raise ValueError(f"R must have shape {expected} or {by_successor}, received {table.shape}")


def initial_distribution(initial: Any, transitions: Transitions) -> Array:
    """Validate ρ, given as a table or as one start state."""
    num_states = transitions.num_states
    if isinstance(initial, int | np.integer) and not isinstance(initial, bool):
        if not 0 <= initial < num_states:
            raise ValueError(f"the start state must lie in 0..{num_states - 1}, got {initial}")
        table = np.zeros(num_states)
        table[initial] = 1.0
    else:
        table = finite_array(initial, "initial")
    shape = (*transitions.batch_shape, num_states)
    if table.shape not in {(num_states,), shape}:
        raise ValueError(f"initial must have shape {shape}, received {table.shape}")
    sums = table.sum(axis=-1)
    if np.any(table < 0) or np.any(np.abs(sums - 1) > ROW_SUM_TOLERANCE):
        worst = float(np.ravel(sums)[np.abs(np.ravel(sums) - 1).argmax()])
        raise ValueError(
            "initial must be a probability distribution over states, received sum "
            f"{worst:.10g} and smallest entry {table.min():.3g}"
        )
    return frozen(np.broadcast_to(table / _divisor(sums)[..., None], shape))


def checked_labels(labels: Any, size: int, what: str) -> tuple[str, ...] | None:
    """Return the labels as strings after counting them."""
    if labels is None:
        return None
    names = tuple(str(label) for label in labels)
    if len(names) != size:
        raise ValueError(f"{what} must hold {size} names, received {len(names)}")
    return names


def _csr(matrix: Any, name: str) -> sp.csr_array:
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, received a sparse {matrix.dtype} matrix")
    table = sp.csr_array(matrix).astype(np.float64)
    table.sum_duplicates()
    return table


def wrap(P: Any) -> Transitions:
    """Return the kernel's products, dense or sparse."""
    return SparseTransitions(P) if sp.issparse(P) else DenseTransitions(P)
