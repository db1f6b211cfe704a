import numpy as np
import pytest

from tabular import TabularMDP
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


def test_the_survey_of_one_mdp_is_its_comparison():
    rng = np.random.default_rng(4)
    mdp = TabularMDP.random(2, 2, gamma=0.9, concentration=1.0, rng=rng)
    one = compare(mdp, rng.standard_normal((2, 2)), horizon=2, outer_trajectories=1, **STEPS)
    found = survey(num_mdps=1, rng=np.random.default_rng(4), **STEPS)
    for name, value in measures(one).items():
        assert found.quantiles[name] == (value,) * len(QUANTILES)


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
