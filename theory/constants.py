"""The constants of Assumptions 4.1 and 4.3 ([Liu2022]), at one φ, uniformly in θ.

Their scope says what they are worth. The proofs use them at the iterates θ^i, at the θ̂^i that
samples can lead to, and on the chords between the two, so that the largest values over *all* of
these prove as much as a supremum over every θ; the largest values over some of them are empirical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from tabular._checks import instance

#: The points at which constants are the largest values: proved for every θ (`theory.softmax`),
#: taken over every point that samples can lead to, or over sampled points only (empirical).
Scope = Literal["every θ", "every realisable θ", "sampled θ"]


@dataclass(frozen=True)
class Lipschitz:
    """Assumption 4.1: operator norms of derivatives, and Lipschitz constants in θ.

    Attributes
    ----------
    c1, c2 : float
        ‖H(θ)‖ <= c1 and ‖G(θ)‖ <= c2.
    rho1, rho2 : float
        Lipschitz constants of H and G.
    m1 : float
        ‖p(θ)‖ <= m1.
    mu1, mu2 : float
        Lipschitz constants of p and q.
    zeta0 : float
        ‖∂θ⁰/∂φ‖: one for MAML, zero where θ⁰ is fixed.
    scope : str
    """

    c1: float
    c2: float
    rho1: float
    rho2: float
    m1: float
    mu1: float
    mu2: float
    zeta0: float
    scope: Scope

    def __post_init__(self) -> None:
        require_sizes(self)


@dataclass(frozen=True)
class Noise:
    """Assumption 4.3: one trajectory's variances and the biases of its derivatives.

    Attributes
    ----------
    sigma_in, sigma_p, sigma_q : float
        √E‖·‖² of the noise of ĝ, p̂ and q̂.
    sigma_H, sigma_J : float
        Weak standard deviations of Ĥ and Ĝ: √sup_u E‖Ξu‖², √sup_u E‖Ξᵀu‖² over unit vectors u,
        whichever is larger.
    sigma_HF, sigma_JF : float
        √E‖Ξ‖_F²; sigma_HF may be NaN, where it is not known.
    Delta_H, Delta_J : float
        ‖E Ĥ − H‖ and ‖E Ĝ − G‖, operator norms.
    scope : str
    """

    sigma_in: float
    sigma_p: float
    sigma_q: float
    sigma_H: float
    sigma_J: float
    sigma_HF: float
    sigma_JF: float
    Delta_H: float
    Delta_J: float
    scope: Scope

    def __post_init__(self) -> None:
        require_sizes(self, unknown=("sigma_HF",))


#: Assumptions 4.1 and 4.3.
Constants = tuple[Lipschitz, Noise]


def require_sizes(constants: Any, unknown: tuple[str, ...] = ()) -> None:
    """Raise unless constants are numbers >= 0, infinity among them, and the scope is a `Scope`.

    Those named in `unknown` may be NaN.
    """
    for name, value in vars(constants).items():
        if name == "scope":
            if value not in get_args(Scope):
                raise ValueError(f"scope must be one of {get_args(Scope)}, received {value!r}")
        elif isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise TypeError(f"{name} must be a number >= 0, received {value!r}")
        elif not (value >= 0 or (name in unknown and value != value)):
            raise ValueError(f"{name} must be a number >= 0, received {value}; it bounds a size")


def both(constants: Any) -> Constants:
    """Return a pair of the two, or raise TypeError."""
    if not isinstance(constants, tuple) or len(constants) != 2:
        raise TypeError(f"constants must be a pair (Lipschitz, Noise), received {constants!r}")
    return instance(constants[0], Lipschitz, "lipschitz"), instance(constants[1], Noise, "noise")
