"""Data files: the same bytes for the same numbers, and nothing lost in them."""

import html
import io
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from figures import produce
from figures.catalog import EXPERIMENTS
from tests.figures.conftest import computed

every_figure = pytest.mark.parametrize("name", EXPERIMENTS)
#: Figures whose smoke profile takes no time.
LIGHT = ("hessian", "fig8")


@every_figure
def test_netcdf_keeps_numbers_names_and_settings(name, smoke_figures, tmp_path):
    figure = smoke_figures[name]
    (tmp_path / "x.nc").write_bytes(produce.netcdf(figure.data))
    with xr.open_dataset(tmp_path / "x.nc", engine="scipy") as found:
        assert set(found.data_vars) == set(figure.data.data_vars)
        for key, variable in figure.data.variables.items():
            assert found[key].dims == variable.dims
            kept = found[key].values
            assert np.array_equal(kept, variable.values, equal_nan=kept.dtype.kind == "f")
            assert found[key].attrs == variable.attrs
        assert found.attrs["figure"] == name
        assert found.attrs["title"] == EXPERIMENTS[name].TITLE
        # Tuples are lists in JSON.
        assert json.loads(found.attrs["settings"]) == json.loads(json.dumps(figure.settings))


@every_figure
def test_netcdf_has_the_same_bytes_twice(name, smoke_figures):
    data = smoke_figures[name].data
    assert produce.netcdf(data) == produce.netcdf(data.copy(deep=True))


@pytest.mark.slow
def test_the_number_of_workers_changes_no_figure(smoke_figures, tmp_path):
    for name, again in computed(tmp_path / "new", jobs=2).items():
        assert produce.netcdf(again.data) == produce.netcdf(smoke_figures[name].data), name


@pytest.mark.parametrize("name", LIGHT)
def test_without_a_store_the_numbers_are_the_same(name, smoke_figures):
    one = smoke_figures[name]
    alone = EXPERIMENTS[name].compute(one.settings).assign_attrs(one.data.attrs)
    assert produce.netcdf(alone) == produce.netcdf(one.data)


@every_figure
def test_tables_have_means_and_intervals_over_mdps(name, smoke):
    data = smoke[name]
    table = produce.shown(data)
    assert list(table.columns[:1]) == ["variable"]
    assert {"mean", "low", "high"} <= set(table.columns)
    finite = {key for key in data.data_vars if np.isfinite(data[key].mean("mdp")).any()}
    assert finite <= set(table.variable)
    assert not table["mean"].isna().any()
    rows = table.sample(n=min(len(table), 12), random_state=1)
    for _, row in rows.iterrows():
        each = data[row.variable]
        for dim in each.dims:
            if dim not in ("mdp", "trial"):
                each = each.sel({dim: row[dim]})
        each = each.mean("trial") if "trial" in each.dims else each
        values = each.values
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
        if np.isfinite(values).all() and values.std() > 0:
            expected = stats.ttest_1samp(values, 0.0).confidence_interval()
            assert row.low == pytest.approx(expected.low, rel=1e-9, abs=1e-12)
            assert row.high == pytest.approx(expected.high, rel=1e-9, abs=1e-12)


def test_files_are_written_beside_each_other(smoke_figures, tmp_path, blank_pictures):
    figure = smoke_figures["hessian"]
    paths = produce.write(figure, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["hessian.nc", "hessian.csv", "hessian.svg"]
    assert paths[0].read_bytes() == produce.netcdf(figure.data)
    table = pd.read_csv(io.StringIO(paths[1].read_text()))
    expected = produce.shown(figure.data)
    assert list(table.columns) == list(expected.columns)
    assert len(table) == len(expected)
    assert np.allclose(table["mean"], expected["mean"], rtol=1e-8)


def test_plans_are_profiles_with_the_seed():
    chosen = [EXPERIMENTS["fig8"], EXPERIMENTS["hessian"]]
    plans = produce.plan(chosen, "smoke", 5)
    assert list(plans) == ["fig8", "hessian"]
    assert plans["hessian"] == EXPERIMENTS["hessian"].SETTINGS["smoke"] | {"seed": 5}
    assert EXPERIMENTS["hessian"].SETTINGS["smoke"]["seed"] == 0
    assert produce.cell_count(plans) == 3 * 2 + 2


def test_stored_cells_are_not_computed_again(smoke_figures, finished, nothing_is_computed):
    for name, again in computed(finished).items():
        assert produce.netcdf(again.data) == produce.netcdf(smoke_figures[name].data)
        assert again.seconds == smoke_figures[name].seconds > 0


def test_pages_hold_data_and_claims(smoke_figures, tmp_path, blank_pictures):
    figures = [smoke_figures["table2"], smoke_figures["hessian"]]
    for one in figures:
        produce.write(one, tmp_path)
    path = produce.write_page(
        figures, tmp_path, profile="smoke", seed=3, command="gmrl figure x", wall_seconds=1.0
    )
    page = path.read_text(encoding="utf-8")
    for one in figures:
        assert f'id="figure-{one.experiment.NAME}"' in page
        assert f'download="{one.experiment.NAME}.nc"' in page
    assert "gmrl figure x" in page
    for claim in EXPERIMENTS["hessian"].claims({"hessian": smoke_figures["hessian"].data}):
        assert html.escape(claim.sentence) in page
