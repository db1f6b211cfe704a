"""What the compiled loops are given: other memory layouts, and tables that MDPs share."""

import numpy as np

from tabular import TabularMDP, exact
from tests.tabular.reference import make_case, random_mdp
from tests.tabular.tolerances import SAME, assert_close


def test_a_kernel_in_another_memory_layout():
    """P (A, S, S) of another library, turned into (S, A, S) without a copy."""
    case = make_case((4, 3), None)
    P = np.ascontiguousarray(case.mdp.P.transpose(1, 0, 2)).transpose(1, 0, 2)
    mdp = TabularMDP(P, case.mdp.R, case.mdp.gamma, case.mdp.initial)
    assert_close(exact.hessian(mdp, case.theta), exact.hessian(case.mdp, case.theta), SAME)
    assert_close(exact.gradient(mdp, case.theta), exact.gradient(case.mdp, case.theta), SAME)


def test_mdps_that_share_rewards_and_policy():
    rng = np.random.default_rng(0)
    mdps = [random_mdp(rng, (4, 2)) for _ in range(3)]
    theta, R = rng.normal(size=(2, 4, 2))
    together = exact.evaluate(TabularMDP.stack(mdps).with_gamma(0.9).with_reward(R), theta)
    for i, mdp in enumerate(mdps):
        alone = exact.evaluate(mdp.with_gamma(0.9).with_reward(R), theta)
        assert_close(together.gradient[i], alone.gradient, SAME)
        assert_close(together.hessian[i], alone.hessian, SAME)
