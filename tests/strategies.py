"""Hypothesis strategies of MDPs and logits that are valid by construction, hard cases included.

Rows and initial distributions are mixtures (1 − m) e_k + m w of a unit vector e_k and weights w
with many zeros: m = 0 is deterministic, m = 1e-3 to 1e-15 nearly so, m = 1 general. Sizes go down
to one state and one action, discounts are 0 to 0.999, rewards 1e-4 to 1e3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tabular import TabularMDP

GAMMAS = (0.0, 0.5, 0.9, 0.99, 0.999)
NEARLY = (1e-3, 1e-8, 1e-15)
REWARD_SCALES = (1e-3, 1.0, 1e3)


@st.composite
def distributions(draw: st.DrawFn, shape: tuple[int, ...], size: int) -> Any:
    """Probability vectors (*shape, size)."""
    weights = draw(st_numpy.arrays(np.int64, (*shape, size), elements=st.integers(0, 4)))
    kinds = draw(st_numpy.arrays(np.int64, (*shape, 1), elements=st.integers(0, 2)))
    mixing = np.array([1.0, draw(st.sampled_from(NEARLY)), 0.0])[kinds]
    peak = np.eye(size)[weights.argmax(axis=-1)]
    total = weights.sum(axis=-1, keepdims=True)
    spread = np.where(total > 0, weights / np.maximum(total, 1), peak)
    return (1 - mixing) * peak + mixing * spread


@st.composite
def mdps(
    draw: st.DrawFn,
    max_states: int = 5,
    max_actions: int = 3,
    *,
    gammas: Sequence[float] = GAMMAS,
    successor_rewards: bool = True,
) -> TabularMDP:
    """Single dense MDPs; R is (S, A), or also (S, A, S) if `successor_rewards`."""
    num_states = draw(st.integers(1, max_states))
    num_actions = draw(st.integers(1, max_actions))
    shape: tuple[int, ...] = (num_states, num_actions)
    P = draw(distributions(shape, num_states))
    if successor_rewards and draw(st.booleans()):
        shape = (*shape, num_states)
    units = draw(st_numpy.arrays(np.int64, shape, elements=st.integers(-10, 10)))
    return TabularMDP(
        P,
        units / 10 * draw(st.sampled_from(REWARD_SCALES)),
        draw(st.sampled_from(gammas)),
        draw(distributions((), num_states)),
    )


def logits(mdp: TabularMDP, *, limit: float = 700.0) -> st.SearchStrategy[Any]:
    """Logits (S, A): moderate ones, and extreme ones up to ±`limit`, where π underflows."""
    moderate = st.floats(-3.0, 3.0)
    extreme = st.sampled_from([-limit, -limit / 20, limit / 20, limit])
    elements = moderate | extreme if limit > 3.0 else st.floats(-limit, limit)
    return st_numpy.arrays(np.float64, mdp.R.shape, elements=elements)


@st.composite
def mdps_with_logits(
    draw: st.DrawFn, *, limit: float = 700.0, **options: Any
) -> tuple[TabularMDP, Any]:
    """An MDP of `mdps(**options)` with logits for it."""
    mdp = draw(mdps(**options))
    return mdp, draw(logits(mdp, limit=limit))
