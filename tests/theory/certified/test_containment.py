"""The balls contain the truth: one problem of two steps by hand, at 60 digits.

A bandit with T = 1 has three outcomes. With the weight W(a) = R(a) + γ V_b − V_b and the score ψ(a)
`lvc` has ĝ = W ψ and Ĥ = W (ψ ψᵀ − F), and J is their mean. Every path is written out.
"""

from itertools import product

import mpmath as mp
import numpy as np
import pytest

from tabular import TabularMDP
from tests.theory.certified.cases import Case
from theory.certified import certify
from theory.certified.balls import arb, ctx

REWARDS, GAMMA, CRITIC = (0.3, -0.7, 1.1), 0.9, 0.4
THETA, ALPHA = (0.1, -0.4, 0.25), 0.7
CASE = Case(
    TabularMDP(np.ones((1, 3, 1)), np.array([REWARDS]), GAMMA, 0),
    np.array([THETA]),
    1,
    np.array([CRITIC]),
)


def at(theta):
    """π and, for each arm, W ψ and W (ψ ψᵀ − F)."""
    exps = [mp.exp(x) for x in theta]
    pi = mp.matrix([x / sum(exps) for x in exps])
    F = mp.diag(pi) - pi * pi.T
    gradients, hessians = [], []
    for arm, reward in enumerate(REWARDS):
        W = mp.mpf(reward) + mp.mpf(GAMMA) * CRITIC - CRITIC
        psi = -pi.copy()
        psi[arm] += 1
        gradients.append(W * psi)
        hessians.append(W * (psi * psi.T - F))
    return pi, gradients, hessians


def mean(weights, values):
    return sum((w * x for w, x in zip(weights, values, strict=True)), values[0] * 0)


def by_hand():
    """E‖θ̂² − θ²‖, √E‖θ̂² − θ²‖² and the biases, of independent and of shared samples."""
    start, I, alpha = mp.matrix(THETA), mp.eye(3), mp.mpf(ALPHA)
    pi, g, H = at(start)
    middle = start + alpha * mean(pi, g)
    pi1, g1, H1 = at(middle)
    end = middle + alpha * mean(pi1, g1)
    pi2, g2, _ = at(end)
    truth = (I + alpha * mean(pi, H)) * (I + alpha * mean(pi1, H1)) * mean(pi2, g2)
    distance, squared, independent, shared = mp.mpf(0), mp.mpf(0), start * 0, start * 0
    for first, second in product(range(3), repeat=2):
        there = start + alpha * g[first]
        q, h, L = at(there)
        last = there + alpha * h[second]
        r, k, _ = at(last)
        weight, p = pi[first] * q[second], mean(r, k)
        distance += weight * mp.norm(last - end)
        squared += weight * mp.norm(last - end) ** 2
        independent += weight * (I + alpha * mean(pi, H)) * (I + alpha * mean(q, L)) * p
        shared += weight * (I + alpha * H[first]) * (I + alpha * L[second]) * p
    biases = mp.norm(independent - truth), mp.norm(shared - truth)
    return distance, mp.sqrt(squared), *biases


@pytest.mark.parametrize("bits", [20, 53, 128, 180])
def test_left_hand_sides_by_hand(bits):
    checks = certify(
        CASE.mdp,
        CASE.theta,
        step_size=ALPHA,
        num_steps=2,
        num_trajectories=1,
        bits=bits,
        **CASE.options("lvc"),
    )
    with mp.workdps(60):
        truth = [mp.nstr(x, 59) for x in by_hand()]
    with ctx.workprec(240):
        for check, digits in zip(checks[1:5], truth, strict=True):
            assert check.lhs.contains(arb(digits)), check.name
            assert check.verdict == "proved"
