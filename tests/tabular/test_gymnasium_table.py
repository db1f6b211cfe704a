"""Environments of gymnasium against plain evaluation of their raw tables."""

import itertools
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest

from tabular import exact, interchange

#: Versions differ between releases of gymnasium; an id without one takes the newest.
TAXI, CLIFF = (
    max(key for key in gymnasium.registry if key.startswith(f"{name}-v"))
    for name in ("Taxi", "CliffWalking")
)


class World(gymnasium.Env):
    """An environment of our own with a table, uniform over its states at the start."""

    def __init__(self, table):
        self.P = table
        self.initial_state_distrib = np.full(len(table), 1 / len(table))


def uniform_return(env, gamma, *, done_ends=True, sweeps=6000):
    """J of the uniform policy, by sweeps over the raw table: v ← mean_a Σ p (r + γ v(s'))."""
    world = env.unwrapped
    states, actions = len(world.P), len(world.P[0])
    transition, reward = np.zeros((states, states)), np.zeros(states)
    for s in range(states):
        for a in range(actions):
            for p, successor, r, done in world.P[s][a]:
                reward[s] += p * r / actions
                transition[s, successor] += 0.0 if done and done_ends else p / actions
    v = np.zeros(states)
    for _ in range(sweeps):
        v = reward + gamma * transition @ v
    return world.initial_state_distrib @ v


def uniform_value(mdp):
    return exact.value(mdp, np.zeros(mdp.R.shape))


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("FrozenLake-v1", {}),
        ("FrozenLake-v1", {"map_name": "8x8"}),
        ("FrozenLake-v1", {"is_slippery": False}),
        (CLIFF, {}),
        (TAXI, {}),
    ],
)
@pytest.mark.parametrize("gamma", [0.5, 0.99])
def test_value_against_sweeps_over_the_raw_table(env_id, options, gamma):
    expected = uniform_return(gymnasium.make(env_id, **options), gamma)
    mdp = interchange.from_gymnasium(env_id, gamma=gamma, **options)
    # γ^6000 is 6e-27; the sweeps round at about 1e-16/(1 − γ) relative to the value.
    assert uniform_value(mdp) == pytest.approx(expected, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("env_id", "with_end", "without_end"), [(CLIFF, -1072.24, -1082.53), (TAXI, -384.80, -391.93)]
)
def test_the_end_of_an_episode_matters(env_id, with_end, without_end):
    env = gymnasium.make(env_id)
    assert uniform_value(interchange.from_gymnasium(env)) == pytest.approx(with_end, abs=0.005)
    assert uniform_return(env, 0.99, done_ends=False) == pytest.approx(without_end, abs=0.005)


@pytest.mark.parametrize(("env_id", "states", "actions"), [(CLIFF, 48, 4), (TAXI, 500, 6)])
def test_one_absorbing_state_is_added(env_id, states, actions):
    mdp = interchange.from_gymnasium(env_id)
    assert (mdp.num_states, mdp.num_actions) == (states + 1, actions)
    np.testing.assert_array_equal(mdp.P[-1], np.eye(states + 1)[[-1] * actions])
    np.testing.assert_array_equal(mdp.R[-1], np.zeros(actions))
    assert mdp.initial[-1] == 0
    assert mdp.state_labels[-1] == "end"
    raw = gymnasium.make(env_id).unwrapped.P
    for s, a in np.ndindex(states, actions):
        ending = sum(p for p, _, _, done in raw[s][a] if done)
        mean = sum(p * r for p, _, r, _ in raw[s][a])
        assert mdp.P[s, a, -1] == pytest.approx(ending, abs=1e-15)
        assert mdp.R[s, a] == pytest.approx(mean, rel=1e-14)


def test_labels_and_names():
    lake = interchange.from_gymnasium("FrozenLake-v1")
    assert lake.name == "FrozenLake-v1"
    assert lake.action_labels == ("left", "down", "right", "up")
    assert (lake.state_labels[0], lake.state_labels[5], lake.state_labels[15]) == (
        "0,0 S",
        "1,1 H",
        "3,3 G",
    )
    named = interchange.from_gymnasium("FrozenLake-v1", map_name="8x8", is_slippery=False)
    assert named.name == "FrozenLake-v1 8x8 is_slippery=False"
    taxi = interchange.from_gymnasium("Taxi")
    assert taxi.name == TAXI
    assert (taxi.state_labels[0], taxi.action_labels[4]) == ("0,0,0,0", "pickup")
    cliff = interchange.from_gymnasium("CliffWalking")
    assert (cliff.name, cliff.state_labels[36], cliff.initial[36]) == (CLIFF, "3,0", 1.0)
    assert cliff.action_labels == ("up", "right", "down", "left")


def test_labels_name_what_actions_do():
    """'right' increases the column, 'down' and 'south' the row, in every environment."""
    offsets = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}
    offsets |= {"east": (0, 1), "west": (0, -1), "south": (1, 0), "north": (-1, 0)}
    cell = lambda label: np.array([int(part) for part in label.split()[0].split(",")[:2]])  # noqa: E731
    for env_id, options in (("FrozenLake-v1", {"is_slippery": False}), (CLIFF, {}), (TAXI, {})):
        mdp = interchange.from_gymnasium(env_id, **options)
        steps = {action: set() for action in mdp.action_labels if action in offsets}
        for action, s in itertools.product(steps, range(mdp.num_states - 1)):
            successor = int(mdp.P[s, mdp.action_labels.index(action)].argmax())
            there = mdp.state_labels[successor]
            if there != "end" and (env_id != CLIFF or cell(there)[0] < 3):  # a fall moves far
                steps[action].add(tuple(cell(there) - cell(mdp.state_labels[s])))
        assert len(steps) == 4
        for action, seen in steps.items():
            assert offsets[action] in seen
            assert seen <= {offsets[action], (0, 0)}


def test_an_environment_and_its_id_give_the_same():
    from_env = interchange.from_gymnasium(gymnasium.make("FrozenLake-v1", map_name="8x8"))
    from_id = interchange.from_gymnasium("FrozenLake-v1", map_name="8x8")
    np.testing.assert_array_equal(from_env.P, from_id.P)
    np.testing.assert_array_equal(from_env.successor_reward, from_id.successor_reward)
    assert from_env.name == from_id.name == "FrozenLake-v1 8x8"


def test_an_id_without_version_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert interchange.from_gymnasium("Taxi").num_states == 501


def test_merged_successors():
    """Repeated successors are summed, several ends share one state, rewards are averaged."""
    table = {
        0: {0: [(0.25, 1, 4.0, False), (0.25, 1, 8.0, False), (0.5, 0, 1.0, False)]},
        1: {0: [(0.25, 0, 9.0, True), (0.75, 1, 1.0, True), (0.0, 0, 5.0, False)]},
    }
    mdp = interchange.from_gymnasium(World(table), gamma=0.5)
    np.testing.assert_array_equal(mdp.P[:, 0], [[0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(mdp.successor_reward[:, 0], [[1, 6, 0], [0, 0, 3], [0, 0, 0]])
    np.testing.assert_array_equal(mdp.R[:, 0], [3.5, 3.0, 0.0])
    np.testing.assert_array_equal(mdp.initial, [0.5, 0.5, 0.0])
    assert mdp.name == "World"
    assert mdp.state_labels is mdp.action_labels is None


def test_frozen_lake_loses_variance_between_a_hole_and_the_goal():
    """Left from state 55 of the 8x8 lake: a hole beside it, the goal below."""
    raw = gymnasium.make("FrozenLake-v1", map_name="8x8").unwrapped.P[55][0]
    ends = [(p, r) for p, _, r, done in raw if done]
    assert sorted(r for _, r in ends) == [0, 1]
    mdp = interchange.from_gymnasium("FrozenLake-v1", map_name="8x8")
    assert mdp.successor_reward[55, 0, -1] == pytest.approx(0.5, rel=1e-15)
    assert mdp.R[55, 0] == pytest.approx(1 / 3, rel=1e-14)


def test_no_state_is_added_where_nothing_ends():
    table = [[[(1.0, 1, 2.0, False)]], [[(1.0, 0, 0.0, False)]]]
    mdp = interchange.from_gymnasium(World(table))
    assert mdp.num_states == 2
    assert mdp.gamma == 0.99
    np.testing.assert_array_equal(mdp.P[:, 0], [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("env_id", "options", "message"),
    [
        ("FrozenLak-v1", {}, "cannot make 'FrozenLak-v1'.*near ids: FrozenLake-v1"),
        ("frozenlake-v1", {}, "near ids: FrozenLake-v1"),
        ("FrozenLake-v77", {}, "VersionNotFound.*near ids: FrozenLake-v1"),
        ("nothing like it", {}, "cannot make 'nothing like it'"),
        ("no_such_module:Env-v0", {}, "cannot make .*ModuleNotFoundError"),
        ("FrozenLake-v1", {"map_name": "9x9"}, "cannot make 'FrozenLake-v1': KeyError: '9x9'"),
        ("FrozenLake-v1", {"slips": 1}, "cannot make 'FrozenLake-v1': TypeError.*'slips'"),
        ("Blackjack-v1", {}, r"Blackjack-v1 is no tabular environment.*unwrapped\.P.*FrozenLake"),
        ("CartPole-v1", {}, "CartPole-v1 is no tabular environment.*TabularMDP"),
    ],
)
def test_ids_without_a_table(env_id, options, message):
    with pytest.raises(ValueError, match=message):
        interchange.from_gymnasium(env_id, **options)


def test_a_missing_dependency_is_named(monkeypatch):
    def needs_something():
        raise gymnasium.error.DependencyNotInstalled("Box3D is not installed, run `pip install`")

    spec = gymnasium.envs.registration.EnvSpec("Heavy-v0", entry_point=needs_something)
    monkeypatch.setitem(gymnasium.registry, "Heavy-v0", spec)
    with pytest.raises(ValueError, match=r"cannot make 'Heavy-v0'.*Box3D is not installed"):
        interchange.from_gymnasium("Heavy-v0")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({0: {0: [(1.0, 0, 0.0)]}}, r"must be P\[s\]\[a\] = \[\(probability"),
        ({1: {0: [(1.0, 1, 0.0, False)]}}, r"for s = 0\.\.S-1.*KeyError"),
        (np.eye(2), r"must be P\[s\]\[a\]"),
        ({0: {0: [(1.0, 1, 0.0, False)]}}, r"state 0, action 0: .*next_state in 0\.\.0"),
        ({0: {0: [(-0.5, 0, 0.0, False), (1.5, 0, 0.0, False)]}}, "probability >= 0"),
        ({0: {0: [(1.0, 0, np.nan, False)]}}, "finite reward"),
        ({0: {0: [(0.5, 0, 0.0, False)]}}, "sum to 1, received 0.5 at state 0, action 0"),
        (
            {0: {0: [(1.0, 0, 0, False)]}, 1: {0: [(1.0, 0, 0, False)], 1: [(1.0, 0, 0, False)]}},
            "same 1 actions",
        ),
    ],
)
def test_tables_that_are_none(table, message):
    with pytest.raises(ValueError, match=message):
        interchange.from_gymnasium(World(table))


def test_other_bad_arguments():
    world = World([[[(1.0, 0, 2.0, False)]]])
    with pytest.raises(TypeError, match=r"options are for an id.*\['map_name'\].*gymnasium\.make"):
        interchange.from_gymnasium(world, map_name="8x8")
    with pytest.raises(TypeError, match="must be a gymnasium id or environment, received 3"):
        interchange.from_gymnasium(3)
    with pytest.raises(ValueError, match="0 <= gamma < 1"):
        interchange.from_gymnasium(world, gamma=1.0)
    del world.initial_state_distrib
    with pytest.raises(ValueError, match=r"World .*unwrapped\.initial_state_distrib"):
        interchange.from_gymnasium(world)


def test_gymnasium_is_imported_only_when_needed():
    code = "import sys, tabular, tabular.interchange; print('gymnasium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
