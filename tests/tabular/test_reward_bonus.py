"""What `add_reward` adds to rewards R(s,a,s') survives every way of passing an MDP on."""

from types import SimpleNamespace

import numpy as np
import pytest

from tabular import TabularMDP, exact, files, interchange
from tabular.sampling import sample

THETA = np.array([[0.3, -0.2], [0.1, 0.7]])
PHI = np.array([[1.0, 2.0], [-3.0, 0.5]])


def make_mdp() -> TabularMDP:
    rng = np.random.default_rng(1)
    return TabularMDP(rng.dirichlet([1, 1], (2, 2)), rng.normal(size=(2, 2, 2)), 0.9, 0)


def saved(mdp, folder):
    files.save(mdp, folder / "mdp.npz")
    return files.load(folder / "mdp.npz")


WAYS = {
    "file": saved,
    "sparse": lambda mdp, folder: mdp.sparse(),
    "sparse file": lambda mdp, folder: saved(mdp.sparse(), folder),
    "stack": lambda mdp, folder: TabularMDP.stack([mdp, mdp.with_gamma(0.5)])[0],
    "pymdptoolbox": lambda mdp, folder: interchange.from_pymdptoolbox(
        *interchange.to_pymdptoolbox(mdp), initial=mdp.initial
    ),
    "quantecon": lambda mdp, folder: interchange.from_quantecon(
        *interchange.to_quantecon(mdp), initial=mdp.initial
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_bonus_is_passed_on(way, tmp_path):
    mdp = make_mdp().add_reward(PHI)
    other = WAYS[way](mdp, tmp_path)
    np.testing.assert_allclose(other.R, mdp.R, rtol=1e-14)
    np.testing.assert_allclose(exact.value(other, THETA), exact.value(mdp, THETA), rtol=1e-13)


def test_a_batch_of_bonuses_is_refused_where_one_is_needed():
    mdp = make_mdp().add_reward(np.stack([PHI, 2 * PHI]))
    with pytest.raises(ValueError, match=r"one reward table for each MDP, received \(2,\)"):
        mdp.rewards  # noqa: B018


@pytest.mark.parametrize("phi", [1.0, np.ones(2), np.ones((4, 1, 1)), np.ones((2, 1))])
def test_phi_must_have_its_full_shape(phi):
    with pytest.raises(ValueError, match=r"phi must have shape \(..., 2, 2\)"):
        make_mdp().add_reward(phi)


def test_a_batch_of_bonuses_is_sampled_trial_by_trial():
    phi = np.array([0.0, 100.0, 200.0])[:, None, None] * np.ones((2, 2))
    mdp = make_mdp().add_reward(phi)
    rng = np.random.default_rng(0)
    means = sample(mdp, THETA, horizon=5, num_trajectories=50, rng=rng).rewards.mean(axis=(0, 2))
    np.testing.assert_allclose(means, [0, 100, 200], atol=5)


def test_rows_are_normalised_within_the_tolerance():
    """(1 − γ) J = 1 for R = 1 at every γ, though the rows are off by 5e-7."""
    for gamma in (0.9, 0.999999, 0.9999996):
        P = np.full((2, 1, 2), 0.5) * (1 + 5e-7)
        for mdp in (
            TabularMDP(P, np.ones((2, 1)), gamma, 0),
            TabularMDP(P, np.ones((2, 1)), gamma, [0.5 + 3e-7, 0.5]).sparse(),
        ):
            value = (1 - gamma) * exact.value(mdp, np.zeros((2, 1)))
            np.testing.assert_allclose(value, 1, rtol=1e-9)


def test_stack_refuses_batches_of_discounts():
    mdp = make_mdp()
    with pytest.raises(ValueError, match="one discount"):
        TabularMDP.stack([mdp.with_gamma([0.1, 0.9]), mdp.with_gamma([0.1, 0.9])])


def test_an_index_stays_within_the_batch():
    with pytest.raises(IndexError):
        TabularMDP.stack([make_mdp(), make_mdp()])[:, 0]


def test_masked_entries_are_refused():
    R = np.ma.array([[1.0, 999.0], [1.0, 1.0]], mask=[[0, 1], [0, 0]])
    with pytest.raises(ValueError, match="R must have no masked entries"):
        TabularMDP(np.full((2, 2, 2), 0.5), R, 0.9, 0)


def test_a_fickle_passenger_is_refused():
    """As a Taxi of gymnasium 1.1 or newer may have one."""
    taxi = SimpleNamespace(P={}, initial_state_distrib=[1.0], fickle_passenger=True)
    with pytest.raises(ValueError, match="fickle passenger is not in the table"):
        TabularMDP.from_gymnasium(SimpleNamespace(unwrapped=taxi))


def test_shared_quantities_are_read_only_and_results_are_not():
    mdp = make_mdp()
    here = exact.evaluate(mdp, THETA)
    for shared in (here.V, here.Q, here.advantage, here.occupancy, here.gradient):
        with pytest.raises(ValueError, match="read-only"):
            shared *= 2
    for own in (exact.gradient, exact.state_value, exact.action_value, exact.advantage):
        result = own(mdp, THETA)
        result *= 2
