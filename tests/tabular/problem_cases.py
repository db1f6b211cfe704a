"""Problems of every kind: generated ones, and a pinned one with an extreme policy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import example
from hypothesis import strategies as st

from tabular import TabularMDP, exact
from tests.strategies import GAMMAS, logits, mdps


class Problem(NamedTuple):
    """An MDP, logits, the keyword arguments of the horizon, and two directions."""

    mdp: TabularMDP
    theta: Any
    options: dict[str, Any]
    u: Any
    v: Any

    def evaluate(self) -> exact.Evaluation:
        return exact.evaluate(self.mdp, self.theta, **self.options)

    def scale(self, power: int) -> float:
        """R L^power, an upper bound on the terms that cancel."""
        largest = max(np.abs(self.mdp.R).max(), np.abs(self.options.get("terminal_value", 0)).max())
        return (largest + 1e-3) * discounted_length(self.mdp.gamma, self.options) ** power


def discounted_length(gamma: float, options: dict[str, Any]) -> float:
    """Σ_t γ^t over the horizon."""
    horizon = options.get("horizon")
    return 1 / (1 - gamma) if horizon is None else float(np.sum(gamma ** np.arange(horizon)))


def tables(shape: tuple[int, ...], bound: float) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.float64, shape, elements=st.floats(-bound, bound, allow_subnormal=False))


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    limit: float = 700.0,
    gammas: Sequence[float] = GAMMAS,
    infinite: bool | None = None,
) -> Problem:
    """An MDP with logits up to `limit`, over either horizon unless one is asked for."""
    mdp = draw(mdps(4, 3, gammas=gammas))
    theta = draw(logits(mdp, limit=limit))
    u, v = (draw(tables(mdp.R.shape, 1.0)) for _ in range(2))
    options: dict[str, Any] = {}
    if infinite is False or (infinite is None and draw(st.booleans())):
        options["horizon"] = draw(st.sampled_from([1, 2, 20]))
        if draw(st.booleans()):
            options["terminal_value"] = draw(tables(mdp.R.shape[:1], 10.0))
    return Problem(mdp, theta, options, u, v)


def extreme(gamma: float = 0.999, **options: Any) -> Problem:
    """Two states that swap or stay, a policy that never swaps, logits 1400 apart."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 1] = P[1, 1, 0] = 1
    mdp = TabularMDP(P, [[1, 0], [-1, 0]], gamma, 0)
    theta = np.array([[700.0, -700.0], [700.0, -700.0]])
    return Problem(mdp, theta, options, np.eye(2), np.ones((2, 2)) - np.eye(2))


every_problem = example(extreme())
over_a_horizon = example(extreme(horizon=20, terminal_value=np.array([5.0, -5.0])))
