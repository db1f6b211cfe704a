"""Learned updates: against autograd through whole lifetimes, and where they are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from autograd import jacobian
from hypothesis import given
from hypothesis import strategies as st

from tabular import TabularMDP
from tabular.lpg import LearnedUpdate, Lpg
from tabular.meta_moments import meta_moments
from tabular.metagradient import adapt, meta_gradient
from tabular.problems import Maml
from tabular.sources import Exact, Mean, Sampled
from tabular.update_network import UpdateNetwork, Weights
from tests.strategies import mdps
from tests.tabular.lpg_reference import lpg, lpg_case
from tests.tabular.problem_cases import tables
from tests.tabular.reference import Reference, random_mdp
from tests.tabular.surrogates import quietly
from tests.tabular.tolerances import SECOND, assert_close
from tests.tabular.unroll import META

SIZES = [(1, 3), (2, 2), (5, 3)]
#: Occupancies and values are each up to 1/(1 − γ) = 10: what cancels between the actions.
LARGE = 100.0


def differential(case: Any, theta: Any) -> LearnedUpdate:
    return case.problem.inner(case.phi, theta).exact()


@pytest.mark.parametrize("size", SIZES)
def test_jacobians_are_autograds(size):
    """Products with the transposes; H itself is far from symmetric."""
    case = lpg_case(size)
    rng = np.random.default_rng(0)
    theta, u = rng.normal(size=(2, *size))
    here, update = differential(case, theta), case.unroll.update
    assert_close(here.gradient, update(case.phi, theta), SECOND)
    H = quietly(jacobian(lambda x: update(case.phi, x)), theta)
    assert_close(here.vjp(u), np.einsum("sa,sabc->bc", u, H), META, scale=LARGE)
    assert np.abs(np.einsum("sabc,bc->sa", H, u) - here.vjp(u)).max() > 1e-3
    G = quietly(jacobian(lambda x: update(x, theta)), case.phi)
    assert_close(here.cross(u), np.einsum("sa,san->n", u, G), META, scale=LARGE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_steps", range(1, 5))
def test_exact_is_autograd_through_the_lifetime(size, num_steps):
    case, options = lpg_case(size), {"step_size": 0.8, "num_steps": num_steps}
    expected = case.unroll.meta_gradient(case.phi, **options)
    actual = meta_gradient(case.problem, case.phi, **options)
    assert_close(actual, expected, META, scale=LARGE)
    iterates = np.stack(adapt(case.problem, case.phi, **options))
    assert_close(iterates, np.stack(case.unroll.iterates(case.phi, **options)), META)


@given(mdps(3, 3, gammas=(0.0, 0.5, 0.9), successor_rewards=False), st.data())
def test_any_mdp(mdp, data):
    mdp = mdp.with_reward(np.clip(mdp.R, -1, 1))
    theta = data.draw(tables(mdp.R.shape, 3.0))
    network = Lpg.network_of(2)
    phi = data.draw(tables((network.num_weights,), 1.0))
    options = {"step_size": 0.5, "num_steps": 2}
    expected = lpg(mdp, theta, 2).meta_gradient(phi, **options)
    actual = meta_gradient(Lpg(mdp, theta, network), phi, **options)
    assert_close(actual, expected, META, scale=LARGE)


@pytest.mark.parametrize("wrong", ["not transposed", "no d", "no V", "no network", "half of G"])
def test_a_wrong_jacobian_is_found(monkeypatch, wrong):
    case, options = lpg_case((3, 2)), {"step_size": 0.8, "num_steps": 3}
    expected = case.unroll.meta_gradient(case.phi, **options)
    vjp, cross = LearnedUpdate.vjp, LearnedUpdate.cross

    def transposed(self: Any, u: Any) -> Any:
        rows = np.stack([vjp(self, unit) for unit in np.eye(u.size).reshape(-1, *u.shape)])
        return np.tensordot(rows, u, axes=2).reshape(u.shape)

    class Cut:
        """One equation of the chain without an answer."""

        def __init__(self, of: Any) -> None:
            self.of = of

        def evaluate(self, b: Any) -> Any:
            return self.of.evaluate(b) * (wrong != "no d")

        def visit(self, c: Any) -> Any:
            return self.of.visit(c) * (wrong != "no V")

    def cut(self: Any, u: Any) -> Any:
        whole = self._here.discounted
        self._here.__dict__["discounted"] = Cut(whole)
        return vjp(self, u)

    if wrong == "not transposed":
        monkeypatch.setattr(LearnedUpdate, "vjp", transposed)
    elif wrong == "no network":
        monkeypatch.setattr(
            UpdateNetwork, "by_features", lambda self, w, h, y: np.zeros((*y.shape, 4))
        )
    elif wrong == "half of G":
        monkeypatch.setattr(LearnedUpdate, "cross", lambda self, u: cross(self, u) / 2)
    else:
        monkeypatch.setattr(LearnedUpdate, "vjp", cut)
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(meta_gradient(case.problem, case.phi, **options), expected, META)


def weights_of(c: Any, num_hidden: int = 2) -> Any:
    """φ of y = c·x."""
    zeros = np.zeros(num_hidden)
    parts = Weights(np.array(c), zeros, zeros, np.zeros((num_hidden, 4)))
    return Lpg.network_of(num_hidden).pack(parts)


@pytest.mark.parametrize("c", [(1.0, 0.0, 0.0, 1.0), (1.0, 0.0, -1.0, 1.0)], ids=["Q", "A"])
def test_scoring_by_values_is_the_policy_gradient(c):
    """y = R + γ P V or that less V: g = ∇J, H = ∇²J, so a lifetime is MAML's."""
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, (4, 3))
    theta, u = rng.normal(size=(2, 4, 3))
    problem, phi = Lpg(mdp, theta, Lpg.network_of(2)), weights_of(c)
    here, reference = problem.inner(phi, theta).exact(), Reference(mdp, theta)
    assert_close(here.gradient, reference.gradient, SECOND)
    assert_close(here.vjp(u), reference.hvp(u), SECOND)
    options = {"step_size": 0.5, "num_steps": 4}
    iterates = adapt(problem, phi, **options)
    assert_close(np.stack(iterates), np.stack(adapt(Maml(mdp), theta, **options)), SECOND)
    # Scaling y is scaling α: ∂/∂c along c is α ∂/∂α of J(θ^K).
    by_c = (meta_gradient(problem, phi, **options) * phi).sum()
    h, values = 1e-5, []
    for factor in (1 - h, 1 + h):
        last = adapt(Maml(mdp), theta, step_size=0.5 * factor, num_steps=4)[-1]
        values.append(Reference(mdp, last).value)
    # A difference of order two: truncation h² = 1e-10, rounding 1e-16/h = 1e-11.
    assert abs(by_c - (values[1] - values[0]) / (2 * h)) < 1e-8 * abs(by_c)


def test_the_weight_of_v_alone_moves_nothing():
    """A score that is the same for all actions: project(π, d π V) = 0, for c_V and for no other."""
    case = lpg_case((4, 3))
    c, w, b, B = case.problem.network.unpack(case.phi)
    other = case.problem.network.pack(Weights(c + np.array([0.0, 0.0, 5.0, 0.0]), w, b, B))
    options = {"step_size": 0.8, "num_steps": 2}
    gradient = meta_gradient(case.problem, case.phi, **options)
    assert abs(gradient[2]) < 1e-14
    assert np.abs(gradient[[0, 1, 3]]).min() > 1e-4
    assert_close(meta_gradient(case.problem, other, **options), gradient, META)


def test_sparse_is_dense():
    options = {"step_size": 0.8, "num_steps": 3}
    cases = [lpg_case((6, 2), sparse=sparse) for sparse in (False, True)]
    found = [meta_gradient(case.problem, case.phi, **options) for case in cases]
    assert_close(found[1], found[0], META)


def test_batches_of_weights_starts_and_lifetimes():
    case, options = lpg_case((4, 3)), {"step_size": 0.8, "num_steps": 3}
    rng = np.random.default_rng(2)
    phis = case.phi + 0.3 * rng.normal(size=(3, case.phi.size))
    together = meta_gradient(case.problem, phis, **options)
    for one, phi in zip(together, phis, strict=True):
        assert_close(one, meta_gradient(case.problem, phi, **options), META)
    starts = rng.normal(size=(3, 4, 3))
    together = meta_gradient(replace(case.problem, theta0=starts), case.phi, **options)
    for one, start in zip(together, starts, strict=True):
        single = replace(case.problem, theta0=start)
        assert_close(one, meta_gradient(single, case.phi, **options), META)
    members = [random_mdp(rng, (4, 3)) for _ in range(3)]
    for phi in (case.phi, phis):
        stacked = replace(case.problem, mdp=TabularMDP.stack(members))
        together = meta_gradient(stacked, phi, **options)
        for i, member in enumerate(members):
            single = replace(case.problem, mdp=member)
            own = phi if phi.ndim == 1 else phi[i]
            assert_close(together[i], meta_gradient(single, own, **options), META)


def test_the_outer_gradient_may_be_sampled():
    case, source = lpg_case((3, 2)), Sampled("lvc", 4, 5)
    options = {"step_size": 0.5, "num_steps": 2, "rng": np.random.default_rng(3)}
    sampled = meta_gradient(case.problem, case.phi, outer=source, **options)
    assert sampled.shape == case.phi.shape
    assert np.all(np.isfinite(sampled))


# The network, and errors.


def test_weights_are_packed_and_drawn():
    network = UpdateNetwork(4, 3)
    assert network.num_weights == 22
    phi = network.init(np.random.default_rng(4))
    parts = network.unpack(phi)
    assert [part.shape for part in parts] == [(4,), (3,), (3,), (3, 4)]
    assert np.array_equal(network.pack(parts), phi)
    batch = np.stack([phi, 2 * phi])
    assert np.array_equal(network.pack(network.unpack(batch)), batch)


@pytest.mark.parametrize("part", ["path", "curvature"])
@pytest.mark.parametrize(
    "source", [Sampled("ad", 2), Mean(Sampled("ad", 2))], ids=["sample", "mean"]
)
def test_the_learned_update_is_exact_only(part, source):
    case = lpg_case((3, 2))
    options = {"step_size": 0.5, "num_steps": 1, "rng": np.random.default_rng(0)}
    with pytest.raises(TypeError, match=r"inner update has no sampled form; take Exact\(\), recei"):
        meta_gradient(case.problem, case.phi, **{part: source}, **options)
    with pytest.raises(TypeError, match="problem must be a Maml, Lirpg or Mgrl, received Lpg"):
        meta_moments(case.problem, case.phi, step_size=1.0, num_steps=1, curvature=Exact())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mdp": None}, TypeError, "mdp must be a TabularMDP, received NoneType"),
        ({"network": 3}, TypeError, "network must be an UpdateNetwork, received int"),
        ({"network": UpdateNetwork(3, 2)}, ValueError, "must read 4 features .* one for 3; make"),
        ({"theta0": np.zeros((2, 3))}, ValueError, r"theta0 must have shape \(..., 3, 2\)"),
    ],
)
def test_bad_parts(change, error, message):
    problem = lpg_case((3, 2)).problem
    good = {"mdp": problem.mdp, "theta0": problem.theta0, "network": problem.network}
    with pytest.raises(error, match=message):
        Lpg(**good | change)


def test_bad_numbers():
    problem = lpg_case((3, 2)).problem
    with pytest.raises(ValueError, match=r"phi must have shape \(..., 22\), received \(3, 2\)"):
        meta_gradient(problem, np.zeros((3, 2)), step_size=1.0, num_steps=1)
    with pytest.raises(ValueError, match="num_hidden must be at least 1"):
        Lpg.network_of(0)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        problem.network.init(0)
    with pytest.raises(TypeError, match="problem must be a Maml, Lirpg, Mgrl, Lola or Lpg, recei"):
        meta_gradient(problem.mdp, np.zeros(22), step_size=1.0, num_steps=1)
