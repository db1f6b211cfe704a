"""Training: what is recorded, how it repeats, what goes in and what is refused."""

import numpy as np
import pytest

from tests.tabular.tolerances import FIRST, SAME, assert_close

torch = pytest.importorskip("torch")
from adapters import surrogates  # noqa: E402
from adapters.ipd import game, settings  # noqa: E402
from adapters.ipd.settings import (  # noqa: E402
    PANELS,
    SETTINGS,
    Sources,
    Table3,
    find_setting,
)
from adapters.ipd.training import EVERY, Training, cosine, generators, returns, train  # noqa: E402

SMALL = {"updates": 12, "rollout": 5, "batch": 4, "large": 6, "ring": 8}


def run(setting="batch/batch", first=0, count=3, **changes):
    block = {"setting": setting, "seed": 0, "first": first, "count": count}
    return train(block | SMALL | changes)


def test_records_have_their_shapes_and_are_true():
    found = run("off-both")
    records = 1 + -(-SMALL["updates"] // EVERY)
    assert {name: each.shape for name, each in found.items()} == {
        "players": (records, 3, 2, 5),
        "baselines": (records, 3, 2, 5),
        "value": (records, 3, 2),
        "accuracy": (records - 1, 3, 2),
        "accuracy_inner": (records - 1, 3, 2),
    }
    assert (found["players"][0] == 0).all()
    at = torch.from_numpy(found["players"][-1])
    value = 0.04 * game.value(at, at.flip(1), 0.96)
    assert_close(found["value"][-1], value, FIRST)
    assert (np.abs(found["accuracy"]) <= 1 + 1e-12).all()


def test_the_same_seed_gives_the_same_run_whatever_runs_beside_it():
    together, again, alone = run(), run(), run(first=1, count=1)
    for name, each in together.items():
        np.testing.assert_array_equal(each, again[name])
        assert_close(each[:, 1:2], alone[name], SAME._replace(rtol=1e-9))
    assert np.abs(together["players"][-1, 0] - together["players"][-1, 1]).max() > 1e-3


def test_first_update_is_adams():
    """Adam's first step has the length of its rate, along the signs of the gradient."""
    training = Training(SETTINGS["exact-spread"], Table3(), generators(0, 0, 2))
    before = training.players.detach().clone()
    found = training.update()
    moved = training.players.detach() - before
    assert_close(moved, 0.1 * torch.sign(found.gradient), SAME._replace(rtol=1e-5))
    assert (training.baselines == 0).all()


@pytest.mark.parametrize("target", ["reward", "return"])
def test_baselines_are_fitted_to_their_target(target):
    table = Table3(**SMALL, target=target)
    training = Training(Sources(), table, generators(0, 0, 2))
    with torch.no_grad():
        training.baselines += torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    rollouts = training.update().rollouts
    V = training.baselines.detach().clone().requires_grad_()
    states = rollouts.index // 4
    rewards = torch.tensor(game.OWN)[rollouts.index % 4].double()
    wanted = rewards
    if target == "return":
        wanted = sum(torch.nn.functional.pad(0.96**k * rewards[..., k:], (0, k)) for k in range(5))
    predicted = torch.stack([V[pair][states[pair]] for pair in range(4)])
    ((predicted - wanted) ** 2).mean((1, 2)).sum().backward()
    assert_close(training._error_gradient(rollouts), V.grad, SAME)


def test_returns_and_cosine_by_hand():
    assert returns(torch.tensor([1.0, 2.0, 4.0]), 0.5).tolist() == [3.0, 4.0, 4.0]
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.5**0.5)
    assert np.isnan(cosine(np.zeros(2), np.ones(2)))


@pytest.mark.slow
def test_exact_players_who_start_alike_cooperate():
    found = train({"setting": "exact/exact", "seed": 0, "first": 0, "count": 2})
    assert (found["value"][-1] > -1.01).all()
    assert found["value"][0] == pytest.approx(-1.5)
    apart = train({"setting": "exact-spread", "seed": 0, "first": 0, "count": 10})
    # A start that is not the same for both makes even exact players miss each other.
    assert (apart["value"][-1].mean(-1) < -1.1).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner_rate": -0.3}, "inner_rate must be positive, received -0.3"),
        ({"outer_rate": 0}, "outer_rate must be positive, received 0"),
        ({"value_rate": np.nan}, "value_rate must be finite"),
        ({"gamma": 1.0}, r"gamma must lie in \[0, 1\), received 1.0"),
        ({"updates": 0}, "updates must be at least 1"),
        ({"ring": 1000}, "ring = 1000 and batch = 128; give a multiple of 128"),
        ({"target": "q"}, "target must be reward or return, received 'q'"),
    ],
)
def test_wrong_numbers_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Table3(**changes)


@pytest.mark.parametrize("name", ["rollout", "lookahead", "batch", "large", "ring"])
def test_counts_are_integers(name):
    with pytest.raises(TypeError, match=f"{name} must be an integer, received 1.5"):
        Table3(**{name: 1.5})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "mean"}, "path must be one of exact, batch, large, ring, received 'mean'"),
        ({"outer": "ring"}, "outer must be one of exact, batch, large, received 'ring'"),
        ({"surrogate": "maml"}, "surrogate must be one of ad, lvc, .*, received 'maml'"),
        ({"surrogate": "off_policy_dice"}, "off_policy_dice is that of a ring"),
        ({"spread": -1.0}, "spread must not be negative, received -1.0"),
    ],
)
def test_wrong_sources_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Sources(**changes)


def test_panels_are_of_settings_and_surrogates_are_known():
    shown = {name for panel in PANELS.values() for name in panel}
    assert shown == set(SETTINGS)
    assert set(settings.SURROGATES) | {"off_policy_dice"} == set(surrogates.SURROGATES)


def test_unknown_settings_are_refused():
    for name in ("128/128", 7):
        with pytest.raises(ValueError, match=f"unknown setting {name!r}; choose from batch/batch"):
            find_setting(name)
    assert Table3.of({"seed": 3, "gamma": 0.5}).as_dict() == Table3(gamma=0.5).as_dict()
