"""The surrogates in PyTorch against the closed forms and exact moments of the tabular engine."""

import numpy as np
import pytest

from tabular import exact, moments
from tabular.enumeration import enumerate_trajectories
from tabular.policy import softmax
from tests.tabular.reference import random_mdp
from tests.tabular.sampled_case import LAMBDAS, Case
from tests.tabular.surrogates import DERIVATIVE, as_trajectories
from tests.tabular.tolerances import ENUMERATED, assert_close

torch = pytest.importorskip("torch")
from adapters.surrogates import SURROGATES, advantages  # noqa: E402

#: (S, A, T, N)
SIZES = [(1, 1, 3, 2), (1, 3, 1, 4), (3, 2, 5, 4), (4, 3, 6, 7)]
TABULAR = ("ad", "lvc", "loaded_dice", "dice")
#: DiCE has no λ.
every_surrogate = pytest.mark.parametrize(
    ("name", "gae_lambda"),
    [(name, x) for name in TABULAR for x in LAMBDAS if name != "dice" or x == 1.0],
)


def derivatives(name, theta, trajectories, baseline, *, drawn_by=None, weights=None, **options):
    """Value, gradient and Hessian of the weighted mean of a surrogate over trajectories."""
    states, actions, rewards = (
        torch.from_numpy(np.moveaxis(np.asarray(part), 0, -1).reshape(-1, len(part)).copy())
        for part in trajectories
    )
    count = len(actions)
    weights = torch.from_numpy(np.full(count, 1 / count) if weights is None else weights)
    baselines = torch.from_numpy(np.asarray(baseline))[states]

    def logp(theta):
        return torch.log_softmax(theta, dim=-1)[states[:, :-1], actions]

    old = torch.from_numpy(theta if drawn_by is None else drawn_by)

    def mean(theta):
        each = SURROGATES[name](logp(theta), logp(old), rewards, baselines, **options)
        return (weights * each).sum()

    at = torch.from_numpy(theta)
    gradient = torch.autograd.functional.jacobian(mean, at)
    hessian = torch.autograd.functional.hessian(mean, at)
    return mean(at).item(), gradient.numpy(), hessian.numpy()


@pytest.mark.parametrize("size", SIZES)
@every_surrogate
def test_derivatives_are_the_closed_forms_on_the_same_trajectories(name, size, gae_lambda):
    case = Case(size, gae_lambda=gae_lambda)
    expected = case.estimate(name)
    baseline = np.zeros(size[0]) if name == "dice" else case.baseline
    _, gradient, hessian = derivatives(
        name,
        case.theta,
        as_trajectories([case.sample]),
        baseline,
        gamma=case.mdp.gamma,
        gae_lambda=gae_lambda,
    )
    assert_close(gradient, expected.gradient, DERIVATIVE, what="gradient")
    assert_close(hessian, expected.hessian, DERIVATIVE, what="Hessian")


def test_each_surrogate_has_a_hessian_of_its_own():
    case = Case((3, 2, 5, 4), gae_lambda=1.0)
    trajectories = as_trajectories([case.sample])
    found = [
        derivatives(name, case.theta, trajectories, case.baseline, gamma=0.9)[2] for name in TABULAR
    ]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 0.01


def test_the_baseline_of_dice_is_loaded_dices_in_the_gradient_only():
    case = Case((3, 2, 5, 4), gae_lambda=1.0)
    trajectories = as_trajectories([case.sample])
    _, gradient, hessian = derivatives(
        "dice", case.theta, trajectories, case.baseline, gamma=case.mdp.gamma
    )
    loaded = case.estimate("loaded_dice")
    assert_close(gradient, loaded.gradient, DERIVATIVE)
    assert np.abs(hessian - loaded.hessian).max() > 0.01


def tiny():
    rng = np.random.default_rng(3)
    mdp = random_mdp(rng, (2, 2))
    return mdp, *rng.normal(size=(2, 2, 2)), rng.normal(size=2)


@every_surrogate
def test_expectations_are_the_exact_moments(name, gae_lambda):
    mdp, theta, _, baseline = tiny()
    estimator = "loaded_dice" if name == "dice" else name  # DiCE's baseline has mean zero
    trajectories, probability = enumerate_trajectories(mdp, theta, horizon=4)
    _, gradient, hessian = derivatives(
        name,
        theta,
        trajectories,
        baseline,
        weights=probability,
        gamma=mdp.gamma,
        gae_lambda=gae_lambda,
    )
    options = {"horizon": 4, "baseline": baseline, "gae_lambda": gae_lambda}
    expected = moments.expected_gradient(mdp, theta, estimator, **options)
    assert_close(gradient, expected, ENUMERATED)
    expected = moments.expected_hessian(mdp, theta, estimator, **options)
    assert_close(hessian, expected, ENUMERATED)


def test_off_policy_dice_has_the_exact_value_and_derivatives_at_another_policy():
    mdp, theta, other, terminal = tiny()
    trajectories, probability = enumerate_trajectories(mdp, other, horizon=4)
    value, gradient, hessian = derivatives(
        "off_policy_dice",
        theta,
        trajectories,
        terminal,
        drawn_by=other,
        weights=probability,
        gamma=mdp.gamma,
    )
    options = {"horizon": 4, "terminal_value": terminal}
    assert_close(value, exact.value(mdp, theta, **options), ENUMERATED)
    assert_close(gradient, exact.gradient(mdp, theta, **options), ENUMERATED)
    assert_close(hessian, exact.hessian(mdp, theta, **options), ENUMERATED)
    # The test can fail: on-policy DiCE takes these trajectories for its own.
    wrong = derivatives(
        "dice", theta, trajectories, terminal, weights=probability, gamma=mdp.gamma
    )[1]
    assert np.abs(wrong - gradient).max() > 1e-3
    assert np.abs(softmax(theta) - softmax(other)).max() > 0.1


def test_off_policy_dice_on_policy_is_dice():
    case = Case((3, 2, 5, 4), gae_lambda=1.0)
    trajectories = as_trajectories([case.sample])
    both = [
        derivatives(name, case.theta, trajectories, case.baseline, gamma=0.9)
        for name in ("dice", "off_policy_dice")
    ]
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one, other)


def test_inputs_are_left_alone():
    rewards, baselines = torch.ones(2, 3), torch.ones(2, 4)
    for surrogate in SURROGATES.values():
        surrogate(torch.zeros(2, 3), torch.zeros(2, 3), rewards, baselines, gamma=0.5)
    assert (rewards == 1).all()
    assert (baselines == 1).all()


def test_advantages_by_hand():
    rewards, baselines = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0])
    delta = [1 + 0.5 * 4 - 3, 2 + 0.5 * 5 - 4]
    found = advantages(rewards, baselines, gamma=0.5, gae_lambda=0.4)
    assert found.tolist() == pytest.approx([delta[0] + 0.2 * delta[1], delta[1]])


def test_dice_has_no_lambda():
    ones = torch.ones(1, 2)
    for name in ("dice", "off_policy_dice"):
        with pytest.raises(ValueError, match=r"gae_lambda must be 1, received 0\.5"):
            SURROGATES[name](ones, ones, ones, torch.ones(1, 3), gamma=0.9, gae_lambda=0.5)
