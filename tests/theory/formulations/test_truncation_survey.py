"""Medians over random MDPs against one comparison after another."""

import numpy as np
import pytest

from tabular.sources import Sampled
from tabular.zoo import random_mdp
from tests.tabular.tolerances import Tolerance, assert_close
from theory.formulations.truncation import truncations
from theory.formulations.truncation_survey import lirpg, lpg, mgrl, truncation_survey

SAME = Tolerance(rtol=1e-12, atol=1e-14)
SMALL = {"num_states": 3, "num_actions": 2, "step_size": 1.0, "lifetime": 4}


@pytest.mark.parametrize("draw", [lirpg, mgrl, lpg])
def test_medians_are_those_of_single_comparisons(draw):
    found = truncation_survey(
        draw, num_mdps=3, windows=[1, 4], rng=np.random.default_rng(5), **SMALL
    )
    rng, rows = np.random.default_rng(5), []
    for _ in range(3):
        problem, phi = draw(random_mdp(3, 2, rng=rng), rng)
        rows.append(truncations(problem, phi, step_size=1.0, lifetime=4, windows=[1, 4]))
    size = [np.linalg.norm(row[1].mean) for row in rows]
    one, whole = found
    assert (one.window, whole.window) == (1, 4)
    assert_close(
        one.bias, np.median([r[0].bias / n for r, n in zip(rows, size, strict=True)]), SAME
    )
    lengths = [np.linalg.norm(r[0].mean) / n for r, n in zip(rows, size, strict=True)]
    assert_close(one.length, np.median(lengths), SAME)
    assert_close(one.cosine, np.median([r[0].cosine for r in rows]), SAME)
    assert_close(one.worst, min(r[0].cosine for r in rows), SAME)
    assert one.sd == one.noise == 0
    assert_close(one.error, one.bias, SAME)
    assert_close([whole.bias, whole.cosine, whole.length], [0.0, 1.0, 1.0], SAME)


def test_sampled_sources_scatter():
    source = Sampled("loaded_dice", 8, 10)
    (row,) = truncation_survey(
        lirpg,
        num_mdps=1,
        windows=[2],
        rng=np.random.default_rng(5),
        curvature=source,
        outer=source,
        **SMALL,
    )
    rng = np.random.default_rng(5)
    problem, phi = lirpg(random_mdp(3, 2, rng=rng), rng)
    options = {"step_size": 1.0, "lifetime": 4}
    (own,) = truncations(problem, phi, windows=[2], curvature=source, outer=source, **options)
    (whole,) = truncations(problem, phi, windows=[4], **options)
    size = np.linalg.norm(whole.mean)
    assert_close(
        [row.bias, row.sd, row.error, row.noise],
        [own.bias / size, own.variance**0.5 / size, own.error / size, own.noise],
        SAME,
    )
    assert row.sd > 0


def test_an_mdp_with_nothing_to_learn_is_refused():
    with pytest.raises(ValueError, match="1 states and 1 actions"):
        truncation_survey(
            lirpg,
            num_mdps=1,
            windows=[1],
            rng=np.random.default_rng(0),
            **SMALL | {"num_states": 1, "num_actions": 1},
        )


@pytest.mark.parametrize("wrong", [{"num_mdps": 0}, {"windows": 3}, {"windows": [5]}])
def test_bad_input(wrong):
    options = {"num_mdps": 1, "windows": [1], "rng": np.random.default_rng(0)} | SMALL | wrong
    with pytest.raises((ValueError, TypeError)):
        truncation_survey(lirpg, **options)
