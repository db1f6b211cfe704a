"""MDPs on which closed forms are compared with each other, and their chains."""

import numpy as np

from tabular import TabularMDP
from tests.tabular.reference import random_mdp
from tests.tabular.surrogates import Tables, plain_policy
from tests.tabular.tolerances import Tolerance

#: Both sides are sums of about the same products; `scale` = the size of terms that cancel.
SAME_SUMS = Tolerance(rtol=1e-13, atol=1e-14)

HORIZONS = [1, 2, 5, 20]


def paper_mdp():
    """S = 20, A = 5, nearly certain transitions, rewards in [0, 1], start in state 0."""
    return TabularMDP.random(20, 5, gamma=0.8, rng=np.random.default_rng(0))


def _by_successor():
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, (4, 3), 0.9)
    return TabularMDP(mdp.P, rng.normal(size=(4, 3, 4)), 0.9, mdp.initial)


MDPS = {
    "general": lambda: random_mdp(np.random.default_rng(2), (5, 3), 0.9),
    "by successor": _by_successor,
    "paper": paper_mdp,
    "sparse paper": lambda: paper_mdp().sparse(),
    "one state": lambda: random_mdp(np.random.default_rng(3), (1, 3), 0.9),
    "high discount": lambda: random_mdp(np.random.default_rng(4), (4, 2), 0.99),
}


def size(mdp):
    """max|V| / (1 − γ): what cancels in an expected Hessian."""
    return max(1.0, np.abs(mdp.R).max()) / (1 - mdp.gamma) ** 2


def kernel(mdp, theta):
    """P_π, (S, S)."""
    return np.einsum("sa,saz->sz", plain_policy(theta), Tables.of(mdp).P)


def state_laws(mdp, theta, horizon):
    """P(s_t = ·) for t = 0, ..., T, (T + 1, S)."""
    out, P_pi = [np.array(mdp.initial)], kernel(mdp, theta)
    for _ in range(horizon):
        out.append(out[-1] @ P_pi)
    return np.array(out)


def restarted(mdp, initial):
    """The same MDP from another initial distribution."""
    return TabularMDP(mdp.P, mdp.R, mdp.gamma, initial / np.sum(initial))
