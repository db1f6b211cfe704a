"""The picture of a verification: panels, labelled axes, one exact line for each estimator."""

import dataclasses
import itertools
from functools import cache

import matplotlib.style
import numpy as np
import pytest

from figures.palette import ESTIMATOR_LOOKS
from figures.save import STYLE
from figures.verification import NUM_TRAJECTORIES, TITLES, draw
from tabular import TabularMDP
from tabular.registry import ESTIMATORS
from tests.theory.cases import DEGENERATE, degenerate_report, dense_random
from theory.report import Report
from theory.settings import Settings
from theory.verification import verify

QUANTITIES = ("gradient", "hessian", "hessian·u", "meta-gradient")


@cache
def report(**changes) -> Report:
    return verify(dense_random(), Settings(horizon=3, num_trajectories=8, **changes))


@pytest.fixture
def drawn():
    """Draw in the house style."""

    def draw_it(report: Report):
        with matplotlib.style.context(STYLE):
            return draw(report)

    return draw_it


def curves(axis) -> list:
    return [line for line in axis.lines if len(line.get_xdata()) == len(NUM_TRAJECTORIES)]


def dots(axis) -> list:
    markers = {look.marker for look in ESTIMATOR_LOOKS.values()}
    return [line for line in axis.lines if line.get_marker() in markers]


def test_every_estimator_has_a_look_of_its_own():
    assert set(ESTIMATOR_LOOKS) == set(ESTIMATORS)
    for part in ("label", "color", "marker", "dash"):
        assert len({getattr(look, part) for look in ESTIMATOR_LOOKS.values()}) == len(ESTIMATORS)


def test_panels_and_labels(drawn):
    figure = drawn(report(num_steps=2))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [TITLES[quantity].format(num_steps=2) for quantity in QUANTITIES]
    assert titles[-1] == "Meta-gradient, K = 2"
    for axis in figure.axes:
        assert axis.get_xlabel() == "trajectories N per estimate"
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
        assert axis.get_xlim() == (1, 1e5)
    assert figure.axes[0].get_ylabel() == "root mean squared error / ‖truth‖"
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [look.label for look in ESTIMATOR_LOOKS.values()]
    for part in ("random 4x3", "4 states", "3 actions", "γ = 0.8", "T = 3", "V_b exact"):
        assert part in figure.get_suptitle()


def test_one_line_and_one_dot_for_each_estimator_in_each_panel(drawn):
    figure = drawn(report())
    for axis, quantity in zip(figure.axes, QUANTITIES, strict=True):
        rows = [row for row in report().rows if row.quantity == quantity]
        lines, marks = curves(axis), dots(axis)
        looks = [ESTIMATOR_LOOKS[row.estimator] for row in rows]
        assert [line.get_label() for line in lines] == [look.label for look in looks]
        assert [line.get_color() for line in lines] == [look.color for look in looks]
        assert [mark.get_marker() for mark in marks] == [look.marker for look in looks]
        for row, line, mark in zip(rows, lines, marks, strict=True):
            N, error = line.get_data()
            np.testing.assert_array_equal(N, NUM_TRAJECTORIES)
            # At the report's own N the line is √(bias² + sd²); at 1 and at 1e5 by hand.
            sd_of_one = row.sd * np.sqrt(8)
            expected = np.sqrt(row.bias**2 + sd_of_one**2 / N) / row.truth
            np.testing.assert_allclose(error, expected, rtol=1e-12, atol=0)
            (x,), (y,) = mark.get_data()
            assert (x, y) == (report().check_trajectories, row.sampled_rmse / row.truth)


def test_the_dots_lie_on_the_lines(drawn):
    """128 simulated estimates find the error to 1/√256, doubled for heavy tails, five times."""
    figure = drawn(report())
    for axis in figure.axes:
        for line, mark in zip(curves(axis), dots(axis), strict=True):
            (x,), (y,) = mark.get_data()
            on_line = np.exp(np.interp(np.log(x), *np.log(line.get_data())))
            assert abs(y / on_line - 1) < 5 * 2 / 16


def test_fewer_estimators_fewer_lines(drawn):
    figure = drawn(report(estimators=("dice", "lvc")))
    for axis in figure.axes:
        assert [line.get_label() for line in curves(axis)] == ["DiCE", "LVC"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["DiCE", "LVC"]


def test_a_row_without_a_spread_is_a_dot_without_a_line(drawn):
    rows = tuple(
        dataclasses.replace(row, sd=None) if row.quantity == "meta-gradient" else row
        for row in report().rows
    )
    *others, last = drawn(dataclasses.replace(report(), rows=rows)).axes
    assert [len(curves(axis)) for axis in others] == [4, 4, 4]
    assert (len(curves(last)), len(dots(last))) == (0, 4)

    (note,) = last.texts
    assert note.get_text() == "not computed: sd of AD, LVC, Loaded-DiCE, DiCE"


def test_dots_of_a_simulation_that_says_nothing_are_hollow(drawn):
    rows = tuple(
        dataclasses.replace(row, z_sd=None) if row.estimator == "dice" else row
        for row in report().rows
    )
    for axis in drawn(dataclasses.replace(report(), rows=rows)).axes:
        hollow = [mark.get_markerfacecolor() == "white" for mark in dots(axis)]
        assert hollow == [False, False, False, True]


def test_dots_at_one_n_stand_side_by_side(drawn):
    figure = drawn(report())
    figure.draw_without_rendering()
    for axis in figure.axes:
        places = [mark.get_transform().transform(mark.get_xydata())[0, 0] for mark in dots(axis)]
        assert np.all(np.diff(places) > 1.0)


@pytest.mark.parametrize("spread", [0.9, 2.5, 20.0, 40.0, 90.0, 3e4, 1e9])
@pytest.mark.parametrize("size", [1e-7, 0.7, 1e7])
def test_tick_labels_are_there_and_do_not_meet(spread, size, drawn):
    """Errors over less than a decade to many of them: two labels at least, none over another."""
    rows = tuple(
        dataclasses.replace(row, bias=0.0, sd=size * spread**k, sampled_rmse=None)
        for row, k in zip(report().rows[:4], (0.0, 0.3, 0.6, 1.0), strict=True)
    )
    figure = drawn(dataclasses.replace(report(), rows=rows))
    figure.draw_without_rendering()
    (axis,) = figure.axes
    for side, across in ((axis.yaxis, "y"), (axis.xaxis, "x")):
        low, high = sorted(side.get_view_interval())
        labels = [
            tick.label1
            for tick in side.get_major_ticks()
            if low <= tick.get_loc() <= high and tick.label1.get_text()
        ]
        assert len(labels) >= 2
        boxes = [getattr(label.get_window_extent(), f"interval{across}") for label in labels]
        boxes.sort(key=lambda box: box[0])
        assert all(one[1] < other[0] for one, other in itertools.pairwise(boxes))


def test_floors_stand_apart_at_the_right_edge(drawn):
    """One short line an estimator, at its bias, beside the axis; none where it is out of sight."""
    rows = tuple(
        dataclasses.replace(row, bias=bias * row.truth)
        for row, bias in zip(report().rows[:4], (0.5, 0.5, 0.4, 1e-9), strict=True)
    )
    (axis,) = drawn(dataclasses.replace(report(), rows=rows)).axes
    floors = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] > 1]
    assert [line.get_ydata()[0] for line in floors] == pytest.approx([0.5, 0.5, 0.4], rel=1e-12)
    edges = [x for line in floors for x in line.get_xdata()]
    assert edges == sorted(set(edges))


def test_a_shortened_horizon_is_told(drawn):
    told = dataclasses.replace(report(), horizon_note="T = 3, γ^T = 51 % (shortened)")
    assert "T = 3, γ^T = 51 % (shortened)" in drawn(told).get_suptitle()


@pytest.mark.parametrize(
    "name", ["zero reward", "action-independent transitions", "gamma = 0", "reward out of reach"]
)
def test_degenerate_reports_draw_without_warnings(name, drawn):
    """Warnings are errors in this suite. Panels whose truth is zero stay empty."""
    nonzero, degenerate = DEGENERATE[name][1], degenerate_report(name)
    figure = drawn(degenerate)
    figure.set_dpi(30)
    figure.draw_without_rendering()
    quantities = list(dict.fromkeys(row.quantity for row in degenerate.rows))
    seen = [len(curves(axis)) for axis in figure.axes]
    assert seen == [4 if quantity in nonzero else 0 for quantity in quantities]


def test_dollar_signs_in_a_name_are_no_mathematics(drawn):
    mdp = dense_random()
    named = TabularMDP(mdp.P, mdp.R, mdp.gamma, mdp.initial, name=r"from $\nowhere$ to {")
    told = verify(named, Settings(horizon=2, estimators=("ad",)))
    panel = dataclasses.replace(told, rows=told.rows[:1])
    drawn(panel).draw_without_rendering()


def test_errors_of_zero_are_left_out_of_a_logarithmic_axis(drawn):
    """A tiny step makes meta-gradients without any error in float64."""
    figure = drawn(report(step_size=1e-100))
    figure.draw_without_rendering()
    assert all(axis.get_ylim()[0] > 0 for axis in figure.axes)
