"""The expected update g(θ) and its derivatives against autograd of its definition."""

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given
from hypothesis import strategies as st

from tabular import exact
from tabular.gae import UpdateField, cross_lambda
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import DERIVATIVE, Tables, quietly
from tests.tabular.tolerances import Tolerance, assert_close

SIZES = [(1, 1), (1, 3), (2, 2), (3, 1), (4, 3)]
HORIZONS = [1, 4, None]
LAMBDAS = [0.0, 0.6, 1.0]
REPRESENTATIONS = {"dense": lambda mdp: mdp, "sparse": lambda mdp: mdp.sparse()}

#: Identities between numbers of the engine; `scale` = the size of the terms that cancel.
IDENTITY = Tolerance(rtol=1e-13, atol=1e-14)

every_case = pytest.mark.parametrize(
    ("size", "horizon", "gae_lambda", "representation"),
    list(itertools.product(SIZES, HORIZONS, LAMBDAS, REPRESENTATIONS)),
)


class Reference:
    """Σ_t γ^t E[Â_t log π_score(a_t|s_t)] under π_law; its score-gradient at score = law is g."""

    def __init__(self, mdp, theta, *, gae_lambda, baseline, horizon):
        self.P, rewards, self.initial, self.gamma = Tables.of(mdp)
        self.R = (self.P * rewards).sum(axis=-1)
        self.theta, self.gae_lambda = np.array(theta), float(gae_lambda)
        self.baseline, self.horizon = np.array(baseline), horizon

    def _terms(self, theta, R, gamma, gae_lambda):
        """γ^t P(s_t = s), (S,), and E[Â_t|s, a], (S, A), for every t; or the sum and the limit."""
        weights = anp.exp(theta)
        pi = weights / anp.sum(weights, axis=1, keepdims=True)
        P_pi = anp.sum(pi[:, :, None] * self.P, axis=1)
        delta = R + gamma * anp.dot(self.P, self.baseline) - self.baseline[:, None]
        if self.horizon is None:
            eye = np.eye(len(self.initial))
            m = anp.linalg.solve(eye - gamma * gae_lambda * P_pi, anp.sum(pi * delta, axis=1))
            d = anp.linalg.solve((eye - gamma * P_pi).T, self.initial)
            return pi, [(d, delta + gamma * gae_lambda * anp.dot(self.P, m))]
        expected = [delta]  # E[δ_{t+l} | s_t, a_t], l = 0, 1, ...
        for _ in range(self.horizon - 1):
            expected.append(anp.dot(self.P, anp.sum(pi * expected[-1], axis=1)))
        terms, at = [], self.initial
        for t in range(self.horizon):
            advantage, factor = 0.0, 1.0
            for step in range(self.horizon - t):
                advantage = advantage + factor * expected[step]
                factor = factor * gamma * gae_lambda
            terms.append((gamma**t * at, advantage))
            at = anp.dot(at, P_pi)
        return pi, terms

    def objective(self, score, law, R, gamma, gae_lambda):
        pi, terms = self._terms(law, R, gamma, gae_lambda)
        log_pi = score - anp.log(anp.sum(anp.exp(score), axis=1, keepdims=True))
        return sum(anp.sum(d[:, None] * pi * advantage * log_pi) for d, advantage in terms)

    @property
    def _point(self):
        return self.theta, self.R, self.gamma, self.gae_lambda

    def update(self, theta, R, gamma, gae_lambda):
        return grad(self.objective, 0)(theta, theta, R, gamma, gae_lambda)

    @property
    def gradient(self):
        return quietly(lambda x: self.update(x, *self._point[1:]), self.theta)

    def _along(self, u, argument):
        def product(*point):
            return anp.sum(self.update(*point) * u)

        return quietly(lambda point: grad(product, argument)(*point), self._point)

    def vjp(self, u):
        return self._along(u, 0)

    def cross_reward(self, u):
        return self._along(u, 1)

    def _table(self, argument):
        units = np.eye(self.theta.size).reshape(-1, *self.theta.shape)
        return np.array([self._along(u, argument) for u in units]).reshape(self.theta.shape)

    def cross_gamma(self):
        return self._table(2)

    def cross_lambda(self):
        return self._table(3)


def make(size, horizon, gae_lambda):
    rng = np.random.default_rng([*size, horizon or 0])
    theta, u = rng.normal(size=(2, *size))
    options = {
        "gae_lambda": gae_lambda,
        "baseline": 2 * rng.normal(size=size[0]),
        "horizon": horizon,
    }
    return random_mdp(rng, size), theta, u, options


@every_case
def test_gradient_and_vjp_against_autograd(size, horizon, gae_lambda, representation):
    mdp, theta, u, options = make(size, horizon, gae_lambda)
    field = UpdateField(REPRESENTATIONS[representation](mdp), theta, **options)
    reference = Reference(mdp, theta, **options)
    assert_close(field.gradient, reference.gradient, DERIVATIVE, what="g")
    assert_close(field.vjp(u), reference.vjp(u), DERIVATIVE, what="Gᵀu")


@every_case
def test_cross_derivatives_against_autograd(size, horizon, gae_lambda, representation):
    mdp, theta, u, options = make(size, horizon, gae_lambda)
    field = UpdateField(REPRESENTATIONS[representation](mdp), theta, **options)
    reference = Reference(mdp, theta, **options)
    assert_close(field.cross_reward(u), reference.cross_reward(u), DERIVATIVE, what="φ")
    assert_close(field.cross_gamma(), reference.cross_gamma(), DERIVATIVE, what="γ")
    assert_close(field.cross_lambda(), reference.cross_lambda(), DERIVATIVE, what="λ")
    np.testing.assert_array_equal(
        cross_lambda(REPRESENTATIONS[representation](mdp), theta, **options), field.cross_lambda()
    )


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_no_discount(horizon, gae_lambda):
    mdp, theta, u, options = make((4, 3), horizon, gae_lambda)
    mdp = mdp.with_gamma(0.0)
    field, reference = UpdateField(mdp, theta, **options), Reference(mdp, theta, **options)
    assert_close(field.gradient, reference.gradient, DERIVATIVE)
    assert_close(field.vjp(u), reference.vjp(u), DERIVATIVE)
    assert_close(field.cross_reward(u), reference.cross_reward(u), DERIVATIVE)
    assert_close(field.cross_gamma(), reference.cross_gamma(), DERIVATIVE)
    assert_close(field.cross_lambda(), reference.cross_lambda(), DERIVATIVE)


def test_the_reference_update_at_lambda_one_is_the_slope_of_an_objective():
    """A check of the reference alone: with λ = 1, V_b = 0, differences of J_T give g."""
    mdp, theta, u, options = make((3, 1), 4, 1.0)
    mdp, theta = random_mdp(np.random.default_rng(0), (3, 2)), np.ones((3, 2)) * [0.3, -0.2]
    reference = Reference(mdp, theta, **options | {"baseline": np.zeros(3)})
    tables = Tables.of(mdp)

    def objective(logits):
        pi = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        P_pi, r_pi = np.einsum("sa,saz->sz", pi, tables.P), (pi * reference.R).sum(axis=1)
        steps = [tables.initial @ np.linalg.matrix_power(P_pi, t) @ r_pi for t in range(4)]
        return sum(0.9**t * step for t, step in enumerate(steps))

    u = np.array([[1.0, 0.5], [-2.0, 0.1], [0.3, 0.7]])
    slope = (objective(theta + 1e-5 * u) - objective(theta - 1e-5 * u)) / 2e-5
    assert slope == pytest.approx(np.sum(reference.gradient * u), rel=1e-8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_lambda_one_is_the_exact_engine_with_terminal_baseline(size, horizon):
    """Over an infinite horizon the baseline drops out; over T steps it ends the objective."""
    mdp, theta, u, options = make(size, horizon, 1.0)
    ends = {} if horizon is None else {"horizon": horizon, "terminal_value": options["baseline"]}
    field, truth = UpdateField(mdp, theta, **options), exact.evaluate(mdp, theta, **ends)
    # Values are below 40 (rewards 4, γ = 0.9) and cancel to advantages.
    tolerance = IDENTITY._replace(atol=1e-13)
    assert_close(field.gradient, truth.gradient, tolerance, scale=10)
    assert_close(field.vjp(u), truth.hvp(u), tolerance, scale=10)
    assert_close(field.cross_reward(u), truth.cross_reward(u), tolerance, scale=10)
    assert_close(field.cross_gamma(), truth.cross_gamma(), tolerance, scale=100)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("gae_lambda", LAMBDAS)
def test_the_true_value_as_baseline_makes_lambda_irrelevant(size, horizon, gae_lambda):
    """V_b = V^π: E[Â_t|s, a] = A^π at every λ and T, so that ∂_λ g = 0."""
    mdp, theta, _, options = make(size, horizon, gae_lambda)
    options["baseline"] = exact.state_value(mdp, theta)
    field = UpdateField(mdp, theta, **options)
    other = UpdateField(mdp, theta, **options | {"gae_lambda": 0.3})
    assert_close(field.cross_lambda(), np.zeros(size), IDENTITY, scale=10, what="∂_λ g")
    assert_close(field.gradient, other.gradient, IDENTITY, scale=10)
    steps = horizon or 1
    advantage = np.repeat(exact.advantage(mdp, theta)[None], steps, axis=0)
    assert_close(field.advantage, advantage, IDENTITY, scale=10)
    assert_close(field.state_advantage, np.zeros((steps, size[0])), IDENTITY, scale=10)


def test_lambda_matters_for_any_other_baseline():
    mdp, theta, _, options = make((4, 3), 4, 0.6)
    assert np.max(np.abs(UpdateField(mdp, theta, **options).cross_lambda())) > 0.01


@pytest.mark.parametrize("horizon", HORIZONS)
def test_below_lambda_one_the_update_is_the_gradient_of_nothing(horizon):
    """Its Jacobian is symmetric at λ = 1 and is not at λ = 0.6."""
    mdp, theta, _, options = make((2, 2), horizon, 1.0)
    units = np.eye(4).reshape(4, 2, 2)

    def jacobian(gae_lambda):
        field = UpdateField(mdp, theta, **options | {"gae_lambda": gae_lambda})
        return field.vjp(units).reshape(4, 4)

    symmetric = jacobian(1.0)
    assert_close(symmetric, symmetric.T, IDENTITY, scale=10)
    if horizon != 1:
        twisted = jacobian(0.6)
        assert np.max(np.abs(twisted - twisted.T)) > 1e-3


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    horizon=st.sampled_from([1, 2, 5, None]),
    gae_lambda=st.floats(0, 1),
    gamma=st.sampled_from([0.0, 0.3, 0.9]),
)
def test_any_field_against_autograd(seed, size, horizon, gae_lambda, gamma):
    rng = np.random.default_rng(seed)
    mdp, theta, u = random_mdp(rng, size, gamma), 3 * rng.normal(size=size), rng.normal(size=size)
    options = {"gae_lambda": gae_lambda, "baseline": rng.normal(size=size[0]), "horizon": horizon}
    field, reference = UpdateField(mdp, theta, **options), Reference(mdp, theta, **options)
    assert_close(field.gradient, reference.gradient, DERIVATIVE)
    assert_close(field.vjp(u), reference.vjp(u), DERIVATIVE)
    assert_close(field.cross_reward(u), reference.cross_reward(u), DERIVATIVE)


def test_baseline_defaults_to_zero():
    mdp, theta, u, options = make((4, 3), 4, 0.6)
    absent = UpdateField(mdp, theta, gae_lambda=0.6, horizon=4)
    zero = UpdateField(mdp, theta, **options | {"baseline": np.zeros(4)})
    np.testing.assert_array_equal(absent.vjp(u), zero.vjp(u))
