"""Figure 9 and I.2: what the paper says of LOLA-DiCE, over runs.

Runs of the same number have the same stream of random numbers in every setting, and are compared in
pairs; the value a step is that after the last update, an accuracy the mean over all updates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from figures.claims.claim import Claim
from figures.claims.intervals import comparisons
from figures.claims.ipd_numbers import Figure9
from figures.claims.seen import A_LOT, COMPARABLE, signed, summary
from tabular.transitions import Array

#: A gain of value a step is "limited" below this: a twentieth of the way from −2 to −1.
LIMITED = 0.05
#: Value a step that both players have when both cooperate, less a tenth: "social welfare".
WELFARE = -1.1
#: What the paper reads off its figure: accuracies of the estimated and of the exact inner loop.
ACCURACY_READ, EXACT_READ = 0.7, 1.0
#: What an accuracy of a run is.
OWN_TRAINING = "Each accuracy is that along the training that it led to."
#: Runs that spread by this much a step are "highly sensitive to random seeds".
SENSITIVE = 0.1


class Entry(NamedTuple):
    """One sentence: where and what it says, how it is tested, and on which settings."""

    place: str
    sentence: str
    test: str
    positive: Mapping[str, Array]
    equal: Mapping[str, Array] = {}
    margin: float = 0.0
    why: str = ""


def claims(data: xr.Dataset, frozen: xr.Dataset | None = None) -> list[Claim]:
    """One entry for each sentence whose settings were run.

    Parameters
    ----------
    data : Dataset
        Of `fig9`.
    frozen : Dataset, optional
        Of `fig9-frozen`: what estimates do at the same parameters is told beside.
    """
    figure9 = Figure9(data, frozen)
    found = []
    for make in (_caption, _settings, _correlation, _inner_outer, _bias_and_variance, _off_policy):
        try:
            entries = list(make(figure9))
        except KeyError:  # a setting that was not run
            continue
        found += [_claim(entry) for entry in entries]
    return found


def _claim(entry: Entry) -> Claim:
    compared = comparisons(entry.positive, equal=entry.equal, margin=entry.margin)
    return Claim(
        entry.place, entry.sentence, ("fig9",), entry.test, compared, summary(compared), entry.why
    )


def _caption(f: Figure9) -> Iterator[Entry]:
    reached = ", ".join(map(f.reached, ("batch/batch", "large/batch", "exact/batch")))
    yield Entry(
        "Fig. 9 (a)",
        "Poor inner-loop estimation can fail the LOLA-DiCE algorithm.",
        "Value of a larger or exact inner loop minus that of 128 rollouts; and −1.1 minus the "
        "latter's.",
        {
            **{f"{name} − batch/batch": f.gain(name, "batch/batch") for name in LARGER},
            "−1.1 − batch/batch": WELFARE - f.value("batch/batch"),
        },
        why=f"Runs that reach cooperation: {reached}.",
    )
    by_curvature, by_path = (
        {size: f.gain(f"{which}-{size}", "separate") for size in SIZES}
        for which in ("curvature", "path")
    )
    yield Entry(
        "Fig. 9 (b); I.2.2, ¶2, sentence 3",
        "Hessian estimation variance is the main problem in LOLA-DiCE.",
        "Gain of value by a better curvature alone, and that gain minus the one by a better path.",
        {
            **{f"curvature-{size} − separate": by_curvature[size] for size in SIZES},
            **{f"{size}: curvature − path": by_curvature[size] - by_path[size] for size in SIZES},
        },
        why=f.frozen_mean("spread", "separate", "curvature-exact", "path-exact").strip(),
    )
    yield Entry(
        "Fig. 9 (c)",
        "The correction of compositional bias also helps increase the average return.",
        "Gain of value by a better path alone.",
        {f"path-{size} − separate": by_path[size] for size in SIZES},
    )


#: Inner loops better than a batch; sizes of a better path or curvature.
LARGER, SIZES = ("large/batch", "exact/batch"), ("large", "exact")


def _settings(f: Figure9) -> Iterator[Entry]:
    yield Entry(
        "I.2.1",
        "By LOLA-DiCE both agents can reach social welfare: (−1, −1).",
        "Value a step with exact gradients, above −1.1.",
        {"exact/exact + 1.1": f.value("exact/exact") - WELFARE},
        why=f"From a start that is the same for both. {_apart(f)}",
    )
    values = f.value("batch/batch")
    yield Entry(
        "I.2.1",
        "The performance is highly sensitive to different random seeds.",
        f"Mean distance of a run's value from the mean of all, above {SENSITIVE}, with 128 "
        "rollouts.",
        {"distance − 0.1": np.abs(values - values.mean()) - SENSITIVE},
        why=f"Values from {signed(values.min(), '.2f')} to {signed(values.max(), '.2f')} a step.",
    )


def _apart(f: Figure9) -> str:
    try:
        return f"With starts N(0, 0.1²) not every exact run does: {f.reached('exact-spread')}."
    except KeyError:
        return ""


def _correlation(f: Figure9) -> Iterator[Entry]:
    names = ("ad", "lvc")
    yield Entry(
        "I.2.2, ¶1, sentence 2",
        "Higher correlation does not guarantee higher return.",
        "A case of it beyond the paper's: accuracy of AD and of LVC with the exact outer gradient "
        "minus that of DiCE; and DiCE's value minus theirs.",
        {
            **{f"accuracy: {name} − batch/batch": f.lift(name, "batch/batch") for name in names},
            **{f"value: batch/batch − {name}": f.gain("batch/batch", name) for name in names},
        },
        why=OWN_TRAINING + f.frozen_mean("bias", *names, "naive"),
    )


def _inner_outer(f: Figure9) -> Iterator[Entry]:
    gain = {name: f.gain("exact/batch", name) for name in ("large/batch", "batch/batch")}
    yield Entry(
        "I.2.2, ¶1, sentence 3",
        "The exact inner loop lifts the correlation from 0.7 to 1.0.",
        "Accuracy with the exact outer gradient: that of 1024 inner rollouts minus 0.7, and of the "
        "exact inner loop minus 1, both within a tenth; the lift is above 0.2.",
        {"lift − 0.2": f.lift("exact/batch", "large/batch") - A_LOT},
        {
            "large/batch − 0.7": f.inner("large/batch") - ACCURACY_READ,
            "exact/batch − 1": f.inner("exact/batch") - EXACT_READ,
        },
        0.1,
    )
    yield Entry(
        "I.2.2, ¶1, sentence 3",
        "... but has limited improvement on the return.",
        f"Value of the exact inner loop minus that of 1024 inner rollouts: below {LIMITED} a step, "
        "and below the gain of those over 128.",
        {
            f"{LIMITED} − gain": LIMITED - gain["large/batch"],
            "gain of 1024 over 128 − gain": f.gain("large/batch", "batch/batch")
            - gain["large/batch"],
        },
    )
    yield Entry(
        "I.2.2, ¶1, sentence 4",
        "The outer-loop gradient estimation becomes the main issue when the inner one is really "
        "well.",
        "Gain of value by the exact outer gradient, after the exact inner loop, minus the gain by "
        "the exact inner loop.",
        {
            "outer − inner": f.gain("exact/exact", "exact/batch") - gain["large/batch"],
        },
    )


def _bias_and_variance(f: Figure9) -> Iterator[Entry]:
    lift = {f"path-{size} − separate": f.lift(f"path-{size}", "separate") for size in SIZES}
    gain = f.gain("path-exact", "separate")
    yield Entry(
        "I.2.2, ¶2, sentence 2",
        "The gradient correlation of the three settings of (c) is comparable.",
        "Accuracy of a better path alone minus that without, with the exact outer gradient, within "
        f"{COMPARABLE}.",
        {},
        lift,
        COMPARABLE,
        why=OWN_TRAINING,
    )
    exact = "path-exact − separate"
    yield Entry(
        "I.2.2, ¶2, sentence 4",
        "Correcting compositional bias gains return, but hardly correlation, because the Hessian "
        "variance is still large.",
        "An exact path: gain of value; lift of accuracy with the exact outer gradient, within "
        f"{COMPARABLE}; and the lift where the curvature is exact, too, minus that lift.",
        {
            f"value: {exact}": gain,
            "lift, curvature exact − lift": f.lift("exact/batch", "curvature-exact") - lift[exact],
        },
        {f"accuracy: {exact}": lift[exact]},
        COMPARABLE,
    )


#: Rings for both, for the path only, for the curvature only, with what each is compared to: in
#: `off-both` path and curvature share their rollouts, in the others they do not.
OFF = {"off-both": "batch/batch", "off-path": "separate", "off-curvature": "separate"}


def _off_policy(f: Figure9) -> Iterator[Entry]:
    lift = {name: f.lift(name, base) for name, base in OFF.items()}
    gain = {name: f.gain(name, base) for name, base in OFF.items()}
    label = {name: f"{name} − {base}" for name, base in OFF.items()}
    yield Entry(
        "Fig. 9 (d)",
        "Off-policy correction can decrease both compositional bias and Hessian variance.",
        "Accuracy with the exact outer gradient of a ring for both, for the path and for the "
        "curvature, minus that of the same with batches.",
        {label[name]: lift[name] for name in OFF},
        why=OWN_TRAINING + f.frozen_mean("spread", *BASES, *OFF),
    )
    yield Entry(
        "Fig. 9 (d)",
        "... which largely increases the final return.",
        "Value of a ring for both minus that of a batch for both; and that gain minus the gain by "
        "a ring for one only.",
        {
            label["off-both"]: gain["off-both"],
            "both − path": gain["off-both"] - gain["off-path"],
            "both − curvature": gain["off-both"] - gain["off-curvature"],
        },
        why=f"Runs that reach cooperation: {', '.join(map(f.reached, (*BASES, *OFF)))}.",
    )
    yield Entry(
        "I.2.2, ¶3, sentence 1",
        "The correlation gain of an off-policy path with an on-policy Hessian is limited.",
        f"Its accuracy minus that of batches for both, within {COMPARABLE}.",
        {},
        {label["off-path"]: lift["off-path"]},
        COMPARABLE,
    )
    yield Entry(
        "I.2.2, ¶3, sentence 2",
        "But the performance gain verifies the bonus of correcting compositional bias.",
        "Value of a ring for the path minus that of batches for both.",
        {label["off-path"]: gain["off-path"]},
    )


#: What rings are compared to.
BASES = ("batch/batch", "separate")
