"""What the sampler, the estimators, the expected update and the moments refuse."""

import numpy as np
import pytest

from tabular import TabularMDP, moments
from tabular.estimators import Estimate
from tabular.gae import UpdateField
from tabular.registry import ESTIMATORS as REGISTRY
from tabular.registry import find_estimator
from tabular.sampling import sample
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import ESTIMATORS, arbitrary_sample, as_trajectories

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def _mdp():
    return random_mdp(np.random.default_rng(0), (4, 3))


def test_registry_finds_by_name_and_by_entry():
    assert tuple(REGISTRY) == ESTIMATORS
    for name in ESTIMATORS:
        entry = find_estimator(name)
        assert entry.name == name
        assert find_estimator(entry) is entry


def _estimate(**changes):
    rng = np.random.default_rng(0)
    arguments = {
        "mdp": TabularMDP(np.full((3, 2, 3), 1 / 3), np.zeros((3, 2)), 0.9, 0),
        "theta": np.zeros((3, 2)),
        "trajectories": as_trajectories([arbitrary_sample(rng, (3, 2), 4, 5)]),
        "estimator": "ad",
    } | changes
    return Estimate(
        arguments.pop("mdp"), arguments.pop("theta"), arguments.pop("trajectories"), **arguments
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"estimator": "maml"},
            ValueError,
            "unknown estimator 'maml'; choose one of ad, dice, loaded_dice, lvc",
        ),
        ({"estimator": "AD"}, ValueError, "unknown estimator 'AD'"),
        ({"theta": np.zeros((2, 3))}, ValueError, r"theta must have shape \(..., 3, 2\)"),
        ({"theta": np.zeros(2)}, ValueError, r"theta must have shape \(..., 3, 2\)"),
        ({"theta": np.full((3, 2), np.nan)}, ValueError, "theta must be finite"),
        ({"theta": "logits"}, TypeError, "theta must be an array of real numbers"),
        ({"baseline": np.zeros(2)}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": 0.0}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": [0.0, np.inf, 0.0]}, ValueError, "baseline must be finite"),
        ({"gae_lambda": 1.1}, ValueError, r"gae_lambda must lie in \[0, 1\], received 1.1"),
        ({"gae_lambda": -0.1}, ValueError, r"gae_lambda must lie in \[0, 1\]"),
        ({"gae_lambda": np.nan}, ValueError, "gae_lambda must be finite"),
    ],
)
def test_estimates_name_bad_arguments(changes, error, message):
    with pytest.raises(error, match=message):
        _estimate(**changes)


@pytest.mark.parametrize("method", ["hvp", "cross_reward"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimates_refuse_directions_of_a_wrong_shape(estimator, method):
    estimate = _estimate(estimator=estimator)
    with pytest.raises(ValueError, match=r"v must have shape \(..., 3, 2\), received \(2, 3\)"):
        getattr(estimate, method)(np.zeros((2, 3)))


MEANS = [moments.expected_gradient, moments.expected_hessian]
COVARIANCES = [moments.gradient_covariance, moments.gradient_variance, moments.hessian_variance]


@pytest.mark.parametrize("moment", MEANS + COVARIANCES)
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"estimator": "maml"}, ValueError, "unknown estimator 'maml'; choose one of ad, dice"),
        ({"horizon": 0}, ValueError, "horizon must be at least 1, received 0"),
        ({"horizon": 2.0}, TypeError, "horizon must be an integer, received 2.0"),
        ({"baseline": np.zeros(2)}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": np.full(3, np.nan)}, ValueError, "baseline must be finite"),
        ({"gae_lambda": 2}, ValueError, r"gae_lambda must lie in \[0, 1\], received 2"),
        ({"theta": np.zeros((2, 3))}, ValueError, r"theta must have shape \(..., 3, 2\)"),
    ],
)
def test_moments_name_bad_arguments(moment, changes, error, message):
    arguments = {"theta": np.zeros((3, 2)), "estimator": "lvc", "horizon": 2} | changes
    mdp = random_mdp(np.random.default_rng(0), (3, 2))
    with pytest.raises(error, match=message):
        moment(mdp, arguments.pop("theta"), arguments.pop("estimator"), **arguments)


@pytest.mark.parametrize("moment", [moments.expected_hvp, moments.hvp_covariance])
@every_estimator
@pytest.mark.parametrize("shape", [(2, 3), (2,), ()])
def test_moments_refuse_directions_of_a_wrong_shape(moment, estimator, shape):
    mdp = random_mdp(np.random.default_rng(0), (3, 2))
    with pytest.raises(ValueError, match=r"v must have shape \(..., 3, 2\), received"):
        moment(mdp, np.zeros((3, 2)), estimator, np.ones(shape), horizon=2)


@pytest.mark.parametrize("moment", COVARIANCES)
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"theta": np.zeros((4, 3, 2))}, "theta"),
        ({"baseline": np.zeros((4, 3))}, "baseline"),
        ({"gae_lambda": [0.5, 1.0]}, "gae_lambda"),
        ({"rewards": np.zeros((4, 3, 2))}, "reward"),
        ({"gamma": [0.5, 0.9]}, "discount"),
    ],
)
def test_covariances_refuse_a_batch(moment, changes, what):
    mdp = random_mdp(np.random.default_rng(0), (3, 2))
    arguments = {"theta": np.zeros((3, 2)), "horizon": 2, "gamma": 0.9, "rewards": mdp.R} | changes
    mdp = mdp.with_gamma(arguments.pop("gamma")).with_reward(arguments.pop("rewards"))
    with pytest.raises(ValueError, match=f"one policy at a time: .*{what}.* must have"):
        moment(mdp, arguments.pop("theta"), "lvc", **arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"gae_lambda": 1.5}, ValueError, r"gae_lambda must lie in \[0, 1\], received 1.5"),
        ({"gae_lambda": [0.5, -1e-9]}, ValueError, r"gae_lambda must lie in \[0, 1\]"),
        ({"baseline": np.zeros(4)}, ValueError, r"baseline must have shape \(..., 3\)"),
        ({"baseline": [0, 0, np.nan]}, ValueError, "baseline must be finite"),
        ({"horizon": 0}, ValueError, "horizon must be at least 1, received 0"),
        ({"horizon": 2.5}, TypeError, "horizon must be an integer, received 2.5"),
        ({"theta": np.zeros((2, 3))}, ValueError, r"theta must have shape \(..., 3, 2\)"),
    ],
)
def test_update_fields_name_bad_arguments(changes, error, message):
    mdp = random_mdp(np.random.default_rng(0), (3, 2))
    arguments = {"theta": np.zeros((3, 2))} | changes
    with pytest.raises(error, match=message):
        UpdateField(mdp, arguments.pop("theta"), **arguments)


@pytest.mark.parametrize("method", ["vjp", "cross_reward"])
def test_update_fields_refuse_directions_of_a_wrong_shape(method):
    mdp = random_mdp(np.random.default_rng(0), (3, 2))
    with pytest.raises(ValueError, match=r"u must have shape \(..., 3, 2\), received \(2, 3\)"):
        getattr(UpdateField(mdp, np.zeros((3, 2))), method)(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"horizon": 0}, ValueError, "horizon must be at least 1, received 0"),
        ({"horizon": -3}, ValueError, "horizon must be at least 1, received -3"),
        ({"horizon": True}, TypeError, "horizon must be an integer, received True"),
        ({"horizon": 2.0}, TypeError, "horizon must be an integer, received 2.0"),
        ({"horizon": None}, TypeError, "horizon must be an integer, received None"),
        ({"num_trajectories": 0}, ValueError, "num_trajectories must be at least 1, received 0"),
        ({"num_trajectories": -1}, ValueError, "num_trajectories must be at least 1"),
        ({"num_trajectories": False}, TypeError, "num_trajectories must be an integer"),
        ({"num_trajectories": 1e3}, TypeError, "num_trajectories must be an integer"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator, received int"),
        ({"rng": None}, TypeError, "rng must be a numpy.random.Generator, received NoneType"),
        (
            {"rng": np.random.RandomState(0)},
            TypeError,
            "rng must be a numpy.random.Generator, received RandomState",
        ),
        ({"theta": np.zeros((3, 4))}, ValueError, r"theta must have shape \(..., 4, 3\)"),
        ({"theta": np.full((4, 3), np.inf)}, ValueError, "theta must be finite"),
        (
            {"mdp": TabularMDP.stack([_mdp()] * 2)},
            ValueError,
            r"sampling needs one MDP, received a batch of shape \(2,\)",
        ),
    ],
)
def test_the_sampler_names_bad_arguments(changes, error, message):
    arguments = {
        "mdp": _mdp(),
        "theta": np.zeros((4, 3)),
        "horizon": 2,
        "num_trajectories": 3,
        "rng": np.random.default_rng(0),
    } | changes
    mdp, theta = arguments.pop("mdp"), arguments.pop("theta")
    with pytest.raises(error, match=message):
        sample(mdp, theta, **arguments)
