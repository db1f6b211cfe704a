"""How fast errors grow or fall, from exact numbers: slopes on logarithmic scales, and degrees.

A quantity y ~ x^r has the local slopes Δ ln y/Δ ln x → r. Sampled steps of a finite problem
(`theory.finite`) have

    error  E‖θ̂^K − θ^K‖    spread  √E‖θ̂^K − θ^K‖²    bias  ‖E p(θ̂^K) − p(θ^K)‖,  p = ∇J_out

against N, α or K. Differences of order k of a polynomial at equally spaced points are zero for k
above its degree and constant for k equal to it. Derived here; what [Liu2022] states is in
`theory.statements.abstract`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from tabular import _checks
from tabular.transitions import Array
from theory.finite.paths import inner_paths
from theory.finite.problem import FiniteProblem

Variable = Literal["N", "alpha", "K"]


@dataclass(frozen=True)
class Rate:
    """Exact numbers y at x, and the exponent that they should have at one end.

    Attributes
    ----------
    quantity, variable, regime : str
        What y and x are, and where the exponent holds.
    exponent : float
        r of y ~ x^r.
    x, y : ndarray (n,)
        x increasing, both positive.
    end : {"first", "last"}
        The end of the range at which the regime is approached.
    """

    quantity: str
    variable: str
    regime: str
    exponent: float
    x: Array
    y: Array
    end: Literal["first", "last"]

    def __post_init__(self) -> None:
        x, y = (
            _checks.table(z, name, (np.size(self.x),)) for z, name in ((self.x, "x"), (self.y, "y"))
        )
        if len(x) < 2 or np.any(np.diff(x) <= 0) or x[0] <= 0 or np.any(y <= 0):
            raise ValueError(
                "slopes need two or more points with x increasing and x, y positive, received "
                f"x = {x} and y = {y}"
            )

    @property
    def slopes(self) -> Array:
        """Local slopes Δ ln y/Δ ln x, (n − 1,)."""
        return np.diff(np.log(self.y)) / np.diff(np.log(self.x))

    @property
    def slope(self) -> float:
        """The local slope at the regime's end."""
        return float(self.slopes[0 if self.end == "first" else -1])

    @property
    def limit(self) -> float:
        """The slope extrapolated to the end: without a remainder in x ("first") or 1/x ("last").

        From the two local slopes s there, at the geometric means m of their points.
        """
        if len(self.slopes) < 2:
            return self.slope
        m, s = np.sqrt(self.x[1:] * self.x[:-1]), self.slopes
        if self.end == "first":
            return float((m[1] * s[0] - m[0] * s[1]) / (m[1] - m[0]))
        return float((m[-1] * s[-1] - m[-2] * s[-2]) / (m[-1] - m[-2]))

    @property
    def fitted(self) -> float:
        """The slope of the least-squares line through all points."""
        return float(np.polyfit(np.log(self.x), np.log(self.y), 1)[0])


class Numbers(NamedTuple):
    """Error, spread and bias, each (n,)."""

    error: Array
    spread: Array
    bias: Array


def compositional_numbers(
    problem: FiniteProblem,
    variable: Variable,
    values: Iterable[float],
    *,
    step_size: float = 1.0,
    num_steps: int = 1,
    num_trajectories: int = 1,
) -> Numbers:
    """Return error, spread and bias at each value of N, α or K, the others as given.

    Raises
    ------
    ValueError
        If `variable` is another, there is no value, or a tree is too large (`theory.finite.paths`).
    """
    names = {"N": "num_trajectories", "alpha": "step_size", "K": "num_steps"}
    if variable not in names:
        raise ValueError(f"variable must be one of {', '.join(names)}, received {variable!r}")
    rows = []
    for value in _checks.sequence(values, "values"):
        options: dict[str, Any] = {
            "step_size": step_size,
            "num_steps": num_steps,
            "num_trajectories": num_trajectories,
            names[variable]: value,
        }
        paths = inner_paths(problem, **options)
        mean = paths.probability @ problem.outer(paths.ends).gradient
        bias = np.linalg.norm(mean - problem.outer(paths.iterates[-1:]).gradient[0])
        rows.append((paths.error(1), paths.error(2), float(bias)))
    return Numbers(*np.array(rows).T)


def degree(values: Array) -> int:
    """The degree of the polynomial with values (n, ...) at n equally spaced points.

    The highest order of differences that is not zero up to rounding, 2^k units in the largest
    value for order k; n − 1 if none is, which then is no degree but all that n points can show.
    """
    values = _checks.finite_array(values, "values")
    if not values.ndim or not values.size:
        raise ValueError(f"values must have shape (n, ...), n >= 1, received {values.shape}")
    unit = 8 * np.finfo(np.float64).eps * np.abs(values).max()
    orders = range(len(values))
    sizes = [np.abs(np.diff(values, n=k, axis=0)).max() for k in orders]
    return max((k for k in orders if sizes[k] > 2**k * unit), default=0)
