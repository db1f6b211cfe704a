"""One colour, marker and label for each estimator, everywhere (Okabe and Ito's safe palette)."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """How an estimator is drawn."""

    label: str
    color: str
    marker: str
    dash: tuple[float, ...]


ESTIMATOR_LOOKS = {
    "ad": Look("AD", "#D55E00", "o", ()),
    "lvc": Look("LVC", "#0072B2", "s", (6, 1.5)),
    "loaded_dice": Look("Loaded-DiCE", "#009E73", "^", (3, 1.5)),
    "dice": Look("DiCE", "#CC79A7", "D", (1.2, 1.2)),
}
