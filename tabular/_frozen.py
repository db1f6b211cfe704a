"""Read-only tables: what an MDP is made of can be shared, because no one can write to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def frozen(table: Any) -> NDArray[np.float64]:
    """Return a read-only copy, C-contiguous as the compiled loops need it."""
    return freeze(np.array(table, dtype=np.float64, order="C"))


def freeze(table: Any) -> Any:
    """Make an array, or the three arrays of a CSR matrix, read-only in place; return the table.

    A matrix is brought into canonical form first, so that nothing sorts its indices later.
    """
    if not sp.issparse(table):
        table.flags.writeable = False
        return table
    table.sum_duplicates()
    for part in (table.data, table.indices, table.indptr):
        part.flags.writeable = False
    return table


def read_only(table: Any, dtype: Any = np.float64) -> Any:
    """Return an array as a compiled loop takes it, C-contiguous and read-only, copied if need be.

    Loops are compiled for arrays that may be written to and for others: each of their arguments is
    always of one kind.
    """
    return freeze(np.ascontiguousarray(table, dtype=dtype).view())
