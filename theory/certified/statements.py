"""Lemma 4.4 and Theorem 4.5 ([Liu2022]) for MAML, decided by ball arithmetic."""

from __future__ import annotations

from typing import Any

from tabular import _checks
from tabular.mdp import TabularMDP
from tabular.metagradient import positive_number
from tabular.registry import find_estimator
from theory.certified.balls import (
    Ball,
    Matrix,
    Rational,
    arb,
    column,
    ctx,
    norm,
    rational,
    root,
    square,
)
from theory.certified.bounds import Bounds
from theory.certified.check import CertifiedCheck
from theory.certified.constants import lipschitz
from theory.certified.enumeration import Enumeration, enumerate_exactly, require_few
from theory.certified.estimates import in_balls
from theory.certified.tree import Tree

#: The lowest precision of ball arithmetic.
FEWEST_BITS = 2
#: How often the precision is doubled while something is undecided.
DOUBLINGS = 4


def certify(
    mdp: TabularMDP,
    theta: Any,
    *,
    estimator: str,
    horizon: int,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    baseline: Any = None,
    bits: int = 128,
) -> tuple[CertifiedCheck, ...]:
    """Prove Lemma 4.4 and Theorem 4.5 for one estimator on one tiny MDP (MAML, φ = θ⁰).

    The objective is J_T with terminal table V_b. Every table is taken as the rational numbers that
    its floats are, rows of probabilities divided by their exact sums. The constants of Assumptions
    4.1 and 4.3 are the largest values over every θ that samples can lead to.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP, with few trajectories.
    theta : array_like (S, A)
        θ⁰.
    estimator : str
        `ad`, `lvc`, `loaded_dice` or `dice`.
    horizon : int
        T.
    step_size : float
        α > 0.
    num_steps, num_trajectories : int
        K, and N for each of the path, the curvature and the outer gradient.
    baseline : array_like (S,), optional
        V_b, one fixed table; zero if not given, and always for `dice`.
    bits : int
        Working precision, at least two; doubled up to `DOUBLINGS` times while something is
        undecided.

    Returns
    -------
    tuple of CertifiedCheck
        Lemma 4.4, the error of p = ∇J and two moments of that of θ; Theorem 4.5, bias and variance
        with separate and with shared samples.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, or the enumeration is too large: the message says how large.
    """
    _checks.instance(mdp, TabularMDP, "mdp")
    kind = find_estimator(estimator)
    theta = _checks.logits(theta, (mdp.num_states, mdp.num_actions))
    if theta.ndim != 2:
        raise ValueError(f"certified mode needs one table of logits, received {theta.shape}")
    alpha = rational(positive_number(step_size, "step_size"))
    K = _checks.positive_integer(num_steps, "num_steps")
    N = _checks.positive_integer(num_trajectories, "num_trajectories")
    bits = _checks.positive_integer(bits, "bits")
    if bits < FEWEST_BITS:
        raise ValueError(f"bits must be at least {FEWEST_BITS}, received {bits}; take 128")
    enumeration = enumerate_exactly(mdp, kind, horizon=horizon, baseline=baseline)
    require_few(enumeration, N, K)
    start = [rational(x) for x in theta.ravel()]
    setting = {"estimator": kind.name, "T": horizon, "α": step_size, "K": K, "N": N}
    for doubling in range(DOUBLINGS + 1):
        with ctx.workprec(bits << doubling):
            tree, bounds = evaluate(
                enumeration, start, step_size=alpha, num_steps=K, num_trajectories=N
            )
            checks = statements(tree, bounds, arb(enumeration.scale), setting)
        if all(check.verdict != "undecided" for check in checks):
            break
    return checks


def evaluate(
    enumeration: Enumeration,
    theta: list[Rational],
    *,
    step_size: Rational,
    num_steps: int,
    num_trajectories: int,
) -> tuple[Tree, Bounds]:
    """All paths, and the constants of the bounds, at the working precision."""
    alpha = arb(step_size)
    tree = Tree(
        in_balls(enumeration, num_trajectories),
        column(theta),
        step_size=alpha,
        num_steps=num_steps,
        num_trajectories=num_trajectories,
        everywhere=lipschitz(enumeration),
    )
    return tree, Bounds(tree.lipschitz, tree.noise, alpha, num_steps, num_trajectories)


def statements(
    tree: Tree, bounds: Bounds, unit: Ball, setting: dict[str, Any]
) -> tuple[CertifiedCheck, ...]:
    """Compare both sides of every statement; `unit` is the size of a gradient."""
    K, mu1, moments = bounds.num_steps, bounds.lipschitz.mu1, tree.moments
    u, M, shared_u, shared_M = moments.sampled
    alpha, bias = bounds.step_size, bounds.bias_terms()
    shared_bias = bias | {"coupling": bounds.coupling()}

    def check(name: str, lhs: Ball, terms: dict[str, Ball], size: Ball) -> CertifiedCheck:
        rhs = sum(terms.values(), arb(0))
        return CertifiedCheck(name, lhs, rhs, terms, size, ctx.prec, setting)

    def of_theorem(name: str, lhs: Ball, terms: dict[str, Ball], size: Ball) -> CertifiedCheck:
        return check(f"Theorem 4.5, {name}", lhs, terms, size)

    mean, spread = bounds.mean_distance(K), bounds.root_mean_square(K)
    error, shared_error = norm(u - tree.meta_gradient), norm(shared_u - tree.meta_gradient)
    variance, shared_variance = _variance(u, M), _variance(shared_u, shared_M)
    area = square(unit)
    return (
        check("Lemma 4.4, error of p", moments.gradient_distance, {"μ₁ s_K": mu1 * spread}, unit),
        check("Lemma 4.4, first moment", moments.distance, {"e_K": mean}, alpha * unit),
        check(
            "Lemma 4.4, second moment",
            root(moments.squared),
            {"s_K": spread},
            alpha * unit,
        ),
        of_theorem("bias, separate", error, bias, unit),
        of_theorem("bias, shared", shared_error, shared_bias, unit),
        of_theorem("variance, separate", variance, bounds.variance_terms(), area),
        of_theorem("variance, shared", shared_variance, bounds.shared_variance_terms(), area),
    )


def _variance(mean: Matrix, second: Matrix) -> Ball:
    """tr M − ‖u‖²."""
    return second.trace() - (mean.transpose() * mean)[0, 0]
