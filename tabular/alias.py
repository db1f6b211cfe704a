"""The alias method: one uniform number and two look-ups per draw, whatever the number of outcomes.

A row of probabilities p over K slots is cut into K buckets of mass 1/K, each holding at most two
outcomes: slot k itself up to the threshold, its alias above it ([Walker1977]; [Vose1991]).
The construction below sweeps a light and a heavy pointer through all rows at once: every step
completes exactly one bucket of every row, so K steps complete them all. Where numba is installed a
compiled loop sweeps one row after the other, to the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular import compiled
from tabular.transitions import Array

Index = NDArray[np.intp]


class AliasTable(NamedTuple):
    """Thresholds and outcomes, flat (rows·K,): draw bucket row·K + k, then compare."""

    slots: int
    threshold: Array
    outcome: Index
    alias: Index

    @property
    def num_rows(self) -> int:
        """n."""
        return self.threshold.size // self.slots

    def draw(self, rows: Index, uniform: Array) -> tuple[Index, NDArray[np.bool_]]:
        """Return (bucket, keep): the draw is `outcome[bucket]` where keep, else `alias[bucket]`."""
        if self.slots == 1:
            return rows, np.ones(rows.shape, dtype=bool)
        scaled = uniform * self.slots
        slot = scaled.astype(np.intp)
        scaled -= slot
        slot += rows * self.slots
        return slot, scaled < self.threshold.take(slot)

    def outcomes(self, rows: Index, uniform: Array) -> Index:
        """Draw from rows by uniform numbers."""
        bucket, keep = self.draw(rows, uniform)
        return np.where(keep, self.outcome.take(bucket), self.alias.take(bucket))


def alias_table(probabilities: Array, outcomes: Index | None = None) -> AliasTable:
    """Build the tables of n rows of probabilities at once.

    Parameters
    ----------
    probabilities : ndarray (n, K)
        Not negative, each row with a positive sum; rows are normalised.
    outcomes : int ndarray (n, K), optional
        What a draw of each slot stands for; 0..K−1 if None.
    """
    rows, slots = probabilities.shape
    mass = probabilities * (slots / probabilities.sum(axis=1, keepdims=True))
    order = np.argsort(mass, axis=1)
    names = order if outcomes is None else np.take_along_axis(outcomes, order, axis=1)
    threshold, alias = np.ones((rows, slots)), names.copy()
    loops = compiled.kernels("kernels_sampling")
    (_sweep if loops is None else loops.sweep)(mass, order, names, threshold, alias)
    return AliasTable(slots, threshold.ravel(), names.ravel(), alias.ravel())


def _sweep(mass: Array, order: Index, names: Index, threshold: Array, alias: Index) -> None:
    """Write the tables of rows of masses (n, K) that `order` sorts and that then have these names.

    Before, every threshold is one and every alias its own name.
    """
    rows, slots = mass.shape
    mass = np.take_along_axis(mass, order, axis=1)
    each = np.arange(rows)
    light = np.zeros(rows, dtype=np.intp)
    heavy = (mass <= 1).sum(axis=1)
    first_heavy = heavy.copy()
    inside = heavy < slots
    heavy = np.minimum(heavy, slots - 1)
    residual = np.where(inside, mass[each, heavy], 0.0)
    for _ in range(slots):
        fill = inside & (light < first_heavy) & (residual > 1)
        at, item = each[fill], light[fill]
        threshold[at, item] = mass[at, item]
        alias[at, item] = names[at, heavy[fill]]
        residual[fill] -= 1 - mass[at, item]
        light[fill] += 1
        close = inside & ~fill & (heavy + 1 < slots)
        at, item = each[close], heavy[close]
        threshold[at, item] = np.minimum(residual[close], 1.0)
        alias[at, item] = names[at, item + 1]
        residual[close] += mass[at, item + 1] - 1
        heavy[close] += 1


def sparse_alias_table(matrix: Any) -> tuple[AliasTable, Index]:
    """Build the tables of a CSR matrix's rows.

    Returns
    -------
    table : AliasTable
        Its outcomes are entry numbers into `matrix.data`.
    columns : int ndarray (nnz,)
        The entries' columns.
    """
    counts = np.diff(matrix.indptr)
    slots = int(counts.max())
    entry = matrix.indptr[:-1, None].astype(np.intp) + np.arange(slots)
    real = np.arange(slots) < counts[:, None]
    entry = np.where(real, entry, matrix.indptr[:-1, None])
    probabilities = np.where(real, matrix.data[entry], 0.0)
    return alias_table(probabilities, entry), matrix.indices.astype(np.intp)
