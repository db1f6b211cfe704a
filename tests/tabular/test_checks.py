"""The checks that all public functions share: what passes, and how the rest is named."""

from numbers import Integral

import numpy as np
import pytest

from tabular import TabularMDP, _checks, zoo
from tabular.mdp_checks import require_one


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0)])
def test_one_number(value):
    number = _checks.one_number(value, "alpha")
    assert type(number) is float
    assert number == 2.0


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"alpha must be one number, received shape \(2,\)"),
        ([], ValueError, r"alpha must be one number, received shape \(0,\)"),
        ([1.0], ValueError, r"alpha must be one number, received shape \(1,\)"),
        (np.inf, ValueError, "alpha must be finite"),
        ("two", TypeError, "alpha must be an array of real numbers, received str"),
        (None, TypeError, "alpha must be an array of real numbers, received NoneType"),
    ],
)
def test_what_is_not_one_number(value, error, message):
    with pytest.raises(error, match=message):
        _checks.one_number(value, "alpha")


def test_a_generator():
    rng = np.random.default_rng(0)
    assert _checks.generator(rng) is rng
    for other in (None, 0, np.random.RandomState(0), np.random):
        name = type(other).__name__
        with pytest.raises(
            TypeError, match=rf"received {name}; .* needs rng=np\.random\.default_rng"
        ):
            _checks.generator(other)


def test_an_instance():
    assert _checks.instance(MDP, TabularMDP, "mdp") is MDP
    with pytest.raises(TypeError, match="mdp must be a TabularMDP, received str"):
        _checks.instance("maze", TabularMDP, "mdp")
    with pytest.raises(TypeError, match="n must be an Integral, received float"):
        _checks.instance(0.5, Integral, "n")


def test_a_sequence():
    assert _checks.sequence(range(2), "counts") == [0, 1]
    assert _checks.sequence(np.array([3.0]), "counts") == [3.0]
    with pytest.raises(ValueError, match=r"counts must hold at least one number, received \[\]"):
        _checks.sequence([], "counts")
    for value in (None, 3, np.array(2.0)):
        with pytest.raises(TypeError, match="counts must be a sequence"):
            _checks.sequence(value, "counts")


def test_a_checked_array_is_a_new_one():
    given = np.zeros(2)
    assert not np.shares_memory(_checks.finite_array(given, "x"), given)


MDP = zoo.two_state()
REWARDS, DISCOUNTS = MDP.with_reward(np.zeros((5, 2, 2))), MDP.with_gamma([0.1, 0.2])


def test_one_mdp_is_required_of_what_matters():
    require_one(MDP, "this")
    require_one(REWARDS, "this", rewards=False)
    require_one(DISCOUNTS, "this", discounts=False)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (TabularMDP.stack([MDP, MDP]), r"this needs one MDP, .*shape \(2,\): .*mdp\[i\]"),
        (REWARDS, r"one reward table, .*shape \(5,\): .*mdp\.with_reward\(R\[i\]\)"),
        (DISCOUNTS, r"one discount, .*shape \(2,\): .*mdp\.with_gamma\(gamma\[i\]\)"),
    ],
)
def test_a_batch_is_named_with_its_remedy(batch, message):
    with pytest.raises(ValueError, match=message):
        require_one(batch, "this")
