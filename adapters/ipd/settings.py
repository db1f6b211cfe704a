"""What a run of LOLA-DiCE is: the numbers of Table 3, and where its three gradients come from.

A source of I, II or III is "exact", "batch" or "large" (fresh rollouts, so many), or "ring" (the
newest rollouts, importance-weighted). The settings are those of Figure 9,

    (a) inner/outer     batch/batch, large/batch, exact/batch, exact/exact
    (b) curvature       batch, large or exact, on a path from a batch of its own
    (c) path            batch, large or exact, with the curvature from a batch of its own
    (d) off policy      ring for both, for the path only, for the curvature only

where inner gradients from one source share their rollouts in (a) and (d); and beyond it the other
surrogates, learners that do not look ahead, a start that is not the same for all, and (d) without
baselines where it is on policy, as in the released experiment. Source: [Liu2022], I.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tabular import _checks

SOURCES = ("exact", "batch", "large", "ring")
#: Of `adapters.surrogates`, those for fresh rollouts.
SURROGATES = ("ad", "lvc", "loaded_dice", "dice")
TARGETS = ("reward", "return")


@dataclass(frozen=True)
class Sources:
    """Where path (I), curvature (II) and outer gradient (III) come from, and with which surrogate.

    Attributes
    ----------
    path, curvature, outer : str
        "exact", "batch" or "large"; path and curvature also "ring".
    surrogate : str
        On fresh rollouts (`adapters.surrogates`); the ring's is `off_policy_dice`.
    separate : bool
        Draw fresh rollouts for the curvature, though the path has the same source.
    fresh_baseline : bool
        Whether fresh inner rollouts use the baseline.
    look_ahead : bool
        False for learners that ignore the other's learning.
    spread : float
        Standard deviation of the start θ⁰ ~ N(0, spread²).
    """

    path: str = "batch"
    curvature: str = "batch"
    outer: str = "batch"
    surrogate: str = "dice"
    separate: bool = False
    fresh_baseline: bool = True
    look_ahead: bool = True
    spread: float = 0.0

    def __post_init__(self) -> None:
        for name in ("path", "curvature", "outer"):
            known = SOURCES[:-1] if name == "outer" else SOURCES
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, received {getattr(self, name)!r}"
                )
        if self.surrogate not in SURROGATES:
            raise ValueError(
                f"surrogate must be one of {', '.join(SURROGATES)}, received {self.surrogate!r}; "
                "off_policy_dice is that of a ring"
            )
        if _checks.one_number(self.spread, "spread") < 0:
            raise ValueError(f"spread must not be negative, received {self.spread}")


#: All settings by name.
SETTINGS: dict[str, Sources] = {
    "batch/batch": Sources(),
    "large/batch": Sources("large", "large"),
    "exact/batch": Sources("exact", "exact"),
    "exact/exact": Sources("exact", "exact", "exact"),
    "separate": Sources(separate=True),
    "curvature-large": Sources(curvature="large"),
    "curvature-exact": Sources(curvature="exact"),
    "path-large": Sources(path="large"),
    "path-exact": Sources(path="exact"),
    "off-both": Sources("ring", "ring"),
    "off-path": Sources(path="ring"),
    "off-curvature": Sources(curvature="ring"),
    "off-path-released": Sources(path="ring", fresh_baseline=False),
    "off-curvature-released": Sources(curvature="ring", fresh_baseline=False),
    "ad": Sources(surrogate="ad"),
    "lvc": Sources(surrogate="lvc"),
    "loaded_dice": Sources(surrogate="loaded_dice"),
    "naive": Sources(look_ahead=False),
    "naive-exact": Sources("exact", "exact", "exact", look_ahead=False),
    "exact-spread": Sources("exact", "exact", "exact", spread=0.1),
}
#: The panels of Figure 9, and what is beyond it.
PANELS: dict[str, tuple[str, ...]] = {
    "a": ("batch/batch", "large/batch", "exact/batch", "exact/exact"),
    "b": ("separate", "curvature-large", "curvature-exact"),
    "c": ("separate", "path-large", "path-exact"),
    "d": ("batch/batch", "separate", "off-both", "off-path", "off-curvature"),
    "released": ("off-both", "off-path-released", "off-curvature-released"),
    "surrogates": ("batch/batch", "ad", "lvc", "loaded_dice"),
    "learners": ("exact/exact", "exact-spread", "naive", "naive-exact"),
}


@dataclass(frozen=True)
class Table3:
    """The numbers of a run; the defaults are the paper's.

    Attributes
    ----------
    outer_rate, inner_rate, value_rate : float
        Steps of Adam on θ, of the anticipated gradient ascent, and of Adam on the baseline.
    gamma : float
        γ in [0, 1).
    updates, rollout, lookahead : int
        Meta-updates, length T of a rollout, and steps K of the other that are anticipated.
    ring, batch, large : int
        Rollouts in the ring, in a batch and in a large batch.
    target : str
        What the baseline is fitted to: the "reward" of the step, or the "return" from there.

    Raises
    ------
    ValueError, TypeError
        If a number is out of its range, or the ring no whole number of batches.
    """

    outer_rate: float = 0.1
    inner_rate: float = 0.3
    gamma: float = 0.96
    updates: int = 500
    rollout: int = 100
    lookahead: int = 1
    value_rate: float = 0.1
    ring: int = 1024
    batch: int = 128
    large: int = 1024
    target: str = "reward"

    def __post_init__(self) -> None:
        for name in ("outer_rate", "inner_rate", "value_rate"):
            if _checks.one_number(getattr(self, name), name) <= 0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        if not 0 <= _checks.one_number(self.gamma, "gamma") < 1:
            raise ValueError(f"gamma must lie in [0, 1), received {self.gamma}")
        for name in ("updates", "rollout", "lookahead", "ring", "batch", "large"):
            _checks.positive_integer(getattr(self, name), name)
        check_ring(self.ring, self.batch)
        if self.target not in TARGETS:
            raise ValueError(f"target must be reward or return, received {self.target!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Table3:
        """Take the numbers out of a mapping that may hold others."""
        return cls(**{one.name: settings[one.name] for one in fields(cls) if one.name in settings})

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        return asdict(self)


def check_ring(size: int, batch: int) -> None:
    """Raise a ValueError unless a whole number of batches fills the ring."""
    if size % batch:
        raise ValueError(
            f"the ring must hold a whole number of batches, received ring = {size} and batch = "
            f"{batch}; give a multiple of {batch}"
        )


def find_setting(name: Any) -> Sources:
    """Return the setting of this name, or raise a ValueError that lists the known ones."""
    if not isinstance(name, str) or name not in SETTINGS:
        raise ValueError(f"unknown setting {name!r}; choose from {', '.join(SETTINGS)}")
    return SETTINGS[name]
