"""The game of sigmoid players: closed form, sides, and the exact meta-gradient."""

import numpy as np
import pytest

from tabular.games import iterated_prisoners_dilemma
from tests.tabular.tolerances import FIRST, SECOND, VALUE, assert_close

torch = pytest.importorskip("torch")
from adapters.ipd import game  # noqa: E402

GAMMA = 0.96
#: Condition number (1 + γ)/(1 − γ) = 49 twice, and a step of it differentiated K times.
UNROLLED = FIRST._replace(rtol=1e-10)


def players(count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count, 5))


def unrolled(own, other, num_steps, step_size=0.3):
    """The meta-gradient by autograd through all steps."""
    own, theta = (torch.tensor(x, requires_grad=True) for x in (own, other))
    for _ in range(num_steps):
        inner = game.value(theta, own, GAMMA).sum()
        (slope,) = torch.autograd.grad(inner, theta, create_graph=True)
        theta = theta + step_size * slope
    return torch.autograd.grad(game.value(own, theta, GAMMA).sum(), own)[0].numpy()


def test_values_are_the_tabular_ones_from_both_sides():
    own, other = players()
    tabular = iterated_prisoners_dilemma(gamma=GAMMA).values(
        game.logits(own), game.logits(other[:, game.SWAPPED])
    )
    for found, expected in zip(
        (game.value(*map(torch.from_numpy, pair), GAMMA) for pair in ((own, other), (other, own))),
        tabular,
        strict=True,
    ):
        assert_close(found, expected, VALUE._replace(rtol=1e-12))


def test_value_is_the_sum_of_discounted_rewards():
    own, other = players(1)
    moves = game.joint_logp(*map(torch.from_numpy, (own, other)))[0].exp().numpy()
    distribution, total = np.eye(5)[0], 0.0
    for t in range(1000):  # γ^1000 = 2e-18
        total += GAMMA**t * (distribution @ moves @ game.OWN)
        distribution = np.concatenate([[0.0], distribution @ moves])
    assert_close(game.value(*map(torch.from_numpy, (own, other)), GAMMA), [total], FIRST)


def test_joint_moves_are_independent_and_seen_from_each_side():
    own, other = (torch.from_numpy(x) for x in players())
    moves = game.joint_logp(own, other).exp().unflatten(-1, (2, 2))
    assert_close(moves.sum((-1, -2)), np.ones((6, 5)), VALUE)
    assert_close(moves[..., 0, :].sum(-1), torch.sigmoid(own), VALUE)
    assert_close(moves[..., 0].sum(-1)[:, list(game.SWAPPED)], torch.sigmoid(other), VALUE)
    mirrored = game.joint_logp(other, own).exp().unflatten(-1, (2, 2))
    assert_close(mirrored[:, list(game.SWAPPED)].transpose(-1, -2), moves, VALUE)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_truth_is_autograd_through_the_unroll(num_steps):
    own, other = players()
    exact = game.truth(own, other, gamma=GAMMA, step_size=0.3, num_steps=num_steps)
    assert_close(exact, unrolled(own, other, num_steps), UNROLLED)
    wrong = game.truth(own, other, gamma=GAMMA, step_size=0.6, num_steps=num_steps)
    assert np.abs(wrong - exact).max() > 1e-3


def test_gradient_by_finite_differences():
    own, other = players(1)
    exact = game.truth(own, other, gamma=GAMMA, step_size=0.3, num_steps=1)[0]

    def ahead(x):
        theta = torch.tensor(other, requires_grad=True)
        at = torch.from_numpy(x)
        (slope,) = torch.autograd.grad(game.value(theta, at, GAMMA).sum(), theta)
        return game.value(at, (theta + 0.3 * slope).detach(), GAMMA).item()

    h = 1e-5
    differences = [(ahead(own + h * e) - ahead(own - h * e)) / (2 * h) for e in np.eye(5)]
    assert_close(differences, exact, SECOND._replace(rtol=1e-6))
