"""What stopping after T steps leaves out of J and its derivatives, against its bound."""

import numpy as np
import pytest

from tabular import exact
from tests.tabular.reference import random_mdp
from tests.theory.softmax_search import deterministic_values
from theory.norms import cubic_norm, lengths
from theory.softmax import derivative_bounds
from theory.softmax_horizon import tail


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_the_tail_of_an_infinite_horizon(horizon):
    """J − J_T = γ^T E V(s_T), for random MDPs and points; a fifth of the first bound is met."""
    rng = np.random.default_rng(horizon)
    best = np.zeros(3)
    for _ in range(30):
        shape = (int(rng.integers(1, 4)), 2)
        mdp = random_mdp(rng, shape, 0.9)
        thetas = 2 * rng.normal(size=(5, *shape))
        whole, first = exact.evaluate(mdp, thetas), exact.evaluate(mdp, thetas, horizon=horizon)

        def third(u, whole=whole, first=first):
            return whole.third(u, u) - first.third(u, u)

        difference = (whole.hessian - first.hessian).reshape(5, shape[0] * 2, -1)
        met = (
            lengths(whole.gradient - first.gradient),
            np.linalg.norm(difference, 2, (1, 2)),
            cubic_norm(third, rng.normal(size=(4, *thetas.shape))),
        )
        span = np.ptp(deterministic_values(mdp))
        bounds = derivative_bounds(shape[0], 0.9, np.ptp(mdp.R), value_span=span)
        rest = tail(0.9, horizon, span, np.array(bounds))
        ratio = np.array([x.max() for x in met]) / rest[:3]
        best = np.maximum(best, ratio)
    assert np.all(best <= 1 + 1e-9)
    assert best[0] > 0.2
