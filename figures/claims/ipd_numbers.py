"""Reading numbers out of Figure 9's data."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from tabular.transitions import Array


class Figure9:
    """The final values and mean accuracies of the settings, one number a run.

    Parameters
    ----------
    data : Dataset
        Of `fig9`.
    frozen : Dataset, optional
        Of `fig9-frozen`.
    """

    def __init__(self, data: xr.Dataset, frozen: xr.Dataset | None = None) -> None:
        self.data, self.frozen = data, frozen

    def value(self, name: str) -> Array:
        """Value a step after the last update."""
        return self._of("value", name)[-1]

    def inner(self, name: str) -> Array:
        """Accuracy with the exact outer gradient, mean over the updates."""
        return np.nanmean(self._of("accuracy_inner", name), axis=0)

    def gain(self, more: str, less: str) -> Array:
        """What one setting's value is above another's."""
        return self.value(more) - self.value(less)

    def lift(self, more: str, less: str) -> Array:
        """What one setting's accuracy is above another's."""
        return self.inner(more) - self.inner(less)

    def _of(self, variable: str, name: str) -> Array:
        each: Any = self.data[variable].sel(setting=name)
        return np.asarray(each.transpose("update", "run"))

    def reached(self, name: str) -> str:
        """How many runs reach cooperation."""
        each = self.data["cooperates"].sel(setting=name)
        return f"{name} {int(each.sum())} of {each.size}"

    def frozen_mean(self, quantity: str, *names: str) -> str:
        """Mean bias or spread at the same parameters, in words, if it was measured."""
        if self.frozen is None or not set(names) <= set(self.frozen["setting"].values):
            return ""
        means = self.frozen[f"{quantity}_inner"].mean("update")
        told = ", ".join(f"{name} {float(means.sel(setting=name)):.2f}" for name in names)
        return (
            f" At the same parameters the {quantity} with the exact outer gradient is, relative to "
            f"the truth: {told}."
        )
