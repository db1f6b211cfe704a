import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.surrogates import Law, advantages
from tests.tabular.tolerances import assert_close
from tests.theory.formulations.cases import LAW, certain, dense
from theory.formulations.maml import TinyMaml

ESTIMATORS = ["ad", "lvc", "loaded_dice", "dice"]


@pytest.mark.parametrize("make", [dense, certain])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_outcomes_are_the_estimates_of_all_trajectories(estimator, make):
    """First and second moments of (ĝ, Ĥ, R̂), which do not see how outcomes are merged."""
    tiny, T = make(), 3
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=T, estimator=estimator, baseline=tiny.baseline)
    every = Law(tiny.mdp, tiny.phi, T)
    surrogate = every.surrogate(estimator, 1.0, tiny.baseline)
    M, setting = len(every.probability), surrogate.setting.used_by(estimator)
    returns = advantages(every.sample, setting)[0] + setting.baseline[every.sample.states[:, 0]]
    wanted = np.column_stack(
        [surrogate.gradients().reshape(M, -1), surrogate.hessians().reshape(M, -1), returns]
    )
    theta = problem.start
    here = problem.inner_outcomes(theta)
    count = len(here.probability)
    parts = (here.gradient, here.hessian.reshape(count, -1), problem.outer_returns(theta))
    found = np.column_stack(parts)
    assert count <= M
    for power in (0, 1, 2, 3):
        mean = every.probability @ wanted**power
        assert_close(here.probability @ found**power, mean, LAW)
    pairs = (here.probability * found.T) @ found
    assert_close(pairs, (every.probability * wanted.T) @ wanted, LAW)


def test_outcomes_of_a_batch_of_logits_are_those_of_each():
    tiny, rng = dense(), np.random.default_rng(1)
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=2, estimator="loaded_dice")
    thetas = rng.normal(size=(3, 2, 4))
    together = problem.inner_outcomes(thetas)
    for at in np.ndindex(3, 2):
        for batch, alone in zip(together, problem.inner_outcomes(thetas[at]), strict=True):
            assert_close(batch[at], alone, LAW)
    assert_close(problem.outer_value(thetas)[1, 1], problem.outer_value(thetas[1, 1]), LAW)


def test_exact_quantities_are_the_outcomes_means():
    tiny, rng = dense(), np.random.default_rng(2)
    problem = TinyMaml(
        tiny.mdp, tiny.phi, horizon=3, estimator="loaded_dice", baseline=tiny.baseline
    )
    theta = rng.normal(size=4)
    options = {"horizon": 3, "terminal_value": tiny.baseline}
    outcomes, inner, outer = (
        problem.inner_outcomes(theta),
        problem.inner(theta),
        problem.outer(theta),
    )
    assert_close(
        problem.outer_value(theta), exact.value(tiny.mdp, theta.reshape(2, 2), **options), LAW
    )
    assert_close(outcomes.probability @ outcomes.gradient, inner.gradient, LAW)
    assert_close(np.tensordot(outcomes.probability, outcomes.hessian, 1), inner.hessian, LAW)
    assert_close(outer.gradient, inner.gradient, LAW)
    end = problem.outer_outcomes(theta)
    assert_close(end.probability @ end.gradient, outer.gradient, LAW)
    assert_close(end.probability @ problem.outer_returns(theta), problem.outer_value(theta), LAW)
    assert not end.direct.any()
    assert not inner.cross.any()


def test_scores_are_derivatives_of_log_probabilities():
    tiny = dense()
    problem = TinyMaml(tiny.mdp, tiny.phi, horizon=2)
    moved = problem.start + 1e-30j * np.eye(4)
    derivative = problem.probability(moved).imag.T / 1e-30
    wanted = problem.probability(problem.start)[:, None] * problem.inner_scores(problem.start)
    assert_close(derivative, wanted, LAW)


def test_coinciding_trajectories_are_merged():
    tiny = dense()
    merged = TinyMaml(tiny.mdp, tiny.phi, horizon=2)
    apart = TinyMaml(tiny.mdp, tiny.phi, horizon=2, baseline=tiny.baseline)
    assert merged.probability(merged.start).size == 8
    assert apart.probability(apart.start).size == 16


def test_a_saturated_policy_gives_probabilities_of_zero():
    tiny = dense()
    problem = TinyMaml(tiny.mdp, [[2000.0, 0.0], [0.0, 2000.0]], horizon=2)
    here = problem.inner_outcomes(problem.start)
    assert np.isfinite(here.hessian).all()
    assert_close(here.probability.sum(), 1.0, LAW)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 40}, "trajectories"),
        ({"estimator": "magic"}, "unknown estimator"),
        ({"baseline": [0.0]}, "baseline"),
        ({"baseline": [[0.0, 1.0]]}, "one table"),
        ({"phi": np.zeros((3, 2, 2))}, "one table"),
    ],
)
def test_errors(options, error):
    tiny = dense()
    phi = options.pop("phi", tiny.phi)
    with pytest.raises(ValueError, match=error):
        TinyMaml(tiny.mdp, phi, **{"horizon": 2} | options)


def test_a_batch_of_mdps_is_refused():
    tiny = dense()
    several = TabularMDP(np.stack([tiny.mdp.P] * 2), np.stack([tiny.mdp.R] * 2), 0.9, 0)
    with pytest.raises(ValueError, match="enumeration"):
        TinyMaml(several, tiny.phi, horizon=2)
