"""Figures by name."""

import pytest

from figures.catalog import EXPERIMENTS, PROFILES, check_profile, chosen

NAMES = ["table2", "compositional", "hessian", "fig5", "fig6", "fig7", "fig8", "tradeoff"]


def names(experiments):
    return [one.NAME for one in experiments]


def test_every_figure_is_known_by_its_name():
    assert list(EXPERIMENTS) == NAMES
    for name, experiment in EXPERIMENTS.items():
        assert name == experiment.NAME
        for text in (experiment.TITLE, experiment.PLACE, experiment.ALT):
            assert text
            assert text == text.strip()
    titles = [(one.TITLE, one.PLACE) for one in EXPERIMENTS.values()]
    assert len(set(titles)) == len(titles)


def test_figures_are_chosen_once_and_as_they_were_named():
    assert names(chosen(["fig7", "table2", "fig7"])) == ["fig7", "table2"]
    assert names(chosen(["all"])) == NAMES
    assert names(chosen(["fig7", "all"])) == NAMES
    assert names(chosen([])) == []


@pytest.mark.parametrize("name", ["fig9", "", "ALL", "fig 5"])
def test_unknown_figures_are_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match="unknown figure") as refused:
        chosen(["fig5", name])
    assert repr(name) in str(refused.value)
    for known in [*NAMES, "all"]:
        assert known in str(refused.value)


def test_profiles_are_known():
    assert [check_profile(name) for name in PROFILES] == list(PROFILES)
    with pytest.raises(ValueError, match="unknown profile 'full'; choose from smoke, quick, paper"):
        check_profile("full")


def test_the_help_names_every_figure(run_here):
    done = run_here("figure", "--help")
    assert done.returncode == 0
    for name in [*NAMES, "all", *PROFILES]:
        assert name in done.stdout
