"""Variances along one direction against sums over every trajectory, and against covariances."""

import numpy as np
import pytest

from tabular import covariance
from tests.tabular.surrogates import ESTIMATORS, Law
from tests.tabular.tiny_cases import law_of, make, own_hessians
from tests.tabular.tolerances import ENUMERATED, SAME, SECOND, assert_close

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


@every_estimator
@pytest.mark.parametrize("size", [(1, 3, 3), (2, 2, 3), (3, 2, 3)], ids=str)
def test_variance_along_a_direction(estimator, size):
    case = make(size, "by successor", 0.6, "value")
    law, kind = law_of(case, estimator)
    every = Law(case.mdp, case.theta, size[2])
    each = every.surrogate(estimator, 0.6, case.options["baseline"])
    u = np.random.default_rng(0).normal(size=case.v.shape)

    def variance(values):
        return every.covariance((values * u).sum(axis=(1, 2)))

    of_gradient = covariance.gradient_variance_along(law, u)
    assert_close(of_gradient, variance(each.gradients()), ENUMERATED)
    of_product = covariance.hvp_variance_along(law, kind, case.v, u)
    assert_close(of_product, variance(each.hvps(case.v)), ENUMERATED)
    assert min(of_gradient, of_product) > 1e-4


@every_estimator
@pytest.mark.parametrize("kind", ["plain", "sparse by successor"])
@pytest.mark.parametrize("size", [(1, 3, 3), (6, 3, 20), (20, 2, 20)], ids=str)
def test_variance_along_a_direction_is_the_quadratic_form_of_the_covariance(estimator, kind, size):
    case = make(size, kind, 0.9, "random")
    law, entry = law_of(case, estimator)
    u = np.random.default_rng(0).normal(size=case.v.shape)
    full = covariance.gradient_covariance(law)
    expected = np.einsum("ia,iajb,jb", u, full, u)
    assert_close(covariance.gradient_variance_along(law, u), expected, SECOND)
    full = covariance.hvp_covariance(law, entry, case.v)
    expected = np.einsum("ia,iajb,jb", u, full, u)
    assert_close(covariance.hvp_variance_along(law, entry, case.v, u), expected, SECOND)


@pytest.mark.parametrize("estimator", ["ad", "lvc"])
@pytest.mark.parametrize("size", [(1, 3, 3), (3, 4, 3), (4, 2, 3)], ids=str)
def test_sums_over_own_hessians(estimator, size):
    """Against the Hessians one by one, with more and fewer actions than states."""
    law, kind = law_of(make(size, "plain", 0.6, "random"), estimator)
    each, S, A = own_hessians(law, kind), *law.shape
    B = np.random.default_rng(0).normal(size=(S, A, A))
    expected = np.einsum("sxab,sab->sx", each, B)
    assert_close(covariance.own_functional(law, kind, B), expected, SAME)
    expected = np.einsum("saxb,sab->sx", each, B)
    assert_close(covariance.own_products(law, kind, B), expected, SAME)
    blocks = covariance.table_covariance_blocks(law)
    expected = np.einsum("sxab,syab,sxy->", each, each, blocks)
    assert_close(covariance.hessian_variance(law, kind), expected, SAME)
