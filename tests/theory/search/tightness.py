"""How tight the bounds are: quantiles of lhs/rhs over random cases, by statement and constants.

Beside them, how much of each constant proved for every θ the realisable θ have.

    python -m tests.theory.search.tightness --cases 10000 --seed 0
    python -m tests.theory.search.tightness --ascents 4 --evaluations 400

The second command starts ascents on every statement instead and prints the largest ratios found.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from tests.theory.search.ascent import ascend, mostly_rounding, ratio
from tests.theory.search.bounds import right_hand_sides
from tests.theory.search.case import Case, pairs
from tests.theory.search.designs import (
    Design,
    random_tabular,
    random_toy,
    tabular_design,
    toy_design,
)

QUANTILES = (0.1, 0.5, 0.9, 0.99, 1.0)

#: Families in which every statement has something to bound; small ones, whose cases cost 10 ms.
DESIGNS: dict[str, Design] = {
    "bandit, MAML, ad, SSE": tabular_design(1, 2, 2, 2, 1, "SSE", False, "maml", "ad"),
    "MAML, lvc, SSS shared": tabular_design(2, 2, 2, 1, 1, "SSS", True, "maml", "lvc"),
    "MAML, loaded_dice, SSS": tabular_design(2, 2, 1, 2, 1, "SSS", False, "maml", "loaded_dice"),
    "LIRPG, dice, SSE shared": tabular_design(1, 2, 2, 2, 1, "SSE", True, "lirpg", "dice"),
    "LIRPG, lvc, SES": tabular_design(2, 2, 1, 2, 1, "SES", False, "lirpg", "lvc"),
}
TOYS: dict[str, Design] = {
    "toy, K = 2, SSS": toy_design(1, 1, 2, 2, 1, "SSS", False),
    "toy, K = 2, SSS shared": toy_design(1, 1, 2, 2, 1, "SSS", True),
    "toy, d = m = 2, N = 2": toy_design(2, 2, 2, 2, 2, "SSS", True),
}


def ratios(cases: Iterable[Case]) -> dict[tuple[str, str], list[float]]:
    """lhs/rhs by statement and scope, where lhs is not mostly rounding and something is sampled."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in cases:
        for scope, constants in case.constants.items():
            for statement, rhs in right_hand_sides(case, constants).items():
                if rhs > 0 and not mostly_rounding(case, statement):
                    found[label(case, statement), scope].append(case.met[statement].lhs / rhs)
        for name, value, largest in pairs(case):
            if largest > 0:
                found[f"constant {name}", "realisable/certified"].append(value / largest)
    return found


def label(case: Case, statement: str) -> str:
    """The statement, and for Theorem 4.5 whether samples are shared: other terms, other ratios."""
    if not statement.startswith("Theorem"):
        return statement
    return f"{statement}, {'shared' if case.setting.shared else 'separate'}"


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """A Markdown table of quantiles."""
    head = [f"{100 * q:g} %" for q in QUANTILES[:-1]]
    lines = [
        f"| statement | constants | cases | {' | '.join(head)} | max |",
        f"|{'---|' * (len(head) + 4)}",
    ]
    for (statement, scope), values in sorted(found.items()):
        numbers = " | ".join(f"{x:.3g}" for x in np.quantile(values, QUANTILES))
        lines.append(f"| {statement} | {scope} | {len(values)} | {numbers} |")
    return "\n".join(lines)


def tightness(num_cases: int, seed: int) -> str:
    """Quantiles over random MDPs and, apart, over as many random toys."""
    parts = []
    for name, draw in (("MDPs", random_tabular), ("toys", random_toy)):
        rng = np.random.default_rng(seed)
        found = ratios(draw(rng) for _ in range(num_cases))
        parts.append(f"{num_cases} random {name}, seed {seed}\n\n{table(found)}")
    return "\n\n".join(parts)


def largest(statement: str, scope: str, design: Design, *, ascents: int, evaluations: int) -> float:
    """The largest lhs/rhs that so many ascents find."""

    def objective(case: Case) -> float:
        return ratio(case, statement, scope)

    seeds = np.random.SeedSequence(0).spawn(ascents)
    return max(
        ascend(design, objective, evaluations=evaluations, rng=np.random.default_rng(seed)).ratio
        for seed in seeds
    )


def adversarial(ascents: int, evaluations: int) -> str:
    """The largest ratios by statement, scope and family, a Markdown table."""
    settings: dict[str, Any] = {"ascents": ascents, "evaluations": evaluations}
    lines = [f"| statement | constants | {' | '.join((*DESIGNS, *TOYS))} |"]
    lines.append(f"|{'---|' * (2 + len(DESIGNS) + len(TOYS))}")
    for statement in STATEMENTS:
        for scope, designs in (("realisable", DESIGNS | TOYS), ("certified", DESIGNS)):
            numbers = [
                f"{largest(statement, scope, design, **settings):.3g}"
                for design in designs.values()
            ]
            lines.append(f"| {statement} | {scope} | {' | '.join(numbers)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


STATEMENTS = (
    "Lemma 4.4, bias of p",
    "Lemma 4.4, first moment",
    "Lemma 4.4, second moment",
    "Theorem 4.5, bias",
    "Theorem 4.5, variance",
)


def main() -> None:
    """Print one of the two tables."""
    parser = argparse.ArgumentParser(description="How tight the bounds are.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ascents", type=int, default=0)
    parser.add_argument("--evaluations", type=int, default=400)
    given = parser.parse_args()
    if given.ascents:
        print(adversarial(given.ascents, given.evaluations))
    else:
        print(tightness(given.cases, given.seed))


if __name__ == "__main__":
    main()
