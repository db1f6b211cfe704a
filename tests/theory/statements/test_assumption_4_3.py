"""One trajectory's variances and Hessian bias against enumeration, and their bounds."""

import dataclasses

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import FixedBaseline, NoisyBaseline, exact_baseline, zero_baseline
from tabular.problems import Lirpg, Maml
from tabular.registry import ESTIMATORS
from tabular.sources import Exact, Sampled
from tests.tabular.meta_reference import Choice, exact_step, sampled_step, tiny_case
from tests.tabular.reference import random_mdp
from tests.theory.cases import DEGENERATE, dense_random
from theory.certified_noise import certified_noise
from theory.objectives import Objective
from theory.statements.assumption_4_3 import check
from theory.trajectory_bounds import reward_range

NAMES = tuple(ESTIMATORS)


def by_name(checks):
    return {c.name.removeprefix("Assumption 4.3, "): c for c in checks}


def scatter(probability, samples):
    """Σ_τ p (X − E X) ... as samples less their mean, weighed by √p."""
    mean = np.tensordot(probability, samples, 1)
    return np.sqrt(probability).reshape(-1, *(1,) * mean.ndim) * (samples - mean), mean


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("problem", ["maml", "lirpg"])
def test_values_are_those_of_all_trajectories(problem, name):
    case = tiny_case(problem, (2, 2), "plain")
    theta = np.random.default_rng(1).normal(size=(2, 2))
    choice = Choice(name, 1, 2, 0.6 if name != "dice" else 1.0, "zero")
    source = Sampled(name, 1, 2, zero_baseline, 0.6)
    found = by_name(check(case.problem, case.phi, theta[None], source, source))
    one, exact = sampled_step(case, theta, choice), exact_step(case, theta)
    noise, _ = scatter(one.probability, one.gradients)
    assert found["sigma_in"].lhs == pytest.approx(np.linalg.norm(noise), rel=1e-9)
    noise, mean = scatter(one.probability, one.hessians)
    assert found["sigma_HF"].lhs == pytest.approx(np.linalg.norm(noise), rel=1e-9)
    weak = np.linalg.norm(np.einsum("mij,mik->jk", noise, noise), 2)
    assert found["sigma_H"].lhs == pytest.approx(np.sqrt(weak), rel=1e-9)
    bias = np.linalg.norm(mean - exact.hessians[0], 2)
    assert found["Delta_H"].lhs == pytest.approx(bias, rel=1e-9)
    noise, _ = scatter(*sampled_step(case, theta, choice, outer=True)[:2])
    assert found["sigma_p"].lhs == pytest.approx(np.linalg.norm(noise), rel=1e-9)
    if problem == "lirpg":
        noise, mean = scatter(one.probability, one.crosses)
        assert found["sigma_JF"].lhs == pytest.approx(np.linalg.norm(noise), rel=1e-9)
        weak = max(
            np.linalg.norm(np.einsum("mij,mik->jk", noise, noise), 2),
            np.linalg.norm(np.einsum("mij,mkj->ik", noise, noise), 2),
        )
        units = max((noise**2).sum(axis=(0, 1)).max(), (noise**2).sum(axis=(0, 2)).max())
        assert found["sigma_J"].lhs == pytest.approx(np.sqrt(units), rel=1e-9)
        assert found["sigma_J"].lhs <= np.sqrt(weak) * (1 + 1e-9)
        assert np.sqrt(weak) <= found["sigma_J"].rhs
        bias = np.linalg.norm(mean - exact.crosses[0], 2)
        assert found["Delta_J"].lhs == pytest.approx(bias, rel=1e-9)
    assert all(c.holds for c in found.values())


def random_combination(rng):
    shape = S, _ = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    mdp = random_mdp(rng, shape, float(rng.choice([0.0, 0.5, 0.9])))
    if rng.random() < 0.5:
        mdp = TabularMDP(mdp.P, rng.normal(size=(*shape, S)), mdp.gamma, mdp.initial)
    V_b, horizon = rng.normal(size=S), int(rng.choice([1, 2, 4]))
    baselines = (exact_baseline, zero_baseline, FixedBaseline(V_b))
    source = Sampled(
        str(rng.choice(NAMES)),
        1,
        horizon,
        baselines[rng.integers(3)],
        float(rng.choice([1.0, 0.5])),
    )
    thetas = 2 * rng.normal(size=(2, *shape))
    problem = (Maml(mdp), Maml(mdp, horizon, V_b), Lirpg(mdp, thetas[0]))[rng.integers(3)]
    return problem, rng.normal(size=shape), thetas, source, source


def search(rng, count):
    best: dict[str, float] = {}
    for _ in range(count):
        for name, found in by_name(check(*random_combination(rng))).items():
            assert found.holds, found
            best[name] = max(best.get(name, 0.0), found.ratio)
    return best


def test_random_search_exceeds_no_constant():
    best = search(np.random.default_rng(11), 150)
    assert len(best) == 8
    # Halves of these would be refuted; of Delta_J less than half is met.
    assert min(best[n] for n in ("sigma_in", "sigma_p", "sigma_H", "sigma_HF", "Delta_H")) > 0.5


@pytest.mark.slow
def test_random_search_exceeds_no_constant_at_scale():
    search(np.random.default_rng(12), 1500)


def test_a_bandit_attains_the_gradients_constant():
    """Two arms that pay one and are drawn alike: ĝ = ψ, of variance 1 − 1/A."""
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.0, 0)
    source = Sampled("dice", 1, 1)
    theta = np.zeros((1, 1, 2))
    found = by_name(check(Maml(mdp), theta[0], theta, source))["sigma_in"]
    assert found.lhs == pytest.approx(found.rhs, rel=1e-12)
    constants = certified_noise(Maml(mdp), theta[0], source)
    half = dataclasses.replace(constants, sigma_in=constants.sigma_in / 2)
    assert not by_name(check(Maml(mdp), theta[0], theta, source, constants=half))["sigma_in"].holds


@pytest.mark.parametrize("name", ["loaded_dice", "dice"])
def test_an_unbiased_hessian_has_no_bias(name):
    rng = np.random.default_rng(3)
    mdp, thetas = random_mdp(rng, (3, 2)), rng.normal(size=(5, 3, 2))
    V_b = np.zeros(3) if name == "dice" else rng.normal(size=3)
    source = Sampled(name, 1, 3, FixedBaseline(V_b))
    found = by_name(check(Maml(mdp, 3, V_b), thetas[0], thetas, source))["Delta_H"]
    assert found.rhs == 0.0
    assert found.holds
    other = Maml(mdp, 3, V_b + np.array([0, 0, 1]))
    shifted = by_name(check(other, thetas[0], thetas, source))["Delta_H"]
    assert 1e-3 < shifted.lhs <= shifted.rhs


def test_ad_with_the_value_as_baseline_has_no_hessian():
    rng = np.random.default_rng(4)
    mdp, thetas = random_mdp(rng, (3, 2)), rng.normal(size=(5, 3, 2))
    source = Sampled("ad", 1, 3)
    constants = certified_noise(Maml(mdp), thetas[0], source)
    assert constants.Delta_H == Objective(mdp).bounds.second


def test_rewards_on_transitions_count_where_they_are_seen():
    P = np.zeros((2, 2, 2))
    P[:, 0, 0] = P[0, 1, 0] = P[1, 1, 1] = 1.0
    R = np.full((2, 2, 2), 99.0)
    R[0, :, 0] = [1.0, -2.0]
    mdp = TabularMDP(P, R, 0.9, 0)
    for one in (mdp, mdp.sparse()):
        assert reward_range(Objective(one)) == (-2.0, 1.0)
        assert reward_range(Objective(one.add_reward(np.full((2, 2), 0.5)))) == (-1.5, 1.5)


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_mdps(name):
    mdp = DEGENERATE[name][0]
    theta = np.random.default_rng(0).normal(size=mdp.R.shape)
    for estimator in NAMES:
        source = Sampled(estimator, 1, 2, exact_baseline)
        assert all(c.holds for c in check(Maml(mdp), theta, theta[None], source))


@pytest.mark.parametrize("end", [None, 1e6 / 3])
def test_a_critic_far_from_zero_and_no_rewards(end):
    mdp = dense_random().with_reward(np.zeros((4, 3)))
    V_b = np.full(4, 1e6 / 3 if end is None else end)
    theta = np.random.default_rng(0).normal(size=(4, 3))
    problem = Maml(mdp, 2, None if end is None else V_b)
    for name in NAMES:
        source = Sampled(name, 1, 2, FixedBaseline(V_b))
        assert all(c.holds for c in check(problem, theta, theta[None], source))


@pytest.mark.parametrize("name", ["ad", "loaded_dice"])
def test_a_sparse_mdp_of_hundreds_of_states(name):
    mdp = TabularMDP.from_gymnasium("Taxi-v4", gamma=0.99).sparse()
    theta = np.zeros(mdp.R.shape)
    checks = check(Maml(mdp), theta, theta[None], Sampled(name, 1, 10))
    assert all(c.holds and np.isfinite(c.rhs) for c in checks)


def test_wrong_input():
    mdp, theta = dense_random(), np.zeros((4, 3))
    with pytest.raises(TypeError, match="source must be a Sampled"):
        certified_noise(Maml(mdp), theta, Exact())
    with pytest.raises(TypeError, match="outer must be a Sampled"):
        certified_noise(Maml(mdp), theta, Sampled("ad", 1), Exact())
    with pytest.raises(ValueError, match="or a FixedBaseline"):
        certified_noise(Maml(mdp), theta, Sampled("ad", 1, 4, NoisyBaseline()))
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        certified_noise(Maml(mdp), theta, Sampled("ad", 1, 4, FixedBaseline(np.zeros((2, 4)))))
