"""One setting in which the theorem is checked: a finite problem, α, K, N, and what is sampled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tabular import _checks
from tabular.transitions import Array
from theory.constants import Lipschitz, Noise
from theory.finite.constants import realisable_lipschitz, realisable_noise
from theory.finite.law import MetaLaw, meta_law
from theory.finite.paths import Tree, sampled_tree
from theory.finite.problem import FiniteProblem

#: ‖E ĝ − g‖ and ‖E p̂ − p‖ below this share of the estimates' size are rounding.
UNBIASED = 1e-9


@dataclass(frozen=True, eq=False)
class FiniteCase:
    """K steps of size α with N trajectories each; sources I, II, III exact or sampled.

    Parameters
    ----------
    problem : FiniteProblem
    step_size : float
    num_steps, num_trajectories : int
        K and N; the curvature and the outer gradient take N trajectories too.
    path, curvature, outer : bool
        Whether I, II and III are sampled.
    shared : bool
        Whether the curvature comes from the path's trajectories.

    Raises
    ------
    ValueError, TypeError
        If α, K or N is not positive, `shared` has nothing to share, the tree is too large, or
        Assumption 4.2 fails: a sampled gradient is biased.
    """

    problem: FiniteProblem
    step_size: float
    num_steps: int = 1
    num_trajectories: int = 1
    path: bool = True
    curvature: bool = True
    outer: bool = True
    shared: bool = False

    def __post_init__(self) -> None:
        for name in ("num_steps", "num_trajectories"):
            _checks.positive_integer(getattr(self, name), name)
        if not 0 < self.step_size < np.inf:
            raise ValueError(f"step_size must be positive and finite, received {self.step_size}")
        if self.shared and not (self.path and self.curvature):
            raise ValueError("shared=True needs path=True and curvature=True: both are sampled")
        for name, sampled in (("inner", self.path), ("outer", self.outer)):
            if sampled and self._bias(name) > UNBIASED:
                raise ValueError(
                    f"Assumption 4.2 fails: the mean of the estimated {name} gradient differs from "
                    f"the exact one by a share of {self._bias(name):.2g}; take the objective that "
                    "the estimator is unbiased for (its horizon, V_b as terminal table, lambda = "
                    "1), or the exact gradient"
                )

    def _bias(self, name: str) -> float:
        """‖E ĝ − g‖ as a share of E‖ĝ‖ at θ⁰."""
        theta = self.problem.start[None]
        probability, gradient, *_ = getattr(self.problem, f"{name}_outcomes")(theta)
        size = float(np.einsum("bm,bm->", probability, np.linalg.norm(gradient, axis=-1)))
        off = np.einsum("bm,bmi->bi", probability, gradient)
        off = off - getattr(self.problem, name)(theta).gradient
        return float(np.linalg.norm(off)) / size if size > 0 else float(np.linalg.norm(off))

    @cached_property
    def exact(self) -> Tree:
        """The exact path θ^0, ..., θ^K."""
        return self._tree(exact=True)

    @cached_property
    def tree(self) -> Tree:
        """The path's law: all sampled paths, or the exact one."""
        return self._tree(exact=False) if self.path else self.exact

    def _tree(self, *, exact: bool) -> Tree:
        return sampled_tree(
            self.problem,
            step_size=self.step_size,
            num_steps=self.num_steps,
            num_trajectories=self.num_trajectories,
            exact=exact,
        )

    @cached_property
    def truth(self) -> Array:
        """∇J^K, (m,)."""
        exact = {"step_size": self.step_size, "curvature": "exact", "outer": None}
        return meta_law(self.problem, self.exact, **exact).mean  # type: ignore[arg-type]

    @cached_property
    def law(self) -> MetaLaw:
        """Mean and variance of the estimate."""
        curvature: int | str = self.num_trajectories if self.curvature else "exact"
        return meta_law(
            self.problem,
            self.tree,
            step_size=self.step_size,
            curvature="shared" if self.shared else curvature,
            outer=self.num_trajectories if self.outer else None,
        )

    @cached_property
    def lipschitz(self) -> Lipschitz:
        """Assumption 4.1 on the realisable points."""
        return realisable_lipschitz(self.problem, self.tree, self.exact)

    @cached_property
    def noise(self) -> Noise:
        """Assumption 4.3 there; zero for the sources that are exact."""
        return self.quieten(realisable_noise(self.problem, self.tree))

    def quieten(self, noise: Noise) -> Noise:
        """Return the constants without those of exact sources."""
        if not self.path:
            noise = replace(noise, sigma_in=0.0)
        if not self.curvature:
            names = ("sigma_H", "sigma_J", "sigma_HF", "sigma_JF", "Delta_H", "Delta_J")
            noise = replace(noise, **dict.fromkeys(names, 0.0))  # type: ignore[arg-type]
        return noise if self.outer else replace(noise, sigma_p=0.0, sigma_q=0.0)

    @property
    def setting(self) -> dict[str, Any]:
        """What is checked, for a report."""
        letters = "".join("S" if on else "E" for on in (self.path, self.curvature, self.outer))
        return {
            "sources": letters,
            "samples": "shared" if self.shared else "separate",
            "K": self.num_steps,
            "N": self.num_trajectories,
            "α": self.step_size,
        }
