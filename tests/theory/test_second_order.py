"""The coefficient of 1/N against autograd, and against the exact bias as N grows."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian

from tabular import exact
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.surrogates import quietly
from tests.tabular.tolerances import THIRD, Tolerance, assert_close
from tests.tabular.unroll import maml
from tests.theory.sample_paths import Slow, finite
from theory.finite.paths import inner_paths
from theory.second_order import SampledLoop, contract_third

#: Products of K factors I + αH and of third derivatives, each exact to 1e-11.
COMPOSED = Tolerance(rtol=1e-10, atol=1e-12)
#: The remainder is c/N + O(1/N²): doubling N halves it up to this share, from N = 32 on.
HALVED = 0.1
RNG = np.random.default_rng(2)
MDP = random_mdp(RNG, (2, 2), 0.8)
THETA, BASELINE = RNG.normal(size=(2, 2)), RNG.normal(size=2)
T = 2


def loop(K: int, step_size: float = 0.9) -> SampledLoop:
    return SampledLoop(MDP, THETA, step_size, K, T, BASELINE)


def test_contraction_is_the_gradient_of_a_trace():
    B = RNG.normal(size=(4, 4))
    S = B @ B.T
    reference = Reference(MDP, THETA, T, BASELINE)
    slope = grad(reference._of_theta)
    trace = grad(lambda x: anp.sum(jacobian(slope)(x) * S.reshape(2, 2, 2, 2)))
    here = exact.evaluate(MDP, THETA, horizon=T, terminal_value=BASELINE)
    assert_close(contract_third(here, S), trace(THETA), THIRD, scale=10.0)
    assert_close(contract_third(here, 0 * S), 0 * THETA, THIRD)


def test_small_eigenvalues_count():
    """Covariances of few trajectories have eigenvalues of very different sizes."""
    values = 10.0 ** np.array([0, -3, -6, -9])
    vectors = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))[0]
    here = exact.evaluate(MDP, THETA, horizon=T, terminal_value=BASELINE)
    each = [contract_third(here, np.outer(u, u)) for u in vectors.T]
    found = contract_third(here, (vectors * values) @ vectors.T)
    assert_close(found, np.tensordot(values, each, axes=1), COMPOSED)


@pytest.mark.parametrize("K", [1, 2, 3])
def test_hessians_and_noises_are_those_of_every_trajectory(K):
    own = loop(K)
    slow = Slow(MDP, 0.9, T, BASELINE)
    for i, theta in enumerate(slow.exact_path(THETA, K)):
        assert_close(own.iterates[i], theta, COMPOSED)
        hessian = own.last_hessian if i == K else own.hessians[i]
        assert_close(hessian, slow.reference(theta).hessian.reshape(4, 4), COMPOSED)
        if i < K:
            probability, gradient, _ = slow.outcomes(theta)
            noise = gradient - probability @ gradient
            covariance = np.einsum("m,mi,mj->ij", probability, noise, noise)
            assert_close(own.noises[i], covariance, COMPOSED)


def test_rescaled_loops_are_loops():
    whole, other = loop(3), loop(1, 0.4).rescaled(0.9, 3)
    for name in ("covariances", "shifts", "hessians", "noises"):
        for left, right in zip(getattr(other, name), getattr(whole, name), strict=True):
            assert_close(left, right, COMPOSED)


@pytest.mark.parametrize("K", [1, 2, 3])
def test_forward_moments_are_the_backward_form(K):
    """c_K and its targets are (α²/2) Σ_i D²(f ∘ T^{K−1−i})(θ^{i+1}) : Σ_i, all by autograd."""
    own, unroll = loop(K), maml(MDP, T, BASELINE)

    def backward(f):
        total = 0.0
        for i in range(K):

            def composed(x, i=i):
                steps = K - 1 - i
                return f(unroll.iterates(x, step_size=0.9, num_steps=steps)[-1])

            curved = quietly(jacobian(jacobian(composed)), own.iterates[i + 1])
            curved = np.reshape(curved, (-1, 4, 4))
            total = total + 0.5 * 0.9**2 * np.einsum("fij,ij->f", curved, own.noises[i])
        return total

    assert_close(own.value_coefficient, backward(unroll.value)[0], COMPOSED)
    assert_close(own.gradient_coefficient.ravel(), backward(grad(unroll.value)), COMPOSED)
    if K > 1:
        assert_close(own.iterate_coefficient.ravel(), backward(anp.ravel), COMPOSED)
    else:
        assert not own.iterate_coefficient.any()


def remainders(own: SampledLoop, counts: list[int], scale: float = 1.0) -> np.ndarray:
    """‖N bias/coefficient − 1‖ of ∇J at each N, exact by counts."""
    problem = finite(own)
    found = []
    for N in counts:
        paths = inner_paths(
            problem, step_size=own.step_size, num_steps=own.num_steps, num_trajectories=N
        )
        mean = paths.probability @ problem.outer(paths.ends).gradient
        bias = mean - problem.outer(paths.iterates[-1:]).gradient[0]
        expected = scale * own.gradient_coefficient.ravel()
        found.append(np.linalg.norm(N * bias - expected) / np.linalg.norm(expected))
    return np.array(found)


TWO_ARMS = random_mdp(np.random.default_rng(3), (1, 2), 0.0)
ARMS_THETA = np.array([[0.5, -0.2]])


@pytest.mark.parametrize(("K", "counts"), [(1, [64, 128, 256]), (2, [64, 128, 256]), (3, [32, 64])])
def test_remainder_halves_when_n_doubles(K, counts):
    own = SampledLoop(TWO_ARMS, ARMS_THETA, 0.5, K, 1, [0.1])
    off = remainders(own, counts)
    assert (np.abs(off[:-1] / off[1:] - 2) < 2 * HALVED).all()
    assert off[-1] < 0.05


@pytest.mark.parametrize("wrong", ["half", "sign"])
def test_a_wrong_factor_is_caught(wrong):
    own = SampledLoop(TWO_ARMS, ARMS_THETA, 0.5, 2, 1, [0.1])
    off = remainders(own, [64, 128, 256], {"half": 2.0, "sign": -1.0}[wrong])
    assert off[-1] > 0.4
    assert (np.abs(off[:-1] / off[1:] - 1) < HALVED).all()


def test_a_dropped_covariance_is_caught():
    own = SampledLoop(TWO_ARMS, ARMS_THETA, 0.5, 2, 1, [0.1])
    own.__dict__["noises"] = [np.diag(np.diag(noise)) for noise in own.noises]
    assert remainders(own, [256])[-1] > 0.1


def test_several_steps_in_time():
    """An MDP with T = 2: the remainder falls with N where it can still be enumerated."""
    own = SampledLoop(MDP, THETA, 0.1, 1, T, BASELINE)
    slow, off = Slow(MDP, 0.1, T, BASELINE), []
    before = slow.reference(own.iterates[-1]).value
    for N in (1, 2, 3):
        weight, ends = slow.ends(THETA, 1, N)
        values = exact.value(MDP, ends, horizon=T, terminal_value=BASELINE)
        off.append(N * (weight @ values - before) / own.value_coefficient - 1)
        squares = ((ends - own.iterates[-1]) ** 2).sum(axis=(1, 2))
        assert_close(own.spread(N), np.sqrt(weight @ squares), COMPOSED)
    off = np.abs(off) * np.array([1, 2, 3])
    assert np.ptp(off) < 0.2 * off.max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta0": np.zeros((3, 2, 2))}, "theta0 must be one table"),
        ({"baseline": np.zeros((3, 2))}, "baseline must be one table"),
        ({"step_size": 0.0}, "step_size"),
        ({"num_steps": 0}, "num_steps"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_bad_input(change, message):
    options = {
        "theta0": THETA,
        "step_size": 1.0,
        "num_steps": 1,
        "horizon": T,
        "baseline": BASELINE,
    }
    with pytest.raises(ValueError, match=message):
        SampledLoop(MDP, **(options | change))


@pytest.mark.parametrize("count", [0, [4, -1], np.nan])
def test_no_trajectories(count):
    with pytest.raises(ValueError, match="num_trajectories"):
        loop(1).spread(count)


def test_steps_out_of_range():
    far = SampledLoop(MDP.with_reward(1e10 * MDP.R), THETA, 1e300, 2, T)
    with pytest.raises(ValueError, match="smaller step_size"):
        far.spread(1)
