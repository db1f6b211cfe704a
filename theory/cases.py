"""Which of the three gradients are sampled, from how many trajectories, shared or not."""

from __future__ import annotations

import numpy as np

from tabular._checks import positive_integer


def require_case(
    path: int | None, curvature: int | None, outer: int | None, *, shared: bool
) -> None:
    """Raise unless the numbers of trajectories, None for exact, are a case of Theorem 4.5."""
    for name, count in (
        ("num_trajectories", path),
        ("curvature_trajectories", curvature),
        ("outer_trajectories", outer),
    ):
        if count is not None:
            positive_integer(count, name)
    if not isinstance(shared, bool | np.bool_):
        raise TypeError(f"shared must be True or False, received {shared!r}")
    if shared and (path is None or curvature != path):
        raise ValueError(
            "shared samples need a sampled path and as many curvature_trajectories, received "
            f"{path} and {curvature}"
        )


def describe(
    path: int | None, curvature: int | None, outer: int | None, *, shared: bool
) -> dict[str, object]:
    """The case in words and numbers, for the setting of a check."""
    letters = "".join("E" if count is None else "S" for count in (path, curvature, outer))
    return {
        "case": "shared samples" if shared else "separate samples",
        "exact or sampled": letters,
        "N": path,
        "curvature N": curvature,
        "outer N": outer,
    }
