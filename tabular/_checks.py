"""Checks shared by the public functions.

Each returns the argument in the form that is worked with, or raises TypeError where it is of the
wrong kind and ValueError where its value is wrong; the message gives the argument's name, the
requirement and what was received.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def finite_array(value: Any, name: str) -> NDArray[np.float64]:
    """Return `value` as a new float64 array, or raise TypeError / ValueError naming `name`."""
    try:
        array = np.asarray(value)
        if value is None or array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be an array of real numbers, received {type(value).__name__}"
        ) from None
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must have no masked entries; fill them first")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        at = f" at index {where}" if where else ""
        raise ValueError(f"{name} must be finite, received NaN or infinity{at}")
    return array


def one_number(value: Any, name: str) -> float:
    """Return `value` as a float, or raise for more than one, or for an array that holds one."""
    array = finite_array(value, name)
    if array.ndim:
        raise ValueError(f"{name} must be one number, received shape {array.shape}")
    return float(array)


def generator(value: Any) -> np.random.Generator:
    """Return `value`, the argument `rng`, or raise TypeError."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, received {type(value).__name__}; what is drawn "
            "at random needs rng=np.random.default_rng(seed)"
        )
    return value


def positive_integer(value: Any, name: str) -> int:
    """Return `value` as an int >= 1, or raise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, received {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, received {value}")
    return int(value)


def instance(value: Any, kind: type[T], name: str) -> T:
    """Return `value` if it is of a class, or raise TypeError."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise TypeError(
            f"{name} must be {article} {kind.__name__}, received {type(value).__name__}"
        )
    return value


def sequence(values: Any, name: str) -> list[Any]:
    """Return `values` as a list of one or more, or raise."""
    try:
        found = list(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence, received {values!r}") from None
    if not found:
        raise ValueError(f"{name} must hold at least one number, received {values!r}")
    return found


def table(value: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return `value` as a finite array of shape (..., *shape)."""
    array = finite_array(value, name)
    if array.shape[-len(shape) :] != shape or array.ndim < len(shape):
        expected = ", ".join(str(n) for n in shape)
        raise ValueError(f"{name} must have shape (..., {expected}), received {array.shape}")
    return array


def logits(value: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return θ as an array of shape (..., S, A) with at least one policy."""
    array = table(value, "theta", shape)
    if not array.size:
        raise ValueError(f"theta must hold at least one policy, received shape {array.shape}")
    return array


def unit_interval(value: Any, name: str) -> NDArray[np.float64]:
    """Return `value` as an array after checking 0 <= value <= 1."""
    array = finite_array(value, name)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} must lie in [0, 1], received {value}")
    return array
