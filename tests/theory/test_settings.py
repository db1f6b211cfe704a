"""What is refused: MDPs that cannot be verified, and settings."""

import dataclasses
import json

import numpy as np
import pytest

import theory.verification
from tabular import TabularMDP, zoo
from tests.theory.cases import dense_random
from theory.settings import Settings
from theory.verification import verify


def test_a_batch_is_refused():
    batch = TabularMDP.stack([zoo.chain(3), zoo.chain(3)])
    with pytest.raises(ValueError, match=r"one MDP at a time, received a batch \(2,\)"):
        verify(batch, Settings())


def test_an_mdp_too_large_for_the_tables_is_refused(monkeypatch):
    monkeypatch.setattr(theory.verification, "MAX_TABLE", 47)
    with pytest.raises(ValueError, match=r"random 4x3 has 4 states and 3 actions.*S\*S\*A = 48"):
        verify(dense_random(), Settings(horizon=2))
    monkeypatch.setattr(theory.verification, "MAX_TABLE", 48)
    verify(dense_random(), Settings(horizon=2, estimators=("ad",)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimators": ()}, ValueError, "at least one estimator of ad, lvc, loaded_dice, dice"),
        ({"estimators": ("ad", "maml")}, ValueError, "unknown estimator 'maml'; choose one of"),
        ({"estimators": "ad"}, TypeError, "estimators must be a tuple, received str"),
        ({"estimators": ["ad"]}, TypeError, "estimators must be a tuple, received list"),
        *(
            ({"step_size": value}, TypeError, "step_size must be a number or None, received")
            for value in (True, "1", np.ones(2))
        ),
        *(
            ({name: value}, error, f"{name} must be")
            for name in ("num_trajectories", "horizon", "num_steps")
            for value, error in [
                (0, ValueError),
                (-1, ValueError),
                (1.5, TypeError),
                (True, TypeError),
                ("3", TypeError),
                (None, TypeError),
            ]
            if not (name == "horizon" and value is None)
        ),
        *(
            ({"step_size": value}, ValueError, "step_size must be positive and finite, received")
            for value in (0.0, -1.0, np.inf, np.nan)
        ),
        ({"baseline": "noisy"}, ValueError, "unknown baseline 'noisy'; choose one of exact, zero"),
        ({"baseline": []}, TypeError, "baseline must be a str, received list"),
        ({"seed": -1}, ValueError, "seed must not be negative, received -1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, received 0.5"),
        ({"seed": None}, TypeError, "seed must be an integer, received None"),
    ],
)
def test_settings_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        Settings(**arguments)


def test_settings_are_plain_values():
    settings = Settings()
    assert json.loads(json.dumps(settings.as_dict(), allow_nan=False)) == {
        "estimators": ["ad", "lvc", "loaded_dice", "dice"],
        "num_trajectories": 32,
        "horizon": None,
        "num_steps": 1,
        "step_size": None,
        "baseline": "exact",
        "seed": 0,
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 1
