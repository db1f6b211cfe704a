"""What Theorem 4.5's bounds are made of, in per cent of rhs, by estimator and way of sampling.

Of the bias the proof's terms: (i) outer compositional, (ii) estimation bias, (iii) inner
compositional, (iv) coupling, for shared samples only. Of the variance the estimators' part and the
path's. With the constants met, or realisable ones over all paths.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from theory.bounds import BoundCheck

#: The terms of `theorem_4_5_bias` and `theorem_4_5_variance`, and their heads.
BIAS = {
    "outer compositional": "bias\n(i)",
    "estimation bias": "\n(ii)",
    "inner compositional": "\n(iii)",
    "coupling": "\n(iv)",
}
VARIANCE = {"estimators": "variance\n(est.)", "path": "\n(path)"}


def terms_table(bounds: Iterable[BoundCheck], short: dict[str, str]) -> Table | None:
    """Return the table, or None where there is nothing to show.

    Parameters
    ----------
    bounds : iterable of BoundCheck
    short : dict of str to str
        What each `BoundCheck.obtained` is called.
    """
    lines: dict[str, dict[str, str]] = {}
    for check in bounds:
        statement, _, samples = check.name.rpartition(", ")
        if statement.startswith("Theorem 4.5") and check.scope != "every θ" and check.rhs > 0:
            of = f"{check.setting['of']}, {samples}, {short[check.obtained]}"
            line = lines.setdefault(of.removesuffix(", –"), {})
            line |= {name: f"{term / check.rhs:.0%}" for name, term in check.terms.items()}
    if not lines:
        return None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("\nof")
    for head in (*BIAS.values(), *VARIANCE.values()):
        table.add_column(head, justify="right", no_wrap=True)
    for key, line in lines.items():
        table.add_row(key, *(line.get(name, "–") for name in (*BIAS, *VARIANCE)))
    return table
