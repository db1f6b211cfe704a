"""Meta-gradients drawn again and again at frozen parameters."""

import numpy as np
import pytest

from tests.tabular.tolerances import FIRST, assert_close

torch = pytest.importorskip("torch")
from adapters.ipd import game  # noqa: E402
from adapters.ipd.frozen import measure, record  # noqa: E402
from adapters.ipd.lookahead import Lookahead  # noqa: E402
from adapters.ipd.settings import SETTINGS, Table3  # noqa: E402
from adapters.ipd.training import train  # noqa: E402

SMALL = {"updates": 10, "rollout": 5, "batch": 4, "large": 8, "ring": 12}


def test_the_path_is_that_of_the_first_run():
    path = record({"setting": "batch/batch", "seed": 0} | SMALL)
    trained = train({"setting": "batch/batch", "seed": 0, "first": 0, "count": 1} | SMALL)
    for name in ("players", "baselines"):
        assert path[name].shape == (11, 2, 5)
        np.testing.assert_array_equal(path[name][[0, 10]], trained[name][:, 0])


def points():
    rng = np.random.default_rng(0)
    return [
        {"players": rng.normal(size=(h, 2, 5)).tolist(), "baselines": rng.normal(size=(2, 5))}
        for h in (1, 3)
    ]


def test_exact_settings_are_exact_and_alike_in_every_repeat():
    settings = {"setting": "exact/exact", "seed": 0, "repeats": 3, "points": points()}
    found = measure(settings | SMALL)
    for point, exact in zip(points(), found["exact"], strict=True):
        now = np.array(point["players"][-1])
        truth = game.truth(now, now[::-1], gamma=0.96, step_size=0.3, num_steps=1)
        assert_close(exact, truth, FIRST)
    for name in ("gradient", "inner"):
        assert_close(found[name], np.repeat(found["exact"][:, None], 3, axis=1), FIRST)


@pytest.mark.parametrize("setting", ["batch/batch", "off-both", "naive"])
def test_sampled_settings_differ_from_repeat_to_repeat(setting):
    settings = {"setting": setting, "seed": 0, "repeats": 3, "points": points()}
    found, again = measure(settings | SMALL), measure(settings | SMALL)
    assert found["gradient"].shape == (2, 3, 2, 5)
    assert (found["gradient"].std(axis=1) > 0).all()
    np.testing.assert_array_equal(found["gradient"], again["gradient"])


def test_remembering_fills_the_ring():
    rngs = [np.random.default_rng(0)]
    own = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for name, steps, kept in (("off-both", 1, 8), ("off-both", 3, 12), ("batch/batch", 1, 0)):
        look = Lookahead(SETTINGS[name], Table3(**SMALL, lookahead=steps), rngs)
        for _ in range(2):
            look.remember(own, torch.zeros(2, 5, dtype=torch.float64))
        batches = look.ring.rollouts().index.shape[1] if kept else 0
        assert batches == kept
