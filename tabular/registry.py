"""The estimators and what sets them apart: one canonical name each.

All four differentiate a surrogate whose first derivative at the sampling policy is the same
policy gradient Σ_t γ^t Â_t ψ_t; they differ in what automatic differentiation finds the second
time (docs/notation.md):

    ad           Σ_t γ^t Â_t log π_t             curvature of log π only (MAML-RL as released)
    lvc          Σ_t γ^t Â_t π_t / π_old,t       + the local term ψψᵀ (Rothfuss et al., 2019)
    loaded_dice  Σ_t γ^t Â_t (□_t − □_{t−1})     + the cross terms (Farquhar et al., 2019)
    dice         loaded_dice with V_b = 0, λ = 1  (Foerster et al., 2018)

where □_t = Π_{k≤t} π_k/π_old,k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Estimator(NamedTuple):
    """Which second-order terms an estimator keeps, and whether it uses a baseline and λ."""

    name: str
    local: bool
    cross: bool
    baseline: bool

    def advantage_inputs(self, num_states: int, baseline: Any, gae_lambda: Any) -> tuple[Any, Any]:
        """Return (V_b, λ) as this estimator uses them: `dice` takes V_b = 0 and λ = 1."""
        if not self.baseline or baseline is None:
            baseline = np.zeros(num_states)
        return baseline, gae_lambda if self.baseline else 1.0


ESTIMATORS = {
    e.name: e
    for e in (
        Estimator("ad", local=False, cross=False, baseline=True),
        Estimator("lvc", local=True, cross=False, baseline=True),
        Estimator("loaded_dice", local=True, cross=True, baseline=True),
        Estimator("dice", local=True, cross=True, baseline=False),
    )
}


def find_estimator(name: str | Estimator) -> Estimator:
    """Look an estimator up by its canonical name.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.
    """
    if isinstance(name, Estimator):
        return name
    if str(name) not in ESTIMATORS:
        raise ValueError(
            f"unknown estimator {name!r}; choose one of {', '.join(sorted(ESTIMATORS))}"
        )
    return ESTIMATORS[name]
