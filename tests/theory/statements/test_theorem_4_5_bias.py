"""The bias bound: attained term by term, never violated, and caught when it is made wrong."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import zero_baseline
from tabular.problems import Lirpg, Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.toys import Polynomial
from tests.theory.statements import attained
from theory.constants import Lipschitz, Noise
from theory.finite.constants import realisable_constants
from theory.finite.law import meta_gradient_law
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.statements import theorem_4_5_bias

ATTAINED = Tolerance(rtol=1e-12, atol=1e-13)

#: Term, problem, K, N of the path and of the curvature, shared.
CASES = {
    "outer compositional": ("outer compositional", attained.OUTER, 1, 1, None, False),
    "Hessian": ("estimation bias", attained.HESSIAN, 3, None, 1, False),
    "cross derivative": ("estimation bias", attained.CROSS, 3, None, 1, False),
    "inner, Hessian": ("inner compositional", attained.INNER, 2, 1, None, False),
    "inner, cross": ("inner compositional", attained.INNER_CROSS, 2, 1, None, False),
    "coupling": ("coupling", attained.COUPLING, 1, 1, 1, True),
    "coupling, N = 2": ("coupling", attained.COUPLING, 1, 2, 2, True),
}


def run(problem, num_steps, path, curvature, shared, **options):
    paths = inner_paths(
        problem, step_size=attained.ALPHA, num_steps=num_steps, num_trajectories=path
    )
    return theorem_4_5_bias.check(paths, curvature_trajectories=curvature, shared=shared, **options)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_term_is_attained_somewhere(case):
    term, *arguments = case
    result = run(*arguments)
    assert result.holds
    assert_close(result.lhs, result.rhs, ATTAINED)
    assert_close(result.terms[term], result.rhs, ATTAINED)
    assert result.rhs > 1e-2
    # Without the term, or with half of it, the statement is false, and the check says so.
    for share in (0.0, 0.5, 0.999):
        assert not replace(result, rhs=share * result.rhs).holds


HALVED = [
    ("outer compositional", "mu1"),
    ("outer compositional", "sigma_in"),
    ("Hessian", "Delta_H"),
    ("Hessian", "m1"),
    ("Hessian", "c1"),
    ("cross derivative", "Delta_J"),
    ("inner, Hessian", "rho1"),
    ("inner, Hessian", "zeta0"),
    ("inner, cross", "rho2"),
    ("coupling", "sigma_J"),
]


@pytest.mark.parametrize(("case", "name"), HALVED)
def test_halved_constants_are_caught(case, name):
    _, problem, num_steps, path, curvature, shared = CASES[case]
    paths = inner_paths(
        problem, step_size=attained.ALPHA, num_steps=num_steps, num_trajectories=path
    )
    constants = [
        replace(part, **{name: getattr(part, name) / 2}) if hasattr(part, name) else part
        for part in realisable_constants(paths, sampled_outer=False)
    ]
    result = theorem_4_5_bias.check(
        paths, curvature_trajectories=curvature, shared=shared, constants=tuple(constants)
    )
    assert not result.holds


def test_variance_in_place_of_standard_deviation_is_caught():
    """σ²/N in place of σ/√N, where σ < 1."""
    _, problem, *arguments = CASES["outer compositional"]
    paths = inner_paths(problem, step_size=attained.ALPHA, num_steps=1, num_trajectories=1)
    lipschitz, noise = realisable_constants(paths, sampled_outer=False)
    wrong = lipschitz, replace(noise, sigma_in=noise.sigma_in**2)
    assert not run(problem, *arguments, constants=wrong).holds


def test_the_coupling_cannot_be_dropped():
    """The exact meta-gradient and the first three terms vanish; the estimate has mean α²φ."""
    result = run(attained.COUPLING, 1, 1, 1, True)
    others = [value for name, value in result.terms.items() if name != "coupling"]
    assert others == [0.0, 0.0, 0.0]
    assert_close(result.lhs, 1.7 * attained.ALPHA**2, ATTAINED)
    assert run(attained.COUPLING, 1, 1, 1, False).lhs < 1e-15


def test_the_coupling_of_a_constant_reward_cannot_be_dropped():
    """A reward added everywhere leaves E ĝ as it is, but shared samples see it."""
    mdp = TabularMDP.random(2, 2, gamma=0.8, concentration=1.0, rng=np.random.default_rng(2))
    source = Sampled("ad", 1, 1, zero_baseline)
    phi, theta = np.full((2, 2), 3.0), np.array([[0.3, -0.4], [0.1, 0.9]])
    problem = TabularFinite(Lirpg(mdp, theta, 1), phi, source)
    paths = inner_paths(problem, step_size=1.0, num_steps=1, num_trajectories=1)
    along, options = np.ones(4), {"curvature_trajectories": 1, "outer_trajectories": 1}
    assert abs(paths.truth @ along) < 1e-15
    assert abs(meta_gradient_law(paths, **options).mean @ along) < 1e-15
    assert abs(meta_gradient_law(paths, **options, shared=True).mean @ along) > 1e-2
    assert theorem_4_5_bias.check(paths, curvature_trajectories=1, shared=True).holds


def test_the_coupling_of_later_steps_cannot_be_dropped():
    result = run(attained.COUPLED_HESSIAN, 2, 1, 1, True)
    assert result.holds
    assert not replace(result, rhs=result.rhs - result.terms["coupling"]).holds


@pytest.mark.parametrize("counts", list(product((None, 1, 2), (None, 1))))
@pytest.mark.parametrize("seed", range(4))
def test_polynomials(seed, counts):
    for alpha in (0.05, 0.5):
        paths = inner_paths(
            Polynomial(seed), step_size=alpha, num_steps=3, num_trajectories=counts[0]
        )
        for shared in (False, True)[: 1 + (counts == (1, 1))]:
            result = theorem_4_5_bias.check(
                paths, curvature_trajectories=counts[1], outer_trajectories=1, shared=shared
            )
            assert result.holds
            assert result.scope == "every realisable θ"
            assert result.setting["case"] == ("shared" if shared else "separate") + " samples"
            if counts == (None, None):
                assert result.rhs == 0.0
            else:
                assert 0 < result.ratio <= 1


@pytest.mark.parametrize("estimator", ["ad", "lvc", "loaded_dice", "dice"])
@pytest.mark.parametrize("family", [Maml, Lirpg])
@pytest.mark.parametrize("shared", [False, True])
def test_tiny_mdps(estimator, family, shared):
    rng = np.random.default_rng(7)
    for _ in range(3):
        mdp = TabularMDP.random(2, 2, gamma=0.9, concentration=0.5, rng=rng)
        phi, theta = rng.normal(size=(2, 2, 2))
        problem = family(mdp, *(() if family is Maml else (theta,)), 2)
        finite = TabularFinite(problem, phi, Sampled(estimator, 1, 2, zero_baseline))
        for num_steps, alpha in ((1, 0.1), (2, 2.0)):
            paths = inner_paths(finite, step_size=alpha, num_steps=num_steps, num_trajectories=1)
            result = theorem_4_5_bias.check(
                paths, curvature_trajectories=1, outer_trajectories=1, shared=shared
            )
            assert result.holds
            assert result.rhs > 0


def test_terms_by_their_formulas():
    """All constants at random and different, K = 3; sums unrolled, σ's of averages of N = 5."""
    rng, alpha, N = np.random.default_rng(3), 0.7, 5
    one = Lipschitz(*rng.uniform(0.2, 1.0, 8), "every θ")
    noise = Noise(*rng.uniform(0.2, 1.0, 9), "every θ")
    found = theorem_4_5_bias.bound(
        one,
        noise,
        step_size=alpha,
        num_steps=3,
        num_trajectories=N,
        curvature_trajectories=N,
        shared=True,
    )
    a, B = 1 + alpha * one.c1, 1 + alpha * (one.c1 + noise.Delta_H)
    zeta = [a**i * one.zeta0 + alpha * one.c2 * sum(a**j for j in range(i)) for i in range(4)]
    s = [
        alpha * noise.sigma_in / np.sqrt(N) * np.sqrt(sum(a ** (2 * j) for j in range(i)))
        for i in range(4)
    ]
    assert_close(
        found["outer compositional"], (one.mu2 + one.mu1 * zeta[3]) * s[3], ATTAINED, scale=10.0
    )
    delta = sum(B ** (2 - i) * alpha * (noise.Delta_H * zeta[i] + noise.Delta_J) for i in range(3))
    assert_close(found["estimation bias"], one.m1 * delta, ATTAINED, scale=10.0)
    r = sum(B ** (2 - i) * alpha * (one.rho1 * zeta[i] + one.rho2) * s[i] for i in range(3))
    assert_close(found["inner compositional"], one.m1 * r, ATTAINED, scale=10.0)
    z, fresh = [one.zeta0], []
    for _ in range(3):
        fresh.append(alpha * (noise.sigma_H * z[-1] + noise.sigma_J) / np.sqrt(N))
        mean = B * z[-1] + alpha * (one.c2 + noise.Delta_J)
        z.append(np.sqrt(mean**2 + fresh[-1] ** 2))
    d = [np.sqrt(sum((B ** (i - 1 - j) * fresh[j]) ** 2 for j in range(i))) for i in range(4)]
    kappa = sum(a ** (2 - i) * alpha * (noise.Delta_H + one.rho1 * s[i]) * d[i] for i in range(3))
    coupling = one.mu1 * d[3] * s[3] + one.m1 * kappa
    assert_close(found["coupling"], coupling, ATTAINED, scale=10.0)


def test_exact_quantities_take_their_terms_away():
    paths = inner_paths(Polynomial(0), step_size=0.3, num_steps=2, num_trajectories=1)
    lipschitz, noise = realisable_constants(paths)
    options = {"step_size": 0.3, "num_steps": 2}
    exact_path = theorem_4_5_bias.bound(
        lipschitz, noise, **options, num_trajectories=None, curvature_trajectories=1
    )
    assert exact_path["outer compositional"] == exact_path["inner compositional"] == 0.0
    assert exact_path["estimation bias"] > 0
    exact_curvature = theorem_4_5_bias.bound(
        lipschitz, noise, **options, num_trajectories=1, curvature_trajectories=None
    )
    assert exact_curvature["estimation bias"] == 0.0
    with pytest.raises(ValueError, match="shared samples need"):
        theorem_4_5_bias.bound(
            lipschitz, noise, **options, num_trajectories=2, curvature_trajectories=1, shared=True
        )
    with pytest.raises(ValueError, match="num_trajectories must be"):
        theorem_4_5_bias.bound(
            lipschitz, noise, **options, num_trajectories=0, curvature_trajectories=1
        )
