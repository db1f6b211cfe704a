"""What rounding leaves of zeros: its size, and how it comes into each statement."""

import numpy as np
import pytest

from tabular import TabularMDP
from theory.bounds import BoundCheck
from theory.flat import LOST, allowance, residue


def test_residue():
    """ε (max |R| + max |V_b|)/(1 − γ), times 1 + α‖H‖ for each step."""
    mdp = TabularMDP(np.ones((1, 2, 1)), np.array([[3.0, -5.0]]), 0.75, 0)
    left = residue(mdp, np.array([-2.0]), step_size=0.5, num_steps=2, curvature=4.0)
    assert left == pytest.approx(LOST * (5 + 2) * 4 * (1 + 0.5 * 4) ** 2, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Theorem 4.5, bias, shared", 0.1),
        ("Theorem 4.5, variance, separate", 0.01),
        ("Lemma 4.4, first moment", 0.02),
        ("Lemma 4.4, bias of p", 0.1),
        ("Proposition 5.2, bias of p", 0.1),
    ],
)
def test_allowance(name, expected):
    check = BoundCheck(name, 0.0, 0.0, obtained="exact", scope="every θ")
    assert allowance(check, 0.1, 0.2) == pytest.approx(expected)
