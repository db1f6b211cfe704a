"""Tiny MDPs as finite problems, against surrogates differentiated by autograd."""

from types import SimpleNamespace

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import exact_baseline, zero_baseline
from tabular.games import MarkovGame
from tabular.lola import Lola
from tabular.metagradient import meta_gradient
from tabular.problems import Lirpg, Maml, Mgrl
from tabular.sources import Sampled, Update
from tests.tabular.meta_reference import Choice, exact_step, sampled_step, tiny_case
from tests.tabular.tolerances import ENUMERATED, SECOND, assert_close
from tests.theory.finite.slow_law import slow_law
from theory.finite.constants import realisable_constants
from theory.finite.law import meta_gradient_law
from theory.finite.paths import inner_paths
from theory.finite.problem import Inner, InnerOutcomes, Outer, OuterOutcomes
from theory.finite.support import Support
from theory.finite.tabular import TabularFinite

ALPHA = 0.7
PROBLEMS = ("maml", "lirpg", "mgrl")


def source(choice):
    """The choice as a source that takes batches of θ."""
    baseline = {"zero": zero_baseline, "value": exact_baseline}[choice.baseline]
    return Sampled(choice.estimator, 1, choice.horizon, baseline)


class Reference:
    """The same protocol from `meta_reference`: every trajectory apart, derivatives by autograd."""

    def __init__(self, case, choice):
        self.case, self.choice = case, choice
        self.shape = case.problem.start(case.phi).shape
        self.start = case.problem.start(case.phi).ravel()
        size = self.start.size
        maml = isinstance(case.problem, Maml)
        self.start_jacobian = np.eye(size) if maml else np.zeros((size, case.phi.size))

    def _step(self, theta, outer):
        return sampled_step(self.case, theta.reshape(self.shape), self.choice, outer=outer)

    def inner_outcomes(self, theta):
        step = self._step(theta, False)
        crosses = step.crosses.swapaxes(-1, -2)
        return InnerOutcomes(step.probability, step.gradients, step.hessians, crosses)

    def outer_outcomes(self, theta):
        step = self._step(theta, True)
        direct = np.zeros((len(step.probability), self.case.phi.size))
        return OuterOutcomes(step.probability, step.gradients, direct)

    def inner(self, theta):
        step = exact_step(self.case, theta.reshape(self.shape))
        return Inner(step.gradients[0], step.hessians[0], step.crosses[0].T)

    def outer(self, theta):
        gradient = self.case.problem.outer(self.case.phi, theta.reshape(self.shape)).exact()
        return Outer(gradient.gradient.ravel(), np.zeros(self.case.phi.size))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice", "dice"])
@pytest.mark.parametrize("baseline", ["zero", "value"])
def test_outcomes(name, estimator, baseline):
    case = tiny_case(name, (2, 2))
    choice = Choice(estimator, 1, 2, baseline=baseline)
    ours = TabularFinite(case.problem, case.phi, source(choice))
    slow = Reference(case, choice)
    theta = np.random.default_rng(1).normal(size=(2, 4))
    for k, outcomes in enumerate((ours.inner_outcomes(theta), ours.outer_outcomes(theta))):
        for b in range(2):
            expected = (slow.inner_outcomes, slow.outer_outcomes)[k](theta[b])
            assert_close(outcomes.probability[b].sum(), 1.0, ENUMERATED)
            for table, other in zip(outcomes[1:], expected[1:], strict=True):
                for power in (1, 2, 3):
                    mean = np.tensordot(outcomes.probability[b], table[b] ** power, axes=1)
                    truth = np.tensordot(expected.probability, other**power, axes=1)
                    assert_close(mean, truth, ENUMERATED)
    for b in range(2):
        for table, other in zip(ours.inner(theta), slow.inner(theta[b]), strict=True):
            assert_close(table[b], other, SECOND)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    ("num_steps", "counts", "shared"),
    [(1, (1, 1, 1), False), (1, (1, 1, 1), True), (2, (1, 1, None), True), (1, (2, 2, 1), True)],
)
def test_law(name, num_steps, counts, shared):
    case = tiny_case(name, (2, 2))
    # One step long: four trajectories, or eight by last state, which V_b = 0 does not tell apart.
    choice = Choice("lvc", 1, 1, baseline="zero")
    problem = TabularFinite(case.problem, case.phi, source(choice))
    paths = inner_paths(problem, step_size=ALPHA, num_steps=num_steps, num_trajectories=counts[0])
    law = meta_gradient_law(
        paths, curvature_trajectories=counts[1], outer_trajectories=counts[2], shared=shared
    )
    mean, covariance = slow_law(
        Reference(case, choice),
        step_size=ALPHA,
        num_steps=num_steps,
        counts=counts,
        shared=shared,
    )
    assert_close(law.mean, mean, ENUMERATED)
    assert_close(law.covariance, covariance, ENUMERATED)


@pytest.mark.parametrize("name", PROBLEMS)
def test_truth(name):
    case = tiny_case(name, (3, 2))
    problem = TabularFinite(case.problem, case.phi, Sampled("ad", 1, 1))
    paths = inner_paths(problem, step_size=ALPHA, num_steps=3, num_trajectories=None)
    expected = meta_gradient(case.problem, case.phi, step_size=ALPHA, num_steps=3)
    assert_close(paths.truth, expected.ravel(), SECOND)
    value = case.problem.outer(case.phi, paths.iterates[-1].reshape(3, 2)).exact().value
    assert_close(problem.value(paths.iterates[-1]), value, SECOND)


def test_a_game_against_sampling():
    """LOLA-DiCE has a direct term q; 20,000 sampled meta-gradients, shared samples."""
    rng = np.random.default_rng(8)
    P, rewards = rng.dirichlet(np.ones(2), size=(2, 2, 2)), rng.normal(size=(2, 2, 2, 2))
    theta, phi = rng.normal(size=(2, 2, 2))
    problem = Lola(MarkovGame(P, *rewards, gamma=0.8, initial=0), theta)
    dice = Sampled("dice", 1, 2)
    paths = inner_paths(
        TabularFinite(problem, phi, dice), step_size=0.5, num_steps=1, num_trajectories=1
    )
    assert_close(
        paths.truth, meta_gradient(problem, phi, step_size=0.5, num_steps=1).ravel(), SECOND
    )
    for shared in (False, True):
        law = meta_gradient_law(
            paths, curvature_trajectories=1, outer_trajectories=1, shared=shared
        )
        samples = meta_gradient(
            problem,
            np.broadcast_to(phi, (20_000, 2, 2)),
            step_size=0.5,
            num_steps=1,
            path=dice,
            curvature=dice,
            outer=dice,
            shared=shared,
            rng=rng,
        ).reshape(20_000, -1)
        error = np.sqrt(np.diag(law.covariance) / 20_000)
        assert np.all(np.abs(samples.mean(axis=0) - law.mean) < 5 * error)


def test_last_states_are_merged_where_they_look_the_same():
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=np.random.default_rng(0))
    theta = np.zeros((1, 4))
    counts = {}
    for name, baseline in (
        ("zero", lambda mdp, theta, rng: np.zeros(2)),
        ("table", lambda mdp, theta, rng: np.array([0.3, 0.4])),
        ("value", exact_baseline),
    ):
        problem = TabularFinite(Maml(mdp), theta.reshape(2, 2), Sampled("lvc", 1, 2, baseline))
        counts[name] = problem.inner_outcomes(theta).probability.size
    assert counts == {"zero": 8, "table": 16, "value": 16}


def test_last_states_that_pay_differently_are_not_merged():
    """V_b = 0 and R(s,a,s'): the last state shows in the last reward."""
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(2), size=(2, 2)), rng.normal(size=(2, 2, 2))
    problem = Maml(TabularMDP(P, R, 0.8, 0), 2)
    one = TabularFinite(problem, np.zeros((2, 2)), Sampled("lvc", 1, 2, zero_baseline))
    theta = rng.normal(size=(1, 4))
    outcomes = one.inner_outcomes(theta)
    assert outcomes.probability.size == 16
    mean = np.einsum("bm,bmi->bi", outcomes.probability, outcomes.gradient)
    assert_close(mean, one.inner(theta).gradient, ENUMERATED)


def test_the_outer_gradient_has_its_own_source():
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=np.random.default_rng(6))
    short, long = Sampled("lvc", 1, 1, zero_baseline), Sampled("dice", 1, 2)
    theta = np.random.default_rng(7).normal(size=(1, 4))
    both = TabularFinite(Maml(mdp), np.zeros((2, 2)), short, long)
    inner, outer = (TabularFinite(Maml(mdp), np.zeros((2, 2)), one) for one in (short, long))
    for found, expected in (
        (both.inner_outcomes(theta), inner.inner_outcomes(theta)),
        (both.outer_outcomes(theta), outer.outer_outcomes(theta)),
    ):
        for table, other in zip(found, expected, strict=True):
            assert_close(table, other, SECOND)


@pytest.mark.parametrize("family", [Maml, Lirpg])
def test_a_fixed_table_needs_the_finite_horizon(family):
    """Assumption 4.2: E ĝ is the gradient of J_T with V_b at the end, not of the infinite one."""
    rng = np.random.default_rng(3)
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=rng)
    table, theta, phi = rng.normal(size=2), rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    one = Sampled("lvc", 1, 2, lambda mdp, theta, rng: table)
    start = () if family is Maml else (theta,)
    right = TabularFinite(family(mdp, *start, 2, table), phi, one)
    wrong = TabularFinite(family(mdp, *start), phi, one)
    options = {"step_size": ALPHA, "num_steps": 2, "num_trajectories": 1}
    realisable_constants(inner_paths(right, **options))
    with pytest.raises(ValueError, match=r"Assumption 4\.2 asks for an unbiased ĝ"):
        realisable_constants(inner_paths(wrong, **options))
    with pytest.raises(ValueError, match="unbiased p̂"):
        realisable_constants(inner_paths(wrong, **options | {"num_trajectories": None}))


def test_a_value_that_moves_breaks_assumption_4_2():
    rng = np.random.default_rng(4)
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=rng)
    phi = rng.normal(size=(2, 2))
    options = {"step_size": ALPHA, "num_steps": 1, "num_trajectories": 1}
    long = TabularFinite(Maml(mdp), phi, Sampled("lvc", 1, 6))
    short = TabularFinite(Maml(mdp), phi, Sampled("lvc", 1, 1))
    bias = []
    for problem in (short, long):
        theta = problem.start[None]
        outcomes = problem.inner_outcomes(theta)
        mean = np.einsum("bm,bmi->bi", outcomes.probability, outcomes.gradient)
        bias.append(np.linalg.norm(mean - problem.inner(theta).gradient))
    assert bias[0] > bias[1] > 1e-6
    with pytest.raises(ValueError, match=r"Assumption 4\.2"):
        realisable_constants(inner_paths(short, **options))


def test_bad_input():
    rng = np.random.default_rng(5)
    mdp = TabularMDP.random(3, 3, gamma=0.8, concentration=1.0, rng=rng)
    phi = np.zeros((3, 3))
    with pytest.raises(TypeError, match="source must be a Sampled"):
        TabularFinite(Maml(mdp), phi, SimpleNamespace())
    with pytest.raises(ValueError, match="one φ, received a batch"):
        TabularFinite(Maml(mdp), np.zeros((2, 3, 3)), Sampled("ad", 1, 2))
    with pytest.raises(ValueError, match="one φ, received a batch"):
        TabularFinite(Lirpg(mdp, phi), np.zeros((2, 3, 3)), Sampled("ad", 1, 2))
    with pytest.raises(ValueError, match="trajectories of length 9"):
        TabularFinite(Maml(mdp), phi, Sampled("ad", 1, 9)).inner_outcomes(np.zeros((1, 9)))
    with pytest.raises(TypeError, match="no sampled form"):
        Support(Update(None, phi), Sampled("ad", 1, 3))
    problem = TabularFinite(Maml(mdp), phi, Sampled("ad", 1, 3))
    with pytest.raises(ValueError, match=r"trajectories at 20000 policies are .* estimates"):
        problem.inner_outcomes(np.zeros((20000, 9)))
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        TabularFinite(Mgrl(mdp, phi, np.zeros(3), horizon=0), [0.5, 0.5], Sampled("ad", 1, 2))
