"""Where the three gradients of a meta-gradient come from: exact, sampled, or a sample's mean.

A K-step meta-gradient uses first-order inner gradients that move θ (I, `path`), derivatives of the
inner update (II, `curvature`) and an outer gradient (III, `outer`). Each can be taken from

    Exact()        the closed form
    Sampled(...)   one estimator on N trajectories
    Mean(sampled)  that estimator's exact expectation

independently of the other two: the decomposition of the paper's I.1.2. Given an exact path the
estimated meta-gradient is multilinear in independent samples, so replacing `Sampled` by its `Mean`
gives its exact expectation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tabular import _checks
from tabular.baselines import Baseline, exact_baseline
from tabular.estimators import Estimate
from tabular.moments import Expectation
from tabular.registry import find_estimator
from tabular.sampling import sample
from tabular.transitions import Array


class Differential(Protocol):
    """An update field at one θ: its value and the products with its derivatives."""

    @property
    def gradient(self) -> Array:
        """g(θ), (..., S, A)."""
        ...

    def vjp(self, u: Array) -> Array:
        """(∂g/∂θ)ᵀ u."""
        ...

    def cross_reward(self, u: Array) -> Array:
        """∂_φ⟨g, u⟩ for an intrinsic reward φ (..., S, A)."""
        ...

    def cross_gamma(self) -> Array:
        """∂_γ g."""
        ...

    def cross_lambda(self) -> Array:
        """∂_λ g."""
        ...


@dataclass(frozen=True)
class Update:
    """What an update differentiates, and how.

    Attributes
    ----------
    mdp : TabularMDP or None
        Where trajectories are sampled; None if the update has no estimator.
    theta : ndarray (..., S, A)
        The logits of `mdp` that draw them.
    gae_lambda, critic
        λ and V_b where the problem fixes them.
    exact : callable
        Makes the problem's exact differential.
    view : callable, optional
        Makes the problem's differential of an estimated one in the logits of `mdp`; they are the
        same if None.
    """

    mdp: Any
    theta: Array
    gae_lambda: Any = 1.0
    critic: Any = None
    exact: Any = None
    view: Any = None

    def seen(self, differential: Any) -> Any:
        """The problem's differential, of an estimated one in the logits of `mdp`."""
        return differential if self.view is None else self.view(differential)

    def require_estimator(self, source: Any) -> None:
        """Raise TypeError unless trajectories can be sampled for this update."""
        if self.mdp is None:
            raise TypeError(
                f"this problem's inner update has no sampled form; take Exact(), received {source}"
            )


class Source(Protocol):
    """Makes the differential of an update."""

    def __call__(self, update: Update, rng: np.random.Generator | None) -> Differential:
        """Return the differential at `update.theta`."""
        ...


@dataclass(frozen=True)
class Exact:
    """The closed form."""

    def __call__(self, update: Update, rng: np.random.Generator | None) -> Differential:
        """Return the problem's own exact differential."""
        return update.exact()


@dataclass(frozen=True)
class Sampled:
    """An estimator on `num_trajectories` trajectories of `horizon` steps.

    Parameters
    ----------
    estimator : str
        `ad`, `lvc`, `loaded_dice` or `dice`.
    num_trajectories : int
        N.
    horizon : int
        T.
    baseline : callable, optional
        A `tabular.baselines` function, called at every θ; V^π if not given. An update that has
        its own critic uses that instead.
    gae_lambda : float
        λ; an update with its own λ uses that instead.

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, or N or T is not a positive integer.
    """

    estimator: str
    num_trajectories: int
    horizon: int = 20
    baseline: Baseline = field(default=exact_baseline)
    gae_lambda: float = 1.0

    def __post_init__(self) -> None:
        find_estimator(self.estimator)
        _checks.positive_integer(self.num_trajectories, "num_trajectories")
        _checks.positive_integer(self.horizon, "horizon")
        _checks.one_number(_checks.unit_interval(self.gae_lambda, "gae_lambda"), "gae_lambda")
        if not callable(self.baseline):
            raise TypeError(
                "baseline must be a function (mdp, theta, rng) -> V_b such as "
                f"tabular.baselines.exact_baseline, received {type(self.baseline).__name__}; for "
                "one fixed table give lambda mdp, theta, rng: table"
            )

    def advantage_options(self, update: Update, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return V_b and λ: the update's own where it has them."""
        if update.critic is not None:
            return {"baseline": update.critic, "gae_lambda": update.gae_lambda}
        baseline = self.baseline(update.mdp, update.theta, rng)
        return {"baseline": baseline, "gae_lambda": self.gae_lambda}

    def __call__(self, update: Update, rng: np.random.Generator | None) -> Estimate:
        """Draw trajectories and return the estimate, as the problem needs it."""
        update.require_estimator(self)
        trajectories = sample(
            update.mdp,
            update.theta,
            horizon=self.horizon,
            num_trajectories=self.num_trajectories,
            rng=_checks.generator(rng),
        )
        options = self.advantage_options(update, rng)
        return update.seen(
            Estimate(update.mdp, update.theta, trajectories, estimator=self.estimator, **options)
        )


@dataclass(frozen=True)
class Mean:
    """The exact expectation of a sampled source (a noisy baseline is drawn, not averaged)."""

    of: Sampled

    def __post_init__(self) -> None:
        if not isinstance(self.of, Sampled):
            raise TypeError(f"Mean needs a Sampled source, received {self.of!r}")

    def __call__(self, update: Update, rng: np.random.Generator | None) -> Expectation:
        """Return the expectation of the estimate, as the problem needs it."""
        update.require_estimator(self)
        options = self.of.advantage_options(update, rng)
        return update.seen(
            Expectation(
                update.mdp, update.theta, self.of.estimator, horizon=self.of.horizon, **options
            )
        )
