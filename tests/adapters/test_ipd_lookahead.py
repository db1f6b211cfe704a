"""Meta-gradients of the players: against the truth, their exact mean, and the plain way."""

from dataclasses import replace

import numpy as np
import pytest

from tabular.games import iterated_prisoners_dilemma
from tabular.lola import Lola
from tabular.metagradient import meta_gradient
from tabular.sources import Exact, Mean, Sampled
from tests.tabular.tolerances import FIRST, SAME, assert_close

torch = pytest.importorskip("torch")
from adapters.ipd import game, objectives  # noqa: E402
from adapters.ipd.lookahead import Lookahead, swap  # noqa: E402
from adapters.ipd.settings import SETTINGS, Sources, Table3  # noqa: E402
from benchmarks import with_torch_ipd as plain  # noqa: E402

#: Two solutions with condition number 49 and K steps.
EXACT = FIRST._replace(rtol=1e-10)
SMALL = Table3(rollout=7, batch=4, large=6, ring=12)


def generators(count, seed=0):
    return [np.random.default_rng([seed, k]) for k in range(count)]


def players(runs, seed=0):
    x = np.random.default_rng(seed).normal(size=(2, 2 * runs, 5))
    return torch.from_numpy(x[0]), torch.from_numpy(x[1])


@pytest.mark.parametrize("num_steps", [1, 3])
def test_exact_sources_give_the_truth(num_steps):
    own, baseline = players(3)
    look = Lookahead(SETTINGS["exact/exact"], Table3(lookahead=num_steps), generators(3))
    found = look.meta_gradient(own, baseline, exact_outer_too=True)
    assert_close(found.gradient, look.truth(own), EXACT)
    assert torch.equal(found.inner, found.gradient)
    assert found.rollouts is None


def test_naive_learners_follow_their_own_gradient():
    own, baseline = players(3)
    look = Lookahead(SETTINGS["naive-exact"], Table3(), generators(3))
    x = own.clone().requires_grad_()
    (expected,) = torch.autograd.grad(game.value(x, swap(own), 0.96).sum(), x)
    assert_close(look.meta_gradient(own, baseline).gradient, expected, FIRST)
    assert np.abs(look.truth(own) - expected.numpy()).max() > 0.01


@pytest.mark.parametrize("separate", [False, True])
def test_sampled_sources_give_what_the_plain_way_gives(separate):
    """The same uniform numbers, one run and one player at a time, through the whole graph."""
    runs, table = 2, SMALL
    own, baseline = players(runs)
    look = Lookahead(Sources(separate=separate), table, generators(runs))
    found = look.meta_gradient(own, baseline).gradient.reshape(runs, 2, 5)
    names = ["path", "curvature", "outer"] if separate else ["curvature", "outer"]
    for run, rng in enumerate(generators(runs)):
        drawn = {
            name: [rng.random((2, 2, table.batch)) for _ in range(table.rollout)] for name in names
        }
        pair, tables = (x.numpy().reshape(runs, 2, 5)[run] for x in (own, baseline))
        for player in range(2):
            expected = plain.meta_gradient(
                pair[player],
                pair[1 - player],
                {name: [u[player] for u in steps] for name, steps in drawn.items()},
                gamma=table.gamma,
                step_size=table.inner_rate,
                baselines=(tables[player], tables[1 - player]),
            )
            assert_close(found[run, player], expected, SAME)


def test_the_mean_of_sampled_curvature_and_outer_gradient_is_the_exact_moment():
    """Path exact; curvature and outer gradient independent: their means multiply."""
    table = Table3(rollout=6, batch=8)
    repeats = 4000
    rng = np.random.default_rng(4)
    pair, baseline = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    look = Lookahead(Sources(path="exact"), table, generators(repeats))
    batch = [torch.from_numpy(np.tile(x, (repeats, 1))) for x in (pair, baseline)]
    found = look.meta_gradient(*batch).gradient.reshape(repeats, 2, 5).numpy()
    mean, error = found.mean(0), found.std(0, ddof=1) / np.sqrt(repeats)
    dilemma = iterated_prisoners_dilemma(gamma=table.gamma)
    # A step of α in x is one of α/2 in both logits; DiCE's baseline has mean zero.
    moments = Mean(Sampled("dice", 1, horizon=table.rollout))
    expected = [
        meta_gradient(
            Lola(dilemma, game.logits(pair[1 - player][..., game.SWAPPED])),
            game.logits(pair[player]),
            step_size=table.inner_rate / 2,
            num_steps=1,
            path=Exact(),
            curvature=moments,
            outer=moments,
        )[..., 0]
        for player in range(2)
    ]
    # Ten numbers: 4.5 standard errors are exceeded once in 15000 runs.
    assert (np.abs(mean - expected) <= 4.5 * error).all()
    # The infinite horizon's are far away: the test can fail.
    assert (np.abs(mean - look.truth(batch[0])[:2]) > 4.5 * error).any()


def test_ad_sees_nothing_of_the_opponents_learning():
    own, baseline = players(2)
    for name in ("ad", "lvc", "loaded_dice", "dice"):
        look = Lookahead(Sources(surrogate=name), SMALL, generators(2))
        _, curvature = look._inner(own, swap(own), baseline)
        cross, second = objectives.products(curvature, own, swap(own), torch.ones_like(own))
        assert (cross.abs().max() < 1e-12) == (name == "ad")
        assert second.abs().max() > 1e-3


def test_a_ring_of_one_batch_is_on_policy():
    own, baseline = players(2)
    table = replace(SMALL, ring=SMALL.batch)
    found = [
        Lookahead(SETTINGS[name], table, generators(2)).meta_gradient(own, baseline).gradient
        for name in ("batch/batch", "off-both")
    ]
    assert_close(found[1], found[0], SAME)


def test_a_ring_weighs_rollouts_of_other_players():
    """The mean over fresh rings, drawn by other players, is that of on-policy rollouts."""
    table = replace(SMALL, rollout=3, batch=64, ring=128)
    repeats = 2000
    rng = np.random.default_rng(1)
    now, before, baseline = rng.normal(size=(3, 2, 5))
    found = {}
    for name in ("batch/batch", "off-both"):
        look = Lookahead(SETTINGS[name], table, generators(repeats))
        batch = [torch.from_numpy(np.tile(x, (repeats, 1))) for x in (before, now, baseline)]
        if name == "off-both":
            look._inner(batch[0], swap(batch[0]), swap(batch[2]))
        _, curvature = look._inner(batch[1], swap(batch[1]), swap(batch[2]))
        found[name] = objectives.gradient(curvature, batch[1], swap(batch[1]))[1].numpy()
    each = {name: x.reshape(repeats, 2, 5) for name, x in found.items()}
    difference = np.abs(each["off-both"].mean(0) - each["batch/batch"].mean(0))
    error = np.sqrt(sum(x.var(0, ddof=1) for x in each.values()) / repeats)
    assert (difference <= 4.5 * error).all()
    assert (difference > 0).all()


def test_where_the_baseline_is_dropped():
    own, baseline = players(2)
    found = {
        name: Lookahead(SETTINGS[name], SMALL, generators(2)).meta_gradient(own, table).gradient
        for name, table in (
            ("off-path", baseline),
            ("off-path-released", baseline),
        )
    }
    assert not torch.equal(*found.values())
    zero = torch.zeros_like(baseline)
    found = [
        Lookahead(SETTINGS[name], SMALL, generators(2)).meta_gradient(own, zero).gradient
        for name in ("off-path", "off-path-released")
    ]
    assert torch.equal(*found)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_runs(name):
    own, baseline = players(2)
    table = replace(SMALL, lookahead=2)
    look = Lookahead(SETTINGS[name], table, generators(2))
    found = look.meta_gradient(own, baseline, exact_outer_too=True)
    assert torch.isfinite(found.gradient).all()
    assert found.gradient.shape == found.inner.shape == own.shape
    exact_inside = SETTINGS[name].path == SETTINGS[name].curvature == "exact"
    if exact_inside and SETTINGS[name].look_ahead:
        assert_close(found.inner, look.truth(own), EXACT)
