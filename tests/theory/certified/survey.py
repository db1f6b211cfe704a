"""What certified mode says of random tiny MDPs: verdicts, and how tight the proved bounds are.

    python -m tests.theory.certified.survey

prints the numbers of the page on the theory.
"""

from collections import Counter, defaultdict
from itertools import product

import numpy as np

from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from theory.certified import certify
from theory.certified.check import CertifiedCheck

#: (K, N, α).
LOOPS = ((1, 1, 0.1), (1, 3, 5.0), (2, 1, 0.05), (2, 1, 1.0), (2, 1, 10.0), (3, 1, 0.5))
DISCOUNTS, CONCENTRATIONS = (0.0, 0.5, 0.9, 0.99), (0.001, 1.0)


def checks(rng: np.random.Generator) -> list[CertifiedCheck]:
    """All statements for one random MDP, S = A = T = 2, every estimator and loop."""
    mdp = TabularMDP.random(
        2,
        2,
        gamma=float(rng.choice(DISCOUNTS)),
        concentration=float(rng.choice(CONCENTRATIONS)),
        rng=rng,
    )
    theta, V_b = rng.uniform(0, 3) * rng.normal(size=(2, 2)), rng.normal(size=2)
    found: list[CertifiedCheck] = []
    for name, (K, N, alpha) in product(ESTIMATORS, LOOPS):
        loop = {"step_size": alpha, "num_steps": K, "num_trajectories": N}
        found += certify(mdp, theta, estimator=name, horizon=2, baseline=V_b, **loop)
    return found


def survey(num_mdps: int, seed: int) -> str:
    """Verdicts, and a Markdown table of lhs/rhs by statement."""
    rng = np.random.default_rng(seed)
    found = [check for _ in range(num_mdps) for check in checks(rng)]
    ratios: dict[str, list[float]] = defaultdict(list)
    for check in found:
        if float(check.rhs) > 0:
            ratios[check.name].append(float(check.lhs) / float(check.rhs))
    lines = [
        f"{num_mdps} MDPs, seed {seed}: {dict(Counter(check.verdict for check in found))}, "
        f"at most {max(check.bits for check in found)} bits",
        "",
        "| statement | median | largest |",
        "|---|---|---|",
    ]
    for name, values in ratios.items():
        lines.append(f"| {name} | {np.median(values):.3g} | {max(values):.3g} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(survey(20, 0))
