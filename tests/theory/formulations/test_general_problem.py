"""A problem of another kind: θ⁰, ĝ and J_out all depend on φ, and m is not d."""

from itertools import product

import autograd.numpy as anp
import numpy as np
from autograd import grad, jacobian

from tests.tabular.tolerances import assert_close
from tests.theory.formulations.cases import LAW
from theory.finite.problem import InnerOutcomes, OuterOutcomes
from theory.formulations.sampling_correction import law, small_step_variance

M, D, SIZE, ALPHA = 3, 2, 3, 0.8
RNG = np.random.default_rng(11)
A, B, C = RNG.normal(size=(M, D, D)), RNG.normal(size=(M, D, SIZE)), RNG.normal(size=(M, D))
Z0, U, V = RNG.normal(size=(D, SIZE)), RNG.normal(size=D), RNG.normal(size=SIZE)
PHI = RNG.normal(size=SIZE)


def step(phi, theta, m):
    return anp.tanh(anp.dot(A[m], theta) + anp.dot(B[m], phi))


def probabilities(theta):
    weights = anp.exp(anp.dot(C, theta))
    return weights / anp.sum(weights)


def value(phi, theta):
    return anp.sin(anp.dot(U, theta)) * (1.0 + anp.dot(V, phi))


def objective(phi, K, N):
    """J_S^K over all ordered samples."""

    def onward(theta, left):
        if left == 0:
            return value(phi, theta)
        p = probabilities(theta)
        total = 0.0
        for drawn in product(range(M), repeat=N):
            weight, move = 1.0, 0.0
            for m in drawn:
                weight, move = weight * p[m], move + step(phi, theta, m) / N
            total = total + weight * onward(theta + ALPHA * move, left - 1)
        return total

    return onward(anp.dot(Z0, phi), K)


class General:
    """The same as a finite problem, with autograd's derivatives one θ at a time."""

    start, start_jacobian = Z0 @ PHI, Z0

    def _each(self, theta, function):
        flat = [np.array([function(x, m) for m in range(M)]) for x in theta.reshape(-1, D)]
        return np.array(flat).reshape(*theta.shape[:-1], *flat[0].shape)

    def inner_outcomes(self, theta):
        return InnerOutcomes(
            self._each(theta, lambda x, m: probabilities(x)[m]),
            self._each(theta, lambda x, m: step(PHI, x, m)),
            self._each(theta, lambda x, m: jacobian(step, 1)(PHI, x, m)),
            self._each(theta, lambda x, m: jacobian(step, 0)(PHI, x, m)),
        )

    def inner_scores(self, theta):
        return self._each(theta, lambda x, m: grad(lambda y: anp.log(probabilities(y)[m]))(x))

    def outer_value(self, theta):
        return value(PHI, theta.T).T

    def outer_returns(self, theta):
        return self.outer_value(theta)[..., None]

    def outer_outcomes(self, theta):
        p = [grad(value, 1)(PHI, x) for x in theta.reshape(-1, D)]
        q = [grad(value, 0)(PHI, x) for x in theta.reshape(-1, D)]
        shape = (*theta.shape[:-1], 1)
        return OuterOutcomes(
            np.ones(shape), np.reshape(p, (*shape, D)), np.reshape(q, (*shape, SIZE))
        )


def test_the_k_sample_gradient_of_a_general_problem():
    for K, N in ((1, 1), (2, 2), (3, 1)):
        found = law(General(), step_size=ALPHA, num_steps=K, num_trajectories=N)
        assert_close(found.objective, objective(PHI, K, N), LAW)
        assert_close(found.mean(), grad(objective)(PHI, K, N), LAW)
        assert np.linalg.norm(found.correction_mean) > 1e-3


def test_the_correction_of_small_steps_sees_where_the_start_moves():
    """V[Y] is K N E‖Z_0ᵀs‖² (J − b)² + O(α)."""
    counts = {"num_steps": 2, "num_trajectories": 2, "return_baseline": 0.3}
    limit = small_step_variance(General(), **counts)
    found = [law(General(), step_size=a, **counts).correction_variance for a in (1e-5, 2e-5)]
    assert abs(2 * found[0] - found[1] - limit) < 1e-8 * limit
    assert 0 < abs(found[0] - limit) < 1e-3 * limit
