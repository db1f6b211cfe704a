"""What the experiments share: settings, MDPs, streams, sources."""

import numpy as np
import pytest

from figures.catalog import EXPERIMENTS, PROFILES
from figures.experiments import decomposition, fig5
from figures.experiments.paper import TABLE_2, profiles, random_mdp, source
from figures.sweep.cell import stream
from tabular.baselines import NoisyBaseline

#: Table 2 of the paper, and what its text and its released settings add.
PAPER = {
    "horizon": 20,
    "gamma": 0.8,
    "num_states": 20,
    "num_actions": 5,
    "noise": 1.0,
    "mdps": 10,
    "trials": 20,
}
GRIDS = {
    "fig5": {"N": (2, 4, 8, 16, 32, 64, 128, 256), "K": (1,), "alpha": (10.0,)},
    "fig6": {"N": (32,), "K": (5,), "alpha": (1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0)},
    "fig7": {"N": (32,), "K": (1, 2, 3, 4, 5, 6), "alpha": (10.0,)},
    "fig8": {"N": (16, 32, 64, 128, 256), "K": (1, 2, 3, 4, 5), "alpha": (10.0,)},
    "hessian": {"K": 2, "alpha": (3.0, 3.5, 4.0, 4.5), "spread": 0.3, "steps": (1, 2, 3, 4, 5, 6)},
    "compositional": {"N": (2, 4, 8, 16, 32, 64, 128, 256), "K": (1, 2, 3, 4, 5, 6)},
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_full_profile_is_the_papers(name):
    settings = EXPERIMENTS[name].SETTINGS["paper"]
    for key, value in (PAPER | GRIDS.get(name, {})).items():
        assert settings[key] == value, key


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_large_profile_has_more_mdps_and_nothing_else(name):
    found = EXPERIMENTS[name].SETTINGS
    assert found["large"]["mdps"] > found["paper"]["mdps"]
    assert found["large"] | {"mdps": PAPER["mdps"]} == found["paper"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_smaller_profiles_differ_in_size_only(name):
    """They ask for fewer points, MDPs and trials, and for nothing that the full one has not."""
    found = EXPERIMENTS[name].SETTINGS
    assert tuple(found) == PROFILES
    for profile in ("smoke", "quick"):
        assert set(found[profile]) == set(found["paper"])
        for key in ("horizon", "gamma", "num_states", "num_actions", "noise", "density", "seed"):
            assert found[profile][key] == found["paper"][key]
    for key, value in found["quick"].items():
        full = found["paper"][key]
        assert (
            set(value) <= set(full)
            if isinstance(value, tuple)
            else value == full
            or key
            in (
                "mdps",
                "trials",
            )
        )


def test_profiles_are_laid_over_each_other():
    found = profiles({"N": (1, 2), "seed": 5}, quick={"N": (1,)}, smoke={"trials": 7})
    assert found["paper"] == TABLE_2 | {"N": (1, 2), "seed": 0}
    assert found["quick"]["N"] == (1,)
    assert found["quick"]["mdps"] < TABLE_2["mdps"]
    assert found["smoke"]["trials"] == 7


def test_all_figures_stand_on_the_same_mdps():
    settings = [EXPERIMENTS[name].SETTINGS["smoke"] for name in ("fig5", "fig8", "tradeoff")]
    first, *others = (random_mdp(each, 1) for each in settings)
    for other in others:
        assert np.array_equal(first.P, other.P)
        assert np.array_equal(first.R, other.R)
    assert not np.array_equal(first.R, random_mdp(settings[0], 0).R)
    assert not np.array_equal(first.R, random_mdp(settings[0] | {"seed": 1}, 1).R)


def test_random_mdps_are_the_papers():
    mdp = random_mdp(TABLE_2 | {"seed": 0}, 3)
    assert np.asarray(mdp.P).shape == (20, 5, 20)
    assert np.array_equal(np.asarray(mdp.initial), np.eye(20)[0])
    assert mdp.gamma == 0.8
    rewards = np.asarray(mdp.R)
    assert rewards.min() >= 0
    assert rewards.max() <= 1
    assert 0.4 < rewards.mean() < 0.6
    # A Dirichlet parameter of 0.001: nearly always one successor.
    assert np.median(np.asarray(mdp.P).max(axis=-1)) > 1 - 1e-9


def test_a_source_has_the_papers_critic():
    found = source(TABLE_2, "lvc", 7)
    assert (found.estimator, found.num_trajectories, found.horizon) == ("lvc", 7, 20)
    assert found.baseline == NoisyBaseline(1.0)
    assert found.gae_lambda == 1.0
    assert source(TABLE_2 | {"gae_lambda": 0.9}, "ad", 2).gae_lambda == 0.9


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cells_have_names_of_their_own(name):
    for profile in PROFILES:
        found = EXPERIMENTS[name].cells(EXPERIMENTS[name].SETTINGS[profile])
        names = [(cell.figure, cell.name) for cell in found]
        assert len(set(names)) == len(names)
        assert {cell.figure for cell in found} == {name}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_two_uses_share_a_stream(name, monkeypatch):
    """But a point that is on two sweeps of `compositional` has the same trials on both.

    The estimators of Figures 5 to 8 share theirs.
    """
    used: list[tuple[object, ...]] = []

    def watched(seed, *label):
        used.append((seed, *label))
        return stream(seed, *label)

    for module in ("decomposition", "compositional", "hessian", "tradeoff"):
        monkeypatch.setattr(f"figures.experiments.{module}.stream", watched)
    one = EXPERIMENTS[name]
    settings = one.SETTINGS["smoke"]
    small = {"trials": 2, "num_states": 3, "num_actions": 2, "horizon": 2}
    one.compute({**settings, **small})
    shared = settings["mdps"] * 2 if name == "compositional" else 0
    if name in GRIDS and name.startswith("fig"):
        assert len(used) == len(settings["estimators"]) * len(set(used))
    else:
        assert len(used) - len(set(used)) == shared
    assert {label[1] for label in used} <= {name}
    assert used or name == "table2"


def test_different_cells_have_different_draws():
    settings = {**fig5.SETTINGS["smoke"], "num_states": 3, "num_actions": 2, "horizon": 3}
    settings |= {"figure": "fig5", "mdp": 0, "estimator": "lvc"}
    here = decomposition.simulate(settings)
    again = decomposition.simulate(settings)
    other_seed = decomposition.simulate({**settings, "seed": 1})
    for name, values in here.items():
        assert np.array_equal(values, again[name])
        assert not np.array_equal(values, other_seed[name])
    # The same MDP, estimator and permutation; another figure has other trials.
    other = decomposition.simulate({**settings, "figure": "fig7"})
    assert not np.array_equal(here["along"], other["along"])
    # Two estimators with the same gradient share their trials: where no Hessian is sampled they
    # are the same numbers, and where one is they are not.
    ad = decomposition.simulate({**settings, "estimator": "ad"})
    for name, same in (("EES", True), ("SES", True), ("SEE", True), ("ESE", False)):
        at = settings["permutations"].index(name)
        assert np.array_equal(here["along"][at], ad["along"][at]) == same


@pytest.mark.parametrize("name", ["mdps", "trials"])
def test_one_mdp_or_trial_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 2, received 1"):
        fig5.cells({**fig5.SETTINGS["smoke"], name: 1})


@pytest.mark.parametrize("permutation", ["SXS", "SS", ""])
def test_an_unknown_permutation_is_refused(permutation):
    with pytest.raises(ValueError, match="a permutation is three letters E or S"):
        decomposition.sources(permutation, None)
