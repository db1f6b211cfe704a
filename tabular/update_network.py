"""A small network that scores state-actions from features, and its derivatives by hand.

With features x (F,), hidden width H and weights φ = (c, w, b, B), packed flat in this order,

    h = tanh(B x + b),      y = c·x + w·h,

and for a weight ȳ on y, backwards: h̄ = ȳ w,  z̄ = h̄ (1 − h²),

    x̄ = ȳ c + Bᵀ z̄,     c̄ = Σ ȳ x,   w̄ = Σ ȳ h,   b̄ = Σ z̄,   B̄ = Σ z̄ xᵀ.

There is no output bias: a score's part that is the same for all actions moves no policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tabular import _checks
from tabular.transitions import Array


class Weights(NamedTuple):
    """c (..., F), w (..., H), b (..., H) and B (..., H, F)."""

    linear: Array
    output: Array
    bias: Array
    hidden: Array


class Scores(NamedTuple):
    """y (..., n) of n feature vectors, and h (..., n, H)."""

    value: Array
    activation: Array


@dataclass(frozen=True)
class UpdateNetwork:
    """The shape of a network; the weights themselves are φ.

    Parameters
    ----------
    num_features, num_hidden : int
        F and H.

    Raises
    ------
    ValueError, TypeError
        If one is not a positive integer.
    """

    num_features: int
    num_hidden: int

    def __post_init__(self) -> None:
        _checks.positive_integer(self.num_features, "num_features")
        _checks.positive_integer(self.num_hidden, "num_hidden")

    @property
    def num_weights(self) -> int:
        """The length of φ, F + 2 H + H F."""
        return self.num_features + 2 * self.num_hidden + self.num_hidden * self.num_features

    def init(self, rng: np.random.Generator) -> Array:
        """Draw φ: normal entries, those of B divided by √F and those of w by √H.

        Raises
        ------
        TypeError
            If `rng` is not a Generator.
        """
        F, H = self.num_features, self.num_hidden
        c, w, b, B = self.unpack(_checks.generator(rng).normal(size=self.num_weights))
        return self.pack(Weights(c, w / np.sqrt(H), b, B / np.sqrt(F)))

    def pack(self, weights: Weights) -> Array:
        """φ (..., num_weights)."""
        flat = weights.hidden.reshape(*weights.hidden.shape[:-2], -1)
        return np.concatenate([*weights[:3], flat], axis=-1)

    def unpack(self, phi: Array) -> Weights:
        """The parts of φ (..., num_weights)."""
        F, H = self.num_features, self.num_hidden
        c, w, b, B = np.split(phi, np.cumsum([F, H, H]), axis=-1)
        return Weights(c, w, b, B.reshape(*B.shape[:-1], H, F))

    def scores(self, weights: Weights, x: Array) -> Scores:
        """y and h for features x (..., n, F)."""
        c, w, b, B = weights
        h = np.tanh(x @ np.swapaxes(B, -1, -2) + b[..., None, :])
        return Scores(np.vecdot(x, c[..., None, :]) + np.vecdot(h, w[..., None, :]), h)

    def _hidden_weight(self, weights: Weights, h: Array, y_bar: Array) -> Array:
        """z̄ (..., n, H)."""
        return y_bar[..., None] * weights.output[..., None, :] * (1 - h**2)

    def by_features(self, weights: Weights, h: Array, y_bar: Array) -> Array:
        """x̄ (..., n, F) for ȳ (..., n)."""
        z_bar = self._hidden_weight(weights, h, y_bar)
        return y_bar[..., None] * weights.linear[..., None, :] + z_bar @ weights.hidden

    def by_weights(self, weights: Weights, x: Array, h: Array, y_bar: Array) -> Array:
        """φ̄ (..., num_weights) for ȳ (..., n)."""
        z_bar = self._hidden_weight(weights, h, y_bar)
        y_bar = y_bar[..., None]
        return self.pack(
            Weights(
                (y_bar * x).sum(axis=-2),
                (y_bar * h).sum(axis=-2),
                z_bar.sum(axis=-2),
                np.swapaxes(z_bar, -1, -2) @ x,
            )
        )
