"""Errors of sampled inner steps: simulated ones again, exact spread and bound against theory."""

import numpy as np
import pytest

from figures.experiments import compositional
from figures.experiments.paper import random_mdp
from figures.sweep.cell import stream
from tabular import exact, moments
from tabular.baselines import NoisyBaseline
from tabular.metagradient import meta_gradient
from tabular.noise import over_noise
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.figures.experiments.small import SIGMAS, SMALL, standard_error
from tests.tabular.tolerances import FIRST, SAME, SECOND, assert_close
from theory.constants import Lipschitz, Noise
from theory.second_order import SampledLoop
from theory.statements.lemma_4_4 import second_moment_bound

SETTINGS = {
    **SMALL,
    "estimators": ("lvc", "dice"),
    "N": (2, 16),
    "alpha": (1.0, 3.0),
    "K": (1, 2, 3),
    "fixed": {"N": {"K": 2, "alpha": 3.0}, "alpha": {"K": 3, "N": 8}, "K": {"alpha": 3.0, "N": 8}},
    "mdp": 1,
}
ZERO = np.zeros((3, 3))
every_estimator = pytest.mark.parametrize("estimator", SETTINGS["estimators"])


def points(settings):
    """(sweep, position, N, K, α) everywhere."""
    for sweep, fixed in settings["fixed"].items():
        for i, value in enumerate(settings[sweep]):
            point = {**fixed, sweep: value}
            yield sweep, i, point["N"], point["K"], point["alpha"]


def noise_law(mdp, theta, estimator, settings, N):
    """Cov ĝ of N trajectories and their critic at θ, (D, D)."""
    V = exact.state_value(mdp, theta)
    options = {"horizon": settings["horizon"]}
    law = over_noise(
        lambda b: moments.expected_gradient(mdp, theta, estimator, baseline=b, **options),
        lambda b: moments.gradient_covariance(mdp, theta, estimator, baseline=b, **options),
        V if estimator != "dice" else np.zeros_like(V),
        float(NoisyBaseline(settings["noise"]).scale(V)[0]) if estimator != "dice" else 0.0,
        num_trajectories=N,
    )
    return law.covariance.reshape(theta.size, theta.size)


def test_datasets_are_labelled(smoke, smoke_figures):
    data, settings = smoke["compositional"], smoke_figures["compositional"].settings
    for sweep in ("N", "alpha", "K"):
        assert tuple(data[sweep].values) == settings[sweep]
        for name in ("steps", "meta"):
            assert data[f"{name}_over_{sweep}"].dims == ("estimator", sweep, "mdp", "trial")
        for name in ("exact_steps", "bound_steps", "power_steps", "c1", "truth"):
            assert data[f"{name}_over_{sweep}"].dims == ("estimator", sweep, "mdp")
    assert data.attrs["K_over_alpha"] == 2
    assert len(data.data_vars) == 21
    for name in data.data_vars:
        assert (data[name] > 0).all()
        assert np.isfinite(data[name]).all()
        assert data[name].attrs["long_name"]


@every_estimator
def test_simulated_errors_again_one_by_one(estimator):
    """By steps written out, and by the machine with I sampled alone."""
    found = compositional.simulate({**SETTINGS, "estimator": estimator})
    mdp = random_mdp(SETTINGS, 1)
    problem = Maml(mdp)
    for sweep, i, N, K, alpha in points(SETTINGS):
        sampled = Sampled(estimator, N, 4, NoisyBaseline(1.0))
        label = (0, "compositional", estimator, N, K, alpha, "mdp", 1)
        options = {"step_size": alpha, "num_steps": K}
        truth = meta_gradient(problem, ZERO, **options)
        assert found[f"truth_over_{sweep}"][i] == pytest.approx(np.linalg.norm(truth))
        trials = np.stack([ZERO] * SETTINGS["trials"])
        draws = meta_gradient(problem, trials, path=sampled, rng=stream(*label), **options)
        off = [np.linalg.norm(draw - truth) for draw in draws]
        assert_close(found[f"meta_over_{sweep}"][i], off, SAME)
        rng, theta, end = stream(*label), trials, ZERO
        for _ in range(K):
            theta = theta + alpha * sampled(problem.inner(trials, theta), rng).gradient
            end = end + alpha * exact.gradient(mdp, end)
        off = [np.linalg.norm(each - end) for each in theta]
        assert_close(found[f"steps_over_{sweep}"][i], off, SAME)


@every_estimator
def test_spread_and_bound_again_one_by_one(estimator):
    found = compositional.simulate({**SETTINGS, "estimator": estimator})
    mdp = random_mdp(SETTINGS, 1)
    for sweep, i, N, K, alpha in points(SETTINGS):
        theta, S = ZERO, np.zeros((9, 9))
        norms, traces = [], []
        for _ in range(K):
            noise = noise_law(mdp, theta, estimator, SETTINGS, N)
            H = exact.hessian(mdp, theta).reshape(9, 9)
            L = np.eye(9) + alpha * H
            S = L @ S @ L.T + alpha**2 * noise
            norms.append(np.linalg.svd(H, compute_uv=False)[0])
            traces.append(np.trace(noise))
            theta = theta + alpha * exact.gradient(mdp, theta)
        spread = found[f"exact_steps_over_{sweep}"][i]
        assert_close(spread, np.sqrt(np.trace(S)), SECOND)
        if K == 1:
            assert_close(spread, alpha * np.sqrt(traces[0]), SECOND)
        zero = dict.fromkeys(("c2", "rho1", "rho2", "m1", "mu1", "mu2", "zeta0"), 0.0)
        none = dict.fromkeys(
            ("sigma_p", "sigma_q", "sigma_H", "sigma_J", "sigma_HF", "sigma_JF"), 0.0
        )
        bound = second_moment_bound(
            Lipschitz(c1=max(norms), scope="every realisable θ", **zero),
            Noise(
                sigma_in=np.sqrt(max(traces)),
                Delta_H=0.0,
                Delta_J=0.0,
                scope="every realisable θ",
                **none,
            ),
            step_size=alpha,
            num_steps=K,
            num_trajectories=1,
        )
        assert_close(found[f"bound_steps_over_{sweep}"][i], bound, FIRST)
        assert_close(found[f"c1_over_{sweep}"][i], max(norms), FIRST)
        power = K * alpha**K * (2 * max(norms)) ** (K - 1) * np.sqrt(max(traces))
        assert_close(found[f"power_steps_over_{sweep}"][i], power, SECOND)
        assert spread <= bound * (1 + 1e-12)


def test_the_spread_is_that_of_a_sampled_loop_without_a_critic():
    """`theory.second_order` has the same recursion for J_T; T = 90 is as good as infinity."""
    settings = {**SETTINGS, "horizon": 90, "estimator": "dice", "noise": 0.0}
    found = compositional.simulate(settings)
    mdp = random_mdp(settings, 1)
    for sweep, i, N, K, alpha in points(settings):
        loop = SampledLoop(mdp, ZERO, alpha, K, 90)
        assert_close(found[f"exact_steps_over_{sweep}"][i], loop.spread(N), SECOND)


@every_estimator
def test_the_spread_of_one_step_against_many_trials(estimator):
    """And without the critic's lasting part it would be found to be too small."""
    settings = {**SETTINGS, "estimator": estimator, "trials": 4000, "N": (8,)}
    settings["fixed"] = {sweep: {"K": 1, "alpha": 3.0, "N": 8} for sweep in ("N", "alpha", "K")}
    settings |= {"alpha": (3.0,), "K": (1,)}
    found = compositional.simulate(settings)
    squares = found["steps_over_K"][0] ** 2
    off = abs(squares.mean() - found["exact_steps_over_K"][0] ** 2) / standard_error(squares)
    assert off < SIGMAS
    quiet = compositional.simulate({**settings, "noise": 0.0, "trials": 2})
    short = squares.mean() - quiet["exact_steps_over_K"][0] ** 2
    assert (short > SIGMAS * standard_error(squares)) == (estimator != "dice")
