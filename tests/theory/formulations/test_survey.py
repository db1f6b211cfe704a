import dataclasses

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tests.tabular.tolerances import assert_close
from tests.theory.formulations.cases import LAW, dense
from theory.formulations.comparison import compare
from theory.formulations.survey import QUANTILES, measures, survey

STEPS = {"step_size": 1.0, "num_steps": 2, "num_trajectories": 1}


@pytest.mark.parametrize("value_baseline", [False, True])
def test_quantiles_are_those_of_the_measures(value_baseline):
    options = {"num_mdps": 5, "value_baseline": value_baseline} | STEPS
    found = survey(rng=np.random.default_rng(3), **options)
    assert found.violated == 0
    assert found.num_mdps == 5
    for values in found.quantiles.values():
        assert np.all(np.diff(values) >= 0)
        assert np.all(np.isfinite(values))
    assert found.quantiles == survey(rng=np.random.default_rng(3), **options).quantiles


@pytest.mark.parametrize(("gamma", "value_baseline", "N"), [(0.9, False, 1), (0.7, True, 2)])
def test_the_survey_of_one_mdp_is_its_comparison(gamma, value_baseline, N):
    rng, steps = np.random.default_rng(4), STEPS | {"num_trajectories": N}
    mdp = TabularMDP.random(2, 2, gamma=gamma, concentration=1.0, rng=rng)
    phi = rng.standard_normal((2, 2))
    table = exact.state_value(mdp, phi) if value_baseline else None
    one = compare(mdp, phi, horizon=2, outer_trajectories=N, baseline=table, **steps)
    options = {"gamma": gamma, "value_baseline": value_baseline} | steps
    found = survey(num_mdps=1, rng=np.random.default_rng(4), **options)
    for name, value in measures(one).items():
        assert found.quantiles[name] == (value,) * len(QUANTILES)
    assert found.setting == {"horizon": 2} | options


def test_measures_are_ratios_of_the_rows():
    tiny = dense()
    found = compare(tiny.mdp, tiny.phi, horizon=2, outer_trajectories=1, **STEPS)
    path, whole, best, best_epg, lvc, loaded = found.rows
    epg, sampled = np.linalg.norm(found.epg_target), np.linalg.norm(found.sampled_target)
    expected = {
        "∇J: bias(ad)": path.epg_bias / epg,
        "∇J_S: bias(ad)": path.sampled_bias / sampled,
        "∇J: bias(lvc)": lvc.epg_bias / epg,
        "∇J_S: bias(lvc)": lvc.sampled_bias / sampled,
        "∇J: bias(loaded_dice)": loaded.epg_bias / epg,
        "∇J_S: bias(loaded_dice)": loaded.sampled_bias / sampled,
        "‖∇J_S − ∇J‖/‖∇J‖": np.linalg.norm(found.sampled_target - found.epg_target) / epg,
        "V[Y]/V[X]": found.laws["ad"].correction_variance / path.variance,
        "V[X+Y]/V[X]": whole.variance / path.variance,
        "V[X+Y]/V[lvc]": whole.variance / lvc.variance,
        "V[X+Y]/V[loaded_dice]": whole.variance / loaded.variance,
        "best c, ∇J_S": best.coefficient,
        "best c, ∇J": best_epg.coefficient,
        "estimates until c=1 errs less": found.break_even,
        "∇J_S: error(c=1)/error(c=0)": whole.sampled_error / path.sampled_error,
        "∇J: error(c=1)/error(c=0)": whole.epg_error / path.epg_error,
        "∇J: error(c=1)/error(lvc)": whole.epg_error / lvc.epg_error,
        "∇J: error(c=1)/error(loaded_dice)": whole.epg_error / loaded.epg_error,
    }
    got = measures(found)
    assert got.keys() == expected.keys()
    assert_close([got[name] for name in expected], list(expected.values()), LAW)


def test_equalities_that_fail_are_counted(monkeypatch):
    def broken(*arguments, **options):
        found = compare(*arguments, **options)
        first, *others = found.checks
        return dataclasses.replace(found, checks=(dataclasses.replace(first, lhs=1.0), *others))

    monkeypatch.setattr("theory.formulations.survey.compare", broken)
    assert survey(num_mdps=2, rng=np.random.default_rng(0), **STEPS).violated == 2


def test_the_claims_of_the_appendix():
    """The correction's variance grows like N K; the best coefficient is far below one."""

    def ratios(K, N):
        options = {"num_mdps": 20, "step_size": 0.1, "num_steps": K, "num_trajectories": N}
        return survey(rng=np.random.default_rng(0), **options).quantiles

    one, more_steps, more_samples = ratios(1, 1), ratios(2, 1), ratios(1, 4)
    median = QUANTILES.index(0.5)
    name = "V[Y]/V[X]"
    assert 1.7 < more_steps[name][median] / one[name][median] < 2.6
    assert 3.5 < more_samples[name][median] / one[name][median] < 4.5
    assert one["best c, ∇J_S"][median] < 0.1


@pytest.mark.parametrize(("change", "error"), [({"num_mdps": 0}, "num_mdps"), ({"rng": 3}, "rng")])
def test_errors(change, error):
    options = {"num_mdps": 1, "rng": np.random.default_rng(0)} | STEPS | change
    with pytest.raises((ValueError, TypeError), match=error):
        survey(**options)
