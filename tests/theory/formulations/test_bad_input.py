"""What does not fit is refused: calls that used to end in a deep traceback or a NaN."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.problems import Lirpg
from theory.formulations.comparison import compare
from theory.formulations.maml import TinyMaml
from theory.formulations.objective import sampled_objective
from theory.formulations.sampling_correction import law, small_step_variance
from theory.formulations.survey import measures, survey
from theory.formulations.truncation import check_truncation, leading_bias, truncations

RNG = np.random.default_rng(0)
MDP, THETA = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=RNG), np.zeros((2, 2))
TINY = TinyMaml(MDP, THETA, horizon=1)
SAMPLES = {"step_size": 0.5, "num_steps": 1, "num_trajectories": 1}
LIFETIME = {"step_size": 0.5, "lifetime": 2}


def correction():
    return law(TINY, **SAMPLES)


#: A call, and what its error says.
CALLS = {
    "no maze": (lambda: TinyMaml("maze", THETA, horizon=1), "mdp must be a TabularMDP"),
    "start of another size": (
        lambda: sampled_objective(TINY, np.zeros(3), **SAMPLES),
        "start must have shape",
    ),
    "start of words": (lambda: sampled_objective(TINY, ["a"] * 4, **SAMPLES), "start must be"),
    "target of another size": (lambda: correction().bias(np.zeros(2)), "target must have 4"),
    "target NaN": (lambda: correction().best_coefficient([np.nan] * 4), "target must be finite"),
    "coefficient NaN": (lambda: correction().variance(np.nan), "coefficient must be finite"),
    "small steps of no trajectories": (
        lambda: small_step_variance(TINY, num_steps=1, num_trajectories=0),
        "num_trajectories must be",
    ),
    "survey by name": (
        lambda: survey(**SAMPLES, num_mdps=1, rng=RNG, value_baseline="zero"),
        "value_baseline must be a bool",
    ),
    "windows, no sequence": (
        lambda: truncations(Lirpg(MDP, THETA), THETA, **LIFETIME, windows=2),
        "windows must be a sequence",
    ),
    "truncation without constants": (
        lambda: check_truncation(Lirpg(MDP, THETA), THETA, None, **LIFETIME, window=1),
        "constants must be a Lipschitz",
    ),
    "leading bias out of range": (
        lambda: leading_bias(Lirpg(MDP, THETA), THETA, step_size=1e300, lifetime=2, window=1),
        "leading bias must be finite",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_refused(name):
    call, message = CALLS[name]
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_ratios_need_what_scatters():
    quiet = MDP.with_reward(np.zeros((2, 2)))
    found = compare(quiet, THETA, horizon=1, **SAMPLES)
    assert found.distance == 0.0
    with pytest.raises(ValueError, match="a ratio needs V"):
        _ = found.variance_ratio
    with pytest.raises(ValueError, match="ratios need sizes > 0"):
        measures(found)
