"""Sums along trajectories: compiled loops give the bits of NumPy, and both those of plain loops."""

import numpy as np
import pytest

from tabular import compiled
from tabular.compiled_sums import CompiledSums, sums_of
from tabular.sampling import Trajectories
from tabular.sums import Sums
from tests.tabular.test_compiled_sampling import assert_same_bits, by_numpy, needs_numba
from tests.tabular.tolerances import SAME, assert_close

S, A = 5, 3
NAMES = ("advantage", "weighted", "coupled", "traced", "by_gamma", "by_lambda")


def arbitrary(batch, horizon, num, seed=0):
    rng = np.random.default_rng(seed)
    return Trajectories(
        rng.integers(S, size=(horizon + 1, *batch, num)),
        rng.integers(A, size=(horizon, *batch, num)),
        rng.normal(size=(horizon, *batch, num)),
    )


def quantities(sums, score):
    found = {"advantage": sums.advantage, "weighted": sums.weighted()}
    found |= {"coupled": sums.coupled(score), "traced": sums.traced(score)}
    return found | {"by_gamma": sums.by_gamma(), "by_lambda": sums.by_lambda()}


def plain(trajectories, V, gamma, gae_lambda, score):
    """One trajectory after the other, sums term by term; V (S,), γ and λ of one trial."""
    states, actions, rewards = trajectories
    horizon, num = actions.shape
    tables = {name: np.zeros((S, A)) for name in NAMES[1:]}
    all_advantages = np.empty((horizon, num))

    def advantage(r, v, gamma, gae_lambda):
        delta = [r[t] + gamma * v[t + 1] - v[t] for t in range(horizon)]
        return [
            sum((gamma * gae_lambda) ** (k - t) * delta[k] for k in range(t, horizon))
            for t in range(horizon)
        ]

    for i in range(num):
        s, a, r = states[:, i], actions[:, i], rewards[:, i]
        v, q = V[s], score[s[:-1], a]
        adv = advantage(r, v, gamma, gae_lambda)
        all_advantages[:, i] = adv
        W = [gamma**t * adv[t] for t in range(horizon)]
        h = 1e-20  # by complex steps
        by_gamma = advantage(r, v, gamma + 1j * h, gae_lambda)
        by_lambda = advantage(r, v, gamma, gae_lambda + 1j * h)
        for t in range(horizon):
            x = s[t], a[t]
            tables["weighted"][x] += W[t]
            tables["coupled"][x] += W[t] * sum(q[:t])
            tables["coupled"][x] += sum(W[k] * q[k] for k in range(t + 1, horizon))
            tables["traced"][x] += sum(
                (gamma * gae_lambda) ** (t - k) * gamma**k * q[k] for k in range(t + 1)
            )
            tables["by_gamma"][x] += ((gamma + 1j * h) ** t * by_gamma[t]).imag / h
            tables["by_lambda"][x] += (gamma**t * by_lambda[t]).imag / h
    return {"advantage": all_advantages} | {name: x / num for name, x in tables.items()}


#: Leading dimensions of V_b, γ and λ for trials (2, 3).
SHARING = [((), (), ()), ((2, 3), (), (3,)), ((3,), (2, 1), ()), ((1, 3), (2, 3), (2, 3))]


@pytest.mark.parametrize("path", ["as it is", "NumPy"])
@pytest.mark.parametrize("sharing", SHARING)
def test_against_plain_loops(path, sharing):
    batch, rng = (2, 3), np.random.default_rng(1)
    drawn, score = arbitrary(batch, 5, 4), rng.normal(size=(*batch, S, A))
    V, gamma, gae_lambda = (
        rng.random((*lead, *core)) for lead, core in zip(sharing, [(S,), (), ()], strict=True)
    )

    def make():
        return sums_of(drawn, (S, A), V, gamma, gae_lambda)

    sums = make() if path == "as it is" else by_numpy(make)
    found = quantities(sums, score)
    for i in np.ndindex(batch):
        expected = plain(
            Trajectories(*(x[(slice(None), *i)] for x in drawn)),
            np.broadcast_to(V, (*batch, S))[i],
            np.broadcast_to(gamma, batch)[i],
            np.broadcast_to(gae_lambda, batch)[i],
            score[i],
        )
        for name in NAMES:
            at = (slice(None), *i) if name == "advantage" else i
            assert_close(found[name][at], expected[name], SAME, what=name)


@needs_numba
@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (6, 1), (20, 32), (3, 500)])
def test_loops_give_the_bits_of_numpy(sharing, size):
    rng = np.random.default_rng(2)
    drawn, score = arbitrary((2, 3), *size), rng.normal(size=(2, 3, S, A))
    V, gamma, gae_lambda = (
        rng.random((*lead, *core)) for lead, core in zip(sharing, [(S,), (), ()], strict=True)
    )
    loops = sums_of(drawn, (S, A), V, gamma, gae_lambda)
    reference = by_numpy(lambda: sums_of(drawn, (S, A), V, gamma, gae_lambda))
    assert (type(loops), type(reference)) == (CompiledSums, Sums)
    found = [quantities(sums, score).values() for sums in (loops, reference)]
    assert_same_bits(*found)


def layouts(drawn):
    """The same trajectories in other integers, read-only, in Fortran order and as strided views."""
    states, actions, rewards = drawn
    yield Trajectories(states.astype(np.int16), actions.astype(np.uint8), rewards)
    yield Trajectories(states.astype(">i4"), actions.astype(">i8"), rewards.astype(">f8"))
    frozen = Trajectories(*(x.copy() for x in drawn))
    for x in frozen:
        x.flags.writeable = False
    yield frozen
    yield Trajectories(*map(np.asfortranarray, drawn))
    yield Trajectories(*(np.repeat(x, 2, axis=-1)[..., ::2] for x in drawn))


@needs_numba
@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_memory_layout_gives_the_same_bits_and_is_compiled_once(batch):
    rng = np.random.default_rng(3)
    drawn, score = arbitrary(batch, 6, 7), rng.normal(size=(*batch, S, A))
    options = (S, A), rng.random(S), np.asarray(0.9), np.asarray(0.5)
    expected = quantities(sums_of(drawn, *options), score).values()
    for other in layouts(drawn):
        assert_same_bits(quantities(sums_of(other, *options), score).values(), expected)
    kernels = compiled.kernels("kernels_sums")
    for loop in (kernels.advantages, kernels.weighted, kernels.coupled, kernels.traced):
        assert len(loop.signatures) == 1


def test_a_wrong_order_of_time_is_seen():
    drawn, score = arbitrary((), 5, 4), np.random.default_rng(1).normal(size=(S, A))
    backwards = Trajectories(*(x[::-1].copy() for x in drawn))
    options = np.random.default_rng(4).random(S), np.asarray(0.9), np.asarray(0.7)
    found = quantities(sums_of(backwards, (S, A), *options), score)
    expected = plain(drawn, *options, score)
    for name in NAMES:
        assert np.abs(found[name] - expected[name]).max() > 0.01
