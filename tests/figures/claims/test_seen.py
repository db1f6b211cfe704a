"""What is put into words besides the verdicts."""

import pytest

from figures.claims.seen import gaps
from tests.figures.claims import made

#: LVC behind AD at the first N, ahead at the last.
TURNS = {("ad", 0): 0.5, ("lvc", 0): 0.3, ("ad", 1): 0.5, ("lvc", 1): 0.9}
PAIRS = {"LVC − AD": (("lvc", "ESE"), ("ad", "ESE"))}


def data(**options):
    return made.decomposition("fig5", **options)


def test_a_change_of_sign_is_told():
    differences, text = gaps(data(accuracy=lambda e, p, k: TURNS.get((e, k), 0.5)), PAIRS)
    assert differences["LVC − AD"].mean() == pytest.approx(0.1)
    assert text == " The sign changes from N = 2 to 256: LVC − AD from −0.20 to +0.40."


@pytest.mark.parametrize(
    "options",
    [
        {"accuracy": lambda e, p, k: 0.9 if e == "lvc" else 0.5},  # ahead at both
        {"accuracy": lambda e, p, k: TURNS.get((e, k), 0.5), "noise": made.LOUD},
        {"accuracy": lambda e, p, k: 0.5},
    ],
)
def test_nothing_is_told_without_one_that_is_certain(options):
    assert gaps(data(**options), PAIRS)[1] == ""
