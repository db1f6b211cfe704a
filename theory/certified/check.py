"""Verdicts of certified mode: proved, attained, refuted or undecided.

Two balls that are apart decide an inequality. Balls that overlap do not; if they are narrow,
|lhs − rhs| is proved to be at most their width, and the bound is attained up to that, which no
precision can improve for two numbers that are equal. Otherwise more bits are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, nextafter
from typing import Any, Literal

from theory.certified.balls import Ball
from theory.constants import Scope

#: "attained" is |lhs − rhs| <= width: the verdict for balls that overlap at a proved precision.
Verdict = Literal["proved", "attained", "refuted", "undecided"]
#: Overlapping balls no wider than this, relative to rhs or the unit, are attained.
NARROW = 2.0**-40


@dataclass(frozen=True)
class CertifiedCheck:
    """One inequality lhs <= rhs between balls.

    Attributes
    ----------
    name : str
        The statement.
    lhs, rhs : flint.arb
        Balls that contain the two sides.
    terms : dict of str to flint.arb
        What rhs is the sum of.
    unit : flint.arb
        Size of the numbers that lhs is made of.
    bits : int
        Working precision.
    setting : dict
        What was checked.
    scope : str
        Where the constants in rhs hold (`theory.constants`).
    """

    name: str
    lhs: Ball
    rhs: Ball
    terms: dict[str, Ball]
    unit: Ball
    bits: int
    setting: dict[str, Any] = field(default_factory=dict)
    scope: Scope = "every realisable θ"

    @property
    def width(self) -> float:
        """The balls' diameters together: |lhs − rhs| <= this where they overlap."""
        return upper_float(2 * (self.lhs.rad() + self.rhs.rad()))

    @property
    def verdict(self) -> Verdict:
        """Whether the inequality is decided, and how."""
        if self.lhs <= self.rhs:
            return "proved"
        if self.lhs > self.rhs:
            return "refuted"
        narrow = NARROW * max(upper_float(self.rhs.abs_upper()), upper_float(self.unit))
        return "attained" if self.width <= narrow < inf else "undecided"

    @property
    def holds(self) -> bool:
        """Whether it is proved, or attained up to `width`."""
        return self.verdict in ("proved", "attained")

    def __str__(self) -> str:
        """One line: the name, both balls and the verdict."""
        relation = {"proved": "<=", "attained": "=", "refuted": ">", "undecided": "?"}
        more = {"attained": f", to {self.width:.1e}", "undecided": "; raise the precision"}
        return (
            f"{self.name}: {self.lhs.str(20)} {relation[self.verdict]} {self.rhs.str(20)}, "
            f"{self.verdict} at {self.bits} bits{more.get(self.verdict, '')}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: balls as decimal text, midpoint ± radius."""
        return {
            "name": self.name,
            "lhs": self.lhs.str(),
            "rhs": self.rhs.str(),
            "terms": {name: term.str() for name, term in self.terms.items()},
            "verdict": self.verdict,
            "holds": self.holds,
            "width": self.width,
            "bits": self.bits,
            "setting": self.setting,
            "scope": self.scope,
        }


def upper_float(x: Ball) -> float:
    """Return a float that is not below x, which is not negative."""
    return nextafter(float(x.upper()), inf)
