"""A wrong Hessian of known size: exact numbers against many trials and closed forms."""

import numpy as np
import pytest

from figures.experiments import hessian
from figures.experiments.paper import random_mdp
from figures.sweep.cell import stream
from tabular import exact
from tabular.metagradient import EXACT, meta_gradient
from tabular.problems import Maml
from tests.figures.experiments.small import SIGMAS, SMALL, standard_error
from tests.tabular.tolerances import FIRST, SAME, assert_close
from theory.hessian_error import hessian_error_curve

SETTINGS = {**SMALL, "K": 2, "alpha": (2.0, 3.5), "size": (0.5, 4.0), "spread": 0.9, "mdp": 1}
SETTINGS["steps"] = (1, 2, 3)
every_K = pytest.mark.parametrize("K", [1, 2, 3])
#: Trials of the simulations here.
MANY = 20_000


def own_bias(settings):
    """Numbers of a run, and its biases at the run's own K, (alpha, size)."""
    found = hessian.simulate(settings)
    return found, found["exact_bias"][:, settings["steps"].index(settings["K"])]


class Wrong:
    """The exact differential with (2/D) diag(c + s z) added to its Hessian."""

    def __init__(self, update, settings, c, z):
        self.exact = EXACT(update, None)
        self.gradient = self.exact.gradient
        self.added = 2 / self.gradient[0].size * (c + settings["spread"] * z)

    def vjp(self, u):
        return self.exact.vjp(u) + self.added * u


def simulated(settings, alpha, c, trials, rng):
    """Estimates (trials, D) by the K-step machine, z drawn as the backward pass meets it."""
    problem = Maml(random_mdp(settings, settings["mdp"]))
    shape = (problem.mdp.num_states, problem.mdp.num_actions)
    zs = [rng.standard_normal((trials, *shape)) for _ in range(settings["K"])]
    phi = np.broadcast_to(np.zeros(shape), (trials, *shape))

    def curvature(update, _):
        return Wrong(update, settings, c, zs.pop())

    options = {"step_size": alpha, "num_steps": settings["K"]}
    truth = meta_gradient(problem, np.zeros(shape), **options)
    draws = meta_gradient(problem, phi, curvature=curvature, **options)
    return draws.reshape(trials, -1), truth.ravel()


def test_datasets_are_labelled(smoke, smoke_figures):
    data, settings = smoke["hessian"], smoke_figures["hessian"].settings
    assert data.error.dims == ("alpha", "size", "mdp", "trial")
    for name in ("exact_error", "bound"):
        assert data[name].dims == ("alpha", "size", "mdp")
    assert data.exact_bias.dims == ("alpha", "steps", "size", "mdp")
    assert data.truth.dims == ("alpha", "mdp")
    assert tuple(data["size"].values) == settings["size"]
    assert data.attrs["K"] == 2
    for name in data.data_vars:
        assert np.isfinite(data[name]).all()
        assert data[name].attrs["long_name"]


@every_K
def test_simulated_errors_again_by_the_machine(K):
    settings = {**SETTINGS, "K": K}
    found = hessian.simulate(settings)
    for i, alpha in enumerate(settings["alpha"]):
        for j, c in enumerate(settings["size"]):
            rng = stream(0, "hessian", alpha, c, "mdp", 1)
            draws, truth = simulated(settings, alpha, c, settings["trials"], rng)
            errors = [np.linalg.norm(draw - truth) for draw in draws]
            assert_close(found["error"][i, j], errors, SAME)
            assert found["truth"][i] == pytest.approx(np.linalg.norm(truth))


@every_K
def test_exact_numbers_against_many_trials(K):
    """And without the noise's own term the mean squared error is found to be too small."""
    settings = {**SETTINGS, "K": K}
    found, bias = own_bias(settings)
    for i, alpha in enumerate(settings["alpha"]):
        for j, c in enumerate(settings["size"]):
            draws, truth = simulated(settings, alpha, c, MANY, np.random.default_rng(K))
            squares = ((draws - truth) ** 2).sum(axis=1)
            exact_square = found["exact_error"][i, j] ** 2
            unit = standard_error(squares)
            assert abs(squares.mean() - exact_square) < SIGMAS * unit
            assert squares.mean() - bias[i, j] ** 2 > SIGMAS * unit
            shift = draws.mean(axis=0) - truth
            spread = np.sqrt(draws.var(axis=0).sum() / MANY)
            assert abs(np.linalg.norm(shift) - bias[i, j]) < SIGMAS * spread


def test_the_bias_is_the_polynomial_of_one_or_two_steps():
    """αΔ p for K = 1; (αΔ (2I + α(H₀ + H₁)) + α²Δ²) p for K = 2."""
    mdp = random_mdp(SETTINGS, 1)
    zero, D = np.zeros((3, 3)), 9
    bias = hessian.simulate(SETTINGS)["exact_bias"]
    for i, alpha in enumerate(SETTINGS["alpha"]):
        theta = zero + alpha * exact.gradient(mdp, zero)
        end = theta + alpha * exact.gradient(mdp, theta)
        H0, H1 = (exact.hessian(mdp, x).reshape(D, D) for x in (zero, theta))
        for j, c in enumerate(SETTINGS["size"]):
            Delta = 2 * c / D
            p = exact.gradient(mdp, theta).ravel()
            assert_close(bias[i, 0, j], alpha * Delta * np.linalg.norm(p), FIRST)
            p = exact.gradient(mdp, end).ravel()
            added = alpha * Delta * (2 * p + alpha * (H0 + H1) @ p) + (alpha * Delta) ** 2 * p
            assert_close(bias[i, 1, j], np.linalg.norm(added), FIRST)


@every_K
def test_the_bound_is_term_two_of_the_theorem(K):
    settings = {**SETTINGS, "K": K}
    found, bias = own_bias(settings)
    problem = Maml(random_mdp(settings, 1))
    Delta = 2 * np.array(settings["size"]) / 9
    for i, alpha in enumerate(settings["alpha"]):
        curve = hessian_error_curve(problem, np.zeros((3, 3)), Delta, step_size=alpha, num_steps=K)
        assert_close(found["bound"][i], curve.bound, FIRST)
        share = bias[i] / found["bound"][i]
        if K == 1:  # nothing is lost: the bias of one step is its bound
            assert_close(share, np.ones(2), FIRST)
        else:
            assert (share < 1).all()


def test_without_noise_the_error_is_the_bias():
    found, bias = own_bias({**SETTINGS, "spread": 0.0})
    assert_close(found["exact_error"], bias, FIRST)
    assert_close(found["error"], np.repeat(bias[..., None], 5, axis=-1), FIRST)


@every_K
def test_biases_for_every_K_do_not_depend_on_the_run(K):
    """Also where the run's own K is the largest."""
    few = hessian.simulate({**SETTINGS, "K": 3, "steps": (K,)})
    assert_close(few["exact_bias"][:, 0], own_bias({**SETTINGS, "K": K})[1], SAME)
