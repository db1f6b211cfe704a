"""Bound against truth over N, α and K, and over the error of the Hessians, as arrays.

The truth of an error curve is the spread √E‖θ̂^K − θ^K‖². For K = 1 it is α √(tr Σ_0/N) exactly;
for K > 1 the exact law's (`theory.finite`), where the same problem is given with outcomes that are
few enough, or else its leading order √(tr S_K/N) (`theory.second_order`), which says little where
it is more than a logit. The bound is Lemma 4.4 ([Liu2022]) in second moments,
(α σ_in/√N) √(Σ_{j<K} (1 + αc₁)^{2j}), with two pairs of constants:

    along the path   c₁ = max_i ‖H_i‖ and σ_in = max_i √tr Σ_i over i < K: empirical, as the θ̂^i
                     that samples lead to are not looked at
    certified        from elsewhere, for every θ

MDPs of more than `LARGEST` state-action pairs have K = 1 only. Hessian curves are
`theory.hessian_error`'s, of MAML on the infinite horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any, Literal, NamedTuple

import numpy as np

from tabular import _checks, moments
from tabular.mdp import TabularMDP
from tabular.metagradient import positive_number
from tabular.problems import Maml
from tabular.transitions import Array
from theory.constants import Constants, Lipschitz, Noise, both
from theory.finite.paths import inner_paths
from theory.finite.problem import FiniteProblem
from theory.hessian_error import HessianErrorCurve, hessian_error_curve
from theory.second_order import SampledLoop
from theory.statements.compositional_bias import Loop
from theory.statements.lemma_4_4 import second_moment_bound

#: Most state-action pairs whose D × D tables are made.
LARGEST = 1000
#: A softmax policy is another one when its logits move so far.
LOGIT = 1.0
#: Most ends of an exact law: less than a second.
FEW_ENDS = 100_000


@dataclass(frozen=True)
class ErrorCurve:
    """Spread and bounds against N, α or K.

    Attributes
    ----------
    variable : {"N", "alpha", "K"}
    x, spread : ndarray (n,)
    exact : ndarray of bool (n,)
        Where `spread` is exact; elsewhere it is the leading order in 1/N.
    bias : ndarray (n,)
        The leading order ‖c_K‖/N of ‖E θ̂^K − θ^K‖; zero for K = 1.
    empirical : ndarray (n,)
        The bound with constants along the path.
    certified : ndarray (n,) or None
        The bound with the given constants.
    setting : Loop
        α, K and N; the variable's own entry does not count.
    """

    variable: Literal["N", "alpha", "K"]
    x: Array
    spread: Array
    exact: Array
    bias: Array
    empirical: Array
    certified: Array | None
    setting: Loop

    @property
    def reliable(self) -> Array:
        """Where the spread is exact, or its leading order less than `LOGIT`."""
        return np.logical_or(self.exact, self.spread < LOGIT)


@dataclass(frozen=True)
class Curves:
    """All of them for one MDP.

    Attributes
    ----------
    over_counts, over_step_sizes, over_steps : ErrorCurve
    over_hessian_errors : tuple of HessianErrorCurve
        One for each K.
    horizon : int
        T of the first three.
    label : str
        What V_b is.
    """

    over_counts: ErrorCurve
    over_step_sizes: ErrorCurve
    over_steps: ErrorCurve
    over_hessian_errors: tuple[HessianErrorCurve, ...]
    horizon: int
    label: str = ""


def make_curves(
    mdp: TabularMDP,
    theta0: Any,
    setting: Loop,
    *,
    horizon: int,
    baseline: Any = None,
    counts: Sequence[int] = (2, 8, 32, 128, 512),
    step_sizes: Sequence[float] | None = None,
    most_steps: int = 4,
    hessian_errors: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0),
    hessian_steps: Sequence[int] = (2, 3, 4),
    certified: Constants | None = None,
    finite: FiniteProblem | None = None,
) -> Curves:
    """Compute the curves of one MDP.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP, dense or sparse.
    theta0 : array_like (S, A)
        θ⁰.
    setting : Loop
        α, K and N of what does not vary. Beyond `LARGEST` pairs K is taken as one.
    horizon, baseline : int, array_like (S,)
        T and V_b (`theory.second_order`).
    counts, step_sizes, most_steps : sequence of int, sequence of float, int
        The N, the α (α/4 to 4α if not given) and the largest K of the error curves.
    hessian_errors, hessian_steps : sequence of float, sequence of int
        αΔ and K of the Hessian curves.
    certified : (Lipschitz, Noise), optional
        For a second bound.
    finite : FiniteProblem, optional
        The same loop with finitely many outcomes.

    Raises
    ------
    ValueError, TypeError
        If a number is not positive, a sequence is empty or a table does not fit.
    """
    _checks.instance(mdp, TabularMDP, "mdp")
    alpha, K, N = _checks.instance(setting, Loop, "setting").checked()
    counts = [_checks.positive_integer(N, "counts") for N in _checks.sequence(counts, "counts")]
    if step_sizes is None:
        step_sizes = [alpha * 2.0**k for k in range(-2, 3)]
    step_sizes = _checks.sequence(step_sizes, "step_sizes")
    step_sizes = [positive_number(one, "step_sizes") for one in step_sizes]
    most_steps = _checks.positive_integer(most_steps, "most_steps")
    hessian_steps = _checks.sequence(hessian_steps, "hessian_steps")
    sizes = _checks.sequence(hessian_errors, "hessian_errors")
    with np.errstate(over="ignore"):
        Delta = _checks.finite_array(sizes, "hessian_errors") / alpha
    if certified is not None:
        both(certified)
    whole = mdp.num_states * mdp.num_actions <= LARGEST
    setting = Loop(alpha, K if whole else 1, N)
    steps = range(1, (most_steps if whole else 1) + 1)
    most = max(setting.num_steps, steps[-1])
    make = _Spreads(SampledLoop(mdp, theta0, alpha, most, horizon, baseline), certified, finite)
    longest = make.along(alpha, most)
    return Curves(
        make.curve("N", counts, setting, [longest] * len(counts)),
        make.curve(
            "alpha",
            step_sizes,
            setting,
            [longest if one == alpha else make.along(one, setting.num_steps) for one in step_sizes],
        ),
        make.curve("K", steps, setting, [longest] * len(steps)),
        tuple(
            hessian_error_curve(Maml(mdp), theta0, Delta, step_size=alpha, num_steps=one)
            for one in hessian_steps
        ),
        horizon,
    )


class _Along(NamedTuple):
    """√tr S_K, ‖c_K‖ and the constants of the path, for each K = 1, 2, ..."""

    spreads: Array
    shifts: Array
    constants: list[Constants]


class _Spreads:
    """The paths of one MDP from one θ⁰."""

    def __init__(
        self, loop: SampledLoop, certified: Constants | None, finite: FiniteProblem | None
    ) -> None:
        self.loop, self.certified, self.finite = loop, certified, finite

    @cached_property
    def start_sigma(self) -> float:
        """√tr Σ_0, without Σ_0."""
        loop = self.loop
        options: Any = {"horizon": loop.horizon, "baseline": loop.baseline}
        return _root(moments.gradient_variance(loop.mdp, loop.theta0, "ad", **options))

    def along(self, step_size: float, num_steps: int) -> _Along:
        """Walk K steps of one size."""
        if num_steps == 1:
            sigma = self.start_sigma
            return _Along(np.array([step_size * sigma]), np.zeros(1), [_constants(0.0, sigma)])
        loop = self.loop
        if (step_size, num_steps) != (loop.step_size, loop.num_steps):
            loop = loop.rescaled(step_size, num_steps)
        spreads = np.array([_root(np.trace(S)) for S in loop.covariances[1:]])
        c1 = np.maximum.accumulate([np.linalg.norm(H, 2) for H in loop.hessians])
        sigma_in = np.maximum.accumulate([_root(np.trace(noise)) for noise in loop.noises])
        shifts = np.array([np.linalg.norm(c) for c in loop.shifts[1:]])
        pairs = zip(c1, sigma_in, strict=True)
        return _Along(spreads, shifts, [_constants(*map(float, pair)) for pair in pairs])

    def curve(
        self,
        variable: Literal["N", "alpha", "K"],
        values: Sequence[Any],
        setting: Loop,
        paths: list[_Along],
    ) -> ErrorCurve:
        """Read one curve off the paths, one for each value."""
        field = {"N": "num_trajectories", "alpha": "step_size", "K": "num_steps"}[variable]
        loops = [setting._replace(**{field: value}) for value in values]
        exact = [loop.num_steps == 1 or self._fits(loop) for loop in loops]
        spread, bias, empirical = [], [], []
        for loop, path in zip(loops, paths, strict=True):
            last = loop.num_steps - 1
            spread.append(path.spreads[last] / np.sqrt(loop.num_trajectories))
            if self.finite is not None and last > 0 and self._fits(loop):
                spread[-1] = inner_paths(self.finite, **loop._asdict()).error(2)
            bias.append(path.shifts[last] / loop.num_trajectories)
            empirical.append(second_moment_bound(*path.constants[last], **loop._asdict()))
        certified = None
        if self.certified is not None:
            certified = np.array(
                [second_moment_bound(*self.certified, **loop._asdict()) for loop in loops]
            )
        return ErrorCurve(
            variable,
            np.array(values, dtype=np.float64),
            np.array(spread),
            np.array(exact),
            np.array(bias),
            np.array(empirical),
            certified,
            setting,
        )

    def _fits(self, loop: Loop) -> bool:
        """Whether the exact law has few enough ends."""
        if self.finite is None:
            return False
        outcomes = self.finite.inner_outcomes(self.finite.start[None]).probability.shape[-1]
        children = comb(outcomes + loop.num_trajectories - 1, loop.num_trajectories)
        return children**loop.num_steps <= FEW_ENDS


def _root(variance: Any) -> float:
    """Its root; where estimates are constant, rounding may make it negative."""
    return float(np.sqrt(max(float(variance), 0.0)))


def _constants(c1: float, sigma_in: float) -> Constants:
    """The two that Lemma 4.4 needs."""
    lipschitz = Lipschitz(c1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, "sampled θ")
    noise = Noise(sigma_in, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "sampled θ")
    return lipschitz, noise
