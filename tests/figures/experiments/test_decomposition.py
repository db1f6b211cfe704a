"""The permutations' numbers: simulated ones again, slowly; exact ones against brute force."""

import statistics
from itertools import product

import numpy as np
import pytest

from figures.experiments import decomposition
from figures.experiments.decomposition import EXACTLY, SIMULATED, cosine
from figures.experiments.paper import random_mdp
from figures.sweep.cell import stream
from tabular.baselines import NoisyBaseline, exact_baseline
from tabular.meta_moments import meta_moments
from tabular.metagradient import meta_gradient
from tabular.problems import Lirpg, Maml
from tabular.sources import Exact, Mean, Sampled
from tests.figures.experiments.small import LIRPG, MAML, SIGMAS, standard_error
from tests.tabular.tolerances import SAME, assert_close

EXACT = Exact()
FIGURES = ("fig5", "fig6", "fig7", "fig8")
PROBLEMS = {"maml": MAML, "lirpg": LIRPG}
every_problem = pytest.mark.parametrize("settings", PROBLEMS.values(), ids=PROBLEMS)
#: Trials of the simulations here.
MANY = 4000


def problem(settings):
    mdp = random_mdp(settings, settings["mdp"])
    zero = np.zeros((settings["num_states"], settings["num_actions"]))
    return (Maml(mdp) if settings["problem"] == "maml" else Lirpg(mdp, zero)), zero


def sources(settings, permutation, estimator, N, baseline=None):
    sampled = Sampled(
        estimator,
        N,
        settings["horizon"],
        baseline or NoisyBaseline(settings["noise"]),
        settings.get("gae_lambda", 1.0),
    )
    roles = ("path", "curvature", "outer")
    return {r: sampled if x == "S" else EXACT for r, x in zip(roles, permutation, strict=True)}


def everywhere(settings):
    axes = ("permutations", "N", "K", "alpha")
    for index in np.ndindex(*(len(settings[axis]) for axis in axes)):
        yield index, *(settings[axis][i] for axis, i in zip(axes, index, strict=True))


# What the datasets hold.


@pytest.mark.parametrize("figure", FIGURES)
def test_datasets_are_labelled(figure, smoke, smoke_figures):
    data, settings = smoke[figure], smoke_figures[figure].settings
    grid = ("N", "K", "alpha")
    assert set(data.data_vars) == {*SIMULATED, *EXACTLY}
    for name, variable in data.data_vars.items():
        dims = ("estimator", "permutation", *grid, "mdp")
        assert variable.dims == ((*dims, "trial") if name == "accuracy" else dims)
        assert variable.attrs["long_name"]
    for axis in grid:
        assert tuple(data[axis].values) == settings[axis]
    assert tuple(data.estimator.values) == settings["estimators"]
    assert tuple(data.permutation.values) == settings["permutations"]
    assert data.sizes["mdp"] == settings["mdps"]
    assert data.sizes["trial"] == settings["trials"]


@pytest.mark.parametrize("figure", FIGURES)
def test_numbers_are_missing_only_where_there_is_no_exact_law(figure, smoke):
    data = smoke[figure]
    for name in SIMULATED:
        assert np.isfinite(data[name]).all(), name
    for estimator, permutation, K in product(
        *(data[x].values for x in ("estimator", "permutation", "K"))
    ):
        here = data.sel(estimator=estimator, permutation=permutation, K=K)
        certain_path = permutation[0] == "E"
        for name in ("exact_along", "exact_accuracy"):
            assert (np.isfinite(here[name]) == certain_path).all(), (name, permutation)
        crossed = (
            figure != "fig8" and estimator in ("loaded_dice", "dice") and permutation[1] == "S"
        )
        slow = crossed and (K > 1 or (permutation[2] == "S" and estimator != "dice"))
        for name in ("exact_along_sd", "exact_scatter", "exact_sum_sd"):
            assert (np.isfinite(here[name]) == (certain_path and not slow)).all(), (name, here)


def test_lirpg_has_variances_up_to_its_limit():
    steps = decomposition.LIRPG_STEPS
    assert decomposition.has_variance("lirpg", "ad", "ESE", steps)
    assert not decomposition.has_variance("lirpg", "ad", "ESE", steps + 1)


# Simulated numbers.


@every_problem
def test_simulated_numbers_again_one_by_one(settings):
    meta, zero = problem(settings)
    for estimator in settings["estimators"]:
        found = decomposition.simulate({**settings, "estimator": estimator})
        for index, permutation, N, K, alpha in everywhere(settings):
            options = {"step_size": alpha, "num_steps": K}
            truth = meta_gradient(meta, zero, **options).ravel()
            rng = stream(0, "small", permutation, N, K, alpha, "mdp", settings["mdp"])
            draws = meta_gradient(
                meta,
                np.stack([zero] * settings["trials"]),
                **options,
                **sources(settings, permutation, estimator, N),
                rng=rng,
            ).reshape(settings["trials"], -1)
            along = [float(np.dot(g, truth) / np.dot(truth, truth)) for g in draws]
            mean = sum(draws) / len(draws)
            n = len(draws)
            squares = [float(((g - mean) ** 2).sum()) * n / (n - 1) for g in draws]
            expected = {
                "accuracy": [
                    np.dot(g, truth) / np.linalg.norm(g) / np.linalg.norm(truth) for g in draws
                ],
                "along": statistics.fmean(along),
                "along_sd": statistics.stdev(along),
                "scatter": np.trace(np.cov(draws.T)),
                "scatter_sd": statistics.stdev(squares),
                "sum_sd": sum(statistics.stdev(map(float, column)) for column in draws.T),
            }
            for name, value in expected.items():
                assert_close(found[name][index], value, SAME, what=f"{name} {permutation}")


def test_the_cosine_of_nothing_is_zero():
    x, y = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    assert cosine(np.zeros(2), x) == 0
    assert cosine(x, np.zeros(2)) == 0
    assert cosine(x, x) == pytest.approx(1)
    assert cosine(x, -2 * x) == pytest.approx(-1)
    assert cosine(x, y) == pytest.approx(24 / 25)


def test_what_every_estimate_equal_to_the_truth_measures():
    truth = np.array([1.0, -2.0, 2.0])
    accuracy, *rest = decomposition.measured(np.stack([truth] * 4), truth)
    assert accuracy == pytest.approx([1.0] * 4)
    assert rest == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("permutation", ["ESS", "EES", "ESE"])
def test_estimates_tend_to_their_exact_mean(permutation):
    """Without critic noise the variance falls with N; what is left of it with EES is the truth."""
    settings = {
        **MAML,
        "permutations": (permutation,),
        "estimators": ("lvc",),
        "N": (4, 4096),
        "K": (1,),
        "noise": 0.0,
        "horizon": 90,
    }
    found = decomposition.exactly(settings)
    few, many = found["exact_scatter"].ravel()
    if permutation == "ESS":  # a product of two averages has a part that falls as 1/N² too
        assert few / 4096 < many < few / 1024
    else:
        assert_close(many, few / 1024, SAME)
    first, last = found["exact_along"].ravel()
    assert first == pytest.approx(last, rel=1e-12)
    assert (abs(last - 1) < 1e-12) == (permutation == "EES")


# Exact numbers.


@every_problem
def test_exact_numbers_again_one_by_one(settings):
    meta, zero = problem(settings)
    found = decomposition.exactly(settings)
    assert set(found) == set(EXACTLY)
    for i, estimator in enumerate(settings["estimators"]):
        for index, permutation, N, K, alpha in everywhere(settings):
            numbers = {name: found[name][i][index] for name in EXACTLY}
            if permutation[0] == "S":
                assert np.isnan(list(numbers.values())).all()
                continue
            options = {"step_size": alpha, "num_steps": K}
            truth = meta_gradient(meta, zero, **options).ravel()
            means = {
                role: Mean(one) if isinstance(one, Sampled) else one
                for role, one in sources(
                    settings, permutation, estimator, N, exact_baseline
                ).items()
            }
            mean = meta_gradient(meta, zero, **options, **means).ravel()
            size = np.linalg.norm(truth)
            assert numbers["exact_along"] == pytest.approx(mean @ truth / size**2, rel=1e-11)
            cos = mean @ truth / size / np.linalg.norm(mean)
            assert numbers["exact_accuracy"] == pytest.approx(cos, rel=1e-11)
            if np.isnan(numbers["exact_scatter"]):
                continue
            table = meta_moments(
                meta, zero, **options, **sources(settings, permutation, estimator, N)
            ).covariance.reshape(truth.size, truth.size)
            along = np.sqrt(truth @ table @ truth) / size**2
            assert numbers["exact_along_sd"] == pytest.approx(along, rel=1e-10)
            assert numbers["exact_scatter"] == pytest.approx(np.trace(table), rel=1e-10)
            variances = [max(table[k, k], 0.0) for k in range(truth.size)]  # zero but for rounding
            each = sum(np.sqrt(variances))
            assert numbers["exact_sum_sd"] == pytest.approx(each, rel=1e-7)


def deviations(settings, estimator, permutation, N, K, alpha, exact):
    """Standard errors by which mean along the truth and scatter of a simulation are off."""
    meta, zero = problem(settings)
    options = {"step_size": alpha, "num_steps": K}
    truth = meta_gradient(meta, zero, **options).ravel()
    draws = meta_gradient(
        meta,
        np.broadcast_to(zero, (MANY, *zero.shape)),
        **options,
        **sources(settings, permutation, estimator, N),
        rng=np.random.default_rng([7, K, len(estimator)]),
    ).reshape(MANY, -1)
    along = draws @ truth / (truth @ truth)
    off = [(along.mean() - exact["exact_along"]) / standard_error(along)]
    if np.isfinite(exact["exact_scatter"]):
        squares = ((draws - draws.mean(axis=0)) ** 2).sum(axis=1) * MANY / (MANY - 1)
        off.append((squares.mean() - exact["exact_scatter"]) / standard_error(squares))
    return np.abs(off)


@every_problem
def test_exact_numbers_against_many_trials(settings):
    """And a quarter more scatter, or twice the mean, is found to be wrong."""
    found = decomposition.exactly(settings)
    for i, estimator in enumerate(settings["estimators"]):
        for index, permutation, N, K, alpha in everywhere(settings):
            if permutation[0] == "S":
                continue
            exact = {name: found[name][i][index] for name in EXACTLY}
            at = (settings, estimator, permutation, N, K, alpha)
            assert (deviations(*at, exact) < SIGMAS).all(), at[1:]
            if estimator == "lvc":
                wrong = {
                    "exact_along": 2 * exact["exact_along"],
                    "exact_scatter": 1.25 * exact["exact_scatter"],
                }
                assert (deviations(*at, wrong) > SIGMAS).all(), at[1:]


def test_lirpg_estimates_are_the_same_at_one_step():
    """No Hessian is used: the same streams would give the same numbers."""
    found = decomposition.exactly(LIRPG)
    first, second = (found["exact_scatter"][i][..., 0, :] for i in (0, 1))
    assert_close(first, second, SAME)
    later = [found["exact_scatter"][i][..., 1, :] for i in (0, 1)]
    assert abs(later[0] - later[1]).max() > 1e-3 * later[0].max()
