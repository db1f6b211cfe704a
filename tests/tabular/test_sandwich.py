"""The middle of a meta-gradient's covariance, E[ΔĤ M ΔĤ], against sums over every trajectory."""

import numpy as np
import pytest

from tabular import covariance
from tabular.estimate_law import sandwich
from tests.tabular.surrogates import ESTIMATORS, Law
from tests.tabular.tiny_cases import law_of, make, own_hessians
from tests.tabular.tolerances import ENUMERATED, SAME, assert_close


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rank", [0, 1, 4])
def test_sandwich(estimator, rank):
    """E[ΔĤ M ΔĤ], also for an M with eigenvalues of both signs."""
    case = make((2, 2, 3), "by successor", 0.6, "value")
    each = Law(case.mdp, case.theta, 3)
    hessians = each.surrogate(estimator, 0.6, case.options["baseline"]).hessians()
    vectors = np.random.default_rng(1).normal(size=(4, rank))
    M = vectors @ np.diag([1.0, -0.5, 2.0, 0.1][:rank]) @ vectors.T
    noise = hessians.reshape(-1, 4, 4)
    noise = noise - np.tensordot(each.probability, noise, axes=1)
    expected = np.tensordot(each.probability, noise @ M @ noise, axes=1)
    actual = sandwich(*law_of(case, estimator), M.reshape(2, 2, 2, 2))
    assert_close(actual.reshape(4, 4), expected, ENUMERATED)
    assert (np.abs(expected).max() > 1e-4) == (rank > 0)


@pytest.mark.parametrize("estimator", ["ad", "lvc"])
def test_sandwich_is_the_contraction_with_every_hessian(estimator):
    """With more actions than states; M need not be symmetric."""
    case = make((3, 4, 3), "by successor", 0.6, "value")
    law, kind = law_of(case, estimator)
    M = np.random.default_rng(2).normal(size=(3, 4, 3, 4))
    terms, table = own_hessians(law, kind), covariance.table_covariance(law)
    expected = np.einsum("iapq,iqjr,jbrs,iajb->ipjs", terms, M, terms, table)
    assert_close(sandwich(law, kind, M), expected, SAME)
