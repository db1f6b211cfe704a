"""Every picture of the smoke profile: what is drawn, in which colours, the same bytes twice."""

import hashlib
import subprocess
import sys
from functools import partial

import matplotlib.style
import numpy as np
import pytest
from matplotlib.colors import to_hex

from figures import produce
from figures.catalog import EXPERIMENTS
from figures.palette import ESTIMATOR_LOOKS
from figures.save import STYLE, save_picture
from tests.command_line import ENVIRONMENT

CURVES = [name for name in EXPERIMENTS if name != "table2"]
#: Figures whose colours tell estimators apart.
ESTIMATED = [name for name in CURVES if name != "hessian"]
OF_COLOUR = {look.color.lower(): name for name, look in ESTIMATOR_LOOKS.items()}
every_figure = pytest.mark.parametrize("name", EXPERIMENTS)
every_curve = pytest.mark.parametrize("name", CURVES)


def in_style(draw):
    """Draw in the house style; warnings are errors in this suite."""
    with matplotlib.style.context(STYLE):
        figure = draw()
        figure.draw_without_rendering()
        return figure


@pytest.fixture(scope="module")
def drawn(smoke):
    """The picture of a figure, drawn once."""
    done = {}

    def draw_it(name):
        if name not in done:
            done[name] = in_style(partial(EXPERIMENTS[name].draw, smoke[name]))
        return done[name]

    return draw_it


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def colours(figure):
    """Of every line that tells an estimator: any colour but greys."""
    found = {to_hex(line.get_color()) for axis in figure.axes for line in axis.lines}
    return {colour for colour in found if len({colour[1:3], colour[3:5], colour[5:7]}) > 1}


@every_curve
def test_axes_are_labelled_and_filled(name, drawn):
    figure = drawn(name)
    grid = np.array(
        [
            [axis.get_subplotspec().rowspan.start, axis.get_subplotspec().colspan.start]
            for axis in figure.axes
        ]
    )
    last = grid[:, 0].max()
    for axis, (row, column) in zip(figure.axes, grid, strict=True):
        if row == last:
            assert axis.get_xlabel()
        if column == 0 or name in ("hessian", "tradeoff"):
            assert axis.get_ylabel()
        lines = [line for line in axis.lines if line.get_transform() == axis.transData]
        heights = [np.asarray(line.get_ydata(), dtype=float) for line in lines]
        seen = [y for y in heights if np.isfinite(y).any()]
        assert seen, "an empty axis"
        if axis.get_yscale() == "log":
            assert all((y[np.isfinite(y)] > 0).all() for y in seen)


@every_curve
def test_legends_name_every_curve_once(name, drawn):
    entries = legend(drawn(name))
    assert len(set(entries)) == len(entries)
    assert all(entry and not entry.startswith("_") for entry in entries)


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimators_have_their_colours(name, drawn, smoke):
    figure = drawn(name)
    found = {OF_COLOUR[colour] for colour in colours(figure)}
    assert found == set(map(str, smoke[name].estimator.values))
    if name.startswith("fig") or name == "tradeoff":
        labels = {ESTIMATOR_LOOKS[estimator].label for estimator in found}
        assert labels <= set(legend(figure))


def test_step_sizes_have_other_colours_than_their_neighbours(smoke):
    data = smoke["hessian"]
    many = data.isel(alpha=[0, 0, 0, 0]).assign_coords(alpha=[3.0, 3.5, 4.0, 4.5])
    figure = in_style(partial(EXPERIMENTS["hessian"].draw, many))
    assert len(colours(figure)) == 4
    assert [text for text in legend(figure) if text.startswith("α")] == [
        "α = 3",
        "α = 3.5",
        "α = 4",
        "α = 4.5",
    ]


@pytest.mark.parametrize("name", ["fig5", "fig6", "fig7"])
def test_columns_are_the_permutations(name, drawn, smoke):
    figure = drawn(name)
    assert len(figure.axes) == 3 * 7
    titles = [axis.get_title().split("\n")[0] for axis in figure.axes[:7]]
    assert titles == list(smoke[name].permutation.values)


@pytest.mark.parametrize("name", ["fig5", "fig6", "fig7", "fig8"])
def test_markers_and_lines_are_the_data(name, drawn, smoke):
    """Of the spread, in the column of ESE: means over MDPs, and the exact curve."""
    figure, data = drawn(name), smoke[name]
    columns = len(figure.axes) // 3
    place = 0 if name == "fig8" else list(data.permutation.values).index("ESE")
    x = {"fig5": "N", "fig6": "alpha", "fig7": "K", "fig8": "N"}[name]
    here = data.sel(permutation="ESE", estimator="lvc")
    here = here.isel(K=0) if name == "fig8" else here
    here = here.squeeze([axis for axis in ("N", "K", "alpha") if axis in here.dims and axis != x])
    heights = [tuple(line.get_ydata()) for line in figure.axes[2 * columns + place].lines]
    for quantity in ("sum_sd", "exact_sum_sd"):
        expected = here[quantity].mean("mdp").values
        assert any(np.allclose(expected, y, rtol=1e-12) for y in heights), quantity


def test_tables_hold_the_facts(drawn, smoke):
    figure = drawn("table2")
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    for value in smoke["table2"].value.values:
        assert f"{value:.3f}" in said
    assert "Table 2" in said
    assert "discount factor γ" in said


@every_figure
@pytest.mark.parametrize("profile", ["smoke", "paper"])
def test_captions_say_what_was_run(name, profile):
    settings = EXPERIMENTS[name].SETTINGS[profile]
    caption = EXPERIMENTS[name].caption(settings)
    assert caption.endswith(".")
    assert f"{settings['mdps']}" in caption
    assert "None" not in caption
    assert "{" not in caption


@pytest.mark.slow
@every_figure
def test_a_picture_has_the_same_bytes_in_another_process(name, smoke_figures, tmp_path):
    figure = smoke_figures[name]
    (tmp_path / "data.nc").write_bytes(produce.netcdf(figure.data))
    svg, png = save_picture(partial(EXPERIMENTS[name].draw, figure.data), tmp_path / "here")
    program = (
        "import sys, xarray\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from figures.catalog import EXPERIMENTS\n"
        "from figures.save import save_picture\n"
        "data = xarray.open_dataset('data.nc', engine='scipy')\n"
        "save_picture(partial(EXPERIMENTS[sys.argv[1]].draw, data), Path('there'))\n"
    )
    environment = ENVIRONMENT | {"PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", program, name], cwd=tmp_path, env=environment, check=True)
    for path in (svg, png):
        again = tmp_path / f"there{path.suffix}"
        digests = [hashlib.sha256(each.read_bytes()).hexdigest() for each in (path, again)]
        assert digests[0] == digests[1], path.suffix
