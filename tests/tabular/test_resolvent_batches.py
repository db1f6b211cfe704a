"""Many policies on one sparse MDP are factorised, or not, as one of them is."""

import numpy as np
import pytest

from tabular import TabularMDP, exact
from tabular import resolvent as resolvent_module
from tabular.resolvent import DIRECT_UP_TO
from tests.tabular.tolerances import SAME, assert_close


@pytest.mark.parametrize("count", [1, 8])
def test_taxi_is_factorised(monkeypatch, count):
    assert DIRECT_UP_TO < 501
    monkeypatch.delattr(resolvent_module.spla, "gmres")
    taxi = TabularMDP.from_gymnasium("Taxi-v4")
    theta = np.random.default_rng(0).normal(size=(count, 501, 6))
    sparse, dense = exact.gradient(taxi.sparse(), theta), exact.gradient(taxi, theta)
    assert_close(sparse, dense, SAME, scale=np.abs(dense).max())
