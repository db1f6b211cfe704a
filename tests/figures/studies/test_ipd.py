"""The study of the iterated prisoner's dilemma as data: cells, datasets, pictures, command."""

import numpy as np
import pytest
import xarray as xr

from adapters.ipd.settings import PANELS, SETTINGS
from figures.catalog import STUDIES, find_study
from figures.experiments.paper import run_here
from figures.palette import ESTIMATOR_LOOKS
from figures.pictures.ipd import LOOKS
from figures.studies import ipd, ipd_frozen
from figures.study_command import changed

SMALL = {"updates": 12, "rollout": 5, "batch": 4, "large": 8, "ring": 8, "runs": 3}
SOME = ("batch/batch", "exact/exact", "off-both")


@pytest.fixture(scope="module")
def data():
    pytest.importorskip("torch")
    return ipd.compute(ipd.SETTINGS["smoke"] | SMALL | {"settings": SOME})


@pytest.fixture(scope="module")
def frozen():
    pytest.importorskip("torch")
    changes = SMALL | {"settings": SOME, "repeats": 6, "points": 3}
    return ipd_frozen.compute(ipd_frozen.SETTINGS["smoke"] | changes)


def test_the_defaults_are_those_of_table_3():
    expected = {
        "outer_rate": 0.1,
        "inner_rate": 0.3,
        "gamma": 0.96,
        "updates": 500,
        "rollout": 100,
        "lookahead": 1,
        "value_rate": 0.1,
        "ring": 1024,
        "batch": 128,
        "runs": 10,
    }
    paper = ipd.SETTINGS["paper"]
    assert {name: paper[name] for name in expected} == expected
    assert ipd.SETTINGS["large"] == paper | {"runs": 100}
    assert find_study("ipd") == STUDIES["ipd"]
    assert STUDIES["ipd"].figures == (ipd, ipd_frozen)


def test_data_are_labelled_and_complete(data):
    assert dict(data.sizes) == {"setting": 3, "update": 3, "run": 3}
    assert data["update"].values.tolist() == [0, 10, 12]
    assert np.isfinite(data["value"]).all()
    assert data["value"].sel(update=0).values == pytest.approx(np.full((3, 3), -1.5))
    for name in ("accuracy", "accuracy_inner"):
        assert np.isnan(data[name].sel(update=12)).all()
        assert np.isfinite(data[name].sel(update=[0, 10])).all()
        exact = data[name].sel(setting="exact/exact", update=0)
        assert exact.values == pytest.approx(np.ones(3))
    ends = data["value"].isel(update=-1)
    assert (data["cooperates"] == (ends > -1.1)).all()


def test_blocks_of_more_runs_are_those_of_fewer_and_more():
    pytest.importorskip("torch")
    ten, many = (
        ipd.cells(ipd.SETTINGS["paper"] | {"settings": ("naive",), "runs": runs})
        for runs in (10, 25)
    )
    assert ten == many[:1]
    assert [(c.settings["first"], c.settings["count"]) for c in many] == [
        (0, 10),
        (10, 10),
        (20, 5),
    ]


def test_frozen_data_are_those_of_their_definition(frozen):
    assert dict(frozen.sizes) == {"setting": 3, "update": 3}
    assert frozen["update"].values.tolist() == [0, 6, 12]
    exact = frozen.sel(setting="exact/exact")
    for suffix in ("", "_inner"):
        assert exact[f"bias{suffix}"].max() < 1e-7  # the root of a sum's rounding
        assert exact[f"bias_high{suffix}"].max() < 1e-7
        assert exact[f"spread{suffix}"].max() < 1e-9
        assert exact[f"accuracy{suffix}"].values == pytest.approx(np.ones(3))
    sampled = frozen.sel(setting="batch/batch")
    assert (sampled["spread"] > sampled["spread_inner"]).all()
    assert (sampled["spread_inner"] > 0.1).all()


def test_bias_and_spread_of_normal_numbers():
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(2, 2, 5))
    size = np.linalg.norm(exact, axis=-1)
    shift = np.array([0.0, 0.5])[:, None, None] * size[..., None] * np.eye(5)[0]
    noise = 0.1 * size[:, None, :, None] * rng.normal(size=(2, 20_000, 2, 5))
    found = ipd_frozen.summary(exact[:, None] + shift[:, None] + noise, exact)
    # The noise of a mean of 20 000 is 0.1 √5 / √20 000 = 0.0016 of |g|.
    assert found["bias"] == pytest.approx([0.0, 0.5], abs=0.01)
    assert found["spread"] == pytest.approx([0.1 * 5**0.5] * 2, rel=0.02)
    assert (found["accuracy"] > 0.5).all()
    assert (found["bias_low"] < [1e-3, 0.5]).all()
    assert (found["bias_high"] > [0.0, 0.5]).all()
    opposite = ipd_frozen.summary(-exact[:, None] * np.ones((1, 3, 1, 1)), exact)
    assert opposite["bias"] == pytest.approx([2.0, 2.0])
    assert opposite["accuracy"] == pytest.approx([-1.0, -1.0])


def test_the_square_of_a_mean_is_unbiased_and_its_jackknife_leaves_one_out():
    d = np.random.default_rng(1).normal(size=(2, 5, 3))
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    expected = np.mean([np.einsum("pk,pk->p", d[:, i], d[:, j]) for i, j in pairs], axis=0)
    square, error = ipd_frozen.squared_mean(d)
    assert square == pytest.approx(expected)
    left = np.stack([ipd_frozen.squared_mean(np.delete(d, i, axis=1))[0] for i in range(5)])
    jackknife = np.sqrt(4 / 5 * ((left - left.mean(0)) ** 2).sum(0))
    assert error == pytest.approx(jackknife)


def test_the_interval_of_the_bias_covers_it():
    rng = np.random.default_rng(2)
    exact = np.ones((2000, 2, 5)) / np.sqrt(5)  # |g| = 1, and the true bias 0.3
    draws = exact[:, None] + 0.3 * np.eye(5)[0] + 0.2 * rng.normal(size=(2000, 50, 2, 5))
    found = ipd_frozen.summary(draws, exact)
    covered = (found["bias_low"] < 0.3) & (found["bias_high"] > 0.3)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)  # four standard errors of 2000


def test_points_bring_what_fills_a_ring():
    pytest.importorskip("torch")
    settings = ipd_frozen.SETTINGS["smoke"] | SMALL | {"points": 3, "settings": ("off-both",)}
    path = run_here([ipd_frozen.path_cell(settings)])[0]
    assert path["players"].shape == path["baselines"].shape == (13, 2, 5)
    first, middle, last = ipd_frozen.cells(settings, path)[1].settings["points"]
    assert [len(point["players"]) for point in (first, middle, last)] == [1, 2, 2]
    assert np.array_equal(last["players"][-1], path["players"][12])
    assert np.array_equal(middle["players"][0], path["players"][5])
    assert len(ipd_frozen.cells(settings)) == len(ipd_frozen.cells(settings, path))


@pytest.mark.parametrize("one", [ipd, ipd_frozen])
def test_pictures_have_a_column_for_each_panel(one, data, frozen):
    shown = data if one is ipd else frozen
    figure = one.draw(shown)
    panels = ipd.panels(shown)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titles) == len(panels)
    assert all(axis.get_xlabel() for axis in figure.axes[-len(panels) :])
    assert one.caption(one.SETTINGS["paper"])


def test_every_setting_has_a_look_that_no_other_in_its_panel_has():
    assert set(LOOKS) == set(SETTINGS)
    for names in PANELS.values():
        assert len({LOOKS[name]["color"] for name in names}) == len(names)
    for name in ("ad", "lvc", "loaded_dice"):
        assert LOOKS[name]["color"] == ESTIMATOR_LOOKS[name].color


def test_changes_keep_types_and_go_where_the_name_is():
    plans = {"a": {"runs": 2, "rate": 0.5, "kind": "x", "seed": 0}, "b": {"rate": 0.5}}
    found = changed(plans, ["runs=7", "rate=1", "kind=y=z"])
    assert found == {
        "a": {"runs": 7, "rate": 1.0, "kind": "y=z", "seed": 0},
        "b": {"rate": 1.0},
    }
    assert plans["a"]["runs"] == 2
    for wrong, message in (
        ("seed=1", "unknown name 'seed'"),
        ("runs", "runs must be an integer, received ''"),
        ("runs=1.5", "runs must be an integer"),
        ("rate=fast", "rate must be a number, received 'fast'"),
    ):
        with pytest.raises(ValueError, match=message):
            changed(plans, [wrong])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("foo",), "unknown study 'foo'; choose from ipd"),
        (("ipd", "--profile", "quick"), "unknown profile 'quick'; choose from smoke, paper, large"),
        (("ipd", "--settings", "128/128"), "unknown setting '128/128'; choose from batch/batch"),
        (("ipd", "--settings", "naive,naive"), "give each setting once"),
        (("ipd", "--set", "inner_rate=-1"), "inner_rate must be positive, received -1.0"),
        (("ipd", "--set", "ring=1000"), "ring = 1000 and batch = 128; give a multiple of 128"),
        (("ipd", "--set", "runs=1"), "runs must be from 2 to 100000, received 1"),
        (("ipd", "--set", "points=1"), "points must be at least 2, received 1"),
        (("ipd", "--set", "runs=1000000000000"), "runs must be from 2 to 100000, received 1000"),
        (("ipd", "--set", "updates=9"), "points must be at most updates + 1 = 10, received 11"),
        (("ipd", "--set", "repeats=2"), "repeats must be at least 3, received 2"),
        (("ipd", "--set", "gamma=nan"), "gamma must be finite"),
        (("ipd", "--jobs", "1", "--dask", "x:1"), "--jobs must be at least 1"),
    ],
)
def test_bad_input_ends_in_one_line(run_here, arguments, message):
    pytest.importorskip("torch")
    done = run_here("study", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_without_torch_the_remedy_is_named(run_here, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run_here("study", "ipd")
    assert done.returncode == 2
    assert "pip install -c constraints.txt 'gmrl[adapters]'" in done.stderr


def test_the_study_writes_data_pictures_and_page_and_goes_on(run_here, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    changes = [part for name in SMALL for part in ("--set", f"{name}={SMALL[name]}")]
    command = ("study", "ipd", "--profile", "smoke", "--jobs", "1", *changes, "--out", "out")
    some = ("--settings", "batch/batch,naive-exact")
    done = run_here(*command, *some)
    assert done.returncode == 0, done.stderr
    assert "written: out/index.html; seed 0, profile smoke" in done.stdout
    assert "cooperate" in done.stdout
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<p>Figure 9 of Liu et al." in page
    assert "torch 2." in page
    for name in ("fig9", "fig9-frozen"):
        for suffix in ("nc", "csv", "svg", "png"):
            assert (tmp_path / "out" / f"{name}.{suffix}").stat().st_size > 0
    first = (tmp_path / "out" / "fig9.nc").read_bytes()
    monkeypatch.setattr("figures.sweep.run._compute", lambda *_: pytest.fail("computed again"))
    assert run_here(*command, *some).returncode == 0
    assert (tmp_path / "out" / "fig9.nc").read_bytes() == first
    with xr.open_dataset(tmp_path / "out" / "fig9.nc", engine="scipy") as stored:
        assert stored.sizes["run"] == 3
