"""Long lifetimes: what a meta-gradient through windows of K steps misses of the whole one.

A lifetime has L inner steps from a θ⁰ that does not depend on φ, and the objective is its end,
J_out(θ^L(φ)). Methods that cannot wait for the end differentiate windows of K steps. Window w runs
from θ^{s_w}, held constant, to θ^{e_w}, with s_w = wK and e_w = min((w + 1)K, L), and with Z_w the
derivative of θ^{e_w} by φ through the window alone,

    truncated:    Σ_w Z_wᵀ p(θ^{e_w}),         p = ∇J_out,
    untruncated:  Σ_w Z_wᵀ λ_{e_w},            λ_e = Π_{j=e}^{L−1} (I + α H_jᵀ) p(θ^L),

of which the first is, to first order in the meta-step, what φ moves by in one lifetime, and the
second is ∇_φ J_out(θ^L) (Proposition 3.1, its sum cut into windows). The bias is therefore

    truncated − untruncated = Σ_w Z_wᵀ (p(θ^{e_w}) − λ_{e_w}),                              (exact)
        = −α² Σ_w (e_w − s_w)(L − e_w) Gᵀ(Hᵀp + ∇²J_out g) + O(α³)                      (at θ⁰)
        = −α² L(L − K)/2 Gᵀ(Hᵀp + ∇²J_out g) + O(α³)                           (if K divides L),

zero for K = L, and with the constants of Assumption 4.1 and a = 1 + α c₁

    ‖bias‖ <= Σ_w α c₂ (1 + a + ... + a^{e_w−s_w−1}) (m₁ (a^{L−e_w} − 1) + μ₁ ‖θ^L − θ^{e_w}‖).

The objective contains φ only through θ. All this is derived here; [Liu2022], Appendix B, states
that the truncated estimate is biased and leaves the gap open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tabular import _checks
from tabular.lpg import Lpg
from tabular.meta_moments import meta_moments
from tabular.metagradient import EXACT, adapt, meta_gradient
from tabular.problems import Lirpg, Mgrl
from tabular.sources import Exact, Sampled
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.constants import Lipschitz

#: A problem whose lifetime starts where φ has no say.
Lifetime = Lirpg | Mgrl | Lpg

#: Share of the windows' gradients that rounding may change.
ROUNDING = 1e-12


class Truncation(NamedTuple):
    """The K-step truncated estimate of the untruncated meta-gradient.

    Attributes
    ----------
    window : int
        K.
    mean : ndarray
        The estimate's expectation, in the shape of φ.
    bias : float
        ‖mean − ∇_φ J_out(θ^L)‖.
    cosine : float
        Of the angle between the two; NaN if one is zero.
    variance : float
        Trace of the estimate's covariance; zero for exact sources.
    """

    window: int
    mean: Array
    bias: float
    cosine: float
    variance: float

    @property
    def error(self) -> float:
        """The root of the mean square error, √(bias² + variance)."""
        return float(np.sqrt(self.bias**2 + self.variance))

    @property
    def noise(self) -> float:
        """√variance/‖mean‖, which no meta-step size changes; NaN for a mean of zero."""
        size = float(np.linalg.norm(self.mean))
        return float(np.sqrt(self.variance)) / size if size else float("nan")


def window_ends(lifetime: int, window: int) -> list[tuple[int, int]]:
    """(s_w, e_w) of every window of at most K steps.

    Raises
    ------
    ValueError, TypeError
        Unless L >= K >= 1 are integers.
    """
    lifetime = _checks.positive_integer(lifetime, "lifetime")
    window = _checks.positive_integer(window, "window")
    if window > lifetime:
        raise ValueError(f"window must not exceed the lifetime {lifetime}, received {window}")
    return [(s, min(s + window, lifetime)) for s in range(0, lifetime, window)]


def truncations(
    problem: Lifetime,
    phi: Any,
    *,
    step_size: float,
    lifetime: int,
    windows: Iterable[int],
    curvature: Exact | Sampled = EXACT,
    outer: Exact | Sampled = EXACT,
) -> list[Truncation]:
    """Compare truncated estimates of the meta-gradient with the whole one.

    Parameters
    ----------
    problem : Lirpg, Mgrl or Lpg
    phi : array_like
        One φ.
    step_size, lifetime : float, int
        α and L.
    windows : iterable of int
        The K to compare, 1 <= K <= L.
    curvature, outer : Exact or Sampled
        Sources II and III (`tabular.sources`) of the estimates, independent from step to step and
        from window to window; `Lpg` takes exact ones. The path is exact, and so is the
        meta-gradient they are compared with.

    Raises
    ------
    ValueError, TypeError
        If the problem is of another kind, φ, θ⁰ or the MDP is a batch, or a number is out of range.

    Notes
    -----
    Source: the module's formulas; variances are `tabular.meta_moments`', summed over the windows.
    """
    path = _path(problem, phi, step_size, lifetime)
    whole = meta_gradient(problem, phi, step_size=step_size, num_steps=lifetime)
    found = []
    for window in _checks.sequence(windows, "windows"):
        mean, variance = np.zeros(whole.shape), 0.0
        for start, end in window_ends(lifetime, window):
            part = replace(problem, theta0=path[start])
            own = _estimate(part, phi, step_size, end - start, curvature, outer)
            mean, variance = mean + own[0], variance + own[1]
        size = np.linalg.norm(mean) * np.linalg.norm(whole)
        cosine = float((mean * whole).sum() / size) if size else float("nan")
        bias = float(np.linalg.norm(mean - whole))
        found.append(Truncation(window, mean, bias, cosine, variance))
    return found


def _estimate(
    problem: Lifetime,
    phi: Any,
    step_size: float,
    num_steps: int,
    curvature: Exact | Sampled,
    outer: Exact | Sampled,
) -> tuple[Array, float]:
    """Mean and total variance of one window's estimate."""
    if isinstance(curvature, Exact) and isinstance(outer, Exact):
        return meta_gradient(problem, phi, step_size=step_size, num_steps=num_steps), 0.0
    mean, covariance = meta_moments(
        problem,
        phi,
        step_size=step_size,
        num_steps=num_steps,
        curvature=curvature,
        outer=outer,
    )
    return mean, float(np.trace(covariance.reshape(mean.size, -1)))


def leading_bias(
    problem: Lifetime, phi: Any, *, step_size: float, lifetime: int, window: int
) -> Array:
    """The bias to second order in α, in the shape of φ.

    The arguments and errors are those of `truncations`, with one window.
    """
    start = _path(problem, phi, step_size, lifetime)[0]
    phi = problem.check(phi)
    inner, outer = problem.inner(phi, start).exact(), problem.outer(phi, start).exact()
    moved = inner.vjp(outer.gradient) + outer.vjp(inner.gradient)
    steps = sum((e - s) * (lifetime - e) for s, e in window_ends(lifetime, window))
    with np.errstate(over="ignore"):
        leading = -np.square(step_size) * steps * problem.cross(inner, moved)
    if not np.isfinite(leading).all():
        raise ValueError(f"the leading bias must be finite; take a step_size below {step_size}")
    return np.asarray(leading)


def check_truncation(
    problem: Lifetime,
    phi: Any,
    constants: Lipschitz,
    *,
    step_size: float,
    lifetime: int,
    window: int,
) -> BoundCheck:
    """The bias against its bound, for exact sources.

    Parameters
    ----------
    constants : Lipschitz
        c₁, c₂, m₁ and μ₁ at φ, of which the iterates θ⁰, ..., θ^L and the chords from each window's
        end to θ^L are enough.

    Returns
    -------
    BoundCheck
        Its `terms` are the windows' shares of the bound.

    Notes
    -----
    The other arguments and the errors are those of `truncations`, with one window.
    """
    _checks.instance(constants, Lipschitz, "constants")
    path = _path(problem, phi, step_size, lifetime)
    (found,) = truncations(problem, phi, step_size=step_size, lifetime=lifetime, windows=[window])
    growth = 1 + step_size * constants.c1
    terms = {}
    for w, (start, end) in enumerate(window_ends(lifetime, window)):
        own = step_size * constants.c2 * float((growth ** np.arange(end - start)).sum())
        later = constants.m1 * (growth ** (lifetime - end) - 1)
        moved = constants.mu1 * float(np.linalg.norm(path[-1] - path[end]))
        terms[f"window {w}"] = own * (later + moved)
    return BoundCheck(
        "truncation bias",
        lhs=found.bias,
        rhs=sum(terms.values()),
        terms=terms,
        obtained="exact",
        scope=constants.scope,
        rounding=ROUNDING * float(np.linalg.norm(found.mean)),
        setting={"alpha": step_size, "lifetime": lifetime, "window": window},
    )


def _path(problem: Lifetime, phi: Any, step_size: float, lifetime: int) -> tuple[Array, ...]:
    """θ⁰, ..., θ^L of one lifetime, after checking the problem."""
    if not isinstance(problem, Lifetime):
        raise TypeError(
            "problem must be a Lirpg, Mgrl or Lpg, whose lifetime starts at a given theta0, "
            f"received {type(problem).__name__}"
        )
    lifetime = _checks.positive_integer(lifetime, "lifetime")
    path = adapt(problem, phi, step_size=step_size, num_steps=lifetime)
    if path[-1].ndim != 2:
        raise ValueError(
            "one lifetime at a time: needs one MDP, one phi and one theta0, received a batch of "
            f"shape {path[-1].shape[:-2]}; call once for each"
        )
    return path
