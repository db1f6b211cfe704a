"""Samples of N independent outcomes out of M: multisets, with their multinomial probabilities.

Averages do not see the order of the trajectories, so that C(M + N − 1, N) multisets stand for the
M^N samples, and that number to the K for the paths of K steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from scipy.special import gammaln

from tabular import _checks
from tabular.transitions import Array

#: Most paths enumerated at once: about 1 GiB at S = A = 2.
MAX_PATHS = 600_000


@dataclass(frozen=True)
class Samples:
    """All multisets of N out of M outcomes.

    Attributes
    ----------
    num : int
        N.
    members : int array (n, N)
        The outcomes in each multiset.
    counts : ndarray (n, M)
        How often each outcome is in it.
    orders : ndarray (n,)
        Its multinomial coefficient.
    """

    num: int
    members: Array
    counts: Array
    orders: Array

    @classmethod
    def of(cls, outcomes: int, num_trajectories: int, num_steps: int) -> Samples:
        """The multisets of N out of M, if K steps of them can be enumerated.

        Raises
        ------
        ValueError, TypeError
            If N is not a positive integer, or there are more than `MAX_PATHS` paths.
        """
        num = _checks.positive_integer(num_trajectories, "num_trajectories")
        paths = comb(outcomes + num - 1, num) ** num_steps
        if paths > MAX_PATHS:
            raise ValueError(
                f"{num_steps} steps of {num} trajectories with {outcomes} outcomes each have "
                f"{paths:.3g} paths, more than the {MAX_PATHS} that fit; take fewer steps or "
                "trajectories, a shorter horizon, or a baseline of zero, which lets trajectories "
                "coincide"
            )
        members = np.array(list(combinations_with_replacement(range(outcomes), num)))
        counts = (members[:, :, None] == np.arange(outcomes)).sum(axis=1).astype(np.float64)
        orders = np.rint(np.exp(gammaln(num + 1) - gammaln(counts + 1).sum(axis=1)))
        return cls(num, members, counts, orders)

    def probability(self, single: Array) -> Array:
        """Of each multiset, from those of the outcomes (..., M): (..., n)."""
        return self.orders * single[..., self.members].prod(axis=-1)

    def mean(self, values: Array) -> Array:
        """The average of values (L, M, ...) over each multiset, (L, n, ...)."""
        flat = values.reshape(*values.shape[:2], -1)
        return (self.counts / self.num @ flat).reshape(len(flat), -1, *values.shape[2:])
