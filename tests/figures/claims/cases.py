"""Every claim with data in which it is true, and data in which it is false."""

from functools import partial
from typing import Any, NamedTuple

from tests.figures.claims import made


class Case(NamedTuple):
    """A figure's claim by words of its sentence, and data in which it is true, and false.

    Where it is made of numbers without noise (`exact`), the true data have none.
    """

    figure: str
    words: str
    holds: Any
    fails: Any
    exact: bool = False


def by(**values):
    """A rule that looks at the permutation."""
    return lambda estimator, permutation, position: values.get(permutation, 0.5)


def among(other, **values):
    """A rule that looks at the estimator."""
    return lambda estimator, permutation, position: values.get(estimator, other)


def from_to(first, last, permutations=made.PERMUTATIONS):
    """A rule that looks at the position on the axis."""
    return lambda estimator, permutation, position: (
        (first, last)[position > 0] if permutation in permutations else 0.5
    )


def data(figure, name, rule):
    """Make the figure's data with a rule for one variable."""
    return partial(made.decomposition, figure, **{name: rule})


def of(other, **values):
    """A rule of the trade-off's, which looks at the estimator alone."""
    return lambda estimator: values.get(estimator, other)


def with_tradeoff(noise=made.QUIET, along=None, **rules):
    """Figure 5, and the trade-off with these rules."""
    return {
        "fig5": made.decomposition("fig5", noise, along=along or by()),
        "tradeoff": made.tradeoff(noise, **rules),
    }


def one_step(noise=made.QUIET, bias=0.0):
    """Errors of Hessians, and the trade-off with biases of one size."""
    return {"hessian": made.hessian(), "tradeoff": made.tradeoff(noise, bias=of(bias))}


def ad_at_the_end(value):
    """AD ahead at the first position, `value` at the last; the others ½."""
    return lambda estimator, permutation, position: (
        (0.9, value)[position > 0] if estimator == "ad" else 0.5
    )


def accuracy(figure, words, holds, fails):
    return Case(figure, words, data(figure, "accuracy", holds), data(figure, "accuracy", fails))


def spread(figure, words, name, holds, fails, *, exact=False):
    return Case(figure, words, data(figure, name, holds), data(figure, name, fails), exact)


FIG5 = [
    accuracy(
        "fig5",
        "reveal the importance",
        by(SSE=0.6, SEE=0.7, ESE=0.7),
        by(SSE=0.6, SEE=0.7, ESE=0.4),
    ),
    accuracy(
        "fig5", "more than correcting the Hessian", by(SSE=0.9, SES=0.6, ESS=0.6), by(SSE=0.4)
    ),
    accuracy("fig5", "corrected already", by(SEE=0.9, ESE=0.9, EES=0.6), by(SEE=0.4, ESE=0.9)),
    accuracy(
        "fig5",
        "EES > SES > ESS > SSS",
        by(EES=0.9, SES=0.8, ESS=0.7, SSS=0.6),
        by(EES=0.9, SES=0.7, ESS=0.8, SSS=0.6),
    ),
    accuracy(
        "fig5",
        "compositional bias helps to increase",
        by(ESS=0.6, EES=0.6, ESE=0.6),
        by(ESS=0.6, EES=0.6, ESE=0.4),
    ),
    spread(
        "fig5",
        "high variance on first and second order",
        "exact_scatter",
        among(1.0, dice=2.0),
        among(1.0, dice=0.5),
    ),
    spread(
        "fig5", "is the same, actor-critic", "accuracy", among(0.5), among(0.5, lvc=0.6), exact=True
    ),
    accuracy("fig5", "comparable correlation", among(0.5), among(0.5, lvc=0.6)),
    spread(
        "fig5",
        "variance of LVC is smaller",
        "sum_sd",
        among(1.0, loaded_dice=2.0),
        among(1.0, lvc=2.0),
    ),
    accuracy("fig5", "AD performs worse", among(0.6, ad=0.4), among(0.6, ad=0.8)),
    accuracy(
        "fig5", "ESE = SEE > SSE", by(ESE=0.8, SEE=0.8, SSE=0.5), by(ESE=0.7, SEE=0.9, SSE=0.5)
    ),
    accuracy(
        "fig5", "SEE > ESE > SSE", by(SEE=0.9, ESE=0.8, SSE=0.5), by(SEE=0.8, ESE=0.9, SSE=0.5)
    ),
    accuracy(
        "fig5",
        "can achieve higher",
        ad_at_the_end(0.3),
        ad_at_the_end(0.6),
    ),
    Case(
        "fig5",
        "LVC has low bias",
        partial(with_tradeoff, bias=of(1.0, lvc=0.01)),
        partial(with_tradeoff, bias=of(1.0, lvc=0.3)),
    ),
    Case(
        "fig5",
        "AD has large bias",
        partial(with_tradeoff, bias=of(1.0, ad=3.0)),
        partial(with_tradeoff, bias=of(3.0, ad=1.0)),
    ),
    Case(
        "fig5",
        "have low variance",
        partial(with_tradeoff, falling=of(1.0, loaded_dice=9.0)),
        partial(with_tradeoff, falling=of(1.0, loaded_dice=0.1)),
    ),
    Case(
        "fig5",
        "estimators are biased",
        partial(with_tradeoff, along=by(SEE=0.3), bias=of(2.0, loaded_dice=1.0)),
        partial(with_tradeoff, along=by(SEE=0.3), bias=of(1.0)),
        exact=True,
    ),
]
PATH = {"ESS": 2.0, "EES": 2.0, "SSS": 1.0, "SES": 1.0, "ESE": 2.0, "SSE": 1.0}
UPSIDE_DOWN = {name: 3 - value for name, value in PATH.items()}


def path_alone(loud, quiet):
    """Spread with an exact path and outer gradient (ESE), by the Hessian's variance."""
    return lambda estimator, permutation, position: (
        (loud if estimator in ("dice", "loaded_dice") else quiet) if permutation == "ESE" else 1.0
    )


def only_quiet(estimator, permutation, position):
    """Spread that falls with an exact path for LVC and AD in ESE, and rises everywhere else."""
    low = permutation == "ESE" and estimator in ("ad", "lvc")
    return 0.5 if low else PATH.get(permutation, 1.0)


SPREAD = [
    case
    for figure in ("fig5", "fig6", "fig7")
    for case in (
        spread(figure, "increases the variance where", "sum_sd", by(**PATH), by(**UPSIDE_DOWN)),
        spread(
            figure,
            "more than where the outer gradient is exact",
            "sum_sd",
            by(**PATH | {"ESE": 1.0}),
            by(**PATH | {"ESE": 3.0}),
        ),
        spread(figure, "variance is large (DiCE", "sum_sd", by(**PATH), by(**UPSIDE_DOWN)),
        spread(
            figure,
            "more than where the Hessian's variance is low",
            "sum_sd",
            path_alone(2.0, 0.5),
            path_alone(0.5, 2.0),
        ),
        spread(figure, "Only with a Hessian of low", "sum_sd", only_quiet, by(**UPSIDE_DOWN)),
    )
]


def ad_falls(first, last, see=0.9):
    """Of AD in ESE; SEE stays."""
    values = {"ESE": (first, last), "SEE": (see, see)}
    return lambda estimator, permutation, position: (
        values.get(permutation, (0.5, 0.5))[position > 0] if estimator == "ad" else 0.5
    )


DICE = [
    accuracy(figure, "DiCE performs the worst", among(0.5, dice=0.3), among(0.5, dice=0.7))
    for figure in ("fig5", "fig6", "fig7")
]
MANY_STEPS = [
    case
    for figure in ("fig6", "fig7")
    for case in (
        accuracy(figure, "decreases a lot in SSE", from_to(0.9, 0.2), from_to(0.9, 0.95, ("SSE",))),
        accuracy(
            figure,
            "can become more important",
            from_to(0.3, 0.8, ("EES",)),
            from_to(0.8, 0.3, ("EES",)),
        ),
        accuracy(figure, "SEE ≈ ESE, SES ≈ ESS", by(EES=0.8), by(EES=0.8, ESS=0.75)),
        accuracy(figure, "Hessian problem of AD", ad_falls(0.8, 0.3), ad_falls(0.3, 0.8)),
    )
]
LIRPG = [
    spread(
        "fig8", "tends to have higher variance", "sum_sd", among(1.0, ad=2.0), among(1.0, ad=0.5)
    ),
]
ABSTRACT = [
    Case(
        "compositional",
        "below Lemma 4.4's bound",
        partial(made.compositional, share=0.5),
        partial(made.compositional, share=2.0),
    ),
    Case(
        "compositional",
        "has an upper bound of O(K",
        partial(made.compositional, power=0.5),
        partial(made.compositional, power=2.0),
    ),
    Case(
        "compositional",
        "error of θ^K falls with the root",
        partial(made.compositional, N=-0.5),
        partial(made.compositional, N=-1.0),
    ),
    Case(
        "compositional",
        "meta-gradient's error falls with the root",
        partial(made.compositional, meta=-0.5),
        partial(made.compositional, meta=-0.2),
    ),
    Case(
        "compositional",
        "number of steps as K α^K",
        partial(made.compositional, growth=1.0),
        partial(made.compositional, growth=0.3),
    ),
    Case(
        "compositional",
        "proportional to σ_In",
        partial(made.compositional, sigma=1.0),
        partial(made.compositional, sigma=1.5),
    ),
    Case(
        "compositional",
        "step size as α^K",
        partial(made.compositional, alpha=6.0),
        partial(made.compositional, alpha=1.0),
    ),
    Case(
        "hessian",
        "below term (ii)",
        partial(made.hessian, share=0.5),
        partial(made.hessian, share=2.0),
    ),
    Case("hessian", "grows as", made.hessian, partial(made.hessian, power=4.0)),
    Case(
        "hessian",
        "has no bias from its Hessian",
        one_step,
        partial(one_step, bias=1.0),
    ),
]
CASES = FIG5 + DICE + SPREAD + MANY_STEPS + LIRPG + ABSTRACT
