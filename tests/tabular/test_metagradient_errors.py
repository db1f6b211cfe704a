"""What a meta-gradient and its path refuse."""

from typing import Any

import numpy as np
import pytest

from tabular.baselines import NoisyBaseline, exact_baseline
from tabular.metagradient import adapt, meta_gradient
from tabular.sources import Mean, Sampled
from tests.tabular.unroll import meta_case

GOOD: dict[str, Any] = {"step_size": 1.0, "num_steps": 1}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1, received 0"),
        ({"num_steps": 1.5}, TypeError, "num_steps must be an integer, received 1.5"),
        ({"num_steps": True}, TypeError, "num_steps must be an integer, received True"),
        ({"step_size": 0.0}, ValueError, "step_size must be one positive number, received 0.0"),
        ({"step_size": -1}, ValueError, "step_size must be one positive number, received -1"),
        ({"step_size": [1.0, 2.0]}, ValueError, "step_size must be one positive number"),
        ({"step_size": float("nan")}, ValueError, "step_size must be finite"),
        ({"step_size": "big"}, TypeError, "step_size must be an array of real numbers"),
        ({"shared": True}, ValueError, "same Sampled source, received Exact"),
        (
            {"shared": True, "path": Sampled("ad", 2), "curvature": Sampled("ad", 3)},
            ValueError,
            "shared=True needs path and curvature to be the same Sampled source",
        ),
        (
            {"shared": True, "path": Mean(Sampled("ad", 2)), "curvature": Mean(Sampled("ad", 2))},
            ValueError,
            "same Sampled source, received Mean",
        ),
        ({"path": Sampled("ad", 2)}, TypeError, "rng must be a numpy.random.Generator"),
        ({"curvature": Sampled("ad", 2)}, TypeError, "rng must be a numpy.random.Generator"),
        ({"outer": Sampled("ad", 2)}, TypeError, "rng must be a numpy.random.Generator"),
        (
            {"curvature": Mean(Sampled("ad", 2, baseline=NoisyBaseline()))},
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        ({"outer": Sampled("ad", 2), "rng": 3}, TypeError, "rng must be a numpy.random.Generator"),
    ],
)
def test_bad_arguments(change, error, message):
    problem, _, phi = meta_case("maml", (2, 2))
    with pytest.raises(error, match=message):
        meta_gradient(problem, phi, **GOOD | change)


def test_equal_sources_may_be_shared():
    """Equal, not only identical."""
    problem, _, phi = meta_case("maml", (2, 2))
    pair = {"path": Sampled("ad", 2), "curvature": Sampled("ad", 2, baseline=exact_baseline)}
    rng = np.random.default_rng(0)
    assert np.all(np.isfinite(meta_gradient(problem, phi, shared=True, rng=rng, **GOOD, **pair)))


@pytest.mark.parametrize(
    ("step_size", "num_steps", "error"), [(0, 1, ValueError), (1.0, 0, ValueError)]
)
def test_adapt_checks_its_arguments(step_size, num_steps, error):
    problem, _, phi = meta_case("maml", (2, 2))
    with pytest.raises(error, match="must be"):
        adapt(problem, phi, step_size=step_size, num_steps=num_steps)
    with pytest.raises(ValueError, match="phi must have shape"):
        adapt(problem, phi[:1], step_size=1.0, num_steps=1)
