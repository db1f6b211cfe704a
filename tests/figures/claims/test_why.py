"""The explanations beside the verdicts: numbers that we choose, and silence elsewhere."""

import numpy as np
import pytest

from figures.catalog import EXPERIMENTS
from figures.claims.crossing import crossings
from tests.figures.claims import made
from tests.figures.claims.cases import among, by, of


def why(figure, words, data):
    """What is said beside the one claim with these words."""
    (one,) = [c for c in EXPERIMENTS[figure].claims(data) if words in c.sentence]
    return one.why


def fig5(noise=made.QUIET, tradeoff=None, **rules):
    return {
        "fig5": made.decomposition("fig5", noise, **rules),
        "tradeoff": made.tradeoff() if tradeoff is None else tradeoff,
    }


def fig6(**rules):
    return {"fig6": made.decomposition("fig6", **rules)}


def test_crossings_are_those_of_each_critic():
    data = made.tradeoff()
    data.crossover.loc[{"pair": "ad to lvc", "noise": 1.0}] = 3.0
    data.crossover.loc[{"pair": "ad to loaded_dice", "noise": 0.0}] = np.inf
    assert crossings(data, ["lvc", "loaded_dice"]) == (
        "Exact mean squared errors (ESE, median MDP) are below AD's: with an exact critic LVC from "
        "N = 7 on; with a noisy critic LVC from N = 3 on and Loaded-DiCE from N = 7 on."
    )
    data.crossover[:] = np.inf
    assert crossings(data, ["lvc"]) == ""


def test_dice_has_its_bias_beside_ads():
    data = fig5(tradeoff=made.tradeoff(bias=of(0.3, dice=0.002)))
    told = why("fig5", "DiCE performs the worst", data)
    assert "its exact bias is 0.0020 ‖g‖, that of truncation, AD's 0.300 ‖g‖" in told
    assert told.endswith("with a noisy critic DiCE from N = 7 on.")


def test_the_outer_gradients_variance_at_both_ends():
    def rule(estimator, permutation, position):
        return {"EES": 8.0, "ESE": (2.0, 16.0)[position]}.get(permutation, 1.0)

    told = why("fig5", "more than correcting the Hessian", fig5(exact_scatter=rule))
    assert "from N = 2 to 256: AD 4 to 0.5, LVC 4 to 0.5" in told


def test_what_the_critic_leaves_of_ads_variance():
    lowest = made.tradeoff(lasting=of(1.0, ad=0.25), falling=of(1.0, ad=0.5))
    told = why("fig5", "have low variance", fig5(tradeoff=lowest))
    assert "and 0.50 ‖g‖ to the standard deviation" in told
    assert told.endswith("With an exact critic AD's variance is the lowest.")
    other = made.tradeoff(lasting=of(1.0, ad=0.25), falling=of(1.0, lvc=0.5))
    assert "With an exact critic" not in why("fig5", "have low variance", fig5(tradeoff=other))


def test_dices_variance_beside_actor_critics():
    told = why("fig5", "high variance on first", fig5(exact_scatter=among(1.0, dice=20.0)))
    assert "is 20 times as large" in told


@pytest.mark.parametrize(
    ("figure", "words"),
    [("fig6", "increases the variance where"), ("fig6", "more than where the outer")],
)
def test_what_the_trials_miss(figure, words):
    data = {figure: made.decomposition(figure, sum_sd=by(ESS=0.5, EES=1.0, ESE=1.0))}
    assert "find 75%" in why(figure, words, data)
    assert "and 50% at the least" in why(figure, words, data)
    nearly = {figure: made.decomposition(figure, sum_sd=by(ESS=0.95, EES=0.95, ESE=0.95))}
    assert why(figure, words, nearly) == ""
    data[figure].exact_sum_sd[:] = np.nan  # nothing is known exactly
    assert why(figure, words, data) == ""


def test_ads_spread_explains_its_fall_if_its_bias_does_not():
    words = "Hessian problem of AD"
    noisy = {"exact_accuracy": among(0.8), "exact_sum_sd": among(1.0, ad=4.0)}
    told = why("fig6", words, fig6(**noisy))
    assert "expected estimate (ESE) with the truth is 0.80, LVC's 0.80" in told
    assert "4.0 times LVC's" in told
    assert why("fig6", words, fig6(**noisy | {"exact_accuracy": among(0.8, ad=0.5)})) == ""
    assert why("fig6", words, fig6(**noisy | {"exact_sum_sd": among(1.0, lvc=4.0)})) == ""


def test_losses_are_told_at_both_ends():
    def rule(estimator, permutation, position):
        return {"EES": 0.8, "SES": (0.8, 0.6)[position], "SEE": (0.9, 0.7)[position]}.get(
            permutation, 0.5
        )

    (one,) = [
        c for c in EXPERIMENTS["fig6"].claims(fig6(accuracy=rule)) if "comparable" in c.sentence
    ]
    assert (
        "From α = 1 to 13: LVC EEE − SEE +0.10 to +0.30, LVC EEE − ESE +0.50 to +0.50" in one.seen
    )
    seen = one.seen.replace("−0.00", "+0.00")
    assert "LVC EES − SES +0.00 to +0.20, LVC EES − ESS +0.30 to +0.30" in seen


def test_variances_of_lirpg_fall_with_n():
    data = made.decomposition("fig8")
    data.exact_scatter.loc[{"estimator": "lvc", "N": 256}] /= 16
    data.exact_scatter.loc[{"estimator": "ad", "N": 256}] /= 2
    told = why("fig8", "higher variance", {"fig8": data})
    assert "Exact variances at K = 3: from N = 16 to 256 LVC's falls by a factor of 16" in told
    assert "AD's by 2.0" in told
    assert "at K = 1 is 0," in why("fig8", "higher", {"fig8": made.decomposition("fig8", 0.0)})


def test_rates_have_the_numbers_behind_them():
    def told(figure, words, **options):
        return why(figure, words, {figure: getattr(made, figure)(**options)})

    assert "above the error's on average at α = 1, 3, 9." in told("compositional", "upper bound")
    assert "is nowhere above" in told("compositional", "upper bound", power=2.0)
    assert "slope + ½ is -0.00 (LVC)" in told("compositional", "meta-gradient").replace(
        "+0.00", "-0.00"
    )
    assert "Slopes: 1.00 (K = 2), 2.00 (K = 3)." in told("hessian", "grows as")
