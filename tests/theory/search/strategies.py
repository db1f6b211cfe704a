"""Hypothesis strategies of cases that are valid by construction, hard ones included.

MDPs are those of `tests.strategies`: deterministic, nearly deterministic (probabilities down to
1e-15), unreachable states, rewards from 1e-4 to 1e3, γ from 0 to 0.999. T, K and N are drawn among
those whose trajectories can be listed in some milliseconds. Toys have tables of simple numbers,
many of them zero, so that terms stand alone and examples shrink to readable ones.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tabular.enumeration import count_trajectories
from tests.strategies import REWARD_SCALES, logits, mdps
from tests.theory.search.case import ESTIMATORS, SOURCES, Case, Setting, tabular_case
from tests.theory.search.designs import BUDGET, toy_design, work

HORIZONS, STEPS, COUNTS = (1, 2, 3, 4), (1, 2, 3), (1, 2)
#: Logarithms of α to base ten; three long steps of a cubic leave the range of floats.
STEP_SIZES, TOY_STEP_SIZES = st.floats(-3.0, 2.0), st.floats(-3.0, 1.0)


@st.composite
def chosen(
    draw: st.DrawFn, num_steps: int, num_trajectories: int, sizes: Any = STEP_SIZES
) -> Setting:
    """α, and any of I, II, III sampled; shared samples where that is a case."""
    sources = draw(st.sampled_from(SOURCES))
    shared = sources[:2] == "SS" and draw(st.booleans())
    return Setting(10 ** draw(sizes), num_steps, num_trajectories, sources, shared)


@st.composite
def tabular_cases(draw: st.DrawFn) -> Case:
    """MAML and LIRPG on MDPs of up to three states and actions."""
    mdp = draw(mdps(3, 3))
    zeros = np.zeros(mdp.R.shape)
    choices = [
        (T, K, N)
        for T in HORIZONS
        for outcomes in [count_trajectories(mdp, zeros, horizon=T)]
        for K in STEPS
        for N in COUNTS
        if work(outcomes, K, N, zeros.size) <= BUDGET
    ]
    horizon, num_steps, num_trajectories = draw(st.sampled_from(choices))
    kind = draw(st.sampled_from(["maml", "lirpg"]))
    scale = draw(st.sampled_from(REWARD_SCALES))
    points = logits(mdp, limit=35.0)
    return tabular_case(
        mdp,
        draw(chosen(num_steps, num_trajectories)),
        kind=kind,
        estimator=draw(st.sampled_from(ESTIMATORS)),
        horizon=horizon,
        phi=draw(points) if kind == "maml" else scale * draw(_table(mdp.R.shape)),
        theta0=draw(points),
        critic=scale * draw(_table((mdp.num_states,))),
    )


@st.composite
def toys(draw: st.DrawFn) -> Case:
    """Polynomial problems, most of whose tables are zero."""
    d, m, outcomes = draw(st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(2, 3)))
    K, N = draw(st.sampled_from(STEPS)), draw(st.sampled_from(COUNTS))
    s = draw(chosen(K, N, TOY_STEP_SIZES))
    design = toy_design(d, m, outcomes, K, N, s.sources, s.shared)
    given = draw(st.sets(st.sampled_from(sorted(design.shapes))))
    parts = [
        draw(_table(shape)).ravel() if name in given else np.zeros(int(np.prod(shape)))
        for name, shape in design.shapes.items()
    ]
    return design.case(np.concatenate([[np.log(s.step_size)], *parts]))


def _table(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Halves from −2 to 2."""
    return st_numpy.arrays(np.int64, shape, elements=st.integers(-4, 4)).map(lambda n: n / 2)
