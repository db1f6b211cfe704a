"""Scalar problems at which single terms of the bounds are attained, worked out by hand.

All have noise of two outcomes ±, so that the mean distance of θ̂¹ from θ¹ is its root mean square.
"""

import numpy as np

from tests.theory.finite.toys import Scalar

ALPHA, C, SIGMA, RHO, MU, SLOPE = 0.5, 0.8, 0.6, 0.3, 0.7, 1.3


def constant(value):
    """A constant function."""
    return lambda theta: value + 0.0 * theta


def signs(**scales):
    """Two outcomes: plus and minus the given noise of g, H, G, p, q."""
    row = np.array([scales.get(name, 0.0) for name in "gHGpq"])
    return np.array([row, -row])


#: g = C θ, H = C: the error of θ̂^K attains the second moment for every K, α and N.
QUADRATIC = Scalar(g=lambda t: C * t, H=constant(C), noise=signs(g=SIGMA), theta0=0.4, zeta0=1.0)

#: p = μ|θ − θ¹| with H = C: μζ_1 s_1 and nothing else.
OUTER = Scalar(
    g=lambda t: C * t,
    H=constant(C),
    p=lambda t: MU * np.abs(t),
    noise=signs(g=SIGMA),
    theta0=0.0,
    zeta0=1.0,
)

#: Ĥ = H + 0.2 at constant p: m₁[(a + αΔ)^K − a^K].
HESSIAN = Scalar(
    g=lambda t: C * t,
    H=constant(C),
    p=constant(SLOPE),
    noise=[(0.0, 0.2, 0.0, 0.0, 0.0)],
    zeta0=1.0,
)

#: Ĝ = G + 0.2 at constant p, with θ⁰ fixed.
CROSS = Scalar(
    g=lambda t: C * t,
    H=constant(C),
    G=constant(0.5),
    p=constant(SLOPE),
    noise=[(0.0, 0.0, 0.2, 0.0, 0.0)],
)

#: H = C − ρ|θ − θ¹| at constant p: m₁αρζ_1 s_1 at K = 2.
INNER = Scalar(
    g=lambda t: C * t,
    H=lambda t: C - RHO * np.abs(t),
    p=constant(SLOPE),
    noise=signs(g=SIGMA),
    zeta0=1.0,
)

#: G = ρ|θ − θ¹| at constant p: m₁αρs_1 at K = 2.
INNER_CROSS = Scalar(
    G=lambda t: RHO * np.abs(t), p=constant(SLOPE), noise=signs(g=SIGMA), theta0=0.0
)

#: ĝ = φε and J_out = θ²/2: the exact meta-gradient is zero, and the estimated one has mean α²φ.
COUPLING = Scalar(p=lambda t: t, noise=signs(g=1.7, G=1.0))

#: H = ρθ met by Hessian noise of the step before, at constant p: m₁κ_2 of 10 and more times s_1.
COUPLED_HESSIAN = Scalar(
    H=lambda t: RHO * t, p=constant(SLOPE), noise=signs(g=0.1, H=20.0), zeta0=1.0
)
