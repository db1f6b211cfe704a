"""Lemma 4.4: attained, never violated, and caught when it is made wrong."""

import numpy as np
import pytest

from tabular import TabularMDP
from tabular.baselines import zero_baseline
from tabular.problems import Maml
from tabular.sources import Sampled
from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.toys import Polynomial
from tests.theory.statements.attained import ALPHA, QUADRATIC, SIGMA, C
from theory.constants import Lipschitz, Noise
from theory.finite.paths import inner_paths
from theory.finite.tabular import TabularFinite
from theory.statements import lemma_4_4

ATTAINED = Tolerance(rtol=1e-12, atol=1e-13)


def constants(c1, sigma_in):
    return (
        Lipschitz(c1, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, "every θ"),
        Noise(sigma_in, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "every θ"),
    )


def by_name(checks):
    return {check.name.removeprefix("Lemma 4.4, "): check for check in checks}


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_the_second_moment_is_attained(num_steps, count):
    if num_steps * count > 10:
        num_steps = 2
    paths = inner_paths(QUADRATIC, step_size=ALPHA, num_steps=num_steps, num_trajectories=count)
    result = by_name(lemma_4_4.check(paths, constants=constants(C, SIGMA)))["second moment"]
    assert_close(result.lhs, result.rhs, ATTAINED)
    assert result.holds
    for wrong in (constants(C, SIGMA / 2), constants(C, SIGMA**2)):
        assert not by_name(lemma_4_4.check(paths, constants=wrong))["second moment"].holds
    if num_steps > 1:
        wrong = constants(C / 2, SIGMA)
        assert not by_name(lemma_4_4.check(paths, constants=wrong))["second moment"].holds


def test_the_first_moment_is_attained_by_one_step():
    paths = inner_paths(QUADRATIC, step_size=ALPHA, num_steps=1, num_trajectories=1)
    checks = by_name(lemma_4_4.check(paths))
    for name in ("first moment", "second moment", "error of θ"):
        assert_close(checks[name].lhs, ALPHA * SIGMA, ATTAINED)
        assert_close(checks[name].rhs, ALPHA * SIGMA, ATTAINED)
    assert checks["bias of θ"].lhs < 1e-15
    # f(θ) = |θ − θ¹| moves by the whole distance, always upwards.
    away = by_name(lemma_4_4.check(paths, f=lambda t: np.abs(t - paths.iterates[-1])))
    assert_close(away["bias of f"].lhs, away["bias of f"].rhs, ATTAINED)
    half = by_name(
        lemma_4_4.check(paths, f=lambda t: np.abs(t - paths.iterates[-1]), lipschitz_f=0.5)
    )
    assert not half["bias of f"].holds


@pytest.mark.parametrize("c1", [0.0, 0.3, 2.0])
def test_closed_forms(c1):
    for num_steps in (1, 3, 6):
        for alpha in (0.01, 1.0, 5.0):
            a = 1 + alpha * c1
            powers = a ** np.arange(num_steps)
            options = {"step_size": alpha, "num_steps": num_steps, "num_trajectories": 4}
            first = lemma_4_4.first_moment_bound(*constants(c1, 0.7), **options)
            second = lemma_4_4.second_moment_bound(*constants(c1, 0.7), **options)
            assert_close(first, alpha * 0.35 * powers.sum(), ATTAINED)
            assert_close(second, alpha * 0.35 * np.linalg.norm(powers), ATTAINED)
            if c1:
                assert_close(first, 0.35 / c1 * (a**num_steps - 1), ATTAINED)
            assert second <= first * (1 + 1e-15)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("f", ["identity", "outer gradient", lambda t: np.sin(t).sum(axis=-1)])
def test_polynomials(seed, f):
    for alpha in (0.05, 0.6):
        for num_steps, count in ((1, 3), (3, 2)):
            paths = inner_paths(
                Polynomial(seed), step_size=alpha, num_steps=num_steps, num_trajectories=count
            )
            checks = lemma_4_4.check(paths, f=f)
            assert all(check.holds for check in checks)
            assert all(check.scope == "every realisable θ" for check in checks)
            assert checks[0].lhs <= checks[1].lhs
            assert checks[3].rhs <= checks[2].rhs * (1 + 1e-14)


def test_tiny_mdps():
    rng = np.random.default_rng(5)
    for _ in range(5):
        mdp = TabularMDP.random(2, 2, gamma=0.9, concentration=0.5, rng=rng)
        phi = rng.normal(size=(2, 2))
        problem = TabularFinite(Maml(mdp, 2), phi, Sampled("lvc", 1, 2, zero_baseline))
        paths = inner_paths(problem, step_size=2.0, num_steps=2, num_trajectories=1)
        for f in ("identity", "outer gradient", problem.value):
            checks = lemma_4_4.check(paths, f=f)
            assert all(check.holds for check in checks)


def test_bad_input():
    paths = inner_paths(QUADRATIC, step_size=1.0, num_steps=1, num_trajectories=1)
    with pytest.raises(ValueError, match="f must be"):
        lemma_4_4.check(paths, f="outer")
    for wrong in (np.sum, lambda t: t.sum(axis=0), lambda t: np.zeros(5)):
        with pytest.raises(ValueError, match=r"f must take θ \(..., d\) to"):
            lemma_4_4.check(paths, f=wrong)
    with pytest.raises(ValueError, match="f at the ends must be finite, received NaN"):
        lemma_4_4.check(paths, f=lambda t: np.full(t.shape, np.nan))
    with pytest.raises(ValueError, match="lipschitz_f must be a number >= 0"):
        lemma_4_4.check(paths, lipschitz_f=-1.0)
    with pytest.raises(ValueError, match="num_trajectories must be"):
        lemma_4_4.second_moment_bound(
            *constants(1.0, 1.0), step_size=1.0, num_steps=1, num_trajectories=0
        )
