"""Operator norms: formed, and by the power iteration."""

import numpy as np
import pytest

from theory import norms


def products(matrix):
    def times(M):
        return lambda u: np.einsum("nij,...nj->...ni", M, u.reshape(*u.shape[:-2], -1)).reshape(
            u.shape
        )

    return times(matrix), times(matrix.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("shape", "symmetric"), [((3, 2), False), ((40, 2), True), ((40, 2), False)]
)
def test_operator_norm(shape, symmetric):
    rng = np.random.default_rng(0)
    size = shape[0] * shape[1]
    matrix = rng.normal(size=(3, size, size)) + 2 * np.eye(size)[0] * np.eye(size)[:, :1]
    matrix[:, 0, 0] += 90  # a gap, for which the iteration's steps are enough
    if symmetric:
        matrix = matrix + matrix.swapaxes(1, 2)
    found = norms.operator_norm(*products(matrix), rng.normal(size=(3, *shape)))
    exact = np.linalg.norm(matrix, 2, (1, 2))
    assert np.all(found <= exact * (1 + 1e-12))
    assert np.allclose(found, exact, rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 2), (40, 2)])
def test_zero_maps_have_norm_zero(shape):
    start = np.zeros((2, *shape))
    assert not norms.operator_norm(np.zeros_like, np.zeros_like, start).any()
    assert not norms.cubic_norm(np.zeros_like, start[None]).any()


def test_cubic_norm():
    """Σ_i c_i e_i⊗e_i⊗e_i in an orthonormal basis has norm max|c_i|; each start finds its own."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    c = np.array([3.0, -1.0, 0.5, 0.2, 0.1, 0.0])

    def product(u):
        flat = u.reshape(*u.shape[:-2], 6)
        return ((c * (flat @ basis) ** 2) @ basis.T).reshape(u.shape)

    starts = basis.T.reshape(6, 1, 3, 2)
    for start, norm in zip(starts[:5], np.abs(c[:5]), strict=True):
        assert norms.cubic_norm(product, start[None])[0] == pytest.approx(norm, abs=1e-12)
    assert norms.cubic_norm(product, starts)[0] == pytest.approx(3.0, rel=1e-12)
