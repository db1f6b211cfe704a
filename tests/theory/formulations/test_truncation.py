"""Truncated meta-gradients: against autograd window by window, their law, order and bound."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from autograd import grad
from hypothesis import given
from hypothesis import strategies as st

from tabular import TabularMDP
from tabular.lola import Lola
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Maml
from tabular.sources import Mean, Sampled
from tests.tabular.game_reference import random_game
from tests.tabular.lpg_reference import lpg_case
from tests.tabular.surrogates import quietly
from tests.tabular.tolerances import SAME, assert_close
from tests.tabular.unroll import META, MetaCase, assert_mean, meta_case
from theory.constants import Lipschitz
from theory.formulations.truncation import (
    check_truncation,
    leading_bias,
    truncations,
    window_ends,
)

PROBLEMS = ("lirpg", "mgrl", "mgrl-finite", "lpg")
every_problem = pytest.mark.parametrize("name", PROBLEMS)
ALPHA, LIFETIME = 0.5, 6


def lifetime_case(name: str, size: tuple[int, int] = (3, 2)) -> MetaCase:
    return lpg_case(size) if name == "lpg" else meta_case(name, size)


def by_autograd(case: MetaCase, lifetime: int, window: int) -> Any:
    """Σ_w ∂J_out(θ^{e_w})/∂φ with θ^{s_w} a constant."""
    path = case.unroll.iterates(case.phi, step_size=ALPHA, num_steps=lifetime)
    total = np.zeros(case.phi.shape)
    for start in range(0, lifetime, window):

        def end(phi: Any, start: int = start) -> Any:
            theta = path[start]
            for _ in range(start, min(start + window, lifetime)):
                theta = theta + ALPHA * case.unroll.update(phi, theta)
            return case.unroll.value(theta)

        total = total + quietly(grad(end), case.phi)
    return total


@every_problem
@pytest.mark.parametrize("window", [1, 2, 4, 6])
def test_windows_are_autograds(name, window):
    """Also where the last window is shorter: 6 = 4 + 2."""
    case = lifetime_case(name)
    (found,) = truncations(
        case.problem, case.phi, step_size=ALPHA, lifetime=LIFETIME, windows=[window]
    )
    expected = by_autograd(case, LIFETIME, window)
    whole = case.unroll.meta_gradient(case.phi, step_size=ALPHA, num_steps=LIFETIME)
    assert_close(found.mean, expected, META, scale=100.0)
    assert_close(found.bias, np.linalg.norm(expected - whole), META, scale=100.0)
    cosine = (expected * whole).sum() / np.linalg.norm(expected) / np.linalg.norm(whole)
    assert_close(found.cosine, cosine, META, scale=100.0)
    assert found.variance == 0
    assert found.error == found.bias


@every_problem
def test_the_whole_lifetime_has_no_bias_and_shorter_windows_have(name):
    case = lifetime_case(name)
    options = {"step_size": ALPHA, "lifetime": LIFETIME}
    found = truncations(case.problem, case.phi, windows=[1, 2, 3, LIFETIME], **options)
    assert found[-1].bias == 0
    assert abs(found[-1].cosine - 1) < 1e-15
    assert min(f.bias for f in found[:-1]) > 1e-3 * np.linalg.norm(found[-1].mean)


@every_problem
@pytest.mark.parametrize(("lifetime", "window"), [(6, 1), (6, 2), (6, 3), (7, 3), (6, 6)])
def test_the_leading_term_of_the_bias(name, lifetime, window):
    """What the leading term leaves is O(α³): it falls by 8 when α is halved."""
    case = lifetime_case(name)
    rest = []
    for step_size in (2e-4, 1e-4):
        options = {"step_size": step_size, "lifetime": lifetime}
        found = truncations(case.problem, case.phi, windows=[window, lifetime], **options)
        bias = found[0].mean - found[1].mean
        leading = leading_bias(case.problem, case.phi, window=window, **options)
        rest.append(np.linalg.norm(bias - leading))
        if window < lifetime:
            assert rest[-1] < 0.1 * np.linalg.norm(leading)
    if window < lifetime:
        assert 7.5 < rest[0] / rest[1] < 8.5
    else:
        assert rest == [0, 0]


def test_the_leading_term_counts_pairs_of_steps():
    """L(L − K)/2 pairs of a step and a later one that its window does not reach, with K = L/2."""
    case = lifetime_case("lirpg")
    pairs = [
        np.linalg.norm(
            leading_bias(case.problem, case.phi, step_size=1.0, lifetime=12, window=window)
        )
        for window in (1, 2, 3, 4, 6)
    ]
    assert_close(np.array(pairs) / pairs[0], (12 - np.array([1, 2, 3, 4, 6])) / 11, SAME)


# Sampled sources.


@pytest.mark.parametrize("name", ["lirpg", "mgrl"])
def test_sampled_windows_have_this_law(name):
    """Mean and summed variance of 8000 truncated estimates, each |z| < 5."""
    case, source = lifetime_case(name), Sampled("loaded_dice", 8, 4)
    sources = {"curvature": source, "outer": source}
    (found,) = truncations(
        case.problem, case.phi, step_size=ALPHA, lifetime=3, windows=[2], **sources
    )
    path = adapt(case.problem, case.phi, step_size=ALPHA, num_steps=3)
    rng, count = np.random.default_rng(0), 8000
    trials = np.broadcast_to(case.phi, (count, *case.phi.shape))
    draws = sum(
        meta_gradient(
            replace(case.problem, theta0=path[start]),
            trials,
            step_size=ALPHA,
            num_steps=end - start,
            rng=rng,
            **sources,
        )
        for start, end in window_ends(3, 2)
    )
    assert_mean(draws, found.mean)
    squares = ((draws - found.mean) ** 2).reshape(count, -1).sum(axis=1)
    assert_mean(squares, found.variance)
    assert found.error == np.sqrt(found.bias**2 + found.variance)
    assert found.noise == np.sqrt(found.variance) / np.linalg.norm(found.mean)


def test_what_short_windows_trade():
    """Less noise for their size, more bias; but they are larger, and so can their variance be."""
    case, source = lifetime_case("lirpg"), Sampled("loaded_dice", 8, 30)
    found = truncations(
        case.problem, case.phi, step_size=2.0, lifetime=8, windows=[1, 2, 4, 8], curvature=source
    )
    assert np.all(np.diff([f.bias for f in found]) < 0)
    assert np.all(np.diff([f.noise for f in found]) > 0)
    assert found[0].variance > found[1].variance


# The bound.


def realised(case: MetaCase, *, step_size: float, lifetime: int) -> Lipschitz:
    """The smallest constants at the iterates, and along the chords to θ^L."""
    path = adapt(case.problem, case.phi, step_size=step_size, num_steps=lifetime)
    units = np.eye(path[0].size).reshape(-1, *path[0].shape)
    inner = [case.problem.inner(case.phi, theta).exact() for theta in path]
    p = [case.problem.outer(case.phi, theta).exact().gradient for theta in path]
    H = [np.array([i.vjp(u).ravel() for u in units]) for i in inner]
    G = [np.array([case.problem.cross(i, u).ravel() for u in units]) for i in inner]
    slopes = [
        np.linalg.norm(p[-1] - p[i]) / np.linalg.norm(path[-1] - path[i]) for i in range(lifetime)
    ]
    largest = [max(np.linalg.norm(X, 2) for X in many) for many in (H, G)]
    m1 = max(np.linalg.norm(x) for x in p)
    return Lipschitz(*largest, np.inf, np.inf, m1, max(slopes), 0.0, 0.0, "every realisable θ")


@every_problem
@pytest.mark.parametrize("window", [1, 2, 4, 6])
@pytest.mark.parametrize("step_size", [0.01, 0.5])
def test_the_bound_holds(name, window, step_size):
    case, options = lifetime_case(name), {"step_size": step_size, "lifetime": LIFETIME}
    constants = realised(case, **options)
    check = check_truncation(case.problem, case.phi, constants, window=window, **options)
    assert check.holds
    assert len(check.terms) == len(window_ends(LIFETIME, window))
    assert sum(check.terms.values()) == check.rhs
    assert (check.rhs == 0) == (window == LIFETIME)
    assert check.setting == {"alpha": step_size, "lifetime": LIFETIME, "window": window}


def test_the_bound_is_nearly_attained_and_a_halved_one_is_found():
    """In one state with two actions all gradients are along (1, −1): products lose nothing."""
    case, options = lifetime_case("lirpg", (1, 2)), {"step_size": 1e-3, "lifetime": 8}
    constants = realised(case, **options)
    check = check_truncation(case.problem, case.phi, constants, window=1, **options)
    assert check.holds
    assert check.ratio > 0.9
    for wrong in ("c2", "m1"):
        halved = replace(constants, **{wrong: getattr(constants, wrong) / 2})
        assert not check_truncation(case.problem, case.phi, halved, window=1, **options).holds


def test_the_terms_of_the_bound_by_their_formula():
    """With any constants: α c₂ Σ_{j<e−s} a^j (m₁ (a^{L−e} − 1) + μ₁ ‖θ^L − θ^e‖), 7 = 3 + 3 + 1."""
    case, L = lifetime_case("lirpg"), 7
    constants = Lipschitz(0.9, 1.7, np.inf, np.inf, 2.3, 0.6, 0.0, 0.0, "every θ")
    check = check_truncation(
        case.problem, case.phi, constants, step_size=ALPHA, lifetime=L, window=3
    )
    path, a = case.unroll.iterates(case.phi, step_size=ALPHA, num_steps=L), 1 + ALPHA * 0.9
    expected = []
    for s, e in ((0, 3), (3, 6), (6, 7)):
        moved = 0.6 * np.linalg.norm(path[L] - path[e])
        growth = sum(a**j for j in range(e - s))
        expected.append(ALPHA * 1.7 * growth * (2.3 * (a ** (L - e) - 1) + moved))
    assert_close(list(check.terms.values()), expected, META, scale=10.0)
    assert not replace(check, rhs=(1 - 1e-9) * check.lhs).holds
    assert replace(check, rhs=check.lhs).holds


# Errors.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"windows": [7]}, ValueError, "window must not exceed the lifetime 6, received 7"),
        ({"windows": [0]}, ValueError, "window must be at least 1"),
        ({"windows": [1.5]}, TypeError, "window must be an integer"),
        ({"lifetime": 0}, ValueError, "lifetime must be at least 1"),
        ({"step_size": 0}, ValueError, "step_size must be one positive number"),
        (
            {"phi": np.zeros((4, 3, 2))},
            ValueError,
            r"one lifetime at a time.*batch of shape \(4,\)",
        ),
        ({"phi": np.zeros(2)}, ValueError, "phi must have shape"),
        ({"curvature": Mean(Sampled("ad", 2))}, TypeError, "curvature must be Exact"),
    ],
)
def test_bad_arguments(change, error, message):
    case = lifetime_case("lirpg")
    options = {"phi": case.phi, "step_size": ALPHA, "lifetime": LIFETIME, "windows": [2]}
    with pytest.raises(error, match=message):
        truncations(case.problem, **options | change)


def test_problems_without_a_lifetime_are_refused():
    rng = np.random.default_rng(0)
    mdp, game = TabularMDP.random(3, 2, rng=rng), random_game(rng, (3, 2, 2))
    options = {"step_size": ALPHA, "lifetime": 2, "windows": [1]}
    for problem in (Maml(mdp), Lola(game, np.zeros((3, 2)))):
        with pytest.raises(TypeError, match="problem must be a Lirpg, Mgrl or Lpg"):
            truncations(problem, np.zeros((3, 2)), **options)
    stacked = TabularMDP.stack([mdp, mdp])
    case = lpg_case((3, 2))
    with pytest.raises(ValueError, match=r"one MDP.*batch of shape \(2,\)"):
        truncations(replace(case.problem, mdp=stacked), case.phi, **options)


def test_learned_updates_have_no_sampled_form():
    case = lpg_case((3, 2))
    with pytest.raises(TypeError, match="received Lpg"):
        truncations(
            case.problem,
            case.phi,
            step_size=ALPHA,
            lifetime=2,
            windows=[1],
            curvature=Sampled("ad", 2),
        )


@given(st.integers(1, 30), st.integers(1, 30))
def test_windows_cover_every_step_once(lifetime, window):
    if window > lifetime:
        return
    ends = window_ends(lifetime, window)
    assert [i for s, e in ends for i in range(s, e)] == list(range(lifetime))
    assert all(e - s == window for s, e in ends[:-1])


def test_without_a_gradient_there_is_no_angle():
    """One action: nothing to learn, and neither cosine nor noise has a meaning."""
    case = lifetime_case("lirpg", (3, 1))
    (found,) = truncations(case.problem, case.phi, step_size=1.0, lifetime=2, windows=[1])
    assert found.bias == 0
    assert np.isnan([found.cosine, found.noise]).all()
