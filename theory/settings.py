"""What a verification is run with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabular import _checks
from tabular.baselines import Baseline, exact_baseline, zero_baseline
from tabular.registry import ESTIMATORS, find_estimator

#: Most time steps N·T of one estimate: about 2 GiB of trajectories.
MAX_STEPS = 20_000_000

BASELINES: dict[str, Baseline] = {"exact": exact_baseline, "zero": zero_baseline}


@dataclass(frozen=True)
class Settings:
    """Estimators, sample sizes and the inner loop of a verification.

    Attributes
    ----------
    estimators : tuple of str
    num_trajectories : int
        N of every estimate.
    horizon : int or None
        T; if None, each MDP's effective horizon as far as it is affordable (`theory.effort`).
    num_steps : int
        K of the meta-gradient.
    step_size : float or None
        α; half of 1/‖∇²J‖ at θ⁰ if None, so that α‖∇²J‖ = ½ on every MDP.
    baseline : str
        V_b: `exact` (V^π) or `zero`.
    seed : int
        Seeds the Monte Carlo check and the sampled inner paths.
    """

    estimators: tuple[str, ...] = tuple(ESTIMATORS)
    num_trajectories: int = 32
    horizon: int | None = None
    num_steps: int = 1
    step_size: float | None = None
    baseline: str = "exact"
    seed: int = 0

    def __post_init__(self) -> None:
        _checks.instance(self.estimators, tuple, "estimators")
        if not self.estimators:
            raise ValueError(f"name at least one estimator of {', '.join(ESTIMATORS)}")
        for name in self.estimators:
            find_estimator(name)
        for name in ("num_trajectories", "num_steps"):
            _checks.positive_integer(getattr(self, name), name)
        if self.horizon is not None:
            _checks.positive_integer(self.horizon, "horizon")
        steps = self.num_trajectories * (self.horizon or 1)
        if steps > MAX_STEPS:
            raise ValueError(
                f"N*T must be at most {MAX_STEPS} time steps in an estimate, received {steps}"
            )
        if len(set(self.estimators)) != len(self.estimators):
            raise ValueError(f"name each estimator once, received {', '.join(self.estimators)}")
        alpha: Any = self.step_size
        if alpha is not None:
            number = isinstance(alpha, int | float | np.integer | np.floating)
            if isinstance(alpha, bool) or not number:
                raise TypeError(f"step_size must be a number or None, received {alpha!r}")
            if not 0 < alpha < np.inf:
                raise ValueError(f"step_size must be positive and finite, received {alpha}")
        _checks.instance(self.baseline, str, "baseline")
        if self.baseline not in BASELINES:
            raise ValueError(
                f"unknown baseline {self.baseline!r}; choose one of {', '.join(BASELINES)}"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer):
            raise TypeError(f"seed must be an integer, received {self.seed!r}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, received {self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
