"""The compiled loops against NumPy and against references, and everything without them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given

from tabular import TabularMDP, compiled, compiled_evaluation, exact
from tabular.compiled_evaluation import CompiledEvaluation, evaluation_of
from tabular.evaluation import Evaluation
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tests.strategies import mdps_with_logits
from tests.tabular.batches import BATCHES, make_batch
from tests.tabular.reference import SIZES, Reference, make_case, random_mdp
from tests.tabular.tolerances import FIRST, IDENTITY, SAME, SECOND, assert_close

needs_numba = pytest.mark.skipif(
    compiled.kernels("kernels") is None, reason="numba is missing or switched off"
)
#: Powers of the discounted length 1/(1 − γ) that bound the terms of each quantity and of the
#: difference of two solutions, as in test_exact_properties.
POWERS = {"V": 2, "Q": 2, "advantage": 2, "occupancy": 2, "gradient": 3, "hvp": 4, "hessian": 4}


@pytest.fixture
def without_kernels(monkeypatch):
    """Switch the compiled loops off."""
    monkeypatch.setattr(compiled, "kernels", lambda module: None)


def quantities(evaluation, v):
    named = {name: getattr(evaluation, name) for name in POWERS if name != "hvp"}
    return named | {"hvp": evaluation.hvp(v)}


def both(mdp, theta):
    """The same policy by compiled loops and by NumPy."""
    loops = evaluation_of(mdp, theta)
    assert type(loops) is CompiledEvaluation
    return loops, Evaluation(mdp, theta)


# Two paths, one set of numbers.


@needs_numba
@given(mdps_with_logits(max_states=7))
def test_loops_agree_with_numpy_on_every_mdp(drawn):
    """γ from 0 to 0.999, logits up to ±700, one state, one action, deterministic rows."""
    mdp, theta = drawn
    v = np.cos(np.arange(theta.size)).reshape(theta.shape)
    loops, reference = (quantities(evaluation, v) for evaluation in both(mdp, theta))
    length, largest = 1 / (1 - mdp.gamma), np.abs(mdp.R).max() + 1e-3
    for name, power in POWERS.items():
        scale = (1.0 if name == "occupancy" else largest) * length**power
        assert_close(loops[name], reference[name], IDENTITY, scale=scale, what=name)


@needs_numba
@pytest.mark.parametrize("size", [*SIZES, (20, 5), (100, 5), (130, 2)])
def test_loops_agree_with_numpy_to_twelve_digits(size):
    case = make_case(size, None)
    loops, reference = (quantities(e, case.v) for e in both(case.mdp, case.theta))
    for name in POWERS:
        assert_close(loops[name], reference[name], SAME, what=name)


@needs_numba
@given(mdps_with_logits(max_states=6))
def test_many_policies_agree_with_each_alone(drawn):
    """Five lanes, two groups of lanes, the last one not full: extreme logits side by side."""
    mdp, theta = drawn
    v = np.sin(np.arange(theta.size)).reshape(theta.shape)
    scales = np.linspace(-1, 1, 5)[:, None, None]
    evaluation = exact.evaluate(mdp, scales * theta)
    together = quantities(evaluation, v)
    length, largest = 1 / (1 - mdp.gamma), np.abs(mdp.R).max() + 1e-3
    for i in range(5):
        alone = quantities(Evaluation(mdp, scales[i] * theta), v)
        for name, power in POWERS.items():
            scale = (1.0 if name == "occupancy" else largest) * length**power
            assert_close(together[name][i], alone[name], IDENTITY, scale=scale, what=name)


#: What of BATCHES the loops take; MDPs or rewards crossed with policies stay with NumPy.
LOOPED = {"theta", "grid", "one", "gamma", "gamma-theta", "mdp", "gammas-differ"}


@needs_numba
@pytest.mark.parametrize("kind", BATCHES["dense"])
@pytest.mark.parametrize("num_states", [4, 60])
def test_batches_have_the_shapes_and_numbers_of_numpy(kind, num_states):
    batch = make_batch(kind, "dense", (num_states, 2))
    evaluation = exact.evaluate(batch.mdp, batch.theta)
    assert (type(evaluation) is CompiledEvaluation) == (kind in LOOPED)
    v = np.random.default_rng(0).normal(size=(num_states, 2))
    reference = quantities(Evaluation(batch.mdp, np.array(batch.theta)), v)
    for name, table in quantities(evaluation, v).items():
        assert_close(table, reference[name], SAME, what=name)


@needs_numba
@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_every_filling_of_the_lanes(count):
    rng = np.random.default_rng(count)
    mdp = TabularMDP.stack([random_mdp(rng, (7, 3)) for _ in range(count)])
    theta = rng.normal(size=mdp.R.shape)
    options = {"step_size": 0.5, "num_steps": 3}
    together = meta_gradient(Maml(mdp), theta, **options)
    for i in range(count):
        assert_close(together[i], meta_gradient(Maml(mdp[i]), theta[i], **options), SAME)


@needs_numba
@pytest.mark.parametrize("size", [(20, 3), (100, 3)])
def test_the_hessian_by_loops_or_by_lapack(monkeypatch, size):
    case = make_case(size, None)
    by_loops = exact.hessian(case.mdp, case.theta)
    monkeypatch.setattr(compiled_evaluation, "HESSIAN_UP_TO", 0)
    assert_close(exact.hessian(case.mdp, case.theta), by_loops, SAME)


# Memory layouts, and the same bits twice.


def layouts(x):
    """The same numbers in Fortran order, as a strided view, read-only, and broadcast."""
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    frozen = x.copy()
    frozen.flags.writeable = False
    return [np.asfortranarray(x), strided, x[..., ::-1, :][..., ::-1, :], frozen]


@needs_numba
@pytest.mark.parametrize("lead", [(), (3,), (70,)])
def test_any_memory_layout_gives_the_same_bits(lead):
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, (5, 3))
    theta, v = rng.normal(size=(2, *lead, 5, 3))
    expected = quantities(evaluation_of(mdp, theta), v)
    for other, direction in zip(layouts(theta), layouts(v), strict=True):
        for name, table in quantities(evaluation_of(mdp, other), direction).items():
            np.testing.assert_array_equal(table, expected[name], err_msg=name)


@needs_numba
def test_one_policy_repeated_without_copies():
    rng = np.random.default_rng(2)
    mdp, theta = random_mdp(rng, (5, 3)), rng.normal(size=(5, 3))
    repeated = evaluation_of(mdp, np.broadcast_to(theta, (2, 4, 5, 3)))
    assert repeated.hvp(theta).shape == (2, 4, 5, 3)
    assert_close(repeated.hvp(theta)[1, 2], exact.hvp(mdp, theta, theta), SAME)
    np.testing.assert_array_equal(repeated.gradient, evaluation_of(mdp, repeated._theta).gradient)


@needs_numba
def test_results_of_the_loops_cannot_be_overwritten():
    case = make_case((5, 3), None)
    evaluation = exact.evaluate(case.mdp, case.theta)
    for name in ("pi", "V", "Q", "advantage", "occupancy", "gradient"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(evaluation, name)[...] = 0.0


# The loops themselves.


@needs_numba
@given(mdps_with_logits(max_states=7))
def test_eliminations_against_lapack(drawn):
    """Inverse and both solutions; γ = 1 − 1e-3 has condition number 2000."""
    mdp, _ = drawn
    matrix = np.eye(mdp.num_states) - mdp.gamma * np.swapaxes(mdp.P, 0, 1)  # one for each action
    scale = 1 / (1 - mdp.gamma) ** 2  # the condition number times the largest entry
    expected = np.linalg.inv(matrix)
    invert = compiled.kernels("kernels_hessian").invert_dominant
    for one, inverse in zip(matrix, expected, strict=True):
        table = one.copy()
        invert(table)
        assert_close(table, inverse, IDENTITY, scale=scale)
    loops = compiled.kernels("kernels_elimination")
    lu = np.empty((1, mdp.num_states, mdp.num_states, mdp.num_actions + 2))
    loops.eliminate(matrix, lu)
    b = np.broadcast_to(np.eye(mdp.num_states)[:, None], (len(lu[0]), *matrix.shape[:2])).copy()
    for transposed in (False, True):
        out = np.empty_like(b)
        loops.solve(lu, b, transposed, out)
        columns = expected if transposed else np.swapaxes(expected, -1, -2)
        assert_close(np.swapaxes(out, 0, 1), columns, IDENTITY, scale=scale)


@needs_numba
def test_not_a_number_stays_one():
    """What cannot be checked in a loop must not be hidden by it."""
    case = make_case((5, 3), None)
    theta = case.theta.copy()
    theta[2, 1] = np.nan
    assert np.all(np.isnan(evaluation_of(case.mdp, theta).gradient[2]))
    assert np.isnan(evaluation_of(case.mdp, theta).hessian[2]).any()


@needs_numba
def test_without_a_folder_for_the_cache(monkeypatch):
    kernels = compiled.kernels("kernels")
    original = kernels.numba.njit

    def njit(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return original(**options)

    monkeypatch.setattr(kernels.numba, "njit", njit)
    made = kernels.compiled(lambda x, out: out.fill(x.sum()))
    out = np.empty(1)
    made(np.ones(3), out)
    assert out[0] == 3.0


# Without the loops.


@pytest.mark.parametrize("size", SIZES)
def test_numpy_alone_against_autograd(without_kernels, size):
    case = make_case(size, None)
    evaluation = exact.evaluate(case.mdp, case.theta)
    assert type(evaluation) is Evaluation
    reference = Reference(case.mdp, case.theta)
    assert_close(evaluation.gradient, reference.gradient, FIRST)
    assert_close(evaluation.hvp(case.v), reference.hvp(case.v), SECOND)
    assert_close(evaluation.hessian, reference.hessian, SECOND)
    batch = np.stack([case.theta, case.u])
    together = exact.evaluate(case.mdp, batch)
    assert_close(together.gradient[0], reference.gradient, FIRST)
    assert_close(together.hvp(case.v)[0], reference.hvp(case.v), SECOND)
    assert_close(together.hessian[0], reference.hessian, SECOND)


@needs_numba
@given(mdps_with_logits(max_states=4, limit=3.0, gammas=(0.0, 0.5, 0.9)))
def test_meta_gradients_agree_on_both_paths(drawn):
    mdp, theta = drawn
    assume(np.abs(mdp.R).max() <= 1.0)  # steps of a size that does not blow differences up
    options = {"step_size": 0.1, "num_steps": 3}
    by_loops = meta_gradient(Maml(mdp), theta, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernels", lambda module: None)
        by_numpy = meta_gradient(Maml(mdp), theta, **options)
    assert_close(by_loops, by_numpy, SAME, scale=100.0)


SCRIPT = """
import json, sys
{before}
import numpy as np
import gmrl
from tabular import TabularMDP, compiled, exact
mdp = TabularMDP.random(4, 2, rng=np.random.default_rng(0))
assert sys.modules.get("numba") is None, "imported too early"
sums = exact.hessian(mdp, np.zeros((4, 2))).sum(axis=(1, 3))
print(json.dumps([sums.tolist(), compiled.kernels("kernels") is None]))
"""


@pytest.mark.parametrize(
    "before",
    ["", "sys.modules['numba'] = None", "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'"],
    ids=["as it is", "no numba", "switched off"],
)
def test_numba_is_optional_and_not_imported_before_it_is_needed(before):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sums, absent = json.loads(done.stdout)
    assert_close(sums, np.zeros((4, 4)), SAME)
    assert absent or not before
