"""Two-player games from their definition, by autograd: nothing is shared with the engine."""

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad
from hypothesis import strategies as st

from tabular.games import MarkovGame
from tests.strategies import distributions
from tests.tabular.problem_cases import tables
from tests.tabular.reference import Reference
from tests.tabular.surrogates import quietly


def random_game(rng: np.random.Generator, size: tuple[int, int, int]) -> MarkovGame:
    """Full transition rows, normal rewards of each player, a random initial distribution."""
    rows = rng.gamma(0.5, size=(*size, size[0])) + 1e-3
    R1, R2 = rng.normal(size=(2, *size))
    initial = rng.random(size[0]) + 0.1
    P = rows / rows.sum(axis=-1, keepdims=True)
    return MarkovGame(P, R1, R2, 0.9, initial / initial.sum())


@st.composite
def games(draw: st.DrawFn) -> MarkovGame:
    """Games down to one state and one action each, with deterministic rows among others."""
    size = tuple(draw(st.integers(1, 3)) for _ in range(3))
    P, initial = draw(distributions(size, size[0])), draw(distributions((), size[0]))
    R1, R2 = draw(tables((2, *size), 1.0))
    return MarkovGame(P, R1, R2, draw(st.sampled_from([0.0, 0.5, 0.9])), initial)


def objective(game: MarkovGame, player: int, phi: Any, theta: Any) -> Any:
    """J of player 1 or 2."""
    pi1, pi2 = Reference.policy(phi), Reference.policy(theta)
    pi = pi1[:, :, None] * pi2[:, None, :]
    P, R = np.array(game.P), np.array((game.R1, game.R2)[player - 1])
    P_pi = anp.sum(pi[..., None] * P, axis=(1, 2))
    V = anp.linalg.solve(anp.eye(len(P)) - game.gamma * P_pi, anp.sum(pi * R, axis=(1, 2)))
    return anp.dot(np.array(game.initial), V)


def unrolled(game: MarkovGame, phi: Any, theta: Any, *, step_size: float, num_steps: int) -> Any:
    """J¹(φ, θ^K(φ))."""
    slope = grad(lambda x, phi: objective(game, 2, phi, x))
    for _ in range(num_steps):
        theta = theta + step_size * slope(theta, phi)
    return objective(game, 1, phi, theta)


def lola_gradient(game: MarkovGame, phi: Any, theta: Any, **options: Any) -> Any:
    """∇_φ J¹(φ, θ^K(φ)), through the whole unroll."""
    return quietly(grad(lambda x: unrolled(game, x, theta, **options)), phi)
