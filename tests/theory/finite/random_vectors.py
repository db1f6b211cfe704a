"""Random vectors with few outcomes for hypothesis: ties, certainties and extreme sizes included."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.strategies import distributions


class Joint(NamedTuple):
    """Probabilities (M,) and the values (M, d) of X and Y."""

    probability: Any
    x: Any
    y: Any


#: Small integers cancel exactly; the rest does not, and 1e-170 has squares that underflow.
ENTRIES = st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3)
SCALES = (1.0, 1e-170, 1e-80, 1e60, 1e98)


@st.composite
def joint_laws(draw: st.DrawFn) -> Joint:
    """Joint laws of X and Y in R^d."""
    M, d = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    x, y = draw(st_numpy.arrays(np.float64, (2, M, d), elements=ENTRIES))
    scale = draw(st.sampled_from(SCALES))
    return Joint(draw(distributions((), M)), scale * x, scale * y)
