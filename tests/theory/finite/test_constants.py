"""The largest values over every realisable θ, against loops over all nodes."""

import numpy as np
import pytest

from tests.tabular.tolerances import Tolerance, assert_close
from tests.theory.finite.toys import Polynomial, Scalar
from theory.finite.constants import chord, realisable_constants
from theory.finite.paths import inner_paths
from theory.finite.quadratic import Quadratic
from theory.statements import lemma_4_4, theorem_4_5_bias, theorem_4_5_variance

#: Norms by the same library, in another order.
LOOPS = Tolerance(rtol=1e-9, atol=1e-12)


def sphere(n, count=400):
    """Unit vectors in the plane."""
    angle = np.linspace(0, np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1) if n == 2 else np.ones((1, 1))


@pytest.mark.parametrize("count", [1, 2])
def test_loops(count):
    problem, norm = Polynomial(5), np.linalg.norm
    paths = inner_paths(problem, step_size=0.3, num_steps=2, num_trajectories=count)
    lipschitz, noise = realisable_constants(paths)
    found = {
        name: [0.0] for name in ["c1", "c2", "rho1", "rho2", "s_in", "s_HF", "s_JF", "D_H", "D_J"]
    }
    for i, level in enumerate(paths.levels):
        theta = paths.iterates[i]
        g, H, G = problem.inner(theta)
        found["c1"].append(norm(H, 2))
        found["c2"].append(norm(G, 2))
        for node in level.theta:
            there, outcomes = problem.inner(node), problem.inner_outcomes(node)
            distance = norm(node - theta)
            found["c1"].append(norm(there.hessian, 2))
            found["c2"].append(norm(there.cross, 2))
            if distance > 0:
                found["c1"].append(norm(there.gradient - g) / distance)
                found["rho1"].append(norm(there.hessian - H, 2) / distance)
                found["rho2"].append(norm(there.cross - G, 2) / distance)
            weight, variance, frobenius = outcomes.probability, 0.0, np.zeros(2)
            means = [np.tensordot(weight, x, axes=1) for x in outcomes[1:]]
            for m in range(len(weight)):
                variance += weight[m] * norm(outcomes.gradient[m] - means[0]) ** 2
                for k in (1, 2):
                    frobenius[k - 1] += weight[m] * norm(outcomes[k + 1][m] - means[k]) ** 2
            found["s_in"].append(np.sqrt(variance))
            found["s_HF"].append(np.sqrt(frobenius[0]))
            found["s_JF"].append(np.sqrt(frobenius[1]))
            found["D_H"].append(norm(means[1] - there.hessian, 2))
            found["D_J"].append(norm(means[2] - there.cross, 2))
    ours = {
        "c1": lipschitz.c1,
        "c2": lipschitz.c2,
        "rho1": lipschitz.rho1,
        "rho2": lipschitz.rho2,
        "s_in": noise.sigma_in,
        "s_HF": noise.sigma_HF,
        "s_JF": noise.sigma_JF,
        "D_H": noise.Delta_H,
        "D_J": noise.Delta_J,
    }
    for name, value in ours.items():
        assert_close(value, max(found[name]), LOOPS, what=name)
    end = problem.outer(paths.iterates[-1])
    ends = [problem.outer(node) for node in paths.ends]
    apart = [norm(node - paths.iterates[-1]) for node in paths.ends]
    m1 = max([norm(end.gradient)] + [norm(x.gradient) for x in ends])
    mu1, mu2 = (
        max(norm(x[k] - end[k]) / a for x, a in zip(ends, apart, strict=True)) for k in (0, 1)
    )
    for value, expected in ((lipschitz.m1, m1), (lipschitz.mu1, mu1), (lipschitz.mu2, mu2)):
        assert_close(value, expected, LOOPS)
    assert_close(lipschitz.zeta0, norm(problem.Z0, 2), LOOPS)
    largest = np.zeros(2)
    for node, there in zip(paths.ends, ends, strict=True):
        weight, *estimates = problem.outer_outcomes(node)
        found = [
            np.sqrt(sum(w * norm(x - mean) ** 2 for w, x in zip(weight, each, strict=True)))
            for each, mean in zip(estimates, there, strict=True)
        ]
        largest = np.maximum(largest, found)
    assert_close([noise.sigma_p, noise.sigma_q], largest, LOOPS)


@pytest.mark.parametrize(
    ("function", "point", "expected"),
    [
        ("g", 5, {"c1": 7 / 4}),
        *(("H", at, {"c1": 7, "rho1": rho}) for at, rho in ((0, 0), (1, 7 / 2), (5, 7 / 4))),
        *(("G", at, {"c2": 7, "rho2": rho}) for at, rho in ((0, 0), (1, 7 / 2), (5, 7 / 4))),
        ("p", 2, {"m1": 7, "mu1": 7 / 2}),
        ("p", 10, {"m1": 7, "mu1": 7 / 8}),
        ("q", 2, {"mu2": 7 / 2}),
        ("q", 10, {"mu2": 7 / 8}),
    ],
)
def test_every_part_of_a_constant_counts(function, point, expected):
    """θ^i = 0, 1, 2, while θ̂¹ is −1 or 5 and θ̂² is −2, 4 or 10: a function that is 7 at one."""
    base = 1.0 if function == "g" else 0.0
    functions = {"g": np.ones_like, function: lambda t: base + 7.0 * (t == point)}
    noise = [(e, 0.0, 0.0, 0.0, 0.0) for e in (-2.0, -2.0, 4.0)]
    paths = inner_paths(
        Scalar(**functions, noise=noise), step_size=1.0, num_steps=2, num_trajectories=1
    )
    assert_close(paths.iterates[:, 0], [0.0, 1.0, 2.0], LOOPS)
    lipschitz, _ = realisable_constants(paths)
    for name in ("c1", "c2", "rho1", "rho2", "m1", "mu1", "mu2"):
        assert_close(getattr(lipschitz, name), expected.get(name, 0), LOOPS, what=name)


def test_weak_variances_are_suprema_over_directions():
    problem = Polynomial(6)
    paths = inner_paths(problem, step_size=0.3, num_steps=1, num_trajectories=1)
    _, noise = realisable_constants(paths)
    outcomes = problem.inner_outcomes(problem.start)
    for sigma, full, each in (
        (noise.sigma_H, noise.sigma_HF, outcomes.hessian),
        (noise.sigma_J, noise.sigma_JF, outcomes.cross),
    ):
        apart = each - np.tensordot(outcomes.probability, each, axes=1)
        both = [
            np.tensordot(outcomes.probability, ((x @ sphere(2).T) ** 2).sum(axis=1), axes=1).max()
            for x in (apart, apart.swapaxes(1, 2))
        ]
        # The grid misses the best direction by at most π/800.
        assert np.sqrt(max(both)) <= sigma * (1 + 1e-12)
        assert sigma <= np.sqrt(max(both)) * (1 + 1e-4)
        assert sigma <= full


def test_exact_sources_need_no_assumption():
    """ĝ or p̂ may be biased where it is not used."""
    biased = Scalar(g=lambda t: t, p=lambda t: t, noise=[(0.5, 0.0, 0.0, 0.5, 0.0)], theta0=1.0)
    sampled = inner_paths(biased, step_size=0.3, num_steps=1, num_trajectories=1)
    with pytest.raises(ValueError, match="unbiased ĝ at every realisable θ; its mean is off by"):
        realisable_constants(sampled)
    exact = inner_paths(biased, step_size=0.3, num_steps=1, num_trajectories=None)
    with pytest.raises(ValueError, match="unbiased p̂"):
        realisable_constants(exact)
    lipschitz, noise = realisable_constants(exact, sampled_outer=False)
    assert noise.sigma_in == noise.sigma_p == 0.0
    assert lipschitz.mu1 == lipschitz.rho1 == 0.0
    assert lipschitz.scope == noise.scope == "every realisable θ"


@pytest.mark.parametrize("kind", ["ĝ", "p̂", "q̂"])
def test_a_small_bias_is_no_rounding(kind):
    """A millionth of an estimate is refused, and allowed where rounding is known to be as large."""
    column = {"ĝ": 0, "p̂": 3, "q̂": 4}[kind]
    noise = np.zeros((2, 5))
    noise[:, column] = [-10.0, 10.0 + 2e-5]
    paths = inner_paths(Scalar(noise=noise), step_size=1.0, num_steps=1, num_trajectories=1)
    with pytest.raises(ValueError, match=f"unbiased {kind} .* off by 1e-05"):
        realisable_constants(paths)
    realisable_constants(paths, rounding=2e-5)
    noise[:, column] = [-10.0, 10.0 + 1e-12]
    paths = inner_paths(Scalar(noise=noise), step_size=1.0, num_steps=1, num_trajectories=1)
    realisable_constants(paths)


@pytest.mark.parametrize("alpha", [1e-15, 1e-12, 1.0, 1e6])
@pytest.mark.parametrize("theta0", [0.0, 1e-3])
def test_constants_of_a_quadratic_do_not_hang_on_the_step_size(alpha, theta0):
    """Every chord has slope one, however short its length, 0.8 α."""
    problem = Quadratic(c1=1.0, sigma=0.8, theta0=theta0)
    paths = inner_paths(problem, step_size=alpha, num_steps=2, num_trajectories=1)
    lipschitz, noise = realisable_constants(paths)
    assert_close(lipschitz.c1, 1.0, LOOPS)
    assert_close(lipschitz.mu1, 1.0, LOOPS)
    assert_close(noise.sigma_in, 0.8, LOOPS)
    for check in (
        *lemma_4_4.check(paths),
        *lemma_4_4.check(paths, f="outer gradient"),
        theorem_4_5_bias.check(paths, curvature_trajectories=None),
        theorem_4_5_variance.check(paths, curvature_trajectories=None, outer_trajectories=None),
    ):
        assert check.holds, check


def test_points_that_are_one_up_to_rounding_have_no_chord():
    far = np.array([[1.0], [0.0], [1e-14]])
    assert chord(far, np.array([[0.5], [0.0], [1e-14]])) == 0.5
    assert chord(1e-14 * far, 1e-14 * far) == 1.0
    assert chord(np.zeros((2, 1)), np.ones((2, 1))) == 0.0
