"""The picture of bound against truth: what is drawn, and what is said where nothing can be."""

import dataclasses
import itertools
from functools import cache

import matplotlib.style
import numpy as np
import pytest

from figures.bounds import STEPS_COLORS, draw_bounds
from figures.save import STYLE
from tabular import TabularMDP
from tests.theory.cases import DEGENERATE, dense_random
from theory.bound_checks import add_bounds
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify


def make(mdp: TabularMDP, **changes) -> Report:
    settings = Settings(**{"horizon": 3, "num_trajectories": 4, "estimators": ("ad",)} | changes)
    return add_bounds(verify(mdp, settings), mdp, settings)


@cache
def report(num_steps: int = 1) -> Report:
    return make(dense_random(), num_steps=num_steps)


@pytest.fixture
def drawn():
    """Draw in the house style; warnings are errors in this suite."""

    def draw_it(report: Report):
        with matplotlib.style.context(STYLE):
            figure = draw_bounds(report)
            figure.draw_without_rendering()
            return figure

    return draw_it


def said(axis) -> str:
    return " ".join(text.get_text() for text in axis.texts)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_panels_show_the_curves(num_steps, drawn):
    figure, curves = drawn(report(num_steps)), report(num_steps).curves
    for axis, curve in zip(
        figure.axes, (curves.over_counts, curves.over_step_sizes, curves.over_steps), strict=False
    ):
        assert axis.get_yscale() == "log"
        heights = [tuple(line.get_ydata()) for line in axis.lines]
        assert tuple(curve.spread) in heights
        assert tuple(curve.empirical) in heights
        low, high = axis.get_ylim()
        assert (curve.spread > low).all()
        assert (curve.empirical < high).all()
    assert f"K = {max(2, num_steps)}" in figure.axes[0].get_title()
    assert "T = 3" in figure.get_suptitle()
    assert "V_b exact" in figure.get_suptitle()
    (legend,) = figure.legends
    assert len({text.get_text() for text in legend.get_texts()}) == len(legend.get_texts()) >= 3


def test_tick_labels_have_no_exponents(drawn):
    wide = make(dense_random(), step_size=1130.0)
    labels = [text.get_text() for text in drawn(wide).axes[1].get_xticklabels()]
    assert labels == ["282", "565", "1130", "2260", "4520"]


@pytest.mark.parametrize("num_steps", [1, 3])
def test_labels_of_k_stand_right_of_their_lines(num_steps, drawn):
    figure = drawn(report(num_steps))
    axis = figure.axes[3]
    edge = axis.transData.transform((axis.lines[0].get_xdata()[-1], 1.0))[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    assert [text.get_text() for text in axis.texts] == ["K = 2", "K = 3", "K = 4"]
    assert [text.get_color() for text in axis.texts] == list(STEPS_COLORS)
    assert all(box.x0 > edge for box in boxes)
    assert all(box.x1 < figure.bbox.x1 for box in boxes)
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(heights))


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_mdps_draw_without_warnings(name, drawn):
    figure = drawn(make(DEGENERATE[name][0]))
    nothing = DEGENERATE[name][1] == () and name != "constant reward"
    for axis in figure.axes:
        assert bool(axis.lines) != nothing
        if nothing:
            assert "zero" in said(axis)


def test_a_large_mdp_has_one_step_only(monkeypatch, drawn):
    monkeypatch.setattr("theory.curves.LARGEST", 11)
    axis = drawn(make(dense_random())).axes[2]
    assert "K > 1 is not computed" in said(axis)
    assert not axis.lines


def test_a_proved_bound_far_above_is_told(drawn):
    whole = report()
    curve = whole.curves.over_counts
    far = dataclasses.replace(curve, certified=1e6 * curve.spread)
    curves = dataclasses.replace(whole.curves, over_counts=far)
    axis = drawn(dataclasses.replace(whole, curves=curves)).axes[0]
    assert "1e+06 times the truth" in said(axis)
    assert axis.get_ylim()[1] < 1e3 * np.max(curve.empirical)


def test_without_curves_there_is_no_picture():
    with pytest.raises(ValueError, match="no curves"):
        draw_bounds(dataclasses.replace(report(), curves=None))
