"""Simulation against the exact moments where enumeration cannot go: S = 20, A = 5, T = 20.

Every number compared is a mean over M independent trajectories, so that its distance from its
expectation is judged in standard errors, z. A simulation gives 2 x (10 + 10 + 1) = 42 numbers for
each estimator: for the gradient and for one Hessian-vector product, the mean and the variance
along ten fixed directions and the total variance. All four estimators of the two MDPs make 336,
and with |z| < 4.5, P(|Z| > 4.5) = 6.8e-6, a correct program fails with probability 0.2 % at
most, whatever their correlations (Bonferroni), as far as means of 20 000 are normal. The seeds are
the first ones tried.
"""

import numpy as np
import pytest

from tabular import TabularMDP, exact, moments
from tabular.estimators import Estimate
from tabular.sampling import Trajectories, sample
from tests.tabular.surrogates import ESTIMATORS

LIMIT = 4.5
DIRECTIONS = 10
HORIZON = 20


def _paper():
    """Nearly certain transitions, rewards in [0, 1], start in state 0."""
    return TabularMDP.random(20, 5, gamma=0.8, rng=np.random.default_rng(0))


def _by_successor():
    rng = np.random.default_rng(1)
    P = rng.dirichlet(np.full(20, 0.3), size=(20, 5))
    return TabularMDP(P, rng.normal(size=(20, 5, 20)), 0.9, rng.dirichlet(np.ones(20)))


MDPS = {"paper": _paper, "by successor": _by_successor}


class Simulation:
    """M trajectories of one policy, one estimate for each, and the exact moments."""

    def __init__(self, name, *, count, seed):
        self.mdp = MDPS[name]()
        rng = np.random.default_rng(10)
        self.theta = 0.5 * rng.normal(size=(20, 5))
        self.v = exact.gradient(self.mdp, self.theta)
        self.v = self.v / np.linalg.norm(self.v)
        value = exact.state_value(self.mdp, self.theta)
        self.options = {"baseline": value + 0.3 * rng.normal(size=20), "gae_lambda": 0.95}
        self.directions = rng.normal(size=(DIRECTIONS, 20, 5))
        drawn = sample(
            self.mdp,
            self.theta,
            horizon=HORIZON,
            num_trajectories=count,
            rng=np.random.default_rng(seed),
        )
        self.trajectories = Trajectories(*(x[..., None] for x in drawn))

    def estimates(self, estimator):
        """The gradient and the Hessian-vector product of each trajectory, (M, S, A)."""
        estimate = Estimate(
            self.mdp, self.theta, self.trajectories, estimator=estimator, **self.options
        )
        return {"gradient": estimate.gradient, "hvp": estimate.hvp(self.v)}

    def exact_moments(self, estimator):
        """Mean (S, A) and covariance (S, A, S, A) of both."""
        arguments = (self.mdp, self.theta, estimator)
        options = self.options | {"horizon": HORIZON}
        return {
            "gradient": (
                moments.expected_gradient(*arguments, **options),
                moments.gradient_covariance(*arguments, **options),
            ),
            "hvp": (
                moments.expected_hvp(*arguments, self.v, **options),
                moments.hvp_covariance(*arguments, self.v, **options),
            ),
        }

    def z_scores(self, values, mean, covariance):
        """Means, variances along the directions and the total variance, in standard errors."""
        count, scores = len(values), {}
        projected = values.reshape(count, -1) @ self.directions.reshape(DIRECTIONS, -1).T
        centre = np.einsum("kij,ij->k", self.directions, mean)
        spread = np.einsum("kij,ijlm,klm->k", self.directions, covariance, self.directions)
        squares = (projected - centre) ** 2
        total = ((values - mean) ** 2).sum(axis=(1, 2))
        scores["mean"] = (projected.mean(axis=0) - centre) / np.sqrt(spread / count)
        errors = squares.std(axis=0) / np.sqrt(count)
        scores["variance"] = (squares.mean(axis=0) - spread) / errors
        error = total.std() / np.sqrt(count)
        scores["trace"] = (total.mean() - np.einsum("iaia", covariance)) / error
        return {name: float(np.max(np.abs(z))) for name, z in scores.items()}


@pytest.fixture(scope="module", params=MDPS)
def simulation(request):
    return Simulation(request.param, count=20_000, seed=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_simulated_moments_are_the_exact_ones(simulation, estimator):
    values, truth = simulation.estimates(estimator), simulation.exact_moments(estimator)
    for quantity, (mean, covariance) in truth.items():
        scores = simulation.z_scores(values[quantity], mean, covariance)
        assert max(scores.values()) < LIMIT, (quantity, scores)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", MDPS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_simulated_moments_with_more_trajectories(name, seed, estimator):
    test_simulated_moments_are_the_exact_ones(Simulation(name, count=100_000, seed=seed), estimator)


@pytest.mark.parametrize(
    ("simulated", "claimed"),
    [("ad", "lvc"), ("lvc", "ad"), ("lvc", "loaded_dice"), ("loaded_dice", "lvc")],
)
def test_another_estimator_is_caught(simulation, simulated, claimed):
    """Its Hessian's variance gives it away, its gradient does not; nor need its mean."""
    values, truth = simulation.estimates(simulated), simulation.exact_moments(claimed)
    gradient = simulation.z_scores(values["gradient"], *truth["gradient"])
    assert max(gradient.values()) < LIMIT
    hvp = simulation.z_scores(values["hvp"], *truth["hvp"])
    assert hvp["variance"] > 2 * LIMIT
    assert hvp["trace"] > 2 * LIMIT


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_covariance_wrong_by_a_factor_is_caught(simulation, estimator, factor):
    values, truth = simulation.estimates(estimator), simulation.exact_moments(estimator)
    for quantity, (mean, covariance) in truth.items():
        scores = simulation.z_scores(values[quantity], mean, factor * covariance)
        assert scores["variance"] > LIMIT
        assert scores["trace"] > LIMIT


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_mean_wrong_by_a_tenth_of_its_deviation_is_caught(simulation, estimator):
    values, truth = simulation.estimates(estimator), simulation.exact_moments(estimator)
    for quantity, (mean, covariance) in truth.items():
        direction = simulation.directions[0]
        deviation = np.sqrt(np.einsum("ij,ijkl,kl", direction, covariance, direction))
        shifted = mean + 0.1 * deviation * direction / np.sum(direction**2)
        scores = simulation.z_scores(values[quantity], shifted, covariance)
        assert scores["mean"] > LIMIT


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_averages_of_n_trajectories_have_an_nth_of_the_covariance(simulation, estimator):
    """Trials of N = 10 from the same trajectories: same mean, a tenth of the variance."""
    drawn = Trajectories(*(x.reshape(len(x), -1, 10) for x in simulation.trajectories))
    average = Estimate(
        simulation.mdp, simulation.theta, drawn, estimator=estimator, **simulation.options
    )
    values = {"gradient": average.gradient, "hvp": average.hvp(simulation.v)}
    for quantity, (mean, covariance) in simulation.exact_moments(estimator).items():
        scores = simulation.z_scores(values[quantity], mean, covariance / 10)
        assert max(scores.values()) < LIMIT, (quantity, scores)
        scores = simulation.z_scores(values[quantity], mean, covariance)
        assert scores["trace"] > LIMIT
