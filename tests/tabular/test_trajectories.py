"""Trajectories fit the MDP they are used with, and a kernel's sampling tables die with it."""

import gc
import weakref

import numpy as np
import pytest

from tabular import TabularMDP, sampling, zoo
from tabular.estimators import Estimate
from tabular.sampling import Trajectories, sample

S, A, T, N = 4, 3, 5, 6


def make(size=(S, A)):
    return zoo.random_mdp(*size, concentration=0.5, rng=np.random.default_rng(0))


def draw(mdp, batch=()):
    theta = np.zeros((*batch, mdp.num_states, mdp.num_actions))
    rng = np.random.default_rng(1)
    return sample(mdp, theta, horizon=T, num_trajectories=N, rng=rng)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (1,)])
@pytest.mark.parametrize("dtype", [np.intp, np.int32, np.uint8])
def test_what_was_drawn_fits(batch, dtype):
    states, actions, rewards = draw(make(), batch)
    drawn = Trajectories(states.astype(dtype), actions.astype(dtype), rewards)
    drawn.check(S, A, theta=batch, gamma=(), baseline=batch[-1:], gae_lambda=(1,) * len(batch))
    theta = np.random.default_rng(2).normal(size=(S, A))
    estimates = [Estimate(make(), theta, d, estimator="lvc") for d in (drawn, draw(make(), batch))]
    np.testing.assert_array_equal(*(estimate.gradient for estimate in estimates))


def with_entry(table, value):
    changed = table.copy()
    changed[(-1,) * table.ndim] = value
    return changed


DRAWN = draw(make(), (2,))
WRONG = {
    "a state too many": (
        DRAWN._replace(states=with_entry(DRAWN.states, S)),
        r"states must lie in 0\.\.3 for this MDP, received 0 to 4; give the MDP",
    ),
    "a negative state": (
        DRAWN._replace(states=with_entry(DRAWN.states, -1)),
        r"states must lie in 0\.\.3 for this MDP, received -1 to 3",
    ),
    "an action too many": (
        DRAWN._replace(actions=with_entry(DRAWN.actions, A)),
        r"actions must lie in 0\.\.2 for this MDP, received 0 to 3",
    ),
    "a negative action of a short type": (
        DRAWN._replace(actions=with_entry(DRAWN.actions.astype(np.int8), -1)),
        r"actions must lie in 0\.\.2 for this MDP, received -1 to 2",
    ),
    "states as floats": (
        DRAWN._replace(states=DRAWN.states.astype(float)),
        "states must be integers, received dtype float64",
    ),
    "no last state": (
        DRAWN._replace(states=DRAWN.states[:-1]),
        r"states \(T \+ 1, \.\.\., N\).*'states': \(5, 2, 6\)",
    ),
    "rewards of other trials": (DRAWN._replace(rewards=DRAWN.rewards[:, :1]), r"\(5, 1, 6\)"),
    "no trajectory": (Trajectories(*(x[..., :0] for x in DRAWN)), "with T, N >= 1"),
    "no step": (Trajectories(DRAWN.states[:1], DRAWN.actions[:0], DRAWN.rewards[:0]), "T, N >= 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_of_this_mdp_is_refused(case):
    trajectories, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        Estimate(make(), np.zeros((S, A)), trajectories, estimator="ad")


def test_trajectories_of_another_mdp_are_refused():
    larger = draw(TabularMDP(np.full((9, A, 9), 1 / 9), np.zeros((9, A)), 0.9, 8))
    with pytest.raises(ValueError, match=r"states must lie in 0\.\.3 for this MDP, received"):
        Estimate(make(), np.zeros((S, A)), larger, estimator="ad")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("theta", {"theta": np.zeros((3, S, A))}),
        ("theta", {"theta": np.zeros((1, 2, S, A))}),
        ("baseline", {"baseline": np.zeros((3, S))}),
        ("gae_lambda", {"gae_lambda": [0.1, 0.2, 0.3]}),
        ("gamma", {"mdp": make().with_gamma([0.1, 0.2, 0.3])}),
    ],
)
def test_batches_that_do_not_fit_the_trials_are_refused(name, changes):
    arguments = {"mdp": make(), "theta": np.zeros((S, A))} | changes
    mdp, theta = arguments.pop("mdp"), arguments.pop("theta")
    message = rf"leading dimensions of {name}, \(.*\), must broadcast to the trials' .* \(2,\)"
    with pytest.raises(ValueError, match=message):
        Estimate(mdp, theta, DRAWN, estimator="ad", **arguments)


@pytest.mark.parametrize("representation", [lambda mdp: mdp, lambda mdp: mdp.sparse()])
def test_the_tables_of_a_kernel_are_made_once_and_die_with_it(representation, monkeypatch):
    built = []
    build = sampling.sparse_alias_table
    monkeypatch.setattr(sampling, "sparse_alias_table", lambda m: built.append(1) or build(m))
    mdp = representation(make())
    draw(mdp)
    draw(mdp.with_gamma(0.1).add_reward(np.ones((S, A))))
    assert len(built) == 1
    columns = weakref.ref(sampling._successors(mdp.transitions)[1])
    assert columns() is not None
    del mdp
    gc.collect()
    assert columns() is None
