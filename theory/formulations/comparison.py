"""EPG against the K-sample formulation on one tiny MDP: the claims of Appendix B as numbers.

Two targets, ∇J^K (EPG: exact expected steps) and ∇J_S^K (K-sample: the steps are samples), and the
estimators of either, all from the same N trajectories a step and n_o outer ones:

    ad, c = 0        plain automatic differentiation of the sampled unroll
    ad, c = 1        E-MAML: with the whole sampling correction, unbiased for ∇J_S^K
    ad, best c       the coefficient of least mean squared error against a target
    lvc, loaded_dice c = 0 with a Hessian that aims at ∇²J: estimators of ∇J^K, with the
                     path's trajectories shared by step and Hessian

Sources: [Liu2022], Appendix B; [Vuorio2021].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular.mdp import TabularMDP
from tabular.metagradient import meta_gradient
from tabular.problems import Maml
from tabular.transitions import Array
from theory.bounds import BoundCheck
from theory.formulations.equalities import baseline_free, completed_hessian, unbiased
from theory.formulations.maml import TinyMaml
from theory.formulations.objective import sampled_gradient
from theory.formulations.sampling_correction import CorrectionLaw, law, small_step_variance

#: Whose Hessians are compared.
ESTIMATORS = ("ad", "lvc", "loaded_dice")


@dataclass(frozen=True)
class Row:
    """One estimator: biases ‖mean − target‖ against both targets, and its variance.

    Attributes
    ----------
    estimator : str
        Whose Hessian.
    coefficient : float
        c.
    epg_bias, sampled_bias : float
        Against ∇J^K and against ∇J_S^K.
    variance : float
    """

    estimator: str
    coefficient: float
    epg_bias: float
    sampled_bias: float
    variance: float

    @property
    def epg_error(self) -> float:
        """Mean squared error against ∇J^K."""
        return self.epg_bias**2 + self.variance

    @property
    def sampled_error(self) -> float:
        """Mean squared error against ∇J_S^K."""
        return self.sampled_bias**2 + self.variance

    def as_dict(self) -> dict[str, Any]:
        """Plain values, errors included."""
        return asdict(self) | {"epg_error": self.epg_error, "sampled_error": self.sampled_error}


@dataclass(frozen=True)
class Comparison:
    """Both targets, and the laws of the estimators.

    Attributes
    ----------
    epg_target, sampled_target : ndarray (m,)
        ∇J^K by Proposition 3.1 and ∇J_S^K by complex steps.
    laws : dict of str to CorrectionLaw
        By the estimator whose Hessian is used; the correction belongs to `ad`.
    small_step_variance : float
        What V[Y] tends to as α → 0.
    checks : tuple of BoundCheck
        Equalities that have to hold (`theory.formulations.equalities`).
    setting : dict
        T, α, K, N, n_o and b.
    """

    epg_target: Array
    sampled_target: Array
    laws: dict[str, CorrectionLaw]
    small_step_variance: float
    checks: tuple[BoundCheck, ...]
    setting: dict[str, Any]

    @property
    def distance(self) -> float:
        """‖∇J_S^K − ∇J^K‖, which is O(1/N)."""
        return float(np.linalg.norm(self.sampled_target - self.epg_target))

    @property
    def variance_ratio(self) -> float:
        """V[Y]/V[X] of `ad`, correction against path term; NaN where the latter is zero."""
        own = self.laws["ad"]
        return own.correction_variance / own.path_variance if own.path_variance else float("nan")

    @property
    def best(self) -> dict[str, float]:
        """The coefficient of least mean squared error against each target."""
        targets = {"epg": self.epg_target, "sampled": self.sampled_target}
        return {name: self.laws["ad"].best_coefficient(x) for name, x in targets.items()}

    @property
    def break_even(self) -> float:
        """Independent estimates to average until c = 1 errs less than c = 0 about ∇J_S^K.

        (V[X + Y] − V[X])/‖E Y‖², for an average of B has variance V/B; zero if c = 1 always does.
        """
        without, whole = self.row("ad", 0.0), self.row("ad", 1.0)
        costs = whole.variance - without.variance
        if costs <= 0:
            return 0.0
        gains = without.sampled_bias**2 - whole.sampled_bias**2
        return costs / gains if gains > 0 else float("inf")

    def row(self, estimator: str, coefficient: float) -> Row:
        """One estimator's biases and variance."""
        own = self.laws[estimator]
        return Row(
            estimator,
            coefficient,
            own.bias(self.epg_target, coefficient),
            own.bias(self.sampled_target, coefficient),
            own.variance(coefficient),
        )

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """`ad` at c = 0, 1 and the best c for ∇J_S^K and for ∇J^K; the others at c = 0."""
        cs = (0.0, 1.0, self.best["sampled"], self.best["epg"])
        others = [name for name in self.laws if name != "ad"]
        return (*(self.row("ad", c) for c in cs), *(self.row(name, 0.0) for name in others))


def compare(
    mdp: TabularMDP,
    phi: Any,
    *,
    horizon: int,
    step_size: float,
    num_steps: int,
    num_trajectories: int,
    outer_trajectories: int | None = None,
    baseline: Any = None,
    return_baseline: float | None = None,
) -> Comparison:
    """Compare both formulations at one φ.

    Parameters
    ----------
    mdp : TabularMDP
        One tiny MDP.
    phi : array_like (S, A)
    horizon, step_size, num_steps, num_trajectories : int, float, int, int
        T, α, K and N.
    outer_trajectories : int, optional
        n_o; exact outer gradient and value if None.
    baseline : array_like (S,), optional
        V_b, the same at every θ; zero if None.
    return_baseline : float, optional
        b; J_T(φ), held fixed, if None.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        As `TinyMaml` and `sampling_correction.law`: if a table does not fit, a number is not
        positive or there are too many trajectories or paths.
    """
    problems = {
        name: TinyMaml(mdp, phi, horizon=horizon, estimator=name, baseline=baseline)
        for name in ESTIMATORS
    }
    own = problems["ad"]
    b = float(own.outer_value(own.start)) if return_baseline is None else return_baseline
    steps: Any = {"step_size": step_size, "num_steps": num_steps}
    samples: Any = steps | {"num_trajectories": num_trajectories}
    options: Any = samples | {"outer_trajectories": outer_trajectories, "return_baseline": b}
    laws = {name: law(problem, **options) for name, problem in problems.items()}
    target = sampled_gradient(own, **samples)
    setting = {"horizon": horizon} | options
    return Comparison(
        epg_target=meta_gradient(Maml(mdp, horizon, own.baseline), phi, **steps).ravel(),
        sampled_target=target,
        laws=laws,
        small_step_variance=small_step_variance(
            own,
            num_steps=num_steps,
            num_trajectories=num_trajectories,
            outer_trajectories=outer_trajectories,
            return_baseline=b,
        ),
        checks=(
            unbiased(laws["ad"], target, setting),
            baseline_free(laws["ad"], setting),
            completed_hessian(own),
        ),
        setting=setting,
    )
