"""A statement of the theory as numbers: two sides, the slack between them, and a verdict.

Every check of `theory.statements` returns a `BoundCheck`. An inequality lhs <= rhs holds if lhs
exceeds rhs by no more than rounding and, where lhs is a sample's average, a stated number of
standard errors. An equality is the inequality ‖left − right‖ <= 0.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from theory.constants import Scope

#: How a left-hand side was obtained: a sum over all paths or outcomes, closed forms, an average of
#: samples, the limit for N → ∞ over 1/N; sums over the law of a few drawn trajectories; or not.
Obtained = Literal[
    "enumeration",
    "exact moments",
    "exact",
    "sampling",
    "leading order",
    "drawn law",
    "not measured",
]
#: Standard errors by which a sampled left-hand side may exceed its bound.
STANDARD_ERRORS = 5.0


@dataclass(frozen=True)
class BoundCheck:
    """One inequality lhs <= rhs of the theory, evaluated.

    Attributes
    ----------
    name : str
        The statement, such as "Lemma 4.4".
    lhs, rhs : float
        Its two sides; lhs is NaN where it is not measured.
    terms : dict of str to float
        What rhs is the sum of, by name; for the variance, of what it is made.
    obtained : str
        How lhs was obtained.
    standard_error : float or None
        Of a sampled lhs.
    scope : str
        Where the constants in rhs hold (`theory.constants`).
    rounding : float
        What floating-point arithmetic may add to lhs.
    setting : dict
        What was checked: K, N, α, the estimator, the case.
    """

    name: str
    lhs: float
    rhs: float
    terms: dict[str, float] = field(default_factory=dict)
    obtained: Obtained = field(kw_only=True)
    standard_error: float | None = None
    scope: Scope = field(kw_only=True)
    rounding: float = 0.0
    setting: dict[str, Any] = field(default_factory=dict)

    @property
    def certified(self) -> bool:
        """Whether the constants are proved or complete; if not, they are empirical."""
        return self.scope != "sampled θ"

    @property
    def measured(self) -> bool:
        """Whether lhs is known; if not, nothing is said."""
        return self.obtained != "not measured"

    @property
    def slack(self) -> float:
        """rhs − lhs."""
        return self.rhs - self.lhs

    @property
    def allowance(self) -> float:
        """What rounding and sampling may add to lhs."""
        return self.rounding + STANDARD_ERRORS * (self.standard_error or 0.0)

    @property
    def ratio(self) -> float:
        """lhs/rhs, one where the bound is attained; zero for an equality that holds."""
        if self.rhs > 0:
            return self.lhs / self.rhs
        return 0.0 if self.holds else float("inf")

    @property
    def holds(self) -> bool:
        """Whether lhs <= rhs, up to `allowance`; False for a NaN."""
        return self.lhs <= self.rhs + self.allowance

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with slack, ratio and verdict; None for what is not finite."""
        holds = self.holds if self.measured else None
        more = {"slack": self.slack, "ratio": self.ratio, "holds": holds}
        told = asdict(self) | more | {"certified": self.certified}
        told["terms"] = {name: _finite(term) for name, term in self.terms.items()}
        return {name: _finite(value) for name, value in told.items()}


#: A check about finite random vectors alone, with neither θ nor constants.
law_check = partial(BoundCheck, obtained="enumeration", scope="every θ")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
