"""What fails in a case: of the theory as it is, or of a broken one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from tests.theory.search.case import Case, Constants, uncovered
from theory.bounds import BoundCheck
from theory.constants import Lipschitz, Noise
from theory.recursions import Recursions, recursions
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance
from theory.statements.proposition_3_1 import check_products


class Theory(NamedTuple):
    """What a mutant changes: the constants given N, the recursions, or a bound's terms by name."""

    name: str
    constants: Callable[[Lipschitz, Noise, int], Constants] = lambda c, n, _: (c, n)
    recursions: Callable[[Recursions], Recursions] | None = None
    dropped: tuple[str, ...] = ()


#: Of constants and recursions, relative.
ROUNDING = 1e-9
#: No change.
TRUE = Theory("the theory")


def right_hand_sides(case: Case, constants: Constants, theory: Theory = TRUE) -> dict[str, float]:
    """The bounds of moments, bias and variance, by the names of the checks."""
    s = case.setting
    lipschitz, noise = theory.constants(*constants, s.num_trajectories)
    path, curvature, outer = s.counts
    step: dict[str, Any] = {
        "step_size": s.step_size,
        "num_steps": s.num_steps,
        "num_trajectories": path,
    }
    counts = {"curvature_trajectories": curvature, "outer_trajectories": outer, "shared": s.shared}
    with broken(theory):
        second = lemma_4_4.second_moment_bound(lipschitz, noise, **step)
        terms = {
            "Lemma 4.4, bias of θ": {"": second},
            "Lemma 4.4, error of θ": {"": second},
            "Lemma 4.4, first moment": {"": lemma_4_4.first_moment_bound(lipschitz, noise, **step)},
            "Lemma 4.4, second moment": {"": second},
            "Lemma 4.4, bias of p": {"": lipschitz.mu1 * second},
            "Lemma 4.4, error of p": {"": lipschitz.mu1 * second},
            "Theorem 4.5, bias": theorem_4_5_bias.bound(lipschitz, noise, **step, **counts),
            "Theorem 4.5, variance": theorem_4_5_variance.bound(lipschitz, noise, **step, **counts),
        }
    return {
        statement: sum(value for name, value in parts.items() if name not in theory.dropped)
        for statement, parts in terms.items()
    }


def violations(case: Case, theory: Theory = TRUE) -> list[str]:
    """What is violated: a bound with either constants, or realisable <= certified constants."""
    wrong = []
    for scope, constants in case.constants.items():
        for statement, rhs in right_hand_sides(case, constants, theory).items():
            lhs = case.met[statement].lhs
            if not lhs <= rhs * (1 + ROUNDING) and not lhs <= rhs + case.allowance(statement):
                wrong.append(f"{statement}, {scope}: {lhs} > {rhs}; {case.label}")
    if theory is TRUE and not products(case).holds:
        wrong.append(f"Proposition 3.1: {products(case)}; {case.label}")
    return wrong + [f"{found}; {case.label}" for found in uncovered(case)]


def products(case: Case) -> BoundCheck:
    """Proposition 3.1, the recursion against the product formula."""
    s = case.setting
    return check_products(case.problem, step_size=s.step_size, num_steps=s.num_steps)


@contextmanager
def broken(theory: Theory) -> Iterator[None]:
    """Let all statements use a mutant's recursions."""
    change = theory.recursions
    if change is None:
        yield
        return

    def mutated(*args: Any, **settings: Any) -> Recursions:
        return change(recursions(*args, **settings))

    with ExitStack() as stack:
        for module in (lemma_4_4, theorem_4_5_bias, theorem_4_5_variance):
            stack.enter_context(mock.patch.object(module, "recursions", mutated))
        yield
