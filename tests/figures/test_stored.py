"""The datasets in docs/gallery: simulated numbers agree with the exact ones beside them."""

import json

import numpy as np
import pytest
import xarray as xr

from figures.catalog import EXPERIMENTS
from tests.figures.agreement import deviations, kurtosis
from tests.figures.experiments.small import LIRPG, MAML, SMALL
from tests.house_files import ROOT

STORED = sorted((ROOT / "docs" / "gallery").glob("*.nc"))
#: Standard errors that one number, and the sum of all of a kind, may be off. About 500 numbers
#: are looked at: four standard errors would be met by chance once in thirty such datasets.
SIGMAS = 4
FIGURES = [name for name in EXPERIMENTS if name != "table2"]


def worst(name, data, trials):
    """The largest deviation: of one number, or of all of a kind together."""
    largest = 0.0
    for _, z in deviations(name, data, trials):
        if z.size:  # one estimator's streams are independent, and so are the deviations
            largest = max(largest, abs(z).max(), abs(z.sum()) / np.sqrt(z.size))
    return largest


@pytest.mark.skipif(not STORED, reason="no datasets are stored in docs/gallery")
@pytest.mark.parametrize("name", FIGURES)
def test_stored_numbers_agree(name):
    path = ROOT / "docs" / "gallery" / f"{name}.nc"
    with xr.open_dataset(path, engine="scipy") as data:
        settings = json.loads(data.attrs["settings"])
        assert data.sizes["mdp"] == settings["mdps"]
        counts = {kind: z.size for kind, z in deviations(name, data, settings["trials"])}
        assert sum(counts.values()) > 0, counts
        assert worst(name, data, settings["trials"]) < SIGMAS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "N"), [("fig7", 32), ("fig8", 16)])
def test_where_twenty_trials_say_nothing_three_thousand_agree(name, N):
    """Three steps of AD: the tails are so heavy that most trials are far too close together."""
    settings = {
        **EXPERIMENTS[name].SETTINGS["paper"],
        "seed": 1,
        "estimators": ("ad", "lvc"),
        "permutations": ("ESE",) if name == "fig8" else ("ESE", "ESS"),
        "N": (N,),
        "K": (3,),
        "mdps": 3,
        "trials": 3000,
    }
    data = EXPERIMENTS[name].compute(settings)
    counts = {kind: z.size for kind, z in deviations(name, data, settings["trials"])}
    for kind in ("along", "scatter"):
        for estimator in settings["estimators"]:
            assert counts[f"{kind}, {estimator}"] == len(settings["permutations"])
    assert worst(name, data, settings["trials"]) < SIGMAS


# The check itself.

#: As the figures are run, on MDPs that cost little.
FEW = {"mdps": 4, "trials": 300}
SETTINGS = {
    "fig5": {**MAML, **FEW},
    "fig8": {**LIRPG, **FEW},
    "hessian": {
        **SMALL,
        **FEW,
        "K": 2,
        "steps": (2,),
        "alpha": (2.0,),
        "size": (0.5, 4.0),
        "spread": 0.9,
    },
    "tradeoff": {
        **SMALL,
        **FEW,
        "estimators": MAML["estimators"],
        "N": (2, 8),
        "alpha": 3.0,
        "K": 1,
        "noises": (0.0, 1.0),
    },
    "compositional": {
        **SMALL,
        **FEW,
        "estimators": ("lvc", "dice"),
        "N": (8,),
        "alpha": (3.0,),
        "K": (1,),
        "fixed": {axis: {"K": 1, "alpha": 3.0, "N": 8} for axis in ("N", "alpha", "K")},
    },
}
#: What is wrong, by figure: a variable and the factor that it is multiplied with.
WRONG = [
    ("fig5", "exact_along", 1.5),
    ("fig5", "exact_scatter", 0.5),
    ("fig5", "exact_scatter", 1.5),
    ("fig8", "exact_scatter", 1.5),
    ("hessian", "exact_error", 1.2),
    ("hessian", "exact_error", 0.85),
    ("tradeoff", "falling", 1.3),
    ("tradeoff", "lasting", 0.0),
    ("tradeoff", "bias", 0.0),
    ("compositional", "exact_steps_over_K", 1.2),
    ("compositional", "exact_steps_over_K", 0.85),
]


@pytest.fixture(scope="module")
def right():
    done = {}

    def make(name):
        if name not in done:
            done[name] = EXPERIMENTS[name].compute(SETTINGS[name])
        return done[name]

    return make


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_right_agrees(name, right):
    assert worst(name, right(name), FEW["trials"]) < SIGMAS


@pytest.mark.parametrize(("name", "variable", "factor"), WRONG)
def test_what_is_wrong_does_not(name, variable, factor, right):
    data = right(name)
    wrong = data.assign({variable: factor * data[variable]})
    assert worst(name, wrong, FEW["trials"]) > SIGMAS


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("s", [0.1, 1.0])
def test_the_kurtosis_of_a_product(count, s):
    """Against quadrature, which is exact for the fourth power of every factor."""
    x, w = np.polynomial.hermite_e.hermegauss(3)
    X, weight = np.ones(1), np.ones(1)
    for _ in range(count):
        X = np.multiply.outer(X, 1 + s * x).ravel()
        weight = np.multiply.outer(weight, w / w.sum()).ravel()
    variance = weight @ (X - 1) ** 2
    expected = weight @ (X - 1) ** 4 / variance**2
    assert kurtosis(variance, count) == pytest.approx(expected, rel=1e-9)


def test_the_kurtosis_lies_between_its_limits():
    for count in (1, 2, 5):
        assert kurtosis(1e-6, count) == pytest.approx(3, rel=1e-3)
        assert kurtosis(1e12, count) == pytest.approx(3.0**count, rel=0.05)
