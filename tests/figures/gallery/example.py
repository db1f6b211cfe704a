"""A small gallery: claims of all verdicts, one of two figures, and one of a figure not here."""

from io import BytesIO

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from figures.claims.claim import Claim, Comparison
from figures.gallery.entry import Entry, Subject
from figures.gallery.page import render
from figures.save import FORMATS, STYLE


def svg() -> bytes:
    stream, x = BytesIO(), np.linspace(0.2, 2, 7)
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(6.4, 3.0))
        for axis, title in zip(
            figure.subplots(1, 2), ("1 inner step", "3 inner steps"), strict=True
        ):
            for label, scale in (("AD", 1.0), ("LVC", 0.5), ("DiCE", 2.0)):
                axis.plot(x, scale / x, "o-", label=label)
            axis.set(xlabel="trajectories / 100", ylabel="variance", title=title)
        axis.legend()
        figure.savefig(stream, format="svg", metadata=FORMATS["svg"])
    return stream.getvalue()


SVG = svg()


BIAS = Claim(
    "Section 5.1, p. 8",
    "LVC corrects the Hessian estimation error better than AD does",
    ("fig5",),
    "Mean over 10 MDPs of the difference of the cosine similarities with the exact meta-gradient, "
    "LVC − AD, at each number of samples.",
    (
        Comparison("N = 32: LVC − AD", 0.213, 0.102, 0.324, wins="10 of 10"),
        Comparison("N = 256: LVC − AD", 0.187, 0.061, 0.313, wins="9 of 10"),
    ),
    "LVC is closer in every MDP but one.",
    "AD's Hessian lacks the term of the score products: E of its error is −∇π∇πᵀ/π.",
)
VARIANCE = Claim(
    "Section 5.1, p. 9",
    "DiCE has the same variance as LVC",
    ("fig6", "fig5"),
    "Exact variances of both, within a margin of 5 per cent.",
    (Comparison("DiCE − LVC", 1.25, 0.9, 1.6, margin=0.05, wins="10 of 10"),),
    "DiCE scatters more than twice as much.",
)
SAMPLES = Claim(
    "Section 5.2, p. 9",
    "More inner steps make the compositional bias larger",
    ("fig6",),
    "Mean over 10 MDPs of the bias with three steps minus that with one.",
    (
        Comparison("3 steps − 1 step", 0.012, -0.031, 0.055, wins="6 of 10"),
        Comparison("5 steps − 3 steps", -0.0004, -0.04, 0.039, wins="5 of 10"),
    ),
    "The intervals hold zero.",
)
LOST = Claim("Appendix H", "Off-policy correction helps", ("fig9",), "As above.", ())


def entry(name: str, title: str, claims: tuple[Claim, ...]) -> Entry:
    return Entry(
        name=name,
        title=title,
        caption="Ten random MDPs with 20 states and 5 actions, softmax policies, horizon 20. "
        "Points are means over MDPs, bars one standard error; lines without points are exact.",
        svg=SVG,
        alt="Two panels of falling lines: variance against the number of trajectories.",
        downloads={f"{name}.nc": b"\x89HDF" + bytes(9000), f"{name}.csv": b"n,variance\n4,0.25\n"},
        settings={"MDPs": "10", "discount γ": "0.8", "inner step size α": "0.1 and 0.5"},
        claims=claims,
        seconds=754.2,
    )


def entries() -> list[Entry]:
    return [
        entry("fig5", "Bias of the Hessian estimators", (BIAS, VARIANCE)),
        entry("fig6", "Variance and the number of samples", (VARIANCE, SAMPLES)),
        entry("fig7", "Step sizes", (LOST,)),
    ]


RUN = {
    "subject": Subject("Tabular figures, recomputed", "The tabular figures", "recomputed"),
    "profile": "quick",
    "seed": 0,
    "versions": {"gmrl": "0.1.0", "Python": "3.11.2", "NumPy": "2.4.0", "SciPy": "1.17.0"},
    "command": "gmrl figures --profile quick --seed 0 --output gallery --workers 2 --resume",
    "wall_seconds": 912.0,
    "cores": 2,
}


def page(**changes) -> str:
    return render(**({"entries": entries()} | RUN | changes))
