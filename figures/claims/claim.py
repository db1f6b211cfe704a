"""A sentence of the paper, how it was tested, and what came out.

A claim is made of comparisons, each a mean over MDPs of paired differences with a confidence
interval (`figures.claims.intervals`) and what the sentence says of it: positive, or zero within a
margin. It is *reproduced* if all intervals say so, *not reproduced* if one of them excludes it, and
otherwise *inconclusive*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]


@dataclass(frozen=True)
class Comparison:
    """One number behind a claim.

    Attributes
    ----------
    label : str
        What is compared: "LVC: EES − SES".
    mean, low, high : float
        Mean over MDPs and its simultaneous confidence interval.
    margin : float or None
        None if the sentence says that the mean is positive; otherwise the mean is to be within
        ± margin of zero.
    wins : str
        In how many MDPs the sentence holds: "9 of 10".
    """

    label: str
    mean: float
    low: float
    high: float
    margin: float | None = None
    wins: str = ""

    @property
    def verdict(self) -> Verdict:
        """What the interval says of this comparison alone."""
        if self.margin is None:
            holds, fails = self.low > 0, self.high <= 0
        else:
            holds = -self.margin < self.low and self.high < self.margin
            fails = self.low > self.margin or self.high < -self.margin
        return "reproduced" if holds else "not reproduced" if fails else "inconclusive"


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger.

    Attributes
    ----------
    place, sentence : str
        Where the paper says it, and what it says, in short.
    figures : tuple of str
        Names of the figures whose numbers are used.
    test : str
        What is compared, over what.
    comparisons : tuple of Comparison
    seen : str
        What the numbers show.
    why : str
        What the exact moments say about the reason; may be empty.
    """

    place: str
    sentence: str
    figures: tuple[str, ...]
    test: str
    comparisons: tuple[Comparison, ...]
    seen: str = ""
    why: str = ""

    @property
    def verdict(self) -> Verdict:
        """All comparisons together."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        if verdicts == {"reproduced"}:
            return "reproduced"
        return "not reproduced" if "not reproduced" in verdicts else "inconclusive"
