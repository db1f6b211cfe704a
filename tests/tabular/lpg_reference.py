"""A learned update from its definition, by autograd: nothing is shared with the engine."""

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad

from tabular import TabularMDP
from tabular.lpg import Lpg
from tests.tabular.reference import Reference, dense_rows, random_mdp
from tests.tabular.unroll import MetaCase, Unroll


def scores(phi: Any, x: Any, num_hidden: int) -> Any:
    """y of features (..., 4); φ is c, w, b, and B row by row."""
    F, H = 4, num_hidden
    c, w, b = phi[:F], phi[F : F + H], phi[F + H : F + 2 * H]
    B = anp.reshape(phi[F + 2 * H :], (H, F))
    return anp.dot(x, c) + anp.dot(anp.tanh(anp.dot(x, B.T) + b), w)


def lpg(mdp: TabularMDP, theta0: Any, num_hidden: int) -> Unroll:
    """K learned updates from θ⁰, each the derivative of Σ_s d Σ_a π y in π alone."""
    J = Reference(mdp, theta0)
    P = dense_rows(mdp)

    def update(phi: Any, theta: Any) -> Any:
        pi = Reference.policy(theta)
        eye, P_pi = anp.eye(len(P)), anp.sum(pi[:, :, None] * P, axis=1)
        V = anp.linalg.solve(eye - J.gamma * P_pi, anp.sum(pi * J.R, axis=1))
        d = anp.linalg.solve((eye - J.gamma * P_pi).T, J.rho)
        here = V[:, None] + anp.zeros(J.R.shape)
        x = anp.stack([J.R + 0 * pi, pi, here, J.gamma * anp.dot(P, V)], axis=-1)
        y = scores(phi, x, num_hidden)

        def surrogate(moving: Any) -> Any:
            return anp.dot(d, anp.sum(Reference.policy(moving) * y, axis=1))

        return grad(surrogate)(theta)

    return Unroll(
        start=lambda phi: theta0,
        update=update,
        value=lambda theta: J.objective(theta, J.R, J.gamma),
    )


def lpg_case(size: tuple[int, int], num_hidden: int = 3, *, sparse: bool = False) -> MetaCase:
    """A lifetime on a random MDP of this size with random weights."""
    rng = np.random.default_rng([*size, num_hidden])
    mdp, theta0 = random_mdp(rng, size), rng.normal(size=size)
    network = Lpg.network_of(num_hidden)
    problem = Lpg(mdp.sparse() if sparse else mdp, theta0, network)
    return MetaCase(problem, lpg(mdp, theta0, num_hidden), network.init(rng))
