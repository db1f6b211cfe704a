import dataclasses

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.tolerances import assert_close
from tests.tabular.unroll import maml as unrolled
from tests.theory.formulations.cases import LAW, dense
from theory.formulations import sampling_correction
from theory.formulations.comparison import compare
from theory.formulations.equalities import baseline_free, completed_hessian, unbiased
from theory.formulations.maml import TinyMaml
from theory.formulations.objective import sampled_gradient
from theory.formulations.sampling_correction import law

STEPS = {"step_size": 1.5, "num_steps": 2, "num_trajectories": 2}


@pytest.fixture(scope="module")
def compared():
    tiny = dense()
    return compare(tiny.mdp, tiny.phi, horizon=2, outer_trajectories=2, **STEPS)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("K", "N"), [(1, 1), (1, 4), (2, 2), (3, 1)])
def test_the_equalities_hold(seed, K, N):
    tiny = dense(seed)
    options = {"step_size": 3.0, "num_steps": K, "num_trajectories": N}
    found = compare(tiny.mdp, tiny.phi, horizon=2, outer_trajectories=N, **options)
    assert len(found.checks) == 3
    assert all(check.holds for check in found.checks)
    assert found.row("ad", 1.0).sampled_bias < 1e-12


def test_rows_are_biases_and_variances_of_the_laws(compared):
    for row in compared.rows:
        own = compared.laws[row.estimator]
        mean = own.path_mean + row.coefficient * own.correction_mean
        assert_close(row.epg_bias, np.linalg.norm(mean - compared.epg_target), LAW)
        assert_close(row.sampled_bias, np.linalg.norm(mean - compared.sampled_target), LAW)
        assert row.epg_error == row.epg_bias**2 + row.variance
        assert row.sampled_error == row.sampled_bias**2 + row.variance
        assert row.as_dict()["epg_error"] == row.epg_error
    assert [row.estimator for row in compared.rows] == ["ad"] * 4 + ["lvc", "loaded_dice"]


def test_the_best_coefficients_are_best_of_the_rows(compared):
    own = [row for row in compared.rows if row.estimator == "ad"]
    assert min(own, key=lambda row: row.sampled_error) is own[2]
    assert min(own, key=lambda row: row.epg_error) is own[3]


def test_averages_of_break_even_many_estimates_err_alike(compared):
    B, target = compared.break_even, compared.sampled_target
    errors = [
        own.variance(c) / B + own.bias(target, c) ** 2
        for own, c in ((compared.laws["ad"], 0.0), (compared.laws["ad"], 1.0))
    ]
    assert_close(errors[0], errors[1], LAW)


def test_break_even_at_the_ends(compared):
    own = compared.laws["ad"]

    def with_law(**changes):
        laws = compared.laws | {"ad": dataclasses.replace(own, **changes)}
        return dataclasses.replace(compared, laws=laws)

    nothing = {"correction_mean": 0 * own.correction_mean, "covariance": 0.0}
    assert with_law(**nothing).break_even == np.inf
    assert with_law(correction_variance=0.0, **nothing | {"covariance": -1.0}).break_even == 0.0


def test_the_targets(compared):
    tiny = dense()
    options = {"step_size": 1.5, "num_steps": 2}
    truth = unrolled(tiny.mdp, 2, np.zeros(2)).meta_gradient(tiny.phi, **options)
    assert_close(compared.epg_target, truth.ravel(), LAW)
    assert_close(compared.distance, np.linalg.norm(compared.sampled_target - truth.ravel()), LAW)
    J = exact.value(tiny.mdp, tiny.phi, horizon=2)
    assert_close(compared.setting["return_baseline"], J, LAW)
    own = compared.laws["ad"]
    assert compared.variance_ratio == own.correction_variance / own.path_variance
    assert compared.small_step_variance > 0


def test_a_baseline_ends_the_horizon_of_both_targets():
    tiny, steps = dense(), {"step_size": 1.5, "num_steps": 2}
    found = compare(
        tiny.mdp,
        tiny.phi,
        horizon=2,
        num_trajectories=1,
        baseline=tiny.baseline,
        return_baseline=0.3,
        **steps,
    )
    truth = unrolled(tiny.mdp, 2, tiny.baseline).meta_gradient(tiny.phi, **steps)
    assert_close(found.epg_target, truth.ravel(), LAW)
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=2, baseline=tiny.baseline)
    options = {"num_trajectories": 1, "return_baseline": 0.3} | steps
    assert found.laws["ad"].correction_variance == law(problem, **options).correction_variance
    assert_close(found.sampled_target, law(problem, **options).mean(), LAW)
    assert all(check.holds for check in found.checks)


@pytest.mark.parametrize("offset", [1e4, 1e8])
@pytest.mark.parametrize("outer", [None, 1])
def test_rewards_far_from_zero_break_no_equality(offset, outer):
    """A critic takes them out of every gradient, but not their rounding."""
    tiny = dense()
    mdp = TabularMDP(tiny.mdp.P, tiny.mdp.R + offset, 0.9, 0)
    for table, alpha in ((None, 1 / offset), (exact.state_value(mdp, tiny.phi), 1.0)):
        steps = {"step_size": alpha, "num_steps": 2, "num_trajectories": 1}
        options = steps | {"outer_trajectories": outer, "baseline": table}
        found = compare(mdp, tiny.phi, horizon=2, **options)
        assert all(check.holds for check in found.checks), found.checks


@pytest.mark.parametrize("actions", [1, 2])
def test_nothing_to_learn(actions):
    """One action, or no reward: all equalities hold, and variances have no ratio."""
    mdp = TabularMDP(np.full((2, actions, 2), 0.5), np.zeros((2, actions)), 0.9, 0)
    found = compare(mdp, np.zeros((2, actions)), horizon=2, **STEPS)
    assert all(check.holds for check in found.checks)
    with pytest.raises(ValueError, match="a ratio needs V"):
        _ = found.variance_ratio
    assert found.best == {"epg": 0.0, "sampled": 0.0}


def test_the_targets_come_together_as_one_over_n():
    """K = 1: N (∇J_S − ∇J) → (α²/2) ∇_φ⟨∇²J(θ¹), Cov ĝ(φ)⟩; extrapolated from N = 6 and 12.

    The next term is O(1/N²): each multiple of it that is left is below 2/72 of the first.
    """
    tiny, alpha = dense(), 0.5
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=2)

    def coefficient(phi):
        here, p = problem.gradients(phi), problem.probability(phi)
        noise = here - p @ here
        theta = phi + alpha * problem.inner(phi).gradient
        return alpha**2 / 2 * np.sum(problem.inner(theta).hessian * ((p * noise.T) @ noise))

    h = 1e-4
    units = h * np.eye(4)
    wanted = [
        (coefficient(problem.start + u) - coefficient(problem.start - u)) / (2 * h) for u in units
    ]
    steps = {"horizon": 2, "step_size": alpha, "num_steps": 1}
    found = []
    for N in (6, 12):
        both = compare(tiny.mdp, tiny.phi, num_trajectories=N, **steps)
        found.append(N * (both.sampled_target - both.epg_target))
    last = np.linalg.norm(found[1] - wanted)
    assert 1.8 < np.linalg.norm(found[0] - wanted) / last < 2.2
    extrapolated = 2 * found[1] - found[0]
    assert np.linalg.norm(extrapolated - wanted) < 2 / 72 * np.linalg.norm(wanted)


# Wrong formulas are found.


@pytest.fixture
def problem():
    tiny = dense()
    return TinyMaml(tiny.mdp, tiny.phi, horizon=2, baseline=tiny.baseline)


STEPS_AB = {"step_size": 1.5, "num_steps": 2, "num_trajectories": 1}


def holds(problem):
    target = sampled_gradient(problem, **STEPS_AB)
    return unbiased(law(problem, **STEPS_AB), target, {}).holds


def change_scores(monkeypatch, wrong):
    """Let the law see wrong(paths) for its scores."""
    honest = sampling_correction._law
    monkeypatch.setattr(
        sampling_correction,
        "_law",
        lambda problem, paths, *rest: honest(problem, paths._replace(scores=wrong(paths)), *rest),
    )


def test_the_right_formula_holds(problem):
    assert holds(problem)


def test_a_dropped_correction_is_found(problem):
    own = law(problem, **STEPS_AB)
    without = dataclasses.replace(own, correction_mean=0 * own.correction_mean)
    assert not unbiased(without, sampled_gradient(problem, **STEPS_AB), {}).holds


def test_the_last_score_alone_is_found(problem, monkeypatch):
    change_scores(monkeypatch, lambda paths: paths.scores * [[[0.0], [1.0]]])
    assert not holds(problem)


def test_scores_off_by_a_thousandth_are_found(problem, monkeypatch):
    change_scores(monkeypatch, lambda paths: paths.scores * 0.999)
    assert not holds(problem)


def test_scores_that_forget_the_path_are_found(problem, monkeypatch):
    """∇_θ log p(τ_i; θ̂^i) without ∂θ̂^i/∂φ."""
    honest = sampling_correction._extend

    def forgetful(problem, paths, *rest):
        own = honest(problem, paths, *rest)
        start = np.broadcast_to(problem.start_jacobian, paths.jacobian.shape)
        wrong = honest(problem, paths._replace(jacobian=start), *rest)
        return own._replace(scores=wrong.scores)

    monkeypatch.setattr(sampling_correction, "_extend", forgetful)
    assert not holds(problem)


@pytest.mark.parametrize("estimator", ["lvc", "loaded_dice"])
def test_hessians_that_hold_the_scores_already_are_found(estimator):
    """With the correction on top they count the scores twice."""
    tiny = dense()
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=2, estimator=estimator)
    assert not holds(problem)
    assert not completed_hessian(problem).holds


def test_scores_off_centre_are_found(problem):
    own = law(problem, **STEPS_AB)
    assert baseline_free(own, {}).holds
    off = dataclasses.replace(own, score_mean=own.score_mean + 1e-11)
    assert not baseline_free(off, {}).holds


def test_a_critic_that_follows_theta_leaves_a_bias():
    """Automatic differentiation holds V_b = V^π(θ) fixed; the derivative of ĝ moves it too."""
    tiny, alpha, h = dense(), 1.0, 1e-3
    held = exact.state_value(tiny.mdp, tiny.phi)
    outer = TinyMaml(tiny.mdp, tiny.phi, horizon=2, baseline=held)

    def objective(phi, follows):
        table = exact.state_value(tiny.mdp, phi) if follows else held
        inner = TinyMaml(tiny.mdp, phi, horizon=2, baseline=table)
        moved = inner.start + alpha * inner.gradients(inner.start)
        return inner.probability(inner.start) @ outer.outer_value(moved)

    def gradient(follows):
        at = [
            [objective(tiny.phi + k * h * unit, follows) for k in (1, -1, 2, -2)]
            for unit in np.eye(4).reshape(4, 2, 2)
        ]
        return np.array([(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in at])

    own = law(outer, step_size=alpha, num_steps=1, num_trajectories=1)
    assert own.bias(gradient(follows=False)) < 1e-9
    assert own.bias(gradient(follows=True)) > 1e-3
